"""The structure of a mail: headers, parts and their bytes, from any bytes at all.

Written for this house instead of taken from the standard library because its parser recurses (a thousand
nested parts end it), turns the whole mail into text first, and garbles headers in raw 8-bit charsets.
Offsets are found with bytes.find and regular expressions, and bodies are copied only when they are asked
for, so that large attachments cost next to nothing.
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

BLANK_LINE = re.compile(rb"\r?\n\r?\n")
NO_HEADER = re.compile(rb"\r?\n")
FIELD = re.compile(rb"(?m)^([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r(?!\n))*(?:\r?\n[ \t]+[^\r\n]*)*)")
UU_BEGIN = re.compile(rb"(?m)^begin [0-7]{3,4} (.+?)\r?$")
UU_LINE = re.compile(r"begin [0-7]{3,4} (\S.*)$")
UU_DATA = re.compile(r"[ -`]{1,90}$")
UUENCODED = ("x-uuencode", "uuencode", "x-uue", "uue")
KNOWN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary", "none", "7-bit", "8-bit"})
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
    buffer: bytes
    """The bytes that it lies in, shared with what is around it."""
    start: int
    """Where its header begins, where its body begins, and where it ends."""
    body: int
    end: int
    media_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    children: list[Entity] = field(default_factory=list)
    hint: str = ""
    """Charset of the text, for fields in raw 8-bit bytes."""
    _cache: dict[str, str] = field(default_factory=dict, repr=False)
    _first: dict[str, bytes] | None = field(default=None, repr=False)

    @property
    def raw(self) -> bytes:
        """The body, still in its transfer encoding."""
        return self.buffer[self.body : self.end]

    def header(self, name: str) -> str:
        """The first field of that name as one line of text, encoded words not decoded; empty when absent."""
        if name not in self._cache:
            if self._first is None:
                self._first = dict(reversed(self.fields))
            raw = self._first.get(name, b"")
            self._cache[name] = headers.plain(raw, self.hint) if raw else ""
        return self._cache[name]

    def all(self, name: str) -> list[str]:
        """Every field of that name."""
        return [headers.plain(value, self.hint) for key, value in self.fields if key == name]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields) if self._first is None else name in self._first

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

    @property
    def encoding(self) -> str:
        """The transfer encoding in lower case; empty when none is named."""
        return self.header("content-transfer-encoding").partition(";")[0].strip(" '\"").lower()

    def content(self) -> bytes:
        """The body with its transfer encoding undone; what cannot be undone is given as it is."""
        return self.decoded()[0]

    def decoded(self) -> tuple[bytes, str | None]:
        """The same, and what is wrong with the transfer encoding, in words; None when nothing is."""
        encoding = self.encoding
        if encoding == "base64":
            content, cut = headers.base64_within(self.buffer, self.body, self.end)
            if cut:
                return content, "its end is missing"
        elif encoding == "quoted-printable":
            return binascii.a2b_qp(self.raw), None
        elif encoding in UUENCODED:
            content, cut = undo_uu(self.raw)
            if cut and content:
                return content, "it cannot be decoded to its end"
        else:
            known = encoding in KNOWN_ENCODINGS
            return self.raw, None if known else "its transfer encoding is not known; it is kept as it came"
        if not content and self.raw.strip():
            return self.raw, "its transfer encoding cannot be undone; it is kept as it came"
        return content, None

    def text(self) -> tuple[str, str | None]:
        """The body as text with line ends as newlines, and what was lost, in words."""
        content, trouble = self.decoded()
        text, lossy = charset.decode(content, self.parameters.get("charset"))
        trouble = trouble or ("some characters could not be decoded" if lossy else None)
        return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""), trouble

    def walk(self) -> Iterator[Entity]:
        """This entity and all below it, in order, those inside nested mails too."""
        stack = [self]
        while stack:
            entity = stack.pop()
            yield entity
            stack.extend(reversed(entity.children))


def parse(raw: bytes, limits: Limits | None = None) -> Entity:
    """The mail in `raw`; never fails, whatever the bytes."""
    start = 0
    if raw.startswith((b"From ", b">From ")):  # the envelope line of an mbox
        start = raw.find(b"\n") + 1 or len(raw)
    if b"\r" in raw[:HEADER_BYTES] and b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    mail = _entity(raw, _past_breaks(raw, start), len(raw), "text/plain", 0, limits or Limits())
    mail.hint = next((found for part in mail.walk() if (found := part.parameters.get("charset"))), "")
    mail._cache.clear()
    return mail


def _past_breaks(raw: bytes, start: int) -> int:
    while raw[start : start + 1] in (b"\r", b"\n"):
        start += 1
    return start


def _body_start(raw: bytes, start: int, end: int, limits: Limits) -> tuple[int, int]:
    """Where the header ends and the body begins. Without an empty line the header ends where its fields end."""
    blank = NO_HEADER.match(raw, start, end)
    if blank:
        return start, blank.end()
    match = BLANK_LINE.search(raw, start, end)
    head_end, body = match.span() if match else (end, end)
    head = raw[start : min(head_end, start + HEADER_BYTES)]
    fields_end = _header_end(head, limits)
    if fields_end < len(head):
        return start + fields_end, start + fields_end
    return head_end, body


def _header_end(head: bytes, limits: Limits) -> int:
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
            if not line.startswith((b"From ", b">From ")):
                limits.note("a line of the header that is no field was passed over")
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


def _entity(buffer: bytes, start: int, end: int, default: str, depth: int, limits: Limits) -> Entity:
    head_end, body = _body_start(buffer, start, end, limits)
    head = buffer[start : min(head_end, start + HEADER_BYTES + 1)]
    entity = Entity(fields(head, limits), buffer, start, body, end)
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
    buffer, start, end = entity.buffer, entity.body, entity.end
    if entity.encoding not in ("", "7bit", "8bit", "binary", "none"):
        buffer = entity.content()
        start, end = 0, len(buffer)
    while buffer[start : start + 1] in (b"\r", b"\n") and start < end:
        start += 1
    return [_entity(buffer, start, end, "text/plain", depth + 1, limits)]


def _parts(entity: Entity, depth: int, limits: Limits) -> list[Entity]:
    if depth >= DEPTH:
        limits.note("parts nested too deeply")
        return []
    default = "message/rfc822" if entity.media_type == "multipart/digest" else "text/plain"
    found: list[Entity] = []
    boundary = entity.parameters.get("boundary", "")
    for start, end in _bounds(entity.buffer, entity.body, entity.end, boundary):
        if limits.parts <= 0:
            limits.note("too many parts")
            break
        limits.parts -= 1
        found.append(_entity(entity.buffer, start, end, default, depth + 1, limits))
    return found


def _bounds(body: bytes, first: int, end: int, boundary: str) -> Iterator[tuple[int, int]]:
    """Where each part starts and ends (RFC 2046 §5.1.1), a missing last delimiter forgiven."""
    mark = b"--" + boundary.encode("utf-8", "surrogatepass")
    if mark[-1:] in b" \t" and body.find(mark, first, end) < 0:
        mark = mark.rstrip()  # blanks at the end of lines were lost on the way
    if not mark[2:].strip():
        return
    start: int | None = None
    position = body.find(mark, first, end)
    while position >= 0:
        newline = body.find(b"\n", position, end)
        after = end if newline < 0 else newline
        rest = body[position + len(mark) : min(after, position + len(mark) + 4)].rstrip(b"\r\n")
        last = rest.startswith(b"--")
        rest = rest[2:] if last else rest
        # Only blanks belong after the mark, and what follows them is passed over; anything else makes it
        # another, longer mark.
        if (position == first or body[position - 1] == 10) and (not rest or rest[:1] in b" \t"):
            if start is not None:
                until = position - (2 if body[position - 2 : position] == b"\r\n" else 1)
                yield start, max(start, until)
            if last:
                return
            start = min(after + 1, end)
        position = body.find(mark, position + len(mark), end)
    if start is not None and start < end:
        yield start, end


def undo_uu(data: bytes) -> tuple[bytes, bool]:
    """Uuencoded bytes, from the `begin` line if there is one to `end`, and whether a line before it is none."""
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
                return b"".join(out), True
    return b"".join(out), False


def take_uu(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A text without the uuencoded files that stand in it, and these with their names.

    A block counts only when every line down to `end` is uuencoded, so that prose with the word `begin` stays.
    """
    if "\nend" not in text or "begin " not in text:
        return text, []
    kept: list[str] = []
    files: list[tuple[str, bytes]] = []
    lines = text.split("\n")
    i = 0
    while i < len(lines):
        match = UU_LINE.match(lines[i])
        end = _uu_end(lines, i + 1) if match else None
        if match is None or end is None:
            kept.append(lines[i])
            i += 1
            continue
        files.append((match[1].strip(), undo_uu("\n".join(lines[i : end + 1]).encode("utf-8", "replace"))[0]))
        i = end + 1
    return "\n".join(kept), files


def _uu_end(lines: list[str], i: int) -> int | None:
    """The `end` line of a block whose first data line is at `i`; None when it is no block."""
    first = i
    while i < len(lines):
        line = lines[i].rstrip()
        if line == "end":
            return i if i > first else None
        if line and not UU_DATA.match(line):
            return None
        i += 1
    return None
