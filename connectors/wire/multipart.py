"""A form with one file, for platforms that take uploads so (RFC 7578)."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: What may not stand in a quoted parameter (RFC 7578 §4.2); the platforms show no file's name to anybody.
_UNSAFE = re.compile(r"[^\w.()+@ -]")


@dataclass(frozen=True, slots=True)
class File:
    """One file and the field that it goes into."""

    field: str
    filename: str
    media_type: str
    data: bytes


def body(file: File, boundary: str) -> tuple[str, bytes]:
    """Content type and body; the boundary is random, so that no file holds it."""
    name = _UNSAFE.sub("_", file.filename) or "file"
    media_type = re.sub(r"[\x00-\x20\x7f]", "", file.media_type)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{file.field}"; filename="{name}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    return (
        f"multipart/form-data; boundary={boundary}",
        head.encode() + file.data + f"\r\n--{boundary}--\r\n".encode(),
    )
