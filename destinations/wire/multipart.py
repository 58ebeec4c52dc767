"""Bodies of multipart/form-data (RFC 7578), with names in UTF-8 as browsers write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from destinations.wire.tickets import Sent

_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+\Z", re.ASCII)


def field(name: str, value: str, media_type: str = "") -> bytes:
    """A field."""
    head = f'Content-Disposition: form-data; name="{_quoted(name)}"\r\n'
    if media_type:
        head += f"Content-Type: {media_type}\r\n"
    return head.encode() + b"\r\n" + value.encode("utf-8", "replace") + b"\r\n"


def file(name: str, sent: Sent) -> bytes:
    """A file."""
    media_type = sent.media_type if _TYPE.match(sent.media_type) else "application/octet-stream"
    head = (
        f'Content-Disposition: form-data; name="{_quoted(name)}"; filename="{_quoted(sent.filename)}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    return head.encode("utf-8", "replace") + sent.data + b"\r\n"


def body(parts: Sequence[bytes], boundary: str) -> tuple[str, bytes]:
    """The content type and the whole body."""
    line = f"--{boundary}".encode()
    whole = b"".join(line + b"\r\n" + part for part in parts) + line + b"--\r\n"
    return f"multipart/form-data; boundary={boundary}", whole


def _quoted(name: str) -> str:
    """As browsers quote it (HTML §4.10.22.8); control characters would end the line."""
    plain = re.sub(r"[\x00-\x1f\x7f]+", " ", name)
    return plain.replace('"', "%22")
