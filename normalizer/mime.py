"""The structure of a mail: headers, parts and their bytes, from any bytes at all.

Written for this house instead of taken from the standard library because its parser recurses (a thousand
nested parts end it), turns the whole mail into text first, and garbles headers in raw 8-bit charsets.
Offsets are found with bytes.find and regular expressions, so that large attachments cost next to nothing.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from normalizer import charset, headers

#: Bounds on what a stranger may make us look at (RFC 5322 sets none).
DEPTH, PARTS = 50, 500
HEADER_BYTES, HEADER_LINES = 262_144, 1000

BLANK_LINE = re.compile(rb"\r?\n\r?\n|\A\r?\n")
FIELD = re.compile(rb"(?m)^([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r(?!\n))*(?:\r?\n[ \t]+[^\r\n]*)*)")
UU_BEGIN = re.compile(rb"(?m)^begin [0-7]{3,4} (.+?)\r?$")
TOKENS = re.compile(r"^[\w!#$&^.+-]+/[\w!#$&^.+-]+$")


@dataclass(slots=True)
class Limits:
    """What is left of the bounds, shared by all parts of one mail."""

    parts: int = PARTS
    notes: list[str] = field(default_factory=list)
    """What was left out because a bound was reached."""

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


@dataclass(slots=True)
class Entity:
    """One entity: a mail, a part, or a mail inside a part."""

    fields: list[tuple[str, bytes]]
    raw: bytes
    """The body, still in its transfer encoding."""
    media_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    children: list[Entity] = field(default_factory=list)
    source: bytes = b""
    """Header and body together, for parts that are kept whole."""
    hint: str = ""
    """Charset of the text, for fields in raw 8-bit bytes."""
    _cache: dict[str, str] = field(default_factory=dict, repr=False)

    def header(self, name: str) -> str:
        """The first field of that name as one line of text, encoded words not decoded; empty when absent."""
        if name not in self._cache:
            raw = next((value for key, value in self.fields if key == name), b"")
            self._cache[name] = headers.plain(raw, self.hint) if raw else ""
        return self._cache[name]

    def all(self, name: str) -> list[str]:
        """Every field of that name."""
        return [headers.plain(value, self.hint) for key, value in self.fields if key == name]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)

    @property
    def disposition(self) -> str:
        return headers.parameters(self.header("content-disposition"))[0]

    @property
    def content_id(self) -> str | None:
        return self.header("content-id").strip("<> ") or None

    @property
    def name(self) -> str:
        """The file name as its sender gave it; empty when it gave none."""
        found = headers.parameters(self.header("content-disposition"))[1]
        return found.get("filename") or self.parameters.get("name") or self.parameters.get("filename") or ""

    def content(self) -> bytes:
        """The body with its transfer encoding undone; what cannot be undone is given as it is."""
        encoding = self.header("content-transfer-encoding").partition(";")[0].strip(" '\"").lower()
        if encoding == "base64":
            return headers.unbase64(self.raw)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.raw)
        if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
            return undo_uu(self.raw)
        return self.raw

    def text(self) -> tuple[str, bool]:
        """The body as text with line ends as newlines, and whether something was lost."""
        text, lossy = charset.decode(self.content(), self.parameters.get("charset"))
        return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""), lossy

    def walk(self) -> Iterator[Entity]:
        """This entity and all below it, in order, those inside nested mails too."""
        stack = [self]
        while stack:
            entity = stack.pop()
            yield entity
            stack.extend(reversed(entity.children))


def parse(raw: bytes, limits: Limits | None = None) -> Entity:
    """The mail in `raw`; never fails, whatever the bytes."""
    if raw.startswith((b"From ", b">From ")):  # the envelope line of an mbox
        raw = raw[raw.find(b"\n") + 1 :] if b"\n" in raw else b""
    if b"\n" not in raw and b"\r" in raw:
        raw = raw.replace(b"\r", b"\n")
    mail = _entity(raw.lstrip(b"\r\n"), "text/plain", 0, limits or Limits())
    mail.hint = next((found for part in mail.walk() if (found := part.parameters.get("charset"))), "")
    mail._cache.clear()
    return mail


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Header block and body. Without an empty line the header ends where its fields end."""
    match = BLANK_LINE.search(raw)
    head, body = (raw[: match.start()], raw[match.end() :]) if match else (raw, b"")
    end = _header_end(head[:HEADER_BYTES])
    if end < min(len(head), HEADER_BYTES):
        body = raw[end:]
        head = head[:end]
    return head, body


def _header_end(head: bytes) -> int:
    """Where the first line stands that can belong to no field."""
    position = 0
    while position < len(head):
        newline = head.find(b"\n", position)
        line = head[position : newline if newline >= 0 else len(head)]
        if not (FIELD.match(line) or (position and line[:1] in b" \t")):
            # One stray line between fields is passed over; text that goes on is a body.
            following = head[newline + 1 :].split(b"\n", 1)[0] if newline >= 0 else b""
            if not position or not FIELD.match(following):
                return position
        if newline < 0:
            break
        position = newline + 1
    return len(head)


def fields(head: bytes, limits: Limits) -> list[tuple[str, bytes]]:
    """Field names in lower case and raw values, within the bounds."""
    if len(head) > HEADER_BYTES:
        limits.note("header cut: too long")
        head = head[:HEADER_BYTES]
    found: list[tuple[str, bytes]] = []
    for match in FIELD.finditer(head):
        if len(found) >= HEADER_LINES:
            limits.note("header cut: too many fields")
            break
        found.append((match[1].decode("ascii").lower(), match[2]))
    return found


def _entity(raw: bytes, default: str, depth: int, limits: Limits) -> Entity:
    head, body = split(raw)
    entity = Entity(fields(head, limits), body, source=raw)
    main, entity.parameters = headers.parameters(entity.header("content-type"))
    entity.media_type = main if TOKENS.match(main) else ("text/plain" if main in ("", "text") else default)
    if not entity.has("content-type"):
        entity.media_type = default
    if entity.media_type.startswith("multipart/"):
        entity.children = _parts(entity, depth, limits)
        if not entity.children:
            entity.media_type = "text/plain"  # no part is found: what there is must be read as text
    elif entity.media_type in ("message/rfc822", "message/global", "message/news"):
        entity.children = _inner(entity, depth, limits)
    return entity


def _inner(entity: Entity, depth: int, limits: Limits) -> list[Entity]:
    if depth >= DEPTH or limits.parts <= 0:
        limits.note("parts nested too deeply")
        return []
    limits.parts -= 1
    return [_entity(entity.content().lstrip(b"\r\n"), "text/plain", depth + 1, limits)]


def _parts(entity: Entity, depth: int, limits: Limits) -> list[Entity]:
    if depth >= DEPTH:
        limits.note("parts nested too deeply")
        return []
    default = "message/rfc822" if entity.media_type == "multipart/digest" else "text/plain"
    found: list[Entity] = []
    for start, end in _bounds(entity.raw, entity.parameters.get("boundary", "")):
        if limits.parts <= 0:
            limits.note("too many parts")
            break
        limits.parts -= 1
        found.append(_entity(entity.raw[start:end], default, depth + 1, limits))
    return found


def _bounds(body: bytes, boundary: str) -> Iterator[tuple[int, int]]:
    """Where each part starts and ends (RFC 2046 §5.1.1), a missing last delimiter forgiven."""
    mark = b"--" + boundary.encode()
    if mark[-1:] in b" \t" and mark not in body:
        mark = mark.rstrip()  # blanks at the end of lines were lost on the way
    if not mark[2:].strip():
        return
    start: int | None = None
    position = body.find(mark)
    while position >= 0:
        newline = body.find(b"\n", position)
        after = len(body) if newline < 0 else newline
        rest = body[position + len(mark) : min(after, position + len(mark) + 4)].rstrip(b"\r\n")
        last = rest.startswith(b"--")
        rest = rest[2:] if last else rest
        # Only blanks belong after the mark, and what follows them is passed over; anything else makes it
        # another, longer mark.
        if (position == 0 or body[position - 1] == 10) and (not rest or rest[:1] in b" \t"):
            if start is not None:
                end = position - (2 if body[position - 2 : position] == b"\r\n" else 1)
                yield start, max(start, end)
            if last:
                return
            start = min(after + 1, len(body))
        position = body.find(mark, position + len(mark))
    if start is not None and start < len(body):
        yield start, len(body)


def undo_uu(data: bytes) -> bytes:
    """Uuencoded bytes, from the `begin` line if there is one to `end` or the first line that is none."""
    begin = UU_BEGIN.search(data)
    out: list[bytes] = []
    for line in data[begin.end() if begin else 0 :].splitlines():
        if line.strip() == b"end":
            break
        if not line.strip():
            continue
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            size = (((line[0] - 32) & 63) * 4 + 5) // 3  # some encoders write too long lines
            try:
                out.append(binascii.a2b_uu(line[:size]))
            except binascii.Error:
                break
    return b"".join(out)
