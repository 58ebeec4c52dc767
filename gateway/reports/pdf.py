"""A report as PDF: overview, trend, counts with bars, recurring issues; A4, Chinese or English."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from connectors.wire.paper import BLACK, FAINT, GREY, Align, Colour, Paper
from connectors.wire.paper_font import face
from connectors.wire.paper_lines import broken
from console.report_view import Count, View

WATER: Colour = (0x0B, 0x6B, 0x74)
_PAST: Colour = (0xB4, 0xC3, 0xC6)
_LEFT, _RIGHT, _TOP, _BOTTOM = 20.0, 190.0, 24.0, 272.0
#: Millimetres: between two lines of a table, and before the next part.
_LINE, _GAP = 5.6, 9.0
#: Where bars begin and end, and the share of its width that a column of a chart has.
_BARS, _ENDS, _FILL = 78.0, 172.0, 0.66
_CHART = 34.0
_BODY, _SMALL, _HEAD = 9.5, 8.0, 12.0


def typeset(shown: View) -> bytes:
    """The report as PDF."""
    return _Sheets(shown).made()


class _Sheets:
    """A report while it is set, from top to bottom."""

    def __init__(self, shown: View) -> None:
        self._shown = shown
        self._t = shown.t
        self._paper = Paper(face(shown.language.startswith("zh")))
        self._page = self._paper.page()
        self._y = _TOP

    def made(self) -> bytes:
        shown = self._shown
        self._text(_LEFT, shown.title, 19, tint=WATER, strong=True)
        self._text(_RIGHT, shown.period, 13, align="right")
        self._y += 7
        self._text(_LEFT, self._t("report.made", at=shown.made), _SMALL, tint=GREY)
        for note in shown.notes:
            self._y += 4.4
            self._text(_LEFT, note, _SMALL, tint=GREY)
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
        width = (_RIGHT - _LEFT - 3 * 4) / 4
        top = self._y
        for i, (label, text, meaning, before) in enumerate(tiles):
            x = _LEFT + i * (width + 4)
            self._paper.box(self._page, x, top, width, 31, edge=FAINT, radius=1.5)
            self._y = top + 6
            self._text(x + 3, label, _SMALL, tint=GREY)
            self._y += 8
            self._text(x + 3, text, 17, strong=True)
            self._y += 5
            for line in self._broken(meaning, 7, width - 6)[:2]:
                self._text(x + 3, line, 7, tint=GREY)
                self._y += 3.2
            if before:
                self._y = top + 28.5
                self._text(x + 3, self._t("report.before", value=before), 7, tint=GREY)
        self._y = top + 31 + _GAP

    def _trend(self) -> None:
        points = self._shown.trend
        if not points:
            return
        self._title(self._t("report.trend"), _CHART + 16 + len(points) * _LINE)
        most = max(one.received for one in points) or 1
        step = (_RIGHT - _LEFT) / len(points)
        width, floor = min(step * _FILL, 14), self._y + _CHART
        for i, one in enumerate(points):
            high = (_CHART - 6) * one.received / most
            x = _LEFT + i * step + (step - width) / 2
            tint = WATER if one is points[-1] or self._shown.report.period.length == "year" else _PAST
            if high:
                self._paper.box(self._page, x, floor - high, width, high, fill=tint)
            self._y = floor - high - 1.2
            self._text(x + width / 2, str(one.received), 7, align="centre")
            self._y = floor + 4
            self._text(x + width / 2, one.short, 7, tint=GREY, align="centre")
        self._paper.line(self._page, _LEFT, floor, _RIGHT, floor)
        self._y = floor + 12
        heads = [self._t("report.received"), *(one.label for one in self._shown.rates)]
        places = [94.0, 126.0, 158.0, _RIGHT]
        self._text(_LEFT, self._t("report.period"), _SMALL, tint=GREY)
        for place, head in zip(places, heads, strict=True):
            self._text(place, head, _SMALL, tint=GREY, align="right")
        for one in points:
            self._next_line()
            self._text(_LEFT, one.label, _BODY)
            for place, text in zip(places, [str(one.received), *one.rates], strict=True):
                self._text(place, text, _BODY, align="right")
        self._y += _GAP

    def _counts(self, title: str, counts: Sequence[Count]) -> None:
        self._title(title, 2 * _LINE)
        if not counts:
            self._text(_LEFT, self._t("report.none"), _BODY, tint=GREY)
        for i, one in enumerate(counts):
            if i:
                self._next_line()
            self._text(_LEFT, self._fitting(one.label, _BODY, _BARS - _LEFT - 3), _BODY)
            if one.share:
                self._paper.box(
                    self._page, _BARS, self._y - 2.7, (_ENDS - _BARS) * one.share, 3.2, fill=WATER
                )
            self._text(_RIGHT, str(one.n), _BODY, align="right")
        self._y += _GAP

    def _issues(self) -> None:
        shown, again = self._shown, self._shown.report.again
        self._title(self._t("report.issues"), 3 * _LINE)
        self._text(_LEFT, self._t("report.issues_hint"), _SMALL, tint=GREY)
        self._next_line()
        if not shown.issues:
            self._text(_LEFT, self._t("report.none"), _BODY, tint=GREY)
        else:
            self._text(_LEFT, self._t("report.issue"), _SMALL, tint=GREY)
            self._text(160, self._t("report.count"), _SMALL, tint=GREY, align="right")
            self._text(_RIGHT, self._t("report.count_before"), _SMALL, tint=GREY, align="right")
        for one in shown.issues:
            self._next_line()
            self._text(_LEFT, self._fitting(one.label, _BODY, 120), _BODY)
            self._text(160, str(one.figure.n), _BODY, align="right")
            self._text(_RIGHT, str(one.before), _BODY, align="right")
        self._y += _GAP
        if again:
            self._title(self._t("report.again"), 2 * _LINE)
            for i, matter in enumerate(again):
                if i:
                    self._next_line()
                self._text(_LEFT, matter.reference, _BODY)
                self._text(62, self._fitting(matter.subject, _BODY, 100), _BODY)
                self._text(_RIGHT, self._t("report.times", n=matter.n), _BODY, align="right")

    def _feet(self) -> None:
        pages = self._paper.pages
        for page in range(pages):
            self._page, self._y = page, 285
            self._text(
                _RIGHT, self._t("report.page", n=page + 1, all=pages), _SMALL, tint=GREY, align="right"
            )

    # ---- setting

    def _title(self, text: str, room: float) -> None:
        """The heading of a part, on a new page where the part does not begin well on this one."""
        if self._y + 6 + room > _BOTTOM:
            self._turn()
        self._text(_LEFT, text, _HEAD, tint=WATER, strong=True)
        self._y += 7

    def _next_line(self) -> None:
        self._y += _LINE
        if self._y > _BOTTOM:
            self._turn()

    def _turn(self) -> None:
        self._page, self._y = self._paper.page(), _TOP

    def _text(
        self,
        x: float,
        text: str,
        size: float,
        *,
        tint: Colour = BLACK,
        align: Align = "left",
        strong: bool = False,
    ) -> None:
        clean = self._paper.clean(text)
        self._paper.text(self._page, x, self._y, clean, size, tint=tint, align=align, strong=strong)

    def _broken(self, text: str, size: float, width: float) -> list[str]:
        found = broken(self._paper.clean(text), lambda one: self._paper.face.width(one, size), width)
        return [one.text for one in found]

    def _fitting(self, text: str, size: float, width: float) -> str:
        """As much of a text as fits."""
        text = self._paper.clean(text)
        if self._paper.face.width(text, size) <= width:
            return text
        while text and self._paper.face.width(text + "…", size) > width:
            text = text[:-1]
        return text + "…"
