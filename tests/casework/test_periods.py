"""Periods of reports, as they are written and as they lie to one another."""

from __future__ import annotations

from datetime import date

import pytest

from casework.periods import Period


@pytest.mark.parametrize(
    ("written", "first", "last"),
    [
        ("2026-10", date(2026, 10, 1), date(2026, 10, 31)),
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2026-q3", date(2026, 7, 1), date(2026, 9, 30)),
        ("2026-Q4", date(2026, 10, 1), date(2026, 12, 31)),
        (" 2024 ", date(2024, 1, 1), date(2024, 12, 31)),
    ],
)
def test_a_period_has_whole_months(written: str, first: date, last: date) -> None:
    period = Period.of(written)
    assert (period.first, period.last) == (first, last)
    assert Period.of(str(period)) == period


@pytest.mark.parametrize("written", ["", "2026-13", "2026-Q5", "26-10", "2026-10-01", "9999", "0000", "last"])
def test_what_is_no_period_is_told_how_it_is_written(written: str) -> None:
    with pytest.raises(ValueError, match="2026-10, a quarter as 2026-Q3"):
        Period.of(written)


def test_a_trend_ends_with_the_period_and_shows_that_of_the_year_before() -> None:
    months = Period.of("2026-03").trend()
    assert (str(months[0]), str(months[-1]), len(months)) == ("2025-03", "2026-03", 13)
    assert str(Period.of("2026-Q1").trend()[0]) == "2024-Q1"
    assert str(Period.of("2026").moved(-2)) == "2024"
    assert [str(one) for one in Period.of("2026").trend()][::11] == ["2026-01", "2026-12"]
    assert str(Period.around(date(2026, 11, 27), "quarter")) == "2026-Q4"
    assert Period.of("2026-Q4").has("2026-12") and not Period.of("2026-Q4").has("2027-01")
