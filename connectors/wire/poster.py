"""Posters with a QR code that leads to a form with the place filled in: one page for each place.

`python -m connectors.wire.poster` sets one in a process of its own, JSON in and PDF out: a font with Chinese is large,
and whoever prints a poster once a year must not make the daemon larger for the rest of it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from connectors.wire import paper
from connectors.wire.paper import A4, A5, GREY, Colour, Paper
from connectors.wire.paper_font import MM, face
from connectors.wire.paper_lines import broken

SIZES: Mapping[str, tuple[float, float]] = {"a4": A4, "a5": A5}
#: Languages that posters are written in.
LANGUAGES = ("en", "zh")
#: What every poster says beside its heading.
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "scan": "Scan the code and write to us",
        "promise": "You get a number at once, and an answer.",
        "type": "Or type this address:",
    },
    "zh": {
        "scan": "扫码告诉我们",
        "promise": "当场取得受理编号，我们一定答复。",
        "type": "或在浏览器中输入：",
    },
}
_WHITE: Colour = (255, 255, 255)
#: Sizes are those of A4: smaller sheets have all of it smaller.
_WIDTH = 210.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Poster:
    """What is to be printed."""

    url: str
    """Address of the form."""
    places: Sequence[str]
    """A page for each; an empty one is a page without a place."""
    headings: Mapping[str, str]
    """By language, the largest first; an empty one leaves its line out."""
    at: datetime
    size: str = "a4"
    colour: str = "#0b6b74"


def address(url: str, place: str) -> str:
    """Where the code of a place leads."""
    return f"{url}?place={quote(place, safe='')}" if place else url


def typeset(poster: Poster) -> bytes:
    """The poster as PDF."""
    sheet = Paper(face("zh" in poster.headings), SIZES[poster.size])
    for place in poster.places:
        _Page(sheet, poster, place).draw()
    first = next(iter(poster.headings))
    return sheet.finish(
        title=sheet.clean(poster.headings[first]), language="zh-CN" if first == "zh" else "en", at=poster.at
    )


class _Page:
    """One page, from above."""

    def __init__(self, sheet: Paper, poster: Poster, place: str) -> None:
        self._sheet, self._poster, self._place = sheet, poster, place
        self._n = sheet.page()
        self._scale = sheet.width / _WIDTH
        self._middle = sheet.width / 2

    def draw(self) -> None:
        """Heading, what to do, the code, the place, and the address for those who cannot scan."""
        sheet, s, tint = self._sheet, self._scale, paper.colour(self._poster.colour)
        sheet.box(self._n, 0, 0, sheet.width, 66 * s, fill=tint)
        headings = [one for one in self._poster.headings.values() if one]
        y = 32.0 if len(headings) > 1 else 40.0
        for size, text in zip((40, 22), headings, strict=False):
            self._line(text, y, size, tint=_WHITE, strong=True)
            y += 19
        y = 82.0
        for size, language in zip((21, 15), self._poster.headings, strict=False):
            self._line(_WORDS[language]["scan"], y, size, strong=True)
            y += 10.5
        side, top = 100.0, y + 2
        x = _WIDTH / 2 - side / 2
        sheet.box(
            self._n, (x - 9) * s, (top - 9 + 6) * s, (side + 18) * s, (side + 18) * s, edge=tint,
            weight=1.1 * s, radius=6 * s,
        )  # fmt: skip
        sheet.code(self._n, address(self._poster.url, self._place), x * s, (top + 6) * s, side * s)
        y = top + side + 6 + 9 + 17
        if self._place:
            self._line(self._place, y, 30, tint=tint, strong=True)
            y += 15
        for language in list(self._poster.headings)[:2]:
            self._line(_WORDS[language]["promise"], y, 13)
            y += 7.5
        self._typed(281.0)

    def _typed(self, y: float) -> None:
        first = next(iter(self._poster.headings))
        parts = urlsplit(self._poster.url)
        written = f"{parts.netloc}{parts.path}"
        self._line(f"{_WORDS[first]['type']} {written}", y, 10.5, tint=GREY)

    def _line(
        self, text: str, y: float, size: float, *, tint: Colour = paper.BLACK, strong: bool = False
    ) -> None:
        """A line in the middle; one that is too long is made smaller, and at half its size cut."""
        sheet, s = self._sheet, self._scale
        text, room = sheet.clean(text), sheet.width - 24 * s
        wanted = size * s
        fitting = min(wanted, wanted * room / max(sheet.face.width(text, wanted), MM))
        if fitting < wanted / 2:
            fitting = wanted / 2
            text = broken(text, lambda one: sheet.face.width(f"{one}…", fitting), room)[0].text + "…"
        sheet.text(self._n, self._middle, y * s, text, fitting, tint=tint, align="centre", strong=strong)


def read(told: Mapping[str, Any]) -> Poster:
    """A poster from JSON."""
    return Poster(**{**told, "at": datetime.fromisoformat(told["at"])})


if __name__ == "__main__":
    sys.stdout.buffer.write(typeset(read(orjson.loads(sys.stdin.buffer.read()))))
