"""What the law says of a day: public holidays, and the weekend days that are worked instead.

China's from chinese-calendar, which carries what the State Council publishes each autumn for the next year; every
other country's from holidays, which computes them. Both are loaded when a calendar first asks.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from datetime import date
from functools import lru_cache
from typing import NamedTuple, Protocol


class Day(NamedTuple):
    """What a calendar says of one day."""

    holiday: str | None = None
    """The holiday's name; None on an ordinary day."""
    made_up: bool = False
    """Whether a day that is normally free is worked in exchange for a holiday [调休]."""
    published: bool = True
    """False when this year's holidays are not known yet: the day then counts as its weekday does."""


class Calendar(Protocol):
    """A country's holidays."""

    def day(self, at: date) -> Day: ...


class Weekdays:
    """No public holidays at all."""

    def day(self, at: date) -> Day:
        return Day()


class China:
    """Mainland China, with its make-up working days."""

    def __init__(self) -> None:
        from chinese_calendar import constants

        self._holidays = constants.holidays
        self._made_up: Set[date] = frozenset(constants.workdays)
        years = {day.year for day in self._holidays}
        self._years = range(min(years), max(years) + 1)

    def day(self, at: date) -> Day:
        if at.year not in self._years:
            return Day(published=False)
        return Day(self._holidays.get(at), at in self._made_up)


class Computed:
    """Any other country, or a part of one."""

    def __init__(self, country: str, subdivision: str | None) -> None:
        import holidays

        try:
            self._holidays = holidays.country_holidays(country, subdiv=subdivision)
        except NotImplementedError as error:
            raise ValueError(str(error)) from None

    def day(self, at: date) -> Day:
        return Day(self._holidays.get(at))


_OWN: dict[str, Callable[[], Calendar]] = {"CN": China}


@lru_cache(maxsize=16)
def calendar(country: str | None) -> Calendar:
    """The calendar of `CN`, `DE`, `DE-BY` … (ISO 3166); None counts weekdays alone.

    Raises ValueError when nothing is known of such a country.
    """
    if country is None:
        return Weekdays()
    name, _, subdivision = country.partition("-")
    if own := _OWN.get(name):
        return own()
    return Computed(name, subdivision or None)
