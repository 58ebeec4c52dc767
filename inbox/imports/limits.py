"""The bounds that reading a file keeps, as they go over to the process that reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """See `inbox.imports.settings`, where each is described."""

    unpacked_bytes: int = 4_294_967_296
    unpacked_ratio: int = 200
    members: int = 1_000_000
    mail_bytes: int = 104_857_600
    columns: int = 200
    cell_characters: int = 1_000_000
