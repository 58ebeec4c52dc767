"""What is new in a text: without quoted history and signature, line by line and in linear time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from normalizer.phrases import (
    BRACKETED,
    CLOSING,
    DASHED_NAME,
    DATED,
    FIELDS,
    FORWARDED,
    FROM_NAMES,
    QUOTE_MARK,
    REPLY_ABOVE,
    RULE,
    RULED,
    SENT_FROM,
    SIGNATURE,
    WROTE,
    WROTE_BEGIN,
    WROTE_CJK,
)

#: A line that is nothing but an address, and the longest name above it, characters.
OWN_ADDRESS = re.compile(r"^\s*<?[^\s<>@]{1,64}@[^\s<>@]{1,255}>?\s*$")
CARD_NAME = 20
#: Lines of a text that is looked into; one of more is no letter.
LINES = 4_000
#: Longest line that can be the head of a quotation, characters.
HEAD_WIDTH = 500
#: Lines that a signature after a closing has at the most, and the longest of them, characters.
SIGNATURE_LINES, SIGNATURE_WIDTH = 12, 80
#: A trimmed text without this much in it is not trusted.
WORDED = re.compile(r"[^\W_].*?[^\W_]", re.S)


def trim(text: str) -> str:
    """The new part of `text`; the whole text when nothing, or next to nothing, would be left."""
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > LINES:
        return text.strip("\n").rstrip()
    kept = _without_quotes(lines)
    kept = _without_signature(kept)
    new = "\n".join(kept).strip("\n").rstrip()
    return new if worded(new) or not worded(text) else text.strip("\n").rstrip()


@dataclass(frozen=True, slots=True)
class Forward:
    """A mail that is repeated in the text of another."""

    sender: str
    """What its From line says."""
    text: str


def forward(text: str, sure: bool) -> Forward | None:
    """The forwarded mail in `text`; `sure` when the subject already says that it is a forward.

    Without it only a ruled line with words such as "forwarded message" tells it from a quotation.
    """
    lines = text.split("\n")
    for i, line in enumerate(lines[:LINES]):
        if len(line) > HEAD_WIDTH:
            continue
        ruled = bool(RULED.match(line) and FORWARDED.search(line))
        if not (ruled or (sure and _field_block(lines, i))):
            continue
        sender = ""
        for j in range(i + ruled, min(i + 14, len(lines))):
            match = FIELDS.match(lines[j])
            if match and match["name"].lower() in FROM_NAMES:
                sender = sender or lines[j][match.end() :].strip(' *"')
            if sender and not lines[j].strip():
                return Forward(sender, "\n".join(lines[j + 1 :]).strip("\n"))
        if sender:
            return Forward(sender, "")
    return None


def without_armour(text: str) -> str:
    """What was signed by PGP in the text itself (RFC 9580 §7), without the lines around it."""
    body = text.partition("\n\n")[2] or text
    body = body.partition("\n-----BEGIN PGP SIGNATURE-----")[0]
    return re.sub(r"(?m)^- ", "", body)


def worded(text: str) -> bool:
    """Whether at least two letters or digits stand in it."""
    return WORDED.search(text) is not None


def _without_quotes(lines: list[str]) -> list[str]:
    kept: list[str] = []
    i = 0
    while i < len(lines):
        line = lines[i]
        if QUOTE_MARK.match(line):
            i += 1
            continue
        width = _header_lines(lines, i)
        if width:
            after = _next_text(lines, i + width)
            if _is_marked(lines, after):
                i += width  # the quotation is marked: answers may stand between and below
                continue
            if worded("\n".join(kept)):
                return _without_card(kept)
            # Nothing new above: a forward, or an answer below an unmarked quotation.
            return lines
        kept.append(line)
        i += 1
    return kept


def _without_card(kept: list[str]) -> list[str]:
    """Without the writer's own address, and the name above it, that Foxmail puts between text and quotation."""
    end = len(kept)
    while end and not kept[end - 1].strip():
        end -= 1
    if not end or not OWN_ADDRESS.match(kept[end - 1]):
        return kept
    above = end - 1
    while above and not kept[above - 1].strip():
        above -= 1
    if (
        above
        and end - 1 - above >= 1
        and len(kept[above - 1].strip()) <= CARD_NAME
        and _stands_apart(kept, above - 1)
    ):
        end = above
    rest = kept[: end - 1]
    return rest if worded("\n".join(rest)) else kept


def _stands_apart(lines: list[str], i: int) -> bool:
    return i > 1 and not lines[i - 1].strip()


def _header_lines(lines: list[str], i: int) -> int:
    """How many lines, from `i` on, are the head of a quotation; 0 when none."""
    line = lines[i]
    if not line.strip() or len(line) > HEAD_WIDTH:
        return 0
    if RULED.match(line):
        return 1
    if RULE.match(line):
        after = _next_text(lines, i + 1)
        return after - i if after is not None and _field_block(lines, after) else 0
    if _field_block(lines, i):
        return 1
    if REPLY_ABOVE.match(line):
        return 1
    broken = WROTE_BEGIN.match(line.strip()) or BRACKETED.search(line)
    for width in (1, 2, 3, 4):
        if i + width > len(lines) or (width > 1 and not (broken and lines[i + width - 1].strip())):
            break
        if not lines[i + width - 1].rstrip(" \t*_").endswith((":", "：")):
            continue
        joined = " ".join(piece.strip() for piece in lines[i : i + width])
        if _says_wrote(joined):
            return width
        # In any language: who and when, a colon, and below it what is marked as quoted.
        if _names_somebody(joined) and _is_marked(lines, _next_text(lines, i + width)):
            return width
    return 0


def _is_marked(lines: list[str], i: int | None) -> bool:
    return i is not None and QUOTE_MARK.match(lines[i]) is not None


def _names_somebody(line: str) -> bool:
    return line.endswith((":", "：")) and bool(BRACKETED.search(line) and DATED.search(line))


def _says_wrote(line: str) -> bool:
    """Whether a line says when and who wrote what follows."""
    line = line.lstrip("> ").strip("*_ ")
    if len(line) > 400 or not line.endswith((":", "：")):
        return False
    return bool(WROTE_CJK.search(line)) or bool(DATED.search(line) and WROTE.search(line))


def _field_block(lines: list[str], i: int) -> bool:
    """Whether a sender's field stands at `i` and at least one more field within the next lines."""
    match = FIELDS.match(lines[i])
    if match is None or match["name"].lower() not in FROM_NAMES:
        return False
    others = 0
    for line in lines[i + 1 : i + 8]:
        if FIELDS.match(line):
            others += 1
    return others >= 1


def _next_text(lines: list[str], i: int) -> int | None:
    for j in range(i, min(len(lines), i + 4)):
        if lines[j].strip():
            return j
    return None


def _without_signature(lines: list[str]) -> list[str]:
    """Cut at the signature: its delimiter, the phone's line, or a closing followed by little."""
    little = _little_after(lines)
    begun = False
    for i, line in enumerate(lines):
        if begun and _begins_signature(line, little[i]):
            return lines[:i]
        begun = begun or bool(line.strip())
    return lines


def _begins_signature(line: str, little: bool) -> bool:
    if len(line) > 2 * SIGNATURE_WIDTH:
        return False
    if SIGNATURE.match(line):
        return True
    return little and bool(SENT_FROM.match(line) or DASHED_NAME.match(line) or CLOSING.match(line))


def _little_after(lines: list[str]) -> list[bool]:
    """For each line, whether what follows it is no more than a signature: few lines, and short ones."""
    found: list[bool] = []
    count, short = 0, True
    for line in reversed(lines):
        found.append(short and count <= SIGNATURE_LINES)
        count += bool(line.strip())
        short = short and len(line) <= SIGNATURE_WIDTH
    return found[::-1]
