"""Which scan this is: the digest of its bytes, so that the same file is the same letter, whatever its name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from connectors.letter.formats import media_type
from model.envelope import Envelope
from model.tools import Raw


def envelope(
    account: str, raw: Raw, *, meta: Mapping[str, Any] | None = None, type_: str | None = None
) -> Envelope:
    """The envelope of a scan; `type_` is its media type where it was looked at already."""
    digest = hashlib.sha256(raw).hexdigest() if isinstance(raw, bytes) else raw.sha256
    if type_ is None:
        type_ = media_type(raw[:1024]) if isinstance(raw, bytes) else None
    return Envelope(
        account=account,
        source_id=digest,
        fingerprint=digest,
        raw=raw,
        media_type=type_ or "application/octet-stream",
        meta=meta or {},
    )
