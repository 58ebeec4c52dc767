"""Containers of strangers opened: Outlook's winmail.dat (MS-OXTNEF) and what is signed as S/MIME (RFC 8551).

Pure, and never raises: what cannot be opened is None, and its bytes are kept as they came.
"""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass

from normalizer import charset, rtf

#: Attributes of a winmail.dat, and layers of signatures, that are looked into.
ATTRIBUTES, LAYERS = 2000, 5
_SIGNATURE = 0x223E9F78
_HEAD = struct.Struct("<BII")
# It tells every oddity to the log, which is the daemon's, not a stranger's.
logging.getLogger("tnefparse").disabled = True


@dataclass(frozen=True, slots=True)
class Winmail:
    """What a winmail.dat holds."""

    text: str
    html: str
    files: tuple[tuple[str, bytes], ...]
    """Names, empty where none is given, and bytes."""


def winmail(data: bytes) -> Winmail | None:
    """The contents of a winmail.dat; None when it cannot be read, or the library is not installed."""
    if not _is_bounded(data):
        return None
    try:
        from tnefparse import TNEF

        found = TNEF(data, do_checksum=False)
        files = [(str(one.long_filename() or ""), _bytes(one.data)) for one in found.attachments]
        text, html = _text(found.body), _text(found.htmlbody)
        if not (text.strip() or html.strip()) and found._rtfbody:
            packed = found._rtfbody
            # The library takes the zeros off the end of everything; the packed text ends by its own sign.
            text = rtf.to_text(rtf.unpack(packed + b"\0" * 16) or b"")
    except Exception:  # a parser over hostile input: whatever it chokes on, the container is kept
        return None
    if not (files or text.strip() or html.strip()):
        return None
    return Winmail(text, html, tuple(files))


def _is_bounded(data: bytes) -> bool:
    """Whether it is such a container with no more attributes than a mail has (each one copies the rest)."""
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != _SIGNATURE:
        return False
    position, count = 6, 0
    while position + 11 < len(data):
        position += _HEAD.unpack_from(data, position)[2] + 11
        count += 1
        if count > ATTRIBUTES or count * len(data) > 4_000_000_000:
            return False
    return True


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = charset.decode(value.rstrip(b"\0"))[0]
    return value.rstrip("\0") if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Cms:
    """What a PKCS #7 container is, and the mail inside when it is only signed."""

    kind: str
    """`signed`, `encrypted`, `compressed`, `certificates`, or `unknown`."""
    content: bytes | None = None


def cms(data: bytes) -> Cms:
    """A container of S/MIME, opened when that takes no key; its signature is not verified here."""
    try:
        from asn1crypto import cms as asn1

        info = asn1.ContentInfo.load(data)
        kind = str(info["content_type"].native)
        if kind == "signed_data":
            inner = info["content"]["encap_content_info"]["content"]
            content = inner.native if inner is not None else None
            return Cms("signed", content) if isinstance(content, bytes) and content else Cms("certificates")
        if kind == "compressed_data":
            return Cms("compressed")
        if kind in ("enveloped_data", "authenticated_enveloped_data", "encrypted_data"):
            return Cms("encrypted")
    except Exception:  # a parser over hostile input: whatever it chokes on, the container is kept
        return Cms("unknown")
    return Cms("unknown")
