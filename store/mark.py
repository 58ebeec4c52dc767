"""Knows an older copy of the database that was put back in its place (law 16).

A restore may leave the file's number as it was. So database and data folder share a mark that changes at every
start and stop, and now and then between: a database with an older mark than its folder's is a restored one.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import orjson
from sqlalchemy import Connection

from store import facts


@dataclass(frozen=True, slots=True)
class Known:
    """What the folder knows: its own name in the database, and the marks that the database may bear."""

    folder: str
    marks: tuple[str, ...]

    def bears(self, connection: Connection) -> str | None:
        """The mark that the database has for this folder."""
        found: str | None = facts.get(connection, f"mark:{self.folder}")
        return found


class MarkFile:
    """The folder's side of the mark; replaced as a whole, so that a crash leaves the old or the new."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "mark"

    def read(self) -> Known | None:
        try:
            data = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        return Known(data["folder"], tuple(data["marks"]))

    def write(self, known: Known) -> None:
        temporary = self._path.with_name(f".mark.{secrets.token_hex(8)}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(orjson.dumps({"folder": known.folder, "marks": known.marks}))
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)


def check(connection: Connection, known: Known | None) -> None:
    """Put a store on hold whose database is older than its folder, or another one."""
    if known is not None and known.bears(connection) not in known.marks:
        facts.put(connection, "hold", "the database is not the one that this data folder last ran with")


def renew(connection: Connection, file: MarkFile, fresh: str) -> Known:
    """Give the database a fresh mark. The caller commits, then writes what is returned to the file.

    Until then the file allows the old mark and the new one, so that a crash at any point is no restore.
    """
    known = file.read()
    name = known.folder if known else fresh
    old = known.bears(connection) if known else None
    if known and old in known.marks:
        file.write(Known(name, (old, fresh)))
    facts.put(connection, f"mark:{name}", fresh)
    return Known(name, (fresh,))
