"""Deletes bytes that nobody refers to any more: unused blobs after a grace, and what crashes left lying."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    delete,
    exists,
    or_,
    select,
    type_coerce,
    update,
)

from store.review_tables import review
from store.schema import attachment, blob, delivery, envelope
from store.schema_imports import import_
from store.settings import RetentionSettings
from store.store import Store

#: A file without a row, a half-written one or a spooled one is somebody's work until it is this old.
_AT_WORK = timedelta(days=1)


async def sweep(store: Store, settings: RetentionSettings) -> dict[str, int]:
    """Mark what is unused, delete what has been so for the grace; how many of each."""
    now = store.now()
    marked = await _mark(store, settings.batch, now)
    deleted = stray = 0
    # A backup has its rows already, and wants the files that they name.
    if not await asyncio.to_thread(store.blobs.held):
        deleted = await _delete(store, settings.batch, now - settings.blob_grace)
        stray = await _stray_files(store, settings.batch, now - _AT_WORK)
    return {
        "blobs marked": marked,
        "blobs": deleted,
        "stray files": stray,
        "temporary files": await asyncio.to_thread(store.blobs.delete_temporary, now - _AT_WORK),
        "spooled files": await asyncio.to_thread(_spooled, store.folder / "spool", now - _AT_WORK),
    }


def in_rows() -> ColumnElement[bool]:
    """Named by an envelope, an attachment or an import. A record's raw bytes are those of its envelope."""
    return or_(
        exists().where(envelope.c.blob == blob.c.sha256),
        exists().where(attachment.c.sha256 == blob.c.sha256),
        exists().where(import_.c.blob == blob.c.sha256),
    )


def in_deliveries(connection: Connection) -> set[str]:
    """Digests that the files of outgoing messages name, and of answers that wait for a second person.

    Reads all deliveries that have files: never in the writer.
    """
    body = delivery.c.body
    some = select(body).where(type_coerce(body, Text).contains('"files":[{', autoescape=True))
    found: set[str] = set()
    for value in connection.scalars(some.execution_options(yield_per=500)):
        found.update(str(file["sha256"]) for file in value.get("files", ()))
    kept = select(review.c.files).where(review.c.state.in_(("waiting", "approved")))
    for files in connection.scalars(kept):
        found.update(str(file["sha256"]) for file in files)
    return found


def _all(query: Select[Any]) -> Callable[[Connection], Sequence[Row[Any]]]:
    return lambda connection: connection.execute(query).all()


async def _mark(store: Store, batch: int, now: datetime) -> int:
    """Note since when a blob is unused, walking through all of them by digest."""
    after, marked = "", 0
    sent: set[str] | None = None
    while True:
        loose = and_(blob.c.unused_since.is_(None), ~in_rows()).label("loose")
        page = select(blob.c.sha256, loose).where(blob.c.sha256 > after).order_by(blob.c.sha256).limit(batch)
        rows = await store.read(_all(page))
        found = {row.sha256 for row in rows if row.loose}
        if found and sent is None:
            sent = await store.read(in_deliveries)
        found -= sent or set()
        if found:
            marked += await store.run(_marking(found, now), "sweep.mark")
        if len(rows) < batch:
            return marked
        after = rows[-1].sha256


def _marking(found: set[str], now: datetime) -> Callable[[Connection], int]:
    still = (blob.c.sha256.in_(found), blob.c.unused_since.is_(None), ~in_rows())
    mark = update(blob).where(*still).values(unused_since=now)
    return lambda connection: int(connection.execute(mark).rowcount)


async def _delete(store: Store, batch: int, before: datetime) -> int:
    """Delete what has been unused since `before`: the row first, so that a crash leaves a file too many only."""
    deleted = 0
    due = select(blob.c.sha256).where(blob.c.unused_since < before).limit(batch)
    while found := {row.sha256 for row in await store.read(_all(due))}:
        sent = await store.read(in_deliveries)
        gone = await store.run(_deletion(found, sent, before), "sweep.delete")
        for sha256, place in gone:
            if place == "file":
                await asyncio.to_thread(store.blobs.delete, sha256, before)
        deleted += len(gone)
    return deleted


def _deletion(
    found: set[str], sent: set[str], before: datetime
) -> Callable[[Connection], list[tuple[str, str]]]:
    def step(connection: Connection) -> list[tuple[str, str]]:
        still = (blob.c.sha256.in_(found), blob.c.unused_since < before)
        # Whatever somebody refers to by now is in use again.
        used = or_(blob.c.sha256.in_(sent), in_rows())
        connection.execute(update(blob).where(*still, used).values(unused_since=None))
        rows = connection.execute(delete(blob).where(*still).returning(blob.c.sha256, blob.c.place))
        return [(row.sha256, row.place) for row in rows]

    return step


async def _stray_files(store: Store, batch: int, before: datetime) -> int:
    """Files without a row: their acceptance failed, or a crash came between row and file."""
    files: Iterator[str] = store.blobs.old_files(before)
    deleted = 0
    while page := await asyncio.to_thread(lambda: set(islice(files, batch))):
        rows = select(blob.c.sha256).where(blob.c.sha256.in_(page))
        known = {row.sha256 for row in await store.read(_all(rows))}
        for sha256 in page - known:
            deleted += await asyncio.to_thread(store.blobs.delete, sha256, before)
    return deleted


def _spooled(folder: Path, before: datetime) -> int:
    """Raw bytes that were on their way into the store when the daemon stopped."""
    deleted = 0
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.is_file() and path.stat().st_mtime < before.timestamp():
            path.unlink(missing_ok=True)
            deleted += 1
    return deleted
