"""Text in one shape: composed, without control characters, with plain line ends."""

from __future__ import annotations

import re
import unicodedata

#: C0 and C1 controls apart from tab and line feed, and DEL.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
#: Marks that may follow one letter (UAX #15 §13, stream-safe text); composing longer runs takes
#: quadratic time, which a stranger could use.
MAX_MARKS = 30
#: Marks count neither as word characters nor as space, so that a longer run of them is in here.
_MARK_RUN = re.compile(rf"[^\w\s\x00-\x7f]{{{MAX_MARKS + 1},}}")
_SPACES = re.compile(r"\s+")


def clean(text: str) -> str:
    """Text as it is stored: NFC, line feeds only, no control characters but tab and line feed.

    Surrogate pairs that a decoder left apart are joined, lone ones become U+FFFD, so that the result can
    always be encoded.
    """
    if not text.replace("\n", "").isprintable():  # the usual case needs no more than this look
        text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))
        if _SURROGATES.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _MARK_RUN.sub(_fewer_marks, text))


def one_line(text: str, limit: int) -> str:
    """Text for a header, a subject or a list: clean, one line, single spaces, at most `limit` characters.

    What was cut off is shown by an ellipsis, which counts.
    """
    text = _SPACES.sub(" ", clean(text)).strip()
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def squeezed_prefix(whole: str, beginning: str) -> int:
    """How many characters of `whole` say what `beginning` says, white space apart; 0 when it begins otherwise."""
    position = 0
    for character in beginning:
        if character.isspace():
            continue
        while position < len(whole) and whole[position].isspace():
            position += 1
        if position >= len(whole) or whole[position] != character:
            return 0
        position += 1
    return position


def _fewer_marks(run: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)
