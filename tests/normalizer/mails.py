"""Mails for the tests of their reader, made piece by piece."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

from asn1crypto import cms

from model.draft import Draft
from normalizer.contract import Source
from normalizer.readers.email import read

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
OPTIONS = {"addresses": ["feedback@office.example"], "check_recipient": True}
HEAD = (
    b"From: Li Lei <li@example.com>\r\nTo: feedback@office.example\r\nSubject: Fridge\r\n"
    b"Message-ID: <one@example.com>\r\nDate: Sun, 22 Nov 2026 07:00:00 +0000\r\n"
)


def draft(raw: bytes, **more: Any) -> Draft:
    """What the reader makes of it."""
    values: dict[str, Any] = {"media_type": "message/rfc822", "received_at": AT, "options": OPTIONS}
    return read(Source(raw=raw, **{**values, **more}))


def mail(body: bytes = b"Hello\r\n", kind: str = "text/plain; charset=utf-8", extra: str = "") -> bytes:
    return HEAD + extra.encode() + f"Content-Type: {kind}\r\n\r\n".encode() + body


def part(body: str | bytes, kind: str = "text/plain; charset=utf-8", extra: str = "") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    return f"Content-Type: {kind}\r\n{extra}\r\n".encode() + data


def multipart(*pieces: bytes, kind: str = "multipart/mixed", mark: str = "b") -> tuple[bytes, str]:
    """Body and type of a multipart."""
    body = b"".join(f"--{mark}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return body + f"--{mark}--\r\n".encode(), f'{kind}; boundary="{mark}"'


def mixed(*pieces: bytes, kind: str = "multipart/mixed") -> bytes:
    return mail(*multipart(*pieces, kind=kind))


def signed(content: bytes) -> bytes:
    """A CMS container around `content`, with no signer: whoever opens it does not check one."""
    inner = {"version": "v1", "digest_algorithms": [], "signer_infos": []}
    inner["encap_content_info"] = {"content_type": "data", "content": content}  # type: ignore[assignment]
    packed: bytes = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(inner)}).dump()
    return packed


def encrypted() -> bytes:
    info = {
        "content_type": "data",
        "content_encryption_algorithm": {"algorithm": "tripledes_3key", "parameters": b"12345678"},
    }
    packed: bytes = cms.ContentInfo(
        {
            "content_type": "enveloped_data",
            "content": {"version": "v0", "recipient_infos": [], "encrypted_content_info": info},
        }
    ).dump()
    return packed


def winmail(text: str, *files: tuple[str, bytes]) -> bytes:
    """An Outlook container (MS-OXTNEF) with a text and files."""
    out = struct.pack("<IH", 0x223E9F78, 1)
    out += _attribute(1, 0x00089006, struct.pack("<I", 0x10000))
    out += _attribute(1, 0x00069007, struct.pack("<II", 936, 0))
    out += _attribute(1, 0x0002800C, text.encode() + b"\0") if text else b""
    for name, data in files:
        out += _attribute(2, 0x00069002, b"\1\0" + b"\0" * 12)
        out += _attribute(2, 0x00018010, name.encode("utf-8") + b"\0")
        out += _attribute(2, 0x0006800F, data)
    return out


def _attribute(level: int, name: int, data: bytes) -> bytes:
    return struct.pack("<BII", level, name, len(data)) + data + struct.pack("<H", sum(data) % 65536)
