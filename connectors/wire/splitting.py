"""Cuts a long text into pieces that each fit a platform's message, counted in the platform's own unit.

    pieces("…", 2_048, Unit.BYTES)                    # WeChat
    pieces("…", 4_096, Unit.UTF16, numbered=True)     # Telegram: "(1/3) …", "(2/3) …", "(3/3) …"

A piece ends at a paragraph, else at the end of a sentence, else at a space, else anywhere, but never inside
what a reader sees as one sign: a surrogate pair, an emoji of several code points, a letter with its marks
(after Unicode Standard Annex 29, "grapheme clusters"). White space at a cut is dropped, nothing else is.
The time taken grows with the length of the text and no faster.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from model.delivery import Message


class Unit(StrEnum):
    """What a platform counts."""

    BYTES = "bytes"
    """Of UTF-8."""
    UTF16 = "utf16"
    """UTF-16 code units: an emoji is two or more."""
    CODE_POINTS = "code_points"


#: The least limit that makes sense: room for a marker and one sign of every length in use.
LEAST = 64
#: A cut must fill so much of a piece, or it would make more messages than the text needs: a platform counts them.
_PARAGRAPH, _SENTENCE, _SPACE = 0.5, 0.5, 0.25

_PARAGRAPHS = re.compile(r"\n\s*")
#: Chinese stops end a sentence by themselves; Latin ones only before white space, as in 3.14 and example.com.
#: Runs are matched once, from their start, and never given back: a page of "!!!!" costs one look at each.
_SENTENCES = re.compile(r"[。！？…]++[”’」』）】)\"']*+|(?<![.!?])[.!?]++[”’)\"']*+(?=\s)")
_SPACES = re.compile(r"\s+")

_ZWJ = "\u200d"


def size(text: str, unit: Unit) -> int:
    """How long the platform says that the text is."""
    if unit is Unit.CODE_POINTS:
        return len(text)
    if unit is Unit.BYTES:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(1 for sign in text if sign > "\uffff")


def pieces(text: str, limit: int, unit: Unit, *, numbered: bool = False) -> tuple[str, ...]:
    """The text in pieces of at most `limit` units; at least one, and just the text where it fits.

    `numbered` puts a marker such as "(2/3) " before each of several pieces, inside the limit.
    """
    if limit < LEAST:
        raise ValueError(f"a limit of {limit} units is too small for a message: the least is {LEAST}")
    if size(text, unit) <= limit:
        return (text,)
    if not numbered:
        return _cut(text, limit, unit)
    digits = 0
    while True:
        digits += 1
        found = _cut(text, limit - len("(/) ") - 2 * digits, unit)
        if len(str(len(found))) <= digits:
            return tuple(f"({n}/{len(found)}) {piece}" for n, piece in enumerate(found, 1))


def parts(message: Message, limit: int, unit: Unit, *, numbered: bool = False) -> Sequence[Message]:
    """A Splitter's usual answer: the text in pieces, then each file by itself."""
    texts = [
        replace(message, text=piece, html=None, files=())
        for piece in (pieces(message.text, limit, unit, numbered=numbered) if message.text.strip() else ())
    ]
    files = [replace(message, text="", html=None, files=(file,)) for file in message.files]
    return (texts + files) or [message]


def _cut(text: str, limit: int, unit: Unit) -> tuple[str, ...]:
    found: list[str] = []
    at = _past_space(text, 0)
    while at < len(text):
        reach = _reach(text, at, limit, unit)
        end = len(text) if reach == len(text) else _best(text, at, reach)
        if piece := text[at:end].rstrip():
            found.append(piece)
        at = _past_space(text, end)
    return tuple(found) or (text[:1],)


def _past_space(text: str, at: int) -> int:
    space = _SPACES.match(text, at)
    return space.end() if space else at


def _reach(text: str, at: int, limit: int, unit: Unit) -> int:
    """The end of the longest run from `at` on that fits; at least one code point."""
    room = limit
    for end in range(at, min(len(text), at + limit)):
        room -= _width(text[end], unit)
        if room < 0:
            return max(end, at + 1)
    return min(len(text), at + limit)


def _width(sign: str, unit: Unit) -> int:
    if unit is Unit.CODE_POINTS or sign < "\x80":
        return 1
    if unit is Unit.UTF16:
        return 1 if sign <= "\uffff" else 2
    return 2 if sign < "\u0800" else 3 if sign <= "\uffff" else 4


def _best(text: str, at: int, reach: int) -> int:
    """The best place to cut text[at:reach], which does not end the text."""
    for boundary, fill, before in (
        (_PARAGRAPHS, _PARAGRAPH, True),
        (_SENTENCES, _SENTENCE, False),
        (_SPACES, _SPACE, True),
    ):
        least = at + max(1, int((reach - at) * fill))
        places = [
            match.start() if before else match.end()
            # One further sign is looked at, so that a stop before a space at the very end is known as one.
            for match in boundary.finditer(text, least, min(len(text), reach + 1))
        ]
        for place in reversed(places):
            if least <= place <= reach and _apart(text, place, at):
                return place
    place = reach
    while place > at and not _apart(text, place, at):
        place -= 1
    return (
        place if place > at else reach
    )  # one sign that fills a whole message: cut it, it is nothing to read


def _apart(text: str, place: int, since: int) -> bool:
    """Whether what stands before and after a place are two signs to a reader (UAX 29, rules GB3 to GB13).

    `since` is an earlier place that is known to be between two signs.
    """
    before, after = text[place - 1], text[place]
    if before < "\u0300" and after < "\u0300":
        return not (before == "\r" and after == "\n")
    if before == _ZWJ or _extends(after):
        return False
    if "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff":
        return False
    if _flag(before) and _flag(after):
        start = place
        while start > since and _flag(text[start - 1]):
            start -= 1
        return (place - start) % 2 == 0
    return not _syllable(before, after)


def _extends(sign: str) -> bool:
    """Marks, joiners, skin tones, tags: what is drawn onto the sign before it."""
    return (
        unicodedata.category(sign) in ("Mn", "Me", "Mc")
        or sign in "\u200c\u200d\uff9e\uff9f"
        or "\U0001f3fb" <= sign <= "\U0001f3ff"
        or "\U000e0020" <= sign <= "\U000e007f"
    )


def _flag(sign: str) -> bool:
    """A regional indicator: two of them are one flag."""
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def _syllable(before: str, after: str) -> bool:
    """Whether two Korean letters belong to one syllable block."""
    vowel, final = "\u1160" <= after <= "\u11a7", "\u11a8" <= after <= "\u11ff"
    if "\u1100" <= before <= "\u115f":
        return vowel or "\u1100" <= after <= "\u115f" or "\uac00" <= after <= "\ud7a3"
    if "\u1160" <= before <= "\u11a7" or "\uac00" <= before <= "\ud7a3":
        return vowel or final
    return "\u11a8" <= before <= "\u11ff" and final
