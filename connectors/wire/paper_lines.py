"""Lines of running text for paper, Chinese and English mixed: where one may end, and where the next may begin. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

#: The width of a text, in the unit that lines are measured in.
Width = Callable[[str], float]

#: Never at the beginning of a line (GB/T 15834-2011, W3C clreq §3.1.6.2), and never at its end.
NOT_FIRST = frozenset(
    "，。、；：！？）】》〉」』〕〗｝〞’”…—·～％‰℃°￠,.;:!?)]}%ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々"
)
NOT_LAST = frozenset("（【《〈「『〔〖｛〝‘“([{￥¥$€£№")
_WIDE = (
    r"\u2e80-\u303f\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
    r"\U00020000-\U0003ffff"
)
_UNITS = re.compile(rf"\s+|[{_WIDE}]|[^\s{_WIDE}]+")
_IS_WIDE = re.compile(rf"[{_WIDE}]")
#: After these a long word (an address on the web) may be cut.
_JOINTS = frozenset("/-?&=_.@")


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `last` of its paragraph is not stretched to the margin."""

    text: str
    last: bool


def broken(text: str, width_of: Width, width: float, indent: float = 0.0) -> list[Line]:
    """A paragraph in lines of at most `width`, the first one shorter by `indent`; one empty line for an empty one.

    A word, or a sign that may not begin or end a line, stays with its neighbour; what is longer than a line is cut.
    """
    lines: list[str] = []
    current, room = "", width - indent
    for blank, chunk in _chunks(text):
        joined = current + (" " if blank and current else "") + chunk
        if width_of(joined) <= room:
            current = joined
            continue
        if current:
            lines.append(current)
            room = width
        *full, current = _cut(chunk, width_of, room)
        if full:
            room = width
        lines += full
    lines.append(current)
    return [Line(one, i == len(lines) - 1) for i, one in enumerate(lines)]


def wide(text: str) -> bool:
    """Whether there are characters of Chinese, Japanese or Korean in it."""
    return _IS_WIDE.search(text) is not None


def _chunks(text: str) -> list[tuple[bool, str]]:
    """What must not be parted, each with whether a blank stands before it."""
    found: list[tuple[bool, str]] = []
    blank = False
    for unit in _UNITS.findall(text.strip()):
        if unit.isspace():
            blank = True
            continue
        stays = found and not blank and (unit[0] in NOT_FIRST or found[-1][1][-1] in NOT_LAST)
        if stays:
            found[-1] = (found[-1][0], found[-1][1] + unit)
        else:
            found.append((blank, unit))
        blank = False
    return found


def _cut(chunk: str, width_of: Width, width: float) -> list[str]:
    """A chunk in pieces that fit; of one that must be parted somewhere, rather after a joint."""
    pieces = []
    while width_of(chunk) > width and len(chunk) > 1:
        n = _fitting(chunk, width_of, width)
        joint = max((i + 1 for i in range(n // 2, n) if chunk[i] in _JOINTS), default=n)
        while joint > 1 and chunk[joint] in NOT_FIRST and chunk[joint - 1] not in NOT_FIRST:
            joint -= 1
        pieces.append(chunk[:joint])
        chunk = chunk[joint:]
    return [*pieces, chunk]


def _fitting(chunk: str, width_of: Width, width: float) -> int:
    """How many characters fit, at least one."""
    low, high = 1, len(chunk) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if width_of(chunk[:middle]) <= width:
            low = middle
        else:
            high = middle - 1
    return low
