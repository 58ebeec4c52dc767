"""A report in words: what the page, the PDF and the spreadsheet show alike, in one language. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from casework.periods import Period
from casework.report import DIMENSIONS, Figure, Rate, Report
from console.languages import translate, word
from store.reports import What

Facts = Mapping[str, Any]

#: Words of values: by dimension, the group of texts that has them.
_WORDS = {
    What.NATURE.value: "nature",
    What.URGENCY.value: "urgency",
    What.CAUSE.value: "cause",
    What.RESULT.value: "outcome",
}
_RATES = ("timeliness", "satisfaction", "repeats")


@dataclass(frozen=True, slots=True)
class Count:
    """A number in a table, its share of the largest one for a bar, and the figure behind it."""

    label: str
    n: int
    share: float
    figure: Figure


@dataclass(frozen=True, slots=True)
class ShownRate:
    """One of the three rates, in words."""

    name: str
    label: str
    meaning: str
    rate: Rate
    text: str
    before: str
    """The same of the period before; empty where there was none."""


@dataclass(frozen=True, slots=True)
class ShownIssue:
    label: str
    figure: Figure
    before: int


@dataclass(frozen=True, slots=True)
class ShownPoint:
    """One period of the trend: its name, a short one for a chart, what was received, and the rates as text."""

    period: str
    label: str
    short: str
    received: int
    rates: Sequence[str]
    shares: Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A whole report in one language."""

    language: str
    report: Report
    title: str
    period: str
    made: str
    notes: Sequence[str]
    rates: Sequence[ShownRate]
    sections: Sequence[tuple[str, Sequence[Count]]]
    issues: Sequence[ShownIssue]
    trend: Sequence[ShownPoint]

    def t(self, key: str, **values: object) -> str:
        """A text in the report's language."""
        return translate(self.language, key, **values)


def view(report: Report, language: str, choices: Facts) -> View:
    """A report in words; `choices` are those of the office's verbs, for what departments and causes are called."""

    def t(key: str, **values: object) -> str:
        return translate(language, key, **values)

    name = period_named(language, report.period)
    notes = [t("report.running", day=f"{report.made_at:%Y-%m-%d}")] if report.running else []
    if report.behind:
        notes.append(t("report.behind", n=report.behind))
    return View(
        language=language,
        report=report,
        title=t("report.title"),
        period=name,
        made=f"{report.made_at:%Y-%m-%d %H:%M}",
        notes=notes,
        rates=[
            ShownRate(
                one,
                t(f"report.{one}"),
                t(f"report.{one}_means"),
                rate := getattr(report.rates, one),
                percent(rate.share),
                percent(before.share) if (before := getattr(report.rates_before, one)).whole.n else "",
            )
            for one in _RATES
        ],
        sections=[
            (t(f"report.by_{what.value}"), _counts(language, report.counts[what.value], choices))
            for what in DIMENSIONS
        ],
        issues=[
            ShownIssue(
                f"{value_named(language, 'nature', one.nature, choices)} · "
                f"{value_named(language, 'cause', one.cause, choices)}",
                one.figure,
                one.before,
            )
            for one in report.issues
        ],
        trend=[
            ShownPoint(
                str(one.period),
                period_named(language, one.period),
                _short(one.period),
                one.received,
                [percent(getattr(one.rates, name).share) for name in _RATES],
                [getattr(one.rates, name).share for name in _RATES],
            )
            for one in report.trend
        ],
    )


def _counts(language: str, figures: Sequence[Figure], choices: Facts) -> list[Count]:
    most = max((one.n for one in figures), default=0)
    return [
        Count(value_named(language, one.what, one.value, choices), one.n, one.n / most, one)
        for one in figures
    ]


def value_named(language: str, what: str, value: str, choices: Facts) -> str:
    """What a counted value is called: as configured, as we call it, or as it is."""
    if not value:
        return translate(language, "report.unstated")
    if what == What.DEPARTMENT:
        titles = choices["departments"].get(value, {}).get("title", {})
    else:
        titles = choices["titles"].get(value, {}) if what in (What.CAUSE, What.RESULT) else {}
    spoken = language.partition("-")[0]
    own = next((text for tag, text in titles.items() if tag.partition("-")[0] == spoken), None)
    if own or what not in _WORDS:
        return own or value
    return word(language, _WORDS[what], value)


def figure_named(language: str, chosen: Mapping[str, str], choices: Facts) -> str:
    """What a list of records that a figure counted is called; empty where no figure is asked for."""
    try:
        period = Period.of(chosen["period"])
        what = What(chosen["figure"] or What.ALL)
    except ValueError:
        return ""
    parts = [period_named(language, period), translate(language, f"figure.{what.value}")]
    match what:
        case What.ISSUE:
            nature, _, cause = chosen["value"].partition(" / ")
            parts.append(value_named(language, "nature", nature, choices))
            parts.append(value_named(language, "cause", cause, choices))
        case What.HANDLED | What.FOLLOWED:
            if chosen["value"]:
                parts.append(word(language, "figure_value", chosen["value"]))
        case What.ALL | What.REPEAT:
            pass
        case _:
            parts.append(value_named(language, what.value, chosen["value"], choices))
    return " · ".join(parts)


def period_named(language: str, period: Period) -> str:
    """What a period is called."""
    quarter = (period.month + 2) // 3
    month = translate(language, f"month.{period.month}")
    return translate(language, f"period.{period.length}", year=period.year, quarter=quarter, month=month)


def _short(period: Period) -> str:
    if period.length == "year":
        return str(period.year)
    quarter = (period.month + 2) // 3
    return (
        f"Q{quarter}/{period.year % 100:02}"
        if period.length == "quarter"
        else f"{period.month}/{period.year % 100:02}"
    )


def percent(share: float | None) -> str:
    """A share for people, to a tenth of a percent; a dash for none."""
    return "–" if share is None else f"{100 * share:.1f} %"
