"""Scans that a scanner sent by mail: each attachment is an envelope of the channel of letters. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from model.draft import Child, Part

#: What scanners send, and the endings of names for those that call everything a stream of octets.
_TYPES = {
    "application/pdf": (".pdf",),
    "image/tiff": (".tif", ".tiff"),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
}


def attached(
    parts: Iterable[Part], sender: str, message_id: str, options: Mapping[str, Any]
) -> tuple[Child, ...]:
    """The scans in a mail of one of our scanners (`options.scanners`: address to channel); none for anybody else's."""
    channel = {str(name).lower(): to for name, to in (options.get("scanners") or {}).items()}.get(sender)
    if channel is None:
        return ()
    found = []
    for part in parts:
        media_type = _type(part)
        # What a text shows by its content id is the scanner's logo.
        if media_type is None or part.content_id or not isinstance(part.data, bytes) or not part.data:
            continue
        digest = hashlib.sha256(part.data).hexdigest()
        found.append(
            Child(
                source_id=digest,
                fingerprint=digest,
                data=part.data,
                media_type=media_type,
                meta={"filename": part.filename, "mail": message_id},
                channel=str(channel),
            )
        )
    return tuple(found)


def _type(part: Part) -> str | None:
    told = part.media_type.partition(";")[0].strip().lower()
    if told in _TYPES:
        return told
    name = part.filename.lower()
    return next((one for one, endings in _TYPES.items() if name.endswith(endings)), None)
