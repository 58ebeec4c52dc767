"""The working-day calendar: deadlines that count the office's own hours, and what is left of them.

A working day is a day on which the office has hours: the weekday's, unless it is a public holiday, a closing day of
the office's own, or a day made up for a holiday. All moments that come in and go out are aware; days and hours are
those of the office's time zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from router import calendars
from router.hours import WEEKDAYS, Hours, Span, WorktimeSettings

#: How far a calendar is searched for its next working day, days: no office is closed for longer.
_HORIZON = 400


class NoWorkingDay(ValueError):
    """The calendar has no working day within a year."""


class Worktime:
    """Counts in the office's working time."""

    def __init__(self, settings: WorktimeSettings) -> None:
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        self._calendar = calendars.calendar(settings.country)
        self._weekly = [tuple(settings.hours.get(name, ())) for name in WEEKDAYS]
        self._made_up = (
            tuple(settings.made_up)
            if settings.made_up is not None
            else next(hours for hours in self._weekly if hours)
        )
        # One office's days are asked for again and again, a year of them at most.
        self._periods = lru_cache(maxsize=2048)(self._periods_of)

    @property
    def zone(self) -> ZoneInfo:
        """The office's time zone."""
        return self._zone

    # ---- days

    def hours(self, day: date) -> tuple[Hours, ...]:
        """The office's hours on a day, in minutes after midnight; empty when it is free."""
        if (own := self._settings.open.get(day)) is not None:
            return tuple(own)
        if any(first <= day <= last for first, last in self._settings.closed):
            return ()
        law = self._calendar.day(day)
        if law.holiday is not None:
            return ()
        weekly = self._weekly[day.weekday()]
        return weekly or (self._made_up if law.made_up else ())

    def unpublished(self, start: datetime, end: datetime) -> list[int]:
        """The years between two moments whose public holidays are not known yet, counted by weekdays meanwhile."""
        first, last = start.astimezone(self._zone).year, end.astimezone(self._zone).year
        return [year for year in range(first, last + 1) if not self._calendar.day(date(year, 7, 1)).published]

    def working_days(self, first: date, last: date) -> int:
        """How many working days there are from the first day to the last, both counted."""
        days = (first + timedelta(n) for n in range((last - first).days + 1))
        return sum(1 for day in days if self.hours(day))

    # ---- moments

    def is_open(self, at: datetime) -> bool:
        """Whether the office works at a moment."""
        return any(begin <= at < end for begin, end in self._periods(at.astimezone(self._zone).date()))

    def opening(self, at: datetime) -> datetime:
        """The first working moment from a moment on: itself within the office's hours.

        Raises NoWorkingDay.
        """
        for begin, end in self._from(at):
            if at < end:
                return max(at, begin)
        raise NoWorkingDay("there is no working day within a year: look at `worktime`")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The working time between two moments; negative when the second comes first."""
        if end < start:
            return -self.between(end, start)
        total, day = timedelta(), start.astimezone(self._zone).date()
        last = end.astimezone(self._zone).date()
        while day <= last:
            for begin, stop in self._periods(day):
                total += max(timedelta(), min(stop, end) - max(begin, start))
            day += timedelta(1)
        return total

    def forward(self, at: datetime, by: timedelta) -> datetime:
        """The moment at which so much working time has passed.

        Raises NoWorkingDay.
        """
        left, at = by, self.opening(at)
        while True:
            for begin, end in self._from(at):
                if at >= end:
                    continue
                room = end - max(at, begin)
                if left <= room:
                    return max(at, begin) + left
                left -= room
                at = end
            at = self.opening(at)  # past the horizon: go on from there, or say that there is no more

    # ---- deadlines

    def deadline(
        self, start: datetime, span: Span, pauses: Sequence[tuple[datetime, datetime]] = ()
    ) -> datetime:
        """When something is due that must be done within a span, with the time of closed pauses left out.

        Working days keep the time of day: what comes on Monday at 10:00 and has one working day is due on Tuesday at
        10:00; what comes while the office is closed counts from its next opening. Days and weeks run through the
        calendar and end within working time.
        """
        due = self._bare(start, span)
        working = span.unit.startswith("working")
        for begin, end in sorted(pauses):
            if begin >= due:
                break
            begin = max(begin, start)
            if working:
                due = self.forward(due, self.between(begin, end)) if end > begin else due
            else:
                due = self.opening(due + max(timedelta(), end - begin))
        return due.astimezone(UTC)

    def _bare(self, start: datetime, span: Span) -> datetime:
        match span.unit:
            case "working hour":
                return self.forward(start, timedelta(hours=span.n))
            case "working day":
                return self._days_on(start, span.n)
            case "hour":
                return start + timedelta(hours=span.n)
            case "day" | "week":
                days = span.n * (7 if span.unit == "week" else 1)
                local = start.astimezone(self._zone)
                return self.opening(local + timedelta(days))

    def _days_on(self, start: datetime, n: int) -> datetime:
        local = self.opening(start).astimezone(self._zone)
        day = local.date()
        for _ in range(n):
            day = self._next_working(day)
        periods = self._periods(day)
        wanted = datetime.combine(day, local.time(), self._zone)
        for begin, end in periods:
            if wanted <= end:
                return max(wanted, begin)
        return periods[-1][1]

    def _next_working(self, day: date) -> date:
        for n in range(1, _HORIZON):
            if self.hours(day + timedelta(n)):
                return day + timedelta(n)
        raise NoWorkingDay("there is no working day within a year: look at `worktime`")

    def _from(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        day = at.astimezone(self._zone).date()
        for n in range(_HORIZON):
            yield from self._periods(day + timedelta(n))

    def _periods_of(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """A day's hours as moments; what a change of the clock swallows is left out."""
        found = []
        for begin, end in self.hours(day):
            first, last = self._moment(day, begin), self._moment(day, end)
            if first < last:
                found.append((first, last))
        return tuple(found)

    def _moment(self, day: date, minutes: int) -> datetime:
        days, minutes = divmod(minutes, 1440)
        local = datetime.combine(day + timedelta(days), time(*divmod(minutes, 60)), self._zone)
        return local.astimezone(UTC)
