"""The report of a period: counts, the three rates, trends and recurring issues. Pure: sums in, a report out.

The rates are those of the office's rules: timeliness [及时率] is what was handled within its deadline, of all that was
handled in the period; satisfaction [满意度] is who was satisfied, of all who were followed up in it; the repeat rate
[重复率] is the repeats, of all that was received in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from casework.periods import Period
from store import reports
from store.reports import What

Sums = Mapping[tuple[str, str], int]

#: What is counted by value, in the order in which people read it.
DIMENSIONS = (What.CHANNEL, What.NATURE, What.CAUSE, What.DEPARTMENT, What.URGENCY, What.RESULT)
#: What a trend needs of the months before.
TREND = (What.ALL, What.REPEAT, What.HANDLED, What.FOLLOWED)
_URGENCIES = ("urgent", "important", "normal")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, with what it counts: the records behind it can be listed."""

    n: int
    what: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """A part of a whole; there is none of nothing."""

    part: Figure
    whole: Figure

    @property
    def share(self) -> float | None:
        return self.part.n / self.whole.n if self.whole.n else None


@dataclass(frozen=True, slots=True)
class Rates:
    """The three rates."""

    timeliness: Rate
    satisfaction: Rate
    repeats: Rate


@dataclass(frozen=True, slots=True)
class Issue:
    """A matter that came up again and again: a nature with a cause, now and in the period before."""

    nature: str
    cause: str
    figure: Figure
    before: int


@dataclass(frozen=True, slots=True)
class Again:
    """A matter that customers brought again."""

    reference: str
    subject: str
    n: int


@dataclass(frozen=True, slots=True)
class Point:
    """One period of a trend."""

    period: Period
    received: int
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What there is to tell of a period."""

    period: Period
    made_at: datetime
    received: Figure
    before: int
    """Received in the period before."""
    rates_before: Rates
    handled: Figure
    rates: Rates
    counts: Mapping[str, Sequence[Figure]]
    issues: Sequence[Issue]
    again: Sequence[Again]
    trend: Sequence[Point]
    running: bool
    """The period is not over."""
    behind: int
    """Events of the timeline that are not counted yet."""

    def as_json(self) -> dict[str, Any]:
        """As the API gives it; rates are shares of 1, with what they are made of."""
        return {
            "period": str(self.period),
            "first": self.period.first.isoformat(),
            "last": self.period.last.isoformat(),
            "made_at": self.made_at.isoformat(),
            "running": self.running,
            "not_counted": self.behind,
            "received": self.received.n,
            "received_before": self.before,
            "handled": self.handled.n,
            "rates": _rates(self.rates),
            "counts": {name: {one.value: one.n for one in figures} for name, figures in self.counts.items()},
            "issues": [
                {"nature": one.nature, "cause": one.cause, "n": one.figure.n, "before": one.before}
                for one in self.issues
            ],
            "brought_again": [
                {"reference": one.reference, "subject": one.subject, "n": one.n} for one in self.again
            ],
            "trend": [
                {"period": str(one.period), "received": one.received, "rates": _rates(one.rates)}
                for one in self.trend
            ],
        }


def _rates(rates: Rates) -> dict[str, Any]:
    named = {"timeliness": rates.timeliness, "satisfaction": rates.satisfaction, "repeats": rates.repeats}
    return {
        name: {"share": one.share, "part": one.part.n, "whole": one.whole.n} for name, one in named.items()
    }


def made(
    period: Period,
    *,
    sums: Sums,
    before: Sums,
    months: Iterable[tuple[str, str, str, int]],
    again: Iterable[Mapping[str, Any]],
    recurring_from: int,
    made_at: datetime,
    running: bool,
    behind: int,
) -> Report:
    """Put a report together of the sums of its period, those of the one before, and those of the trend's months."""
    monthly = list(months)
    points = [_point(one, monthly) for one in period.trend()]
    # Before the first thing that was ever received there is no trend.
    begun = next((i for i, one in enumerate(points) if one.received or one.rates.timeliness.whole.n), None)
    return Report(
        period=period,
        made_at=made_at,
        received=_figure(sums, What.ALL),
        before=before.get((What.ALL.value, ""), 0),
        rates_before=rates(before),
        handled=_handled(sums),
        rates=rates(sums),
        counts={what.value: _by_value(sums, what) for what in DIMENSIONS},
        issues=_issues(sums, before, recurring_from),
        again=[Again(one["reference"], one["subject"], one["n"]) for one in again],
        trend=points[begun:] if begun is not None else [],
        running=running,
        behind=behind,
    )


def rates(sums: Sums) -> Rates:
    """The three rates of some sums."""
    satisfied = _figure(sums, What.FOLLOWED, reports.SATISFIED)
    followed = satisfied.n + _figure(sums, What.FOLLOWED, reports.DISSATISFIED).n
    return Rates(
        Rate(_figure(sums, What.HANDLED, reports.IN_TIME), _handled(sums)),
        Rate(satisfied, Figure(followed, What.FOLLOWED.value)),
        Rate(_figure(sums, What.REPEAT), _figure(sums, What.ALL)),
    )


def _figure(sums: Sums, what: What, value: str = "") -> Figure:
    return Figure(sums.get((what.value, value), 0), what.value, value)


def _handled(sums: Sums) -> Figure:
    n = sum(_figure(sums, What.HANDLED, one).n for one in (reports.IN_TIME, reports.LATE))
    return Figure(n, What.HANDLED.value)


def _by_value(sums: Sums, what: What) -> list[Figure]:
    """The most first; urgencies as urgent as they are. What nobody stated stands at the end."""
    found = [Figure(n, what.value, value) for (name, value), n in sums.items() if name == what.value and n]
    if what is What.URGENCY:
        order = {name: i for i, name in enumerate(_URGENCIES)}
        return sorted(found, key=lambda one: (order.get(one.value, len(order)), one.value))
    return sorted(found, key=lambda one: (not one.value, -one.n, one.value))


def _issues(sums: Sums, before: Sums, least: int) -> list[Issue]:
    found = []
    for (what, value), n in sums.items():
        if what == What.ISSUE.value and n >= least:
            nature, _, cause = value.partition(reports.ISSUE)
            found.append(Issue(nature, cause, Figure(n, what, value), before.get((what, value), 0)))
    return sorted(found, key=lambda one: (-one.figure.n, one.nature, one.cause))


def _point(period: Period, months: Iterable[tuple[str, str, str, int]]) -> Point:
    sums: dict[tuple[str, str], int] = {}
    for month, what, value, n in months:
        if period.has(month):
            sums[what, value] = sums.get((what, value), 0) + n
    return Point(period, sums.get((What.ALL.value, ""), 0), rates(sums))
