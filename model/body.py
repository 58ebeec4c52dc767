"""Forms and events in HTTP bodies from strangers, read purely and in linear time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from model import strict_json
from model.failures import Malformed

#: Bytes of the headers of one part of a multipart body.
_PART_HEADERS = 8_192

#: Charset labels that strangers use, to the codec that reads all of what is sent under them.
_CODECS: Mapping[str, str] = {
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "cp936", "x-gbk"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs", "cp950"), "big5hkscs"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "windows-31j", "cp932"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "cp949"), "cp949"),
    **dict.fromkeys(("iso-8859-1", "latin1", "windows-1252", "cp1252"), "cp1252"),
    **{name: name for name in ("euc-jp", "koi8-r", "utf-16", "utf-16le", "utf-16be")},
    **{f"iso-8859-{n}": f"iso8859-{n}" for n in (2, 5, 7, 9, 15)},
    **{f"windows-125{n}": f"cp125{n}" for n in (0, 1, 3, 4, 5, 6, 7, 8)},
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a form, its name as the stranger gave it: never a path to use."""

    field: str
    filename: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """A submitted form: fields in order, files, and notes on what could not be read exactly."""

    fields: tuple[tuple[str, str], ...]
    files: tuple[Upload, ...] = ()
    notes: tuple[str, ...] = ()

    def first(self, name: str) -> str:
        """The first non-empty value of a field, or an empty text."""
        for key, value in self.fields:
            if key == name and value and not value.isspace():
                return value
        return ""


def parameters(header: str) -> tuple[str, dict[str, str]]:
    """The value of a header such as Content-Type, in lower case, and its parameters (RFC 9110 §5.6.6)."""
    value, _, rest = header.partition(";")
    found: dict[str, str] = {}
    if not rest:
        return value.strip().lower(), found
    for match in re.finditer(
        r";?\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s;\"]*))", rest[:4096]
    ):
        name, quoted, plain = match.groups()
        found.setdefault(name.lower(), plain if quoted is None else quoted.replace('\\"', '"'))
    return value.strip().lower(), found


def decode(data: bytes, charset: str | None = None) -> tuple[str, bool]:
    """Text of bytes whose label may lie, and whether something was lost.

    Valid UTF-8 is UTF-8 whatever the label says; then the label; then GB 18030, the other great habit of
    our customers; then UTF-8 with replacement marks.
    """
    try:
        return data.decode().removeprefix("\ufeff"), False
    except UnicodeDecodeError:
        pass
    labelled = _CODECS.get((charset or "").strip().lower().replace("_", "-"))
    for codec in (labelled, "gb18030"):
        if codec:
            try:
                return data.decode(codec), False
            except UnicodeDecodeError:
                continue
    return data.decode("utf-8", "replace"), True


def load_form(content_type: str, data: bytes, *, most: int = 1_000) -> Form:
    """A form as JSON object, URL-encoded or multipart text; Malformed when unreadable or of more than `most` parts.

    A JSON list of scalars gives its field several values; nested values stay JSON text.
    """
    media_type, options = parameters(content_type)
    if media_type == "multipart/form-data":
        return _multipart(data, options.get("boundary", ""), most)
    if media_type == "application/x-www-form-urlencoded":
        return _urlencoded(data, options.get("charset"), most)
    if media_type == "application/json" or media_type.endswith("+json"):
        return _json_form(data, most)
    raise Malformed(
        "the content type is none of application/json, application/x-www-form-urlencoded, multipart/form-data"
    )


def load_event(content_type: str, data: bytes, *, member: str | None = None, most: int = 1_000) -> Any:
    """JSON data of a callback's body; a form gives an object, with lists where a field came twice.

    `member` names the form field that holds the event as JSON text, where a provider does that.
    """
    media_type, _ = parameters(content_type)
    if media_type not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return strict_json.load(data)
    form = load_form(content_type, data, most=most)
    if member is not None:
        return strict_json.load(form.first(member).encode("utf-8", "replace"))
    event: dict[str, Any] = {}
    for name, value in form.fields:
        held = event.get(name)
        event[name] = value if held is None else [*(held if isinstance(held, list) else [held]), value]
    return event


def _too_many(most: int) -> Malformed:
    return Malformed(f"the form has more than {most} fields")


def _json_form(data: bytes, most: int) -> Form:
    value = strict_json.load(data)
    if not isinstance(value, dict):
        raise Malformed("the JSON of a form is an object of fields")
    fields: list[tuple[str, str]] = []
    for name, one in value.items():
        if one.__class__ is str:
            fields.append((name, one))
        elif isinstance(one, list) and not any(isinstance(each, dict | list) for each in one):
            fields += [(name, _field_text(each)) for each in one]
        else:
            fields.append((name, _field_text(one)))
        if len(fields) > most:
            raise _too_many(most)
    return Form(tuple(fields))


def _field_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _urlencoded(data: bytes, charset: str | None, most: int) -> Form:
    if data.count(b"&") >= most:
        raise _too_many(most)
    pairs = [pair.partition(b"=") for pair in data.split(b"&") if pair]
    return _decoded([(_unquoted(name), _unquoted(value)) for name, _, value in pairs], charset)


def _unquoted(data: bytes) -> bytes:
    data = data.replace(b"+", b" ")
    return unquote_to_bytes(data) if b"%" in data else data


def _decoded(pairs: list[tuple[bytes, bytes]], charset: str | None, files: tuple[Upload, ...] = ()) -> Form:
    """Fields as text. Each is judged alone, because a script may post one that its page's charset does not fit."""
    declared = next(
        (value.decode("ascii", "replace") for name, value in pairs if name == b"_charset_"), charset
    )
    fields: list[tuple[str, str]] = []
    notes: list[str] = []
    for raw_name, raw_value in pairs:
        if raw_name == b"_charset_":
            continue
        (name, lost_name), (value, lost) = decode(raw_name, declared), decode(raw_value, declared)
        fields.append((name, value))
        if lost or lost_name:
            notes.append(f"field {len(fields)} is in no known charset: unreadable characters were replaced")
    return Form(tuple(fields), files, tuple(notes))


def _multipart(data: bytes, boundary: str, most: int) -> Form:
    """RFC 7578 over RFC 2046 §5.1.1, one pass with `bytes.find`."""
    if not 1 <= len(boundary) <= 200 or not boundary.isascii():
        raise Malformed("the multipart content type has no usable boundary")
    whole = b"\r\n" + data  # the first delimiter may open the body; then its CRLF is understood
    pairs: list[tuple[bytes, bytes]] = []
    files: list[Upload] = []
    for start, end in _spans(whole, b"\r\n--" + boundary.encode()):
        if len(pairs) + len(files) >= most:
            raise _too_many(most)
        headers, content = _part(whole, start, end)
        name, upload = _described(headers, content)
        if upload is None:
            pairs.append((name, content))
        elif upload.filename or upload.data:  # a file input that nobody used is sent empty
            files.append(upload)
    return _decoded(pairs, None, tuple(files))


_REST_OF_DELIMITER = re.compile(rb"[ \t]{0,100}\r\n")


def _spans(whole: bytes, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """Where the parts are, each from the CRLF that ends its delimiter line to the next delimiter."""
    start = -1
    position = whole.find(delimiter)
    while position >= 0:
        after = position + len(delimiter)
        closing = whole.startswith(b"--", after)
        line = None if closing else _REST_OF_DELIMITER.match(whole, after)
        if closing or line:
            if start >= 0:
                yield start, position
            if line is None:
                return
            start = after = line.end() - 2  # this CRLF may end an empty header block
        position = whole.find(delimiter, after)
    raise Malformed(f"the multipart body is cut off: no closing boundary in its {len(whole) - 2} bytes")


def _part(whole: bytes, start: int, end: int) -> tuple[str, bytes]:
    stop = whole.find(b"\r\n\r\n", start, min(start + _PART_HEADERS, end))
    if stop < 0:
        raise Malformed(f"a part of the multipart body has no end of headers: see byte {start}")
    return decode(whole[start:stop])[0], whole[stop + 4 : end]


def _described(headers: str, content: bytes) -> tuple[bytes, Upload | None]:
    """The name of a part, and the file where it is one."""
    values = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in headers.split("\r\n") if line)
    }
    kind, options = parameters(values.get("content-disposition", ""))
    if kind != "form-data" or "name" not in options:
        raise Malformed("a part of the multipart body has no name")
    name = _unescaped(options["name"])
    if "filename" not in options and "filename*" not in options:
        return name.encode("utf-8", "replace"), None
    filename = _unescaped(options.get("filename", ""))
    if "filename*" in options:  # RFC 8187, which RFC 7578 forbids and some clients send
        charset, _, escaped = options["filename*"].partition("''")
        filename = decode(unquote_to_bytes(escaped), charset)[0] or filename
    media_type = parameters(values.get("content-type", ""))[0] or "application/octet-stream"
    return b"", Upload(name, filename, media_type, content)


def _unescaped(text: str) -> str:
    """Undo what browsers escape in names (HTML standard, "multipart/form-data encoding algorithm")."""
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
