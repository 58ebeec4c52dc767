"""The rate limit of one address."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.wire.rate import Buckets


def test_a_burst_passes_and_then_the_long_run_rate_holds() -> None:
    buckets = Buckets(per_minute=60, burst=3)
    assert [buckets.take("192.0.2.1", 0.0) for _ in range(3)] == [None] * 3
    assert buckets.take("192.0.2.1", 0.0) == timedelta(seconds=1)
    assert buckets.take("192.0.2.1", 1.0) is None
    assert buckets.take("192.0.2.1", 1.0) is not None


def test_asking_while_empty_does_not_lengthen_the_wait() -> None:
    buckets = Buckets(per_minute=60, burst=1)
    buckets.take("192.0.2.1", 0.0)
    for _ in range(50):
        assert buckets.take("192.0.2.1", 0.5) is not None
    assert buckets.take("192.0.2.1", 1.0) is None


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("", "", True),
    ],
)
def test_one_household_is_one_address(one: str, other: str, together: bool) -> None:
    buckets = Buckets(per_minute=1, burst=1)
    buckets.take(one, 0.0)
    assert (buckets.take(other, 0.0) is not None) is together


def test_memory_stays_bounded_whatever_addresses_come() -> None:
    buckets = Buckets(per_minute=1, burst=1, most=100)
    for n in range(1_000):
        buckets.take(f"198.51.{n // 250}.{n % 250}", 0.0)
    assert len(buckets) == 100


def test_a_monotonic_clock_that_seems_to_go_back_gives_nothing_away() -> None:
    buckets = Buckets(per_minute=60, burst=1)
    buckets.take("192.0.2.1", 100.0)
    assert buckets.take("192.0.2.1", 0.0) is not None
