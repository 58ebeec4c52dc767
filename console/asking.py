"""Which records somebody asks for, from the words of an address: the same for the desk and the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from casework.periods import Period
from console.problems import Problem
from store.reports import Counted, What
from store.search import Wanted

#: What narrows a list down to one value.
SAME = ("channel", "state", "department", "urgency", "nature")
#: What a figure of a report counted: the report's period, what was counted, and as what.
FIGURE = ("period", "figure", "value")
#: Every name that is understood, apart from the place in the list.
NAMES = ("q", *SAME, "since", "until", *FIGURE)
_LONGEST = 200


def chosen(query: Mapping[str, str]) -> dict[str, str]:
    """What was given, as typed; empty where nothing was."""
    # No database takes a NUL, and none of ours has one.
    return {name: query.get(name, "").replace("\x00", "").strip()[:_LONGEST] for name in NAMES}


def wanted(given: Mapping[str, str], zone: tzinfo) -> Wanted:
    """The records that are asked for. A day without a time is one of this zone, and `until` includes it."""
    return Wanted(
        text=given.get("q") or None,
        counted=_counted(given),
        **{name: given.get(name) or None for name in SAME},
        since=_moment(given, "since", zone, timedelta()),
        until=_moment(given, "until", zone, timedelta(days=1)),
    )


def _counted(given: Mapping[str, str]) -> Counted | None:
    if not given.get("period"):
        return None
    try:
        period = Period.of(given["period"])
    except ValueError as error:
        raise Problem(422, str(error), field="period") from None
    figure = given.get("figure") or What.ALL
    if figure not in list(What):
        raise Problem(422, f"must be one of {', '.join(What)}", field="figure")
    return Counted(
        first=period.first.isoformat(),
        last=period.last.isoformat(),
        what=What(figure),
        value=given.get("value", ""),
    )


def _moment(given: Mapping[str, str], name: str, zone: tzinfo, whole_day: timedelta) -> datetime | None:
    typed = given.get(name)
    if not typed:
        return None
    try:
        if len(typed) == len("2026-11-22"):
            day = date.fromisoformat(typed) + whole_day
            return datetime.combine(day, time(), zone).astimezone(UTC)
        at = datetime.fromisoformat(typed)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        detail = f"{name} must be a day as 2026-11-22 or a time as 2026-11-22T08:30:00Z"
        raise Problem(422, detail, field=name) from None
