"""Sheets laid between the letters of a batch before it is scanned: a code for the machine, words for people."""

from __future__ import annotations

from datetime import datetime

from connectors.wire.paper import BLACK, FAINT, GREY, Paper
from connectors.wire.paper_font import face

_WORDS = (("分隔页", 54.0), ("Separator sheet", 30.0))
_HINTS = (
    "放在两封信之间，一起扫描；可反复使用，正反面均可。",
    "Lay it between two letters and scan it with them. Use it again and again, either side up.",
)
#: Side of the code, millimetres: read at 100 dpi, and with a corner folded on the other copy.
_SIDE = 48.0


def typeset(code: str, sheets: int, at: datetime) -> bytes:
    """A PDF of so many sheets, each with its back side: scanners of both sides read either."""
    made = Paper(face(chinese=True))
    for _ in range(sheets * 2):
        page = made.page()
        middle = made.width / 2
        # Two codes, far from one another: a crease, a hole or a stamp spoils one of them at the most.
        for x, y in ((25.0, 30.0), (made.width - 25.0 - _SIDE, made.height - 30.0 - _SIDE)):
            made.code(page, code, x, y, _SIDE)
        y = 122.0
        for words, size in _WORDS:
            made.text(page, middle, y, made.clean(words), size, tint=BLACK, align="centre", strong=True)
            y += size * 0.62
        for hint in _HINTS:
            made.text(page, middle, y, made.clean(hint), 11.0, tint=GREY, align="centre")
            y += 7.0
        made.text(page, middle, y + 4, made.clean(code), 9.0, tint=FAINT, align="centre")
    return made.finish(title="Separator sheets", language="zh", at=at)
