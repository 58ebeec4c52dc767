"""Deadlines in the office's own time, with the Chinese holidays of 2026 and what else a calendar may do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router import calendars
from router.hours import Span, WorktimeSettings
from router.worktime import NoWorkingDay, Worktime

SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE: dict[str, Any] = {
    "timezone": "Asia/Shanghai",
    "country": "CN",
    "hours": {
        day: ["09:00-12:00", "13:30-18:00"]
        for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
    },
}


def worktime(**changes: Any) -> Worktime:
    return Worktime(WorktimeSettings.model_validate({**OFFICE, **changes}))


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("start", "span", "due"),
    [
        # Monday to Tuesday, at the same time of day.
        ("2026-11-23 10:00", "1 working day", "2026-11-24 10:00"),
        # Friday over the weekend.
        ("2026-11-27 17:00", "1 working day", "2026-11-30 17:00"),
        # What comes on Sunday counts from Monday's opening.
        ("2026-11-29 20:00", "1 working day", "2026-12-01 09:00"),
        # In the break: from its end.
        ("2026-11-24 12:30", "2 working days", "2026-11-26 13:30"),
        # The Spring Festival: 15 to 23 February are free, Saturday the 14th and the 28th are worked.
        ("2026-02-13 11:00", "1 working day", "2026-02-14 11:00"),
        ("2026-02-14 11:00", "1 working day", "2026-02-24 11:00"),
        ("2026-02-27 11:00", "1 working day", "2026-02-28 11:00"),
        ("2026-02-28 11:00", "1 working day", "2026-03-02 11:00"),
        # The National Day: 1 to 7 October; Saturday the 10th is worked.
        ("2026-09-30 16:00", "2 working days", "2026-10-09 16:00"),
        ("2026-10-09 16:00", "1 working day", "2026-10-10 16:00"),
        # Hours of work run over breaks, nights and holidays.
        ("2026-11-24 11:00", "2 working hours", "2026-11-24 14:30"),
        ("2026-11-27 17:00", "2 working hours", "2026-11-30 10:00"),
        ("2026-02-14 17:00", "8 working hours", "2026-02-24 17:30"),
        # Weeks go through the calendar and end within working time.
        ("2026-11-24 10:00", "1 week", "2026-12-01 10:00"),
        ("2026-09-24 10:00", "1 week", "2026-10-08 09:00"),
        ("2026-11-24 20:00", "2 weeks", "2026-12-09 09:00"),
        ("2026-11-24 20:00", "3 hours", "2026-11-24 23:00"),
    ],
)
def test_deadlines(start: str, span: str, due: str) -> None:
    assert worktime().deadline(at(start), Span.of(span)).astimezone(SHANGHAI) == at(due)


def test_the_clock_stands_still_while_the_customer_is_waited_for() -> None:
    office, start = worktime(), at("2026-11-23 10:00")
    pauses = [(at("2026-11-23 15:00"), at("2026-11-25 15:00"))]
    assert office.deadline(start, Span.of("1 working day"), pauses) == at("2026-11-26 10:00")
    # A pause after the deadline changes nothing, nor does one over a weekend cost a working day.
    late = [(at("2026-11-25 15:00"), at("2026-11-26 15:00"))]
    assert office.deadline(start, Span.of("1 working day"), late) == at("2026-11-24 10:00")
    weekend = [(at("2026-11-27 18:00"), at("2026-11-30 09:00"))]
    friday = at("2026-11-27 10:00")
    assert office.deadline(friday, Span.of("1 working day"), weekend) == at("2026-11-30 10:00")
    # Weeks stand still in calendar time.
    assert office.deadline(start, Span.of("1 week"), pauses) == at("2026-12-02 10:00")


def test_what_is_left_and_what_is_over() -> None:
    office = worktime()
    assert office.between(at("2026-11-24 11:00"), at("2026-11-24 14:30")) == timedelta(hours=2)
    assert office.between(at("2026-11-24 14:30"), at("2026-11-24 11:00")) == -timedelta(hours=2)
    assert office.between(at("2026-02-14 09:00"), at("2026-02-24 18:00")) == timedelta(hours=15)
    assert office.working_days(date(2026, 1, 1), date(2026, 12, 31)) == 248
    assert office.is_open(at("2026-02-28 10:00")) and not office.is_open(at("2026-02-28 12:30"))


def test_a_year_that_is_not_published_counts_by_weekdays_and_is_said() -> None:
    office, start = worktime(), at("2031-09-30 10:00")
    assert office.unpublished(at("2026-12-30 10:00"), start)[-1] == 2031
    assert office.deadline(start, Span.of("1 working day")) == at("2031-10-01 10:00")
    assert worktime(country="DE").unpublished(at("2026-12-30 10:00"), start) == []


def test_other_countries_and_the_offices_own_days() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    office = worktime(timezone="Europe/Berlin", country="DE-BY", closed=["2026-12-28..2026-12-31"])
    due = office.deadline(at("2026-12-23 10:00", berlin), Span.of("2 working days"))
    # 24 December is an ordinary day; Christmas, the closing days, New Year and Epiphany (Bavaria) are not.
    assert due.astimezone(berlin) == at("2027-01-04 10:00", berlin)
    assert office.hours(date(2027, 1, 6)) == ()
    odd = worktime(open={"2026-10-03": ["10:00-14:00"]})
    assert odd.hours(date(2026, 10, 3)) == ((600, 840),)
    assert worktime(made_up=["09:00-12:00"]).hours(date(2026, 10, 10)) == ((540, 720),)
    # An office that works on Saturdays has its Saturdays, and loses those of a holiday.
    saturdays = worktime(hours={**OFFICE["hours"], "saturday": ["09:00-12:00"]})
    assert saturdays.hours(date(2026, 11, 28)) == ((540, 720),) and saturdays.hours(date(2026, 10, 3)) == ()


def test_hours_that_a_change_of_the_clock_swallows() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    night = worktime(
        timezone="Europe/Berlin",
        country=None,
        hours={day: ["00:00-24:00"] for day in ("saturday", "sunday", "monday")},
    )
    # 29 March 2026 has 23 hours, 25 October 25.
    assert night.between(at("2026-03-29 00:00", berlin), at("2026-03-30 00:00", berlin)) == timedelta(
        hours=23
    )
    assert night.between(at("2026-10-25 00:00", berlin), at("2026-10-26 00:00", berlin)) == timedelta(
        hours=25
    )
    swallowed = worktime(timezone="Europe/Berlin", country=None, open={"2026-03-29": ["02:00-03:00"]})
    assert not swallowed.between(at("2026-03-29 00:00", berlin), at("2026-03-30 00:00", berlin))


def test_a_calendar_that_never_opens_again_is_told_at_the_deadline() -> None:
    never = worktime(closed=["2026-01-01..2040-12-31"])
    for question in (
        lambda: never.opening(at("2026-11-24 10:00")),
        lambda: never.forward(at("2026-11-24 10:00"), timedelta(hours=1)),
        lambda: never.deadline(at("2026-11-24 10:00"), Span.of("1 working day")),
    ):
        with pytest.raises(NoWorkingDay, match="worktime"):
            question()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hours": {"monday": []}}, "no weekday has any"),
        ({"hours": {"monday": ["9-12"]}}, "09:00-12:00"),
        ({"hours": {"monday": ["18:00-09:00"]}}, "end after they begin"),
        ({"hours": {"monday": ["09:00-12:00", "11:00-18:00"]}}, "without overlapping"),
        ({"hours": {"mon": ["09:00-12:00"]}}, "monday"),
        ({"timezone": "Mars/Olympus"}, "IANA"),
        ({"country": "XX"}, "XX"),
        ({"country": "china"}, "pattern"),
        ({"closed": ["24.12.2026"]}, "2026-12-24"),
        ({"closed": ["2026-12-31..2026-12-24"]}, "before the first"),
    ],
)
def test_what_is_written_wrong_is_told(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        WorktimeSettings.model_validate({**OFFICE, **changes})


@pytest.mark.parametrize("text", ["", "1", "1 fortnight", "-1 working day", "1.5 hours", 3, None])
def test_spans_that_are_none(text: Any) -> None:
    with pytest.raises(ValueError, match="working days"):
        Span.of(text)


def test_settings_are_shown_as_they_are_written() -> None:
    settings = WorktimeSettings.model_validate({**OFFICE, "closed": ["2026-12-24", "2026-12-28..2026-12-31"]})
    shown = settings.model_dump(mode="json")
    assert shown["hours"]["monday"] == ["09:00-12:00", "13:30-18:00"]
    assert shown["closed"] == ["2026-12-24", "2026-12-28..2026-12-31"]
    assert WorktimeSettings.model_validate(shown) == settings
    assert str(Span.of("2 weeks")) == "2 weeks" and str(Span.of("1 working day")) == "1 working day"


MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31)).map(lambda one: one.replace(tzinfo=UTC))


@given(MOMENTS, st.integers(0, 200), st.integers(0, 200))
def test_time_that_has_passed_is_time_that_is_counted(start: datetime, first: int, more: int) -> None:
    office = _OFFICE
    due = office.forward(start, timedelta(minutes=first * 7))
    assert office.between(start, due) == timedelta(minutes=first * 7)
    later = office.forward(due, timedelta(minutes=more * 7))
    assert later == office.forward(start, timedelta(minutes=(first + more) * 7)) or not more


@given(MOMENTS, MOMENTS, st.sampled_from(["1 working day", "3 working days", "5 working hours", "1 week"]))
def test_who_comes_later_is_never_due_earlier(one: datetime, other: datetime, span: str) -> None:
    one, other = sorted((one, other))
    assert _OFFICE.deadline(one, Span.of(span)) <= _OFFICE.deadline(other, Span.of(span))
    assert _OFFICE.deadline(one, Span.of(span)) >= one


_OFFICE = worktime()


def test_a_country_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="ZZ"):
        calendars.calendar("ZZ")
