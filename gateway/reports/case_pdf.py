"""A case as PDF: what is known of it, its story from the first message on, and the names of its files."""

from __future__ import annotations

from datetime import UTC

from connectors.wire.paper import FAINT, GREY
from console.case_view import CaseView, Entry
from gateway.reports.setting import BODY, GAP, LEFT, LINE, RIGHT, SMALL, WATER, Setting

#: Where the values of facts begin, and how far what was said stands in.
_VALUES, _SAID = 62.0, 6.0


def typeset(shown: CaseView) -> bytes:
    """The case as PDF."""
    return _Sheets(shown).made()


class _Sheets(Setting):
    """A case while it is set."""

    def __init__(self, shown: CaseView) -> None:
        super().__init__(shown.language)
        self._shown = shown

    def made(self) -> bytes:
        shown = self._shown
        for line in self._broken(shown.subject, 16, RIGHT - LEFT)[:3]:
            self._text(LEFT, line, 16, tint=WATER, strong=True)
            self._y += 7
        self._text(LEFT, shown.reference, 11, strong=True)
        self._text(RIGHT, self._t("case.made", at=shown.made), SMALL, tint=GREY, align="right")
        self._y += GAP
        for name, value in shown.facts:
            self._text(LEFT, name, BODY, tint=GREY)
            self._lines(value, _VALUES)
        self._y += GAP
        self._title(self._t("record.story"), 3 * LINE)
        for one in shown.entries:
            self._entry(one)
        if shown.files:
            self._y += GAP - LINE
            self._title(self._t("record.files"), 2 * LINE)
            for name, size in shown.files:
                self._lines(f"{name} ({size:,} B)", LEFT)
        self._feet()
        return self._paper.finish(
            title=f"{shown.reference} {shown.subject}",
            language=shown.language,
            at=shown.made_at.astimezone(UTC),
        )

    def _entry(self, one: Entry) -> None:
        said = one.side != "house"
        head = one.head if said or not one.text else f"{one.head}: {one.text}"
        self._room(2 * LINE)
        self._text(LEFT, one.at, SMALL, tint=GREY)
        for n, line in enumerate(self._broken(head, BODY, RIGHT - _VALUES + 14)):
            if n:
                self._next_line()
            self._text(_VALUES - 14, line, BODY, strong=said)
        self._next_line()
        if one.notes:
            for line in self._broken(" · ".join(one.notes), SMALL, RIGHT - _VALUES + 14):
                self._text(_VALUES - 14, line, SMALL, tint=GREY)
                self._next_line()
        if said and one.text:
            self._said(one.text)
        self._y += 1.5

    def _said(self, text: str) -> None:
        for paragraph in text.splitlines():
            for line in self._broken(paragraph, BODY, RIGHT - _VALUES + 14 - _SAID) or [""]:
                self._paper.line(self._page, _VALUES - 14, self._y - 4, _VALUES - 14, self._y + 1, tint=FAINT)
                self._text(_VALUES - 14 + _SAID, line, BODY)
                self._next_line()

    def _lines(self, text: str, x: float) -> None:
        for line in self._broken(text, BODY, RIGHT - x):
            self._text(x, line, BODY)
            self._next_line()
