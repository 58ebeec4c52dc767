"""Lines of text on a page, in reading order, and the paragraphs they make. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

#: Digits, letters and a few signs in their wide form, which Chinese print mixes into plain numbers.
_WIDE = {
    code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
}
_WIDE |= {0xFF20: 0x40, 0xFF0E: 0x2E, 0xFF0D: 0x2D, 0xFF0B: 0x2B, 0x3000: 0x20}
_HAN = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f"
#: A space between Chinese characters is a gap of the print, not a word's end.
_GAP = re.compile(rf"(?<=[{_HAN}])[ \t]+(?=[{_HAN}])")
#: What ends a sentence, and a short line after it a paragraph.
_ENDS = re.compile(r"[。！？!?.:：…”\"]$")
#: A line that begins like this is one of its own: an item, or `Name: value`.
_OWN = re.compile(r"^(?:[-•*·]|\(?\d{1,2}[.)、]|[^\s:：]{1,10}[:：]|[A-Z][\w .'-]{0,18}:)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was recognised. Places are pixels of the straightened page, from its upper left."""

    text: str
    score: float
    """How sure its characters are, 0 to 1."""
    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def tidy(text: str) -> str:
    """Wide digits and letters as plain ones, no gaps inside Chinese."""
    return _GAP.sub("", text.translate(_WIDE)).strip()


def ordered(found: Sequence[Line]) -> list[Line]:
    """In reading order: pieces of one row side by side are one line."""
    rows: list[list[Line]] = []
    for one in sorted(found, key=lambda line: line.middle):
        row = next((row for row in reversed(rows[-4:]) if _beside(row, one)), None)
        if row is None:
            rows.append([one])
        else:
            row.append(one)
    return [_joined(sorted(row, key=lambda line: line.left)) for row in rows]


def _beside(row: Sequence[Line], one: Line) -> bool:
    """Whether a piece stands in a row: most of its height is there, and nothing else is in its place."""
    top, bottom = min(line.top for line in row), max(line.bottom for line in row)
    shared = min(bottom, one.bottom) - max(top, one.top)
    if shared < 0.6 * min(one.height, bottom - top):
        return False
    return all(
        one.left >= line.right - line.height * 0.5 or one.right <= line.left + line.height * 0.5
        for line in row
    )


def _joined(row: Sequence[Line]) -> Line:
    if len(row) == 1:
        return replace(row[0], text=tidy(row[0].text))
    weight = sum(len(line.text) for line in row) or 1
    return Line(
        tidy(" ".join(line.text for line in row)),
        sum(line.score * len(line.text) for line in row) / weight,
        min(line.left for line in row),
        min(line.top for line in row),
        max(line.right for line in row),
        max(line.bottom for line in row),
    )


def confidence(lines: Sequence[Line]) -> float:
    """Of a whole text: the mean over its characters; 0 when there are none."""
    weight = sum(len(line.text) for line in lines)
    return sum(line.score * len(line.text) for line in lines) / weight if weight else 0.0


def paragraphs(lines: Sequence[Line]) -> str:
    """The text with the line ends of the print taken out where a paragraph goes on."""
    if not lines:
        return ""
    left = min(line.left for line in lines)
    right = max(line.right for line in lines)
    step = median(_steps(lines)) if len(lines) > 2 else 0.0
    text = lines[0].text
    for before, line in pairwise(lines):
        gap = line.top - before.top
        goes_on = (
            before.right > right - 4 * before.height  # the line before was full
            and line.left < left + 1.2 * line.height  # and this one is not set in
            and (not step or 0 < gap < 1.5 * step or gap < 0)  # a page's end may come between
            and not _OWN.match(line.text)
            and not (_ENDS.search(before.text) and before.right < right - 1.5 * before.height)
        )
        if not goes_on:
            text += "\n" + line.text
        elif _eastern(text[-1:]) or _eastern(line.text[:1]):
            text += line.text
        else:
            text += " " + line.text
    return text


def _steps(lines: Sequence[Line]) -> list[float]:
    steps = [after.top - line.top for line, after in pairwise(lines)]
    return [step for step in steps if step > 0] or [0.0]


def _eastern(character: str) -> bool:
    return bool(re.match(f"[{_HAN}“”‘’]", character))
