"""Raw bytes by digest: small ones in the row, large ones as files, written so that a crash leaves no half."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql

from model.tools import Raw, Spooled
from store import sets
from store.conditions import any_of
from store.errors import StoreBusy
from store.schema import blob
from store.types import to_micros

_CHUNK = 262_144
#: A file with this name in the folder keeps others from deleting bytes there, for so long after it was touched last,
#: seconds: a backup that died holds nobody up for long.
_HOLD, _HELD = ".backup", 3600.0


class Blobs:
    """The files of large blobs, in a folder of two levels by digest.

    The sweeper may find a file unused at the moment in which it comes again. Both therefore look and act
    under a lock of the file system, and a file that came again has a new modification time.
    """

    def __init__(self, folder: Path, inline_bytes: int) -> None:
        self._folder = folder
        self._inline = inline_bytes

    def path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    async def prepare(self, raw: Raw, now: datetime) -> dict[str, Any]:
        """The row of a blob; a large one is on the disk and synced when this returns.

        Raises StoreBusy when the disk is full.
        """
        if isinstance(raw, bytes) and len(raw) <= self._inline:
            return {
                "sha256": hashlib.sha256(raw).hexdigest(),
                "size": len(raw),
                "place": "row",
                "data": raw,
                "stored_at": now,
            }
        try:
            sha256, size = await asyncio.to_thread(self._keep, raw, now.timestamp())
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreBusy("the disk is full") from error
            raise
        return {"sha256": sha256, "size": size, "place": "file", "data": None, "stored_at": now}

    def _keep(self, raw: Raw, now: float) -> tuple[str, int]:
        sha256 = raw.sha256 if isinstance(raw, Spooled) else hashlib.sha256(raw).hexdigest()
        size = raw.size if isinstance(raw, Spooled) else len(raw)
        target = self.path(sha256)
        if not self._seen_again(target, size, now):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{sha256}.{secrets.token_hex(8)}")
            try:
                _write(temporary, raw)
                os.utime(temporary, (now, now))
                with self._locked():
                    temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
        # Also when it was there: whoever wrote it may not have come to this line yet.
        _sync_folder(target.parent)
        _sync_folder(self._folder)
        return sha256, size

    def _seen_again(self, target: Path, size: int, now: float) -> bool:
        with self._locked():
            if not target.exists() or target.stat().st_size != size:
                return False
            os.utime(target, (now, now))
            return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among all threads and processes that use the folder; for a few system calls at the most."""
        handle = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def load(self, connection: Connection, sha256: str) -> bytes | None:
        """All bytes of a blob, for readers; None when there is no such blob."""
        return self.load_all(connection, [sha256]).get(sha256)

    def load_all(self, connection: Connection, wanted: Collection[str]) -> dict[str, bytes]:
        """All bytes of several blobs, by digest; those that are gone are left out."""
        query = select(blob.c.sha256, blob.c.place, blob.c.data).where(
            any_of(connection, blob.c.sha256, set(wanted))
        )
        return {
            row.sha256: bytes(row.data) if row.place == "row" else self.path(row.sha256).read_bytes()
            for row in connection.execute(query)
        }

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

    def held(self) -> bool:
        """Whether somebody copies the files, so that none must go."""
        try:
            return time.time() - (self._folder / _HOLD).stat().st_mtime < _HELD
        except FileNotFoundError:
            return False

    def delete(self, sha256: str, before: datetime) -> bool:
        """Remove the file of a blob without a row, unless it came again since `before`."""
        return self._delete(self.path(sha256), before.timestamp())

    def _delete(self, path: Path, before: float) -> bool:
        with self._locked():
            try:
                if path.stat().st_mtime >= before:
                    return False
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    def size(self, sha256: str) -> int | None:
        """Bytes of the file of a blob; None when there is none."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def old_files(self, before: datetime) -> Iterator[str]:
        """Digests of the files that nobody has touched since `before`."""
        for path in self._folder.glob("??/*"):
            if not path.name.startswith(".") and _older(path, before.timestamp()):
                yield path.name

    def delete_temporary(self, before: datetime) -> int:
        """Remove what crashes left half-written; how many files it were."""
        found = [path for path in self._folder.glob("??/.*") if _older(path, before.timestamp())]
        return sum(self._delete(path, before.timestamp()) for path in found)


@contextmanager
def holding(folder: Path) -> Iterator[Callable[[], None]]:
    """Keep every process from deleting bytes in a folder of blobs; what it gives is to be called while it lasts."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark = folder / _HOLD
    mark.touch(mode=0o600)
    try:
        yield mark.touch
    finally:
        mark.unlink(missing_ok=True)


def _older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False


def _write(path: Path, raw: Raw) -> None:
    """Write and sync all bytes."""
    with path.open("wb") as out:
        if isinstance(raw, Spooled):
            with raw.path.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    out.write(chunk)
        else:
            out.write(raw)
        out.flush()
        os.fsync(out.fileno())


_COLUMNS = ("sha256", "size", "place", "data", "stored_at")
_INSERT = f"INSERT INTO blob ({', '.join(_COLUMNS)}) VALUES "
_REVIVE = " ON CONFLICT (sha256) DO UPDATE SET unused_since = NULL"


def insert_blobs(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert blob rows; one that is there already counts as in use again."""
    unique = {row["sha256"]: row for row in rows}
    chosen = [unique[sha256] for sha256 in sorted(unique)]
    if not chosen:
        return
    if connection.dialect.name == "postgresql":
        statement = postgresql.insert(blob)
        revived = statement.on_conflict_do_update(index_elements=[blob.c.sha256], set_={"unused_since": None})
        connection.execute(revived, [dict(row) for row in chosen])
        return
    plain = [
        (row["sha256"], row["size"], row["place"], row["data"], to_micros(row["stored_at"])) for row in chosen
    ]
    sets.bind(connection, _INSERT, _REVIVE, len(_COLUMNS), plain)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
