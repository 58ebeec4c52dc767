"""Sets texts on A4 pages from top to bottom, as all our reports are set."""

from __future__ import annotations

from connectors.wire.paper import BLACK, GREY, Align, Colour, Paper
from connectors.wire.paper_font import face
from connectors.wire.paper_lines import broken
from console.languages import translate

WATER: Colour = (0x0B, 0x6B, 0x74)
#: Millimetres: the margins of a page, between two lines of a table, and before the next part.
LEFT, RIGHT = 20.0, 190.0
_TOP, _BOTTOM = 24.0, 272.0
LINE, GAP = 5.6, 9.0
#: Sizes of type, points.
BODY, SMALL = 9.5, 8.0
_HEAD = 12.0


class Setting:
    """Pages while they are set."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._paper = Paper(face(language.startswith("zh")))
        self._page = self._paper.page()
        self._y = _TOP

    def _t(self, key: str, **values: object) -> str:
        return translate(self._language, key, **values)

    def _title(self, text: str, room: float) -> None:
        """The heading of a part, on a new page where the part does not begin well on this one."""
        self._room(6 + room)
        self._text(LEFT, text, _HEAD, tint=WATER, strong=True)
        self._y += 7

    def _room(self, room: float) -> None:
        """A new page where what follows does not begin well on this one."""
        if self._y + room > _BOTTOM:
            self._turn()

    def _next_line(self) -> None:
        self._y += LINE
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

    def _feet(self) -> None:
        pages = self._paper.pages
        for page in range(pages):
            self._page, self._y = page, 285
            self._text(RIGHT, self._t("report.page", n=page + 1, all=pages), SMALL, tint=GREY, align="right")
