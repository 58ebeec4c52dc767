"""When the office works: hours, closing days and time allowed, as they are written in YAML."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from router import calendars

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
_HOURS = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)\s*-\s*(?:(24):(00)|([01]\d|2[0-3]):([0-5]\d))$")
_DAYS = re.compile(r"^(\d{4}-\d\d-\d\d)(?:\s*\.\.\s*(\d{4}-\d\d-\d\d))?$")
_SPAN = re.compile(r"^(\d{1,4}) (working day|working hour|day|week|hour)s?$")

Hours = tuple[int, int]
"""Minutes after midnight, from and to."""
Unit = Literal["working day", "working hour", "day", "week", "hour"]
"""Always in the singular."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time allowed for something: `1 working day`, `4 working hours`, `2 weeks`."""

    n: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.n} {self.unit}{'' if self.n == 1 else 's'}"

    @classmethod
    def of(cls, text: Any) -> Span:
        """Raises ValueError with what would be right."""
        found = _SPAN.match(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise ValueError("write a number and `working days`, `working hours`, `days`, `weeks` or `hours`")
        n, unit = found.groups()
        return cls(int(n), unit)  # type: ignore[arg-type]  # the pattern has these words only


def _span(value: Any) -> Span:
    return value if isinstance(value, Span) else Span.of(value)


def _hours(value: Any) -> Hours:
    if isinstance(value, tuple):
        return value
    found = _HOURS.match(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("write hours as 09:00-12:00")
    h1, m1, *rest = [int(part) for part in found.groups() if part is not None]
    begin, end = h1 * 60 + m1, rest[0] * 60 + rest[1]
    if begin >= end:
        raise ValueError("hours must end after they begin; write a night as two, the second on the next day")
    return begin, end


def _days(value: Any) -> tuple[date, date]:
    if isinstance(value, tuple):
        return value
    if isinstance(value, date):  # YAML reads a bare date as one
        return value, value
    found = _DAYS.match(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("write a day as 2026-12-24, or several as 2026-12-24..2026-12-31")
    first, last = (date.fromisoformat(part) for part in (found[1], found[2] or found[1]))
    if last < first:
        raise ValueError("the last day comes before the first")
    return first, last


def _zone(name: Any) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ValueError("write an IANA name such as Asia/Shanghai") from None
    return str(name)


def _show_hours(hours: Hours) -> str:
    (h1, m1), (h2, m2) = (divmod(part, 60) for part in hours)
    return f"{h1:02}:{m1:02}-{h2:02}:{m2:02}"


def _show_days(days: tuple[date, date]) -> str:
    return days[0].isoformat() if days[0] == days[1] else f"{days[0].isoformat()}..{days[1].isoformat()}"


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


SpanText = Annotated[Span, PlainValidator(_span), PlainSerializer(str), _text(_SPAN.pattern)]
HoursText = Annotated[Hours, PlainValidator(_hours), PlainSerializer(_show_hours), _text(_HOURS.pattern)]
DaysText = Annotated[
    tuple[date, date], PlainValidator(_days), PlainSerializer(_show_days), _text(_DAYS.pattern)
]
ZoneName = Annotated[str, PlainValidator(_zone), WithJsonSchema({"type": "string"})]

_NORMAL: tuple[Hours, ...] = ((540, 720), (780, 1020))


class WorktimeSettings(BaseModel):
    """When the office works."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    timezone: ZoneName = Field(default="UTC", description="Time zone of the office, such as Asia/Shanghai.")
    hours: Mapping[Weekday, Sequence[HoursText]] = Field(
        default=dict.fromkeys(WEEKDAYS[:5], _NORMAL),
        description="Hours of each weekday; breaks are the time between. A weekday left out is free.",
    )
    country: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,4})?$",
        description="Whose public holidays count, by ISO 3166: CN (with its make-up working days), DE, DE-BY …",
    )
    made_up: Sequence[HoursText] | None = Field(
        default=None,
        description="Hours of a day that is worked in exchange for a holiday; without it those of the week's first"
        " working day.",
    )
    closed: Sequence[DaysText] = Field(default=(), description="Closing days of the office's own.")
    open: Mapping[date, Sequence[HoursText]] = Field(
        default_factory=dict, description="Days with hours of their own, whatever day they fall on."
    )

    @model_validator(mode="after")
    def _has_working_days(self) -> WorktimeSettings:
        for where, hours in [*self.hours.items(), ("made_up", self.made_up or ()), *self.open.items()]:
            for before, after in itertools.pairwise(hours):
                if after[0] < before[1]:
                    raise ValueError(f"{where}: hours must follow one another without overlapping")
        calendars.calendar(self.country)
        if not any(self.hours.values()):
            raise ValueError("hours: no weekday has any; give at least one its hours")
        return self
