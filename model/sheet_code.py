"""What the QR code on our own paper says, so that a sheet that comes back finds its record. Pure.

`FOREBAY:REFERENCE:TOKEN`, in capitals: all of its characters are of the QR code's alphanumeric set, which keeps the
code small enough for 150 dpi (ISO/IEC 18004 §7.4.4). The token is the one that mails carry in their address:
`ids.seal(secret, "thread", record)`; it proves the record, and the reader gives it on in `Thread.tokens`.
"""

from __future__ import annotations

import re

from model import ids

_PREFIX = "FOREBAY"
_CODE = re.compile(rf"{_PREFIX}:([A-Z0-9-]{{1,50}}):([A-Z2-7]{{42}})")


def write(reference: str, token: str) -> str:
    """What the code of a record's sheet says; ValueError for what is no token of ours."""
    code = f"{_PREFIX}:{ids.tidy_reference(reference)}:{token.upper()}"
    if not _CODE.fullmatch(code):
        raise ValueError("a sheet's code needs a reference and the token of its record")
    return code


def read(text: str) -> tuple[str, str] | None:
    """Reference and token of a code that was read; None for anybody else's. The token is not proved by this."""
    found = _CODE.fullmatch(text.strip().upper())
    return (found[1], found[2].lower()) if found else None
