"""Periods of reports: a month, a quarter or a year, as `2026-10`, `2026-Q3` or `2026`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Length = Literal["month", "quarter", "year"]
LENGTHS: tuple[Length, ...] = ("month", "quarter", "year")

_WRITTEN = re.compile(r"^(\d{4})(?:-(?:(0[1-9]|1[0-2])|Q([1-4])))?$", re.IGNORECASE)
_MONTHS: dict[Length, int] = {"month": 1, "quarter": 3, "year": 12}
#: How many periods a trend shows: the same one of the year before is among them.
_TREND: dict[Length, int] = {"month": 13, "quarter": 9}


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A stretch of whole months."""

    year: int
    month: int
    """The first of its months."""
    length: Length

    @classmethod
    def of(cls, written: str) -> Period:
        """Raises ValueError with what would be right."""
        found = _WRITTEN.match(written.strip())
        if found is None or not 1970 <= int(found[1]) <= 9998:
            raise ValueError("a period is a month as 2026-10, a quarter as 2026-Q3, or a year as 2026")
        year, month, quarter = found.groups()
        if month:
            return cls(int(year), int(month), "month")
        return cls(int(year), 3 * int(quarter) - 2, "quarter") if quarter else cls(int(year), 1, "year")

    @classmethod
    def around(cls, day: date, length: Length) -> Period:
        """The period of a length that a day lies in."""
        size = _MONTHS[length]
        return cls(day.year, (day.month - 1) // size * size + 1, length)

    def __str__(self) -> str:
        if self.length == "year":
            return f"{self.year}"
        if self.length == "quarter":
            return f"{self.year}-Q{(self.month + 2) // 3}"
        return f"{self.year}-{self.month:02}"

    @property
    def first(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def last(self) -> date:
        return self.moved(1).first - timedelta(days=1)

    def moved(self, n: int) -> Period:
        """The one that lies n periods later, or earlier."""
        months = 12 * self.year + self.month - 1 + n * _MONTHS[self.length]
        return Period(months // 12, months % 12 + 1, self.length)

    def trend(self) -> list[Period]:
        """The periods that its trend shows, the oldest first: itself the last of them, or the months of a year."""
        if self.length == "year":
            return [Period(self.year, month, "month") for month in range(1, 13)]
        return [self.moved(n) for n in range(1 - _TREND[self.length], 1)]

    def has(self, month: str) -> bool:
        """Whether a month, as 2026-11, is one of its own."""
        return f"{self.first:%Y-%m}" <= month <= f"{self.last:%Y-%m}"
