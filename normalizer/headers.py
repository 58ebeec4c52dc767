"""Header fields of a mail as senders really write them: encoded words, addresses, parameters, ids, dates."""

from __future__ import annotations

import binascii
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from normalizer import charset

WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?")
#: Longest name, and longest mailbox without brackets, that are looked into, characters.
NAME_LIMIT, BARE_LIMIT = 500, 1000
#: Longest encoded word that is looked for, characters; the standard says 75.
WORD_LIMIT = 4000
#: Encoded words of one field that are decoded; the rest stays as it is.
WORDS = 300
#: Base64 that is undone at a time, bytes.
_PIECE = 1 << 20
_NOT_BASE64 = bytes(set(range(256)) - set(string.ascii_letters.encode() + string.digits.encode() + b"+/="))
LABEL = re.compile(rb"=\?([!->@-~]+)\?[bBqQ]\?")
#: Possessive throughout: strangers' fields are long, and backtracking in them would take quadratic time.
MESSAGE_ID = re.compile(r"<[^<>\s@]++(?:@[^<>\s@]++)++>")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ATOM = r"[^\s<>()\[\],;:\"@]"
ADDRESS = re.compile(rf'(?<!{_ATOM}){_ATOM}++@{_ATOM}++|"[^"]{{0,80}}"@{_ATOM}++')
#: What may end a mailbox, or begin the list of a group.
SEPARATORS = re.compile(r"[,;:]")
#: Longest field that is looked into, characters; a longer one is cut there.
FIELD_LIMIT = 65_536


def plain(value: bytes, hint: str = "") -> str:
    """A raw field as one line of text, encoded words still encoded, whatever charset its bytes are in.

    `hint` is the charset of the mail's text: senders of raw 8-bit fields use the same in both.
    """
    value = value[:FIELD_LIMIT]
    if value.isascii() and b"=?" not in value and b"\x1b" not in value:
        return _unfolded(value.decode("ascii"))
    label = LABEL.search(value)
    if label:
        hint = label[1].decode("ascii")
    if value.isascii():
        hint = ""  # utf-7 and its kin are for bodies
    known = charset.codecs_of(charset.clean_label(hint))
    if known and known[0] not in charset.TWO_BYTE and charset.looks_chinese(value):
        hint = ""
    text, _ = charset.decode(value, hint)
    return _unfolded(text)


def _unfolded(text: str) -> str:
    if "\n" in text or "\r" in text:
        text = text.replace("\r", "").replace("\n", "")
    return text.strip()


def words(text: str) -> str:
    """Text with its encoded words decoded (RFC 2047), also those cut in the middle of a character."""
    if "=?" not in text:
        return CONTROL.sub("", text)
    out: list[str] = []
    pending: tuple[str, bytes] | None = None
    end = 0
    for start, after, label, data in _encoded(text):
        between = text[end:start]
        if pending is not None and (between.strip() or pending[0] != label):
            out.append(charset.decode(pending[1], pending[0])[0])
            pending = None
        if pending is None:
            if between.strip() or not out:
                out.append(between)
            pending = (label, data)
        else:
            pending = (label, pending[1] + data)
        end = after
    if pending is not None:
        out.append(charset.decode(pending[1], pending[0])[0])
    out.append(text[end:])
    return CONTROL.sub("", "".join(out))


def _encoded(text: str) -> Iterator[tuple[int, int, str, bytes]]:
    """Start, end, charset and bytes of each encoded word; a `?` within, as some clients leave it, is borne."""
    position = 0
    for _ in range(WORDS):
        match = WORD.search(text, position)
        if match is None:
            return
        position = match.end()
        end = text.find("?=", position, position + WORD_LIMIT)
        if end >= 0:
            label = match[1].partition("*")[0].lower()
            yield match.start(), end + 2, label, _word_bytes(match[2], text[position:end])
            position = end + 2


def _word_bytes(encoding: str, text: str) -> bytes:
    if encoding in "bB":
        return unbase64(text.encode("utf-8", "replace"))
    return binascii.a2b_qp(text.replace(" ", "_").encode("utf-8", "replace"), header=True)


def unbase64(data: bytes) -> bytes:
    """Base64 with whatever does not belong to it ignored, and a cut-off end forgiven."""
    return base64_within(data, 0, len(data))[0]


def base64_within(data: bytes, start: int, end: int) -> tuple[bytes, bool]:
    """The bytes that base64 from `start` to `end` stands for, and whether it ends in the middle of a group.

    What follows padding is read on: some senders join several encoded texts. It is undone piece by piece,
    so that a large attachment is not held several times.
    """
    out: list[bytes] = []
    carry = b""
    for at in range(start, end, _PIECE):
        clean = carry + data[at : min(at + _PIECE, end)].translate(None, _NOT_BASE64)
        *ended, carry = clean.split(b"=")
        out += [_groups(piece) for piece in ended if piece]
        whole = len(carry) // 4 * 4
        out.append(binascii.a2b_base64(carry[:whole]))
        carry = carry[whole:]
    out.append(_groups(carry))
    return b"".join(out), bool(carry)


def _groups(clean: bytes) -> bytes:
    clean = clean[:-1] if len(clean) % 4 == 1 else clean
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address; the address is empty when none can be made out."""

    name: str
    address: str


def mailboxes(value: str) -> list[Mailbox]:
    """The mailboxes of an address field, encoded words not yet decoded; lenient where RFC 5322 is not."""
    return [box for chunk in _split(value) if (box := _mailbox(chunk)) is not None]


def _split(value: str) -> Iterator[str]:
    """Split at commas and semicolons that are not quoted, bracketed or in a comment; drop group names."""
    if not SEPARATORS.search(value):
        yield value[:FIELD_LIMIT]
        return
    start = depth = 0
    quoted = angle = escaped = False
    for i, char in enumerate(value[:FIELD_LIMIT]):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"' and not depth:
            quoted = not quoted
        elif quoted:
            continue
        elif char == "(":
            depth += 1
        elif char == ")":
            depth = max(0, depth - 1)
        elif depth:
            continue
        elif char == "<":
            angle = True
        elif char == ">":
            angle = False
        elif char in ",;" and not angle:
            yield value[start:i]
            start = i + 1
        elif char == ":" and not angle and "@" not in value[start:i]:
            start = i + 1  # the name of a group
    yield value[start:FIELD_LIMIT]


def _mailbox(chunk: str) -> Mailbox | None:
    chunk = chunk.strip()
    if not chunk:
        return None
    opened = chunk.rfind("<")
    if opened >= 0:
        inside = chunk[opened + 1 : opened + 1 + BARE_LIMIT].partition(">")[0]
        name = chunk[: min(opened, NAME_LIMIT)]
        address = _address(_uncomment(inside)[0])
        bare, comments = _uncomment(name)
        shown = _unquote(bare) or " ".join(comments)
        return Mailbox(words(shown).strip(), address or _address(bare))
    bare, comments = _uncomment(chunk[:BARE_LIMIT])
    address = _address(bare)
    rest = bare.replace(address, " ", 1) if address in bare else ""
    shown = _unquote(rest.strip()) or " ".join(comments)
    return Mailbox(words(shown).strip(), address)


def _uncomment(text: str) -> tuple[str, list[str]]:
    if "(" not in text:
        return text, []
    out: list[str] = []
    comments: list[str] = []
    depth = 0
    quoted = False
    for char in text:
        if char == '"' and not depth:
            quoted = not quoted
        if char == "(" and not quoted:
            depth += 1
            if depth == 1:
                comments.append("")
                continue
        if depth and char == ")" and not quoted:
            depth -= 1
            if not depth:
                continue
        if depth:
            comments[-1] += char
        else:
            out.append(char)
    return "".join(out), [comment.strip() for comment in comments if comment.strip()]


def _address(text: str) -> str:
    text = words(text).strip()
    if text.startswith("@") and ":" in text:  # a route, RFC 5322 §4.4
        text = text.partition(":")[2]
    match = ADDRESS.search(text)
    if match is None:
        match = ADDRESS.search(re.sub(r"\s*([@.])\s*", r"\1", text))  # blanks around dots, also §4.4
    return match[0].strip(".").replace("\0", "") if match else ""


def _unquote(text: str) -> str:
    text = text.strip()
    if text.count('"') >= 2 or "\\" in text:
        text = re.sub(r'"((?:[^"\\]|\\.)*)"', lambda m: re.sub(r"\\(.)", r"\1", m[1]), text)
    return re.sub(r"[ \t]+", " ", text.strip().strip('"').strip())


def ids(value: str) -> tuple[str, ...]:
    """The message ids in a field, in order and once each; rubbish between them is passed over."""
    return tuple(dict.fromkeys(MESSAGE_ID.findall(value)))


def date(value: str) -> datetime | None:
    """The time a Date field names, in UTC, or None when it names none."""
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """A structured field's main value in lower case and its parameters (RFC 2231), however malformed."""
    pieces = list(_pieces(value))
    main = (pieces[0] if pieces else "").strip().lower()
    found: dict[str, str] = {}
    extended: dict[str, dict[int, tuple[bool, str]]] = {}
    for piece in pieces[1:]:
        name, equals, raw = piece.partition("=")
        name, raw = name.strip().lower(), raw.strip()
        if not equals or not name:
            continue
        if raw.startswith('"'):
            closed = re.match(r'"((?:[^"\\]|\\.)*)"?', raw)
            raw = re.sub(r"\\([\"\\])", r"\1", closed[1]) if closed else raw
        match = re.fullmatch(r"([^*]+)\*(?:(\d{1,3})(\*)?)?", name)
        if match:
            extended.setdefault(match[1], {})[int(match[2] or 0)] = (match[2] is None or bool(match[3]), raw)
        else:
            found.setdefault(name, raw)
    for name, sections in extended.items():
        found[name] = _extended(sections)
    return main, found


def _pieces(value: str) -> Iterator[str]:
    if '"' not in value:
        yield from value.split(";")
        return
    start = 0
    quoted = escaped = False
    for i, char in enumerate(value):
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == ";" and not quoted:
            yield value[start:i]
            start = i + 1
    yield value[start:]


def _extended(sections: Mapping[int, tuple[bool, str]]) -> str:
    label, data = "", b""
    for number in sorted(sections):
        encoded, raw = sections[number]
        if encoded and number == min(sections) and raw.count("'") >= 2:
            label, _, raw = raw.split("'", 2)
        data += unquote_to_bytes(raw) if encoded else raw.encode("utf-8", "replace")
    return charset.decode(data, label)[0]
