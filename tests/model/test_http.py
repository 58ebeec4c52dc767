"""What HTTP statuses mean: every one has one meaning, the same for replies and hand-overs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from model import http
from model.failures import PAUSING, PermanentFailure, Reason, TemporaryFailure, Uncertain

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_taken(status: int) -> None:
    assert http.failure_for(status, {}, NOW) is None


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (301, TemporaryFailure, Reason.CONFIG),
        (400, PermanentFailure, Reason.REQUEST),
        (401, TemporaryFailure, Reason.AUTH),
        (403, TemporaryFailure, Reason.AUTH),
        (404, TemporaryFailure, Reason.CONFIG),
        (405, TemporaryFailure, Reason.CONFIG),
        (408, TemporaryFailure, Reason.TIMEOUT),
        (409, TemporaryFailure, Reason.SERVER),
        (410, TemporaryFailure, Reason.CONFIG),
        (413, PermanentFailure, Reason.REQUEST),
        (422, PermanentFailure, Reason.REQUEST),
        (425, TemporaryFailure, Reason.THROTTLED),
        (429, TemporaryFailure, Reason.THROTTLED),
        (500, TemporaryFailure, Reason.SERVER),
        (503, TemporaryFailure, Reason.SERVER),
        (599, TemporaryFailure, Reason.SERVER),
    ],
)
def test_other_statuses_have_one_failure_each(
    status: int, kind: type[TemporaryFailure | PermanentFailure], reason: Reason
) -> None:
    failure = http.failure_for(status, {}, NOW)
    assert isinstance(failure, kind)
    assert failure.reason is reason
    assert str(status) in str(failure)


def test_a_proxy_that_got_no_answer_leaves_us_uncertain() -> None:
    assert isinstance(http.failure_for(504, {}, NOW), Uncertain)


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_address_that_one_message_chose_never_stops_the_channel(status: int) -> None:
    failure = http.failure_for(status, {}, NOW, address_from_data=True)
    assert isinstance(failure, PermanentFailure)
    assert failure.reason not in PAUSING


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta()),
        ("999999999", timedelta(days=1)),
        ("Sun, 22 Nov 2026 00:01:00 GMT", timedelta(minutes=1)),
        ("Sun, 22 Nov 2026 00:01:00", timedelta(minutes=1)),
        ("Sat, 21 Nov 2026 00:00:00 GMT", timedelta()),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("9" * 400, None),
        ("Sun, 99 Nov 99999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date_and_is_bounded(
    value: str, wait: timedelta | None
) -> None:
    failure = http.failure_for(429, {"retry-after": value}, NOW)
    assert isinstance(failure, TemporaryFailure)
    assert failure.retry_after == wait


def test_a_header_value_cannot_bring_a_header_of_its_own() -> None:
    assert http.header_value("a\r\nBcc: x\x00\x7f") == "a Bcc: x"


def test_a_probe_is_content_with_any_answer_but_refused_credentials_and_errors() -> None:
    assert [http.health_for(status).ok for status in (200, 404, 405)] == [True] * 3
    assert [http.health_for(status).ok for status in (401, 403, 500, 503)] == [False] * 4
    assert http.health_for(401).repair
