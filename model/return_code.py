"""The code on paper of ours, by which a sheet that comes back joins its record: `forebay:REFERENCE.TOKEN`. Pure.

The token is the record's sealed id (`model.ids.seal`, purpose `thread`), the same that our mails carry: a code that
somebody made up joins nothing. It is printed as a QR code; the reference before it is for people.
"""

from __future__ import annotations

import re

PREFIX = "forebay:"
#: A sealed id is 42 letters and digits of base 32, in any case: scanners and people change it.
_CODE = re.compile(r"forebay:([A-Z]{1,6}-\d{6}-[2-9A-Z]{5,20})\.([a-z2-7]{42})", re.I)


def write(reference: str, token: str) -> str:
    """The text of the code. `token` is what the outbox hands every sender with its message."""
    return f"{PREFIX}{reference}.{token}"


def read(text: str) -> tuple[str, str] | None:
    """Reference and token in the text of a code; None when it is none of ours, whoever wrote it."""
    found = _CODE.fullmatch(text.strip())
    return (found[1].upper(), found[2].lower()) if found else None
