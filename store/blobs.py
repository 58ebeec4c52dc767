"""Raw bytes by digest: small ones in the row, large ones as files, written so that a crash leaves no half."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from model.tools import Raw, Spooled
from store.schema import blob

_CHUNK = 262_144


class Blobs:
    """The files of large blobs, in a folder of two levels by digest."""

    def __init__(self, folder: Path, inline_bytes: int) -> None:
        self._folder = folder
        self._inline = inline_bytes

    def path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    async def prepare(self, raw: Raw, now: datetime) -> dict[str, Any]:
        """The row of a blob; a large one is on the disk and synced when this returns."""
        if isinstance(raw, bytes) and len(raw) <= self._inline:
            return {
                "sha256": hashlib.sha256(raw).hexdigest(),
                "size": len(raw),
                "place": "row",
                "data": raw,
                "stored_at": now,
            }
        sha256, size = await asyncio.to_thread(self._keep, raw)
        return {"sha256": sha256, "size": size, "place": "file", "data": None, "stored_at": now}

    def _keep(self, raw: Raw) -> tuple[str, int]:
        sha256 = raw.sha256 if isinstance(raw, Spooled) else hashlib.sha256(raw).hexdigest()
        size = raw.size if isinstance(raw, Spooled) else len(raw)
        target = self.path(sha256)
        if target.exists() and target.stat().st_size == size:
            os.utime(target)  # seen again: the sweeper must not think it forgotten
            return sha256, size
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{sha256}.{secrets.token_hex(8)}")
        try:
            with temporary.open("wb") as out:
                if isinstance(raw, Spooled):
                    with raw.path.open("rb") as source:
                        while chunk := source.read(_CHUNK):
                            out.write(chunk)
                else:
                    out.write(raw)
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)
        _sync_folder(self._folder)
        return sha256, size

    def load(self, connection: Connection, sha256: str) -> bytes | None:
        """All bytes of a blob, for readers; None when there is no such blob."""
        row = connection.execute(select(blob.c.place, blob.c.data).where(blob.c.sha256 == sha256)).first()
        if row is None:
            return None
        return bytes(row.data) if row.place == "row" else self.path(sha256).read_bytes()

    async def stream(self, place: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """The bytes of a blob row in pieces."""
        if place["place"] == "row":
            yield bytes(place["data"])
            return
        source = await asyncio.to_thread(self.path(place["sha256"]).open, "rb")
        try:
            while chunk := await asyncio.to_thread(source.read, _CHUNK):
                yield chunk
        finally:
            source.close()

    def delete(self, sha256: str) -> None:
        """Remove the file of a blob whose row is gone."""
        self.path(sha256).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
