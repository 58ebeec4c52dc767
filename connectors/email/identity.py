"""Which mail this is: its source id, its fingerprint and its thread, from any bytes, purely."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from model.envelope import Envelope
from model.tools import Raw

MEDIA_TYPE = "message/rfc822"
#: The only form of Message-ID that is believed; comments and blanks make it rubbish.
MESSAGE_ID = re.compile(rb"<[^<>\s@]++(?:@[^<>\s@]++)++>")
#: Header fields that transport adds or changes: no part of what the sender made.
TRACES = (
    b"received", b"received-spf", b"return-path", b"delivered-to", b"envelope-to", b"authentication-results",
    b"arc-authentication-results", b"arc-message-signature", b"arc-seal",
)  # fmt: skip
#: A header block longer than this is cut there, bytes; the rest counts as body.
HEADER_LIMIT = 262_144
_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+|[ \t]+")
_LONGEST_ID = 500


class Fingerprint:
    """Takes a mail in pieces of any size and gives its header and fingerprint (law 2 of the design).

    The fingerprint is the SHA-256 of the header without the traces of transport, unfolded, and of the
    body with its line ends as LF and without empty lines at its end: what servers on the way change.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._head: bytes | None = None
        self._pending = b""
        self.fields: list[tuple[bytes, bytes]] = []
        """The header's fields once its end has come."""
        self.size = 0

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        self.size += len(chunk)
        if self._head is not None:
            self._body(chunk)
            return
        self._pending += chunk
        # A chunk may end within the empty line: look again only near the seam.
        found = _END.search(self._pending, max(0, len(self._pending) - len(chunk) - 3))
        if found:
            self._open(self._pending[: found.start()], self._pending[found.end() :])
        elif len(self._pending) > HEADER_LIMIT:
            self._open(self._pending[:HEADER_LIMIT], self._pending[HEADER_LIMIT:])

    @property
    def header_size(self) -> int:
        """Bytes of the header; of what came so far while its end has not come."""
        return self.size if self._head is None else len(self._head)

    def finish(self) -> tuple[bytes, str]:
        """The header as it came, and the fingerprint in hex."""
        if self._head is None:
            self._open(self._pending, b"")
        assert self._head is not None
        return self._head, self._hash.hexdigest()

    def _open(self, head: bytes, rest: bytes) -> None:
        self._head, self._pending = head, b""
        self.fields = fields(head)
        for name, value in self.fields:
            if name not in TRACES and not name.startswith(b"x-"):
                self._hash.update(name + b":" + _FOLD.sub(b" ", value).strip() + b"\n")
        self._hash.update(b"\n")
        self._body(rest)

    def _body(self, chunk: bytes) -> None:
        chunk = self._pending + chunk
        kept = len(chunk.rstrip(b"\r\n"))  # line ends wait until something follows them
        self._hash.update(chunk[:kept].replace(b"\r\n", b"\n"))
        self._pending = chunk[kept:]


def fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """Names in lower case and values with their folds, of a header block; lines that are no field are kept."""
    found: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\n"):
        if line[:1] in (b" ", b"\t") and found:
            name, value = found[-1]
            found[-1] = (name, value + b"\n" + line)
        else:
            name, _, value = line.partition(b":")
            found.append((name.strip().lower(), value.rstrip(b"\r")))
    return found


def envelope(
    account: str,
    raw: Raw,
    *,
    print_of: tuple[bytes, str] | None = None,
    sent_at: datetime | None = None,
    meta: Mapping[str, Any] | None = None,
    hold: str | None = None,
) -> Envelope:
    """The envelope of a mail. `print_of` is what `Fingerprint.finish` gave, for mail that is spooled."""
    if print_of is None:
        if not isinstance(raw, bytes):
            raise ValueError("spooled mail needs the fingerprint that was taken while it was spooled")
        taken = Fingerprint()
        taken.feed(raw)
        _, fingerprint = taken.finish()
        found = taken.fields
    else:
        head, fingerprint = print_of
        found = fields(head)
    values = dict(reversed(found))  # of repeated fields the first
    own = MESSAGE_ID.search(values.get(b"message-id", b""))
    return Envelope(
        account=account,
        source_id=_text(own[0]) if own and len(own[0]) <= _LONGEST_ID else fingerprint,
        fingerprint=fingerprint,
        raw=raw,
        media_type=MEDIA_TYPE,
        order_key=_thread(values),
        sent_at=sent_at,
        meta=meta or {},
        hold=hold,
    )


def _thread(values: Mapping[bytes, bytes]) -> str | None:
    """The thread's root where it is evident: replies to one mail are processed in order."""
    for name in (b"references", b"in-reply-to"):
        root = MESSAGE_ID.search(values.get(name, b""))
        if root:
            return "mail:" + hashlib.sha256(root[0]).hexdigest()[:32]
    return None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace").replace("\0", "")
