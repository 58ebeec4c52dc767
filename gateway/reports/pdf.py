"""A report as PDF: overview, trend, counts with bars, recurring issues; A4, Chinese or English."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from connectors.wire.paper import FAINT, GREY, Colour
from console.report_view import Count, View
from gateway.reports.setting import BODY, GAP, LEFT, LINE, RIGHT, SMALL, WATER, Setting

_PAST: Colour = (0xB4, 0xC3, 0xC6)
#: Where bars begin and end, and the share of its width that a column of a chart has.
_BARS, _ENDS, _FILL = 78.0, 172.0, 0.66
_CHART = 34.0


def typeset(shown: View) -> bytes:
    """The report as PDF."""
    return _Sheets(shown).made()


class _Sheets(Setting):
    """A report while it is set."""

    def __init__(self, shown: View) -> None:
        super().__init__(shown.language)
        self._shown = shown

    def made(self) -> bytes:
        shown = self._shown
        self._text(LEFT, shown.title, 19, tint=WATER, strong=True)
        self._text(RIGHT, shown.period, 13, align="right")
        self._y += 7
        self._text(LEFT, self._t("report.made", at=shown.made), SMALL, tint=GREY)
        for note in shown.notes:
            self._y += 4.4
            self._text(LEFT, note, SMALL, tint=GREY)
        self._y += 8
        self._overview()
        self._trend()
        for title, counts in shown.sections:
            self._counts(title, counts)
        self._issues()
        self._feet()
        return self._paper.finish(
            title=f"{shown.title} {shown.period}",
            language=shown.language,
            at=shown.report.made_at.astimezone(UTC),
        )

    # ---- parts

    def _overview(self) -> None:
        shown, report = self._shown, self._shown.report
        tiles = [(self._t("report.received"), str(report.received.n), "", str(report.before))]
        for one in shown.rates:
            made_of = f"{one.rate.part.n} / {one.rate.whole.n}"
            tiles.append((one.label, one.text, f"{made_of} · {one.meaning}", one.before))
        width = (RIGHT - LEFT - 3 * 4) / 4
        top = self._y
        for i, (label, text, meaning, before) in enumerate(tiles):
            x = LEFT + i * (width + 4)
            self._paper.box(self._page, x, top, width, 31, edge=FAINT, radius=1.5)
            self._y = top + 6
            self._text(x + 3, label, SMALL, tint=GREY)
            self._y += 8
            self._text(x + 3, text, 17, strong=True)
            self._y += 5
            for line in self._broken(meaning, 7, width - 6)[:2]:
                self._text(x + 3, line, 7, tint=GREY)
                self._y += 3.2
            if before:
                self._y = top + 28.5
                self._text(x + 3, self._t("report.before", value=before), 7, tint=GREY)
        self._y = top + 31 + GAP

    def _trend(self) -> None:
        points = self._shown.trend
        if not points:
            return
        self._title(self._t("report.trend"), _CHART + 16 + len(points) * LINE)
        most = max(one.received for one in points) or 1
        step = (RIGHT - LEFT) / len(points)
        width, floor = min(step * _FILL, 14), self._y + _CHART
        for i, one in enumerate(points):
            high = (_CHART - 6) * one.received / most
            x = LEFT + i * step + (step - width) / 2
            tint = WATER if one is points[-1] or self._shown.report.period.length == "year" else _PAST
            if high:
                self._paper.box(self._page, x, floor - high, width, high, fill=tint)
            self._y = floor - high - 1.2
            self._text(x + width / 2, str(one.received), 7, align="centre")
            self._y = floor + 4
            self._text(x + width / 2, one.short, 7, tint=GREY, align="centre")
        self._paper.line(self._page, LEFT, floor, RIGHT, floor)
        self._y = floor + 12
        heads = [self._t("report.received"), *(one.label for one in self._shown.rates)]
        places = [94.0, 126.0, 158.0, RIGHT]
        self._text(LEFT, self._t("report.period"), SMALL, tint=GREY)
        for place, head in zip(places, heads, strict=True):
            self._text(place, head, SMALL, tint=GREY, align="right")
        for one in points:
            self._next_line()
            self._text(LEFT, one.label, BODY)
            for place, text in zip(places, [str(one.received), *one.rates], strict=True):
                self._text(place, text, BODY, align="right")
        self._y += GAP

    def _counts(self, title: str, counts: Sequence[Count]) -> None:
        self._title(title, 2 * LINE)
        if not counts:
            self._text(LEFT, self._t("report.none"), BODY, tint=GREY)
        for i, one in enumerate(counts):
            if i:
                self._next_line()
            self._text(LEFT, self._fitting(one.label, BODY, _BARS - LEFT - 3), BODY)
            if one.share:
                self._paper.box(
                    self._page, _BARS, self._y - 2.7, (_ENDS - _BARS) * one.share, 3.2, fill=WATER
                )
            self._text(RIGHT, str(one.n), BODY, align="right")
        self._y += GAP

    def _issues(self) -> None:
        shown, again = self._shown, self._shown.report.again
        self._title(self._t("report.issues"), 3 * LINE)
        self._text(LEFT, self._t("report.issues_hint"), SMALL, tint=GREY)
        self._next_line()
        if not shown.issues:
            self._text(LEFT, self._t("report.none"), BODY, tint=GREY)
        else:
            self._text(LEFT, self._t("report.issue"), SMALL, tint=GREY)
            self._text(160, self._t("report.count"), SMALL, tint=GREY, align="right")
            self._text(RIGHT, self._t("report.count_before"), SMALL, tint=GREY, align="right")
        for one in shown.issues:
            self._next_line()
            self._text(LEFT, self._fitting(one.label, BODY, 120), BODY)
            self._text(160, str(one.figure.n), BODY, align="right")
            self._text(RIGHT, str(one.before), BODY, align="right")
        self._y += GAP
        if again:
            self._title(self._t("report.again"), 2 * LINE)
            for i, matter in enumerate(again):
                if i:
                    self._next_line()
                self._text(LEFT, matter.reference, BODY)
                self._text(62, self._fitting(matter.subject, BODY, 100), BODY)
                self._text(RIGHT, self._t("report.times", n=matter.n), BODY, align="right")
