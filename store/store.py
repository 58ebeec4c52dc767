"""The face of the store: what the other rooms call."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from model.tools import Clock, Ids, Raw
from store import engine, facts, leases, mark, migrate, schema
from store.acceptance import Acceptance, Stored
from store.blobs import Blobs, insert_blobs
from store.errors import LeaseLost, StoreBusy
from store.lock import FolderLock
from store.mark import MarkFile
from store.settings import DatabaseSettings
from store.units import Unit
from store.writer import Hook, Writer, diagnose

T = TypeVar("T")


class Store:
    """One database and its blobs. Open it with `await Store.open(...)`, close it with `await store.close()`."""

    def __init__(
        self,
        settings: DatabaseSettings,
        folder: Path,
        clock: Clock,
        ids: Ids,
        *,
        on_fatal: Callable[[BaseException], None],
        hook: Hook | None = None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.clock = clock
        self.blobs = Blobs(settings.blob_folder(folder), settings.inline_bytes)
        self.owner = ids.new()
        """This process, in the claims it holds."""
        self.secret = b""
        self.on_hold = False
        self._ids = ids
        given = settings.url.get_secret_value() if settings.url else ""
        self._url = given or engine.sqlite_url(folder)
        self.embedded = self._url.startswith("sqlite")
        self._lock = FolderLock(folder)
        self._mark = MarkFile(folder)
        self._opened = False
        self._low = False
        write, self._read_engine = engine.open_engines(
            self._url, writers=settings.writers, readers=settings.readers
        )
        self._write_engine = write
        self.writer = Writer(
            write,
            name=self.owner[-12:],
            threads=1 if self.embedded else settings.writers,
            batch=settings.batch,
            linger=settings.linger_ms / 1000,
            queue=settings.queue,
            on_fatal=on_fatal,
            hook=hook,
        )
        self._readers = ThreadPoolExecutor(settings.readers, thread_name_prefix="reader")

    @property
    def database(self) -> Path | None:
        """The file of the embedded database."""
        return self.folder / "forebay.db" if self.embedded else None

    async def open(self) -> Store:
        """Lock the folder, bring the schema up to date, and start the writers.

        Raises FolderInUse, NewerSchema or WeakDurability.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.settings.blob_folder(self.folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.embedded:
            self._lock.take()
        try:
            await asyncio.to_thread(self._prepare)
        except BaseException:
            await self.close()
            raise
        self.writer.start()
        return self

    def _prepare(self) -> None:
        migrate.upgrade(self._write_engine)
        with self._write_engine.begin() as connection:
            engine.check_durability(connection)
            self.secret = facts.secret(connection, self._ids.draw)
            mark.check(connection, self._mark.read())
            self.on_hold = facts.check_home(connection, self.database)
            known = mark.renew(connection, self._mark, self._ids.new())
            if self.embedded:  # elsewhere replicas hold leases, and may bury at any time
                leases.free_all(connection)
                self.writer.graves = (
                    connection.execute(select(schema.tombstone.c.hash).limit(1)).first() is not None
                )
        self._mark.write(known)
        self._opened = True

    async def close(self) -> None:
        """Commit what waits and let go of the folder. Safe to repeat."""
        await self.writer.close()
        if self._opened:
            self._opened = False
            with contextlib.suppress(DBAPIError):  # the old mark is still good
                await asyncio.to_thread(self._leave_mark)
        self._readers.shutdown(wait=True)
        self._read_engine.dispose()
        self._write_engine.dispose()
        self._lock.close()

    def _leave_mark(self) -> None:
        with self._write_engine.begin() as connection:
            known = mark.renew(connection, self._mark, self._ids.new())
            if self.embedded:  # elsewhere a replica may bury at any time
                self.writer.graves = (
                    connection.execute(select(schema.tombstone.c.hash).limit(1)).first() is not None
                )
        self._mark.write(known)

    async def renew_mark(self) -> None:
        """Make every copy of the database that was taken until now known for one, should it be put back.

        To be called now and then, say each hour.
        """
        known = await self.run(lambda c: mark.renew(c, self._mark, self._ids.new()), "mark")
        await asyncio.to_thread(self._mark.write, known)

    def now(self) -> datetime:
        """Our own time; leases are compared with the database's inside the database."""
        return self.clock.now()

    # ---- writing

    async def submit(self, unit: Unit) -> bool:
        """Apply one unit; False when its guard no longer held. Durable when it returns."""
        held: bool = await self.writer.do(unit, unit.label or "unit")
        return held

    async def submit_all(self, units: Sequence[Unit]) -> Sequence[bool | BaseException]:
        """Apply several units, each for itself: whether its guard held, or the error that it alone ended with.

        Raises StoreBusy, and nothing was done, when there is no room for them.
        """
        return await self.writer.do_all(units)

    async def accept(self, batch: Acceptance) -> Sequence[Stored]:
        """Store a batch (law 1). Raises StoreBusy, and LeaseLost when another process owns the cursor."""
        if self._low:
            raise StoreBusy("the disk is nearly full")
        stored: Sequence[Stored] | None = await self.writer.do(batch, batch.label)
        if stored is None:
            raise LeaseLost("another process polls this account now")
        return stored

    async def run(self, step: Callable[[Connection], T], label: str = "step") -> T:
        """Run a step in a transaction of its own: claims, leases, purges. Never a step that waits for anything."""
        result: T = await self.writer.do(step, label)
        return result

    def expect_graves(self) -> None:
        """To be called before tombstones are put: acceptance looks for them from now on."""
        self.writer.graves = True

    async def put_blob(self, raw: Raw) -> tuple[str, int]:
        """Store bytes that a later unit will refer to; (digest, size)."""
        row = await self.blobs.prepare(raw, self.now())

        await self.run(lambda connection: insert_blobs(connection, [row]), "blob")
        return str(row["sha256"]), int(row["size"])

    # ---- reading

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query on a reading connection. Raises StoreBusy when the database is out of reach."""

        def run() -> T:
            try:
                with self._read_engine.connect() as connection:
                    return query(connection)
            except DBAPIError as error:
                if diagnose(error).lost:
                    raise StoreBusy("the database is out of reach") from error
                raise

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    async def load_blob(self, sha256: str) -> bytes | None:
        """All bytes of a blob."""
        return await self.read(lambda connection: self.blobs.load(connection, sha256))

    async def blob_file(self, sha256: str) -> Path | None:
        """The file of a large blob, for who can read it from there; None when there is none."""
        path = self.blobs.path(sha256)
        return path if await asyncio.to_thread(path.is_file) else None

    async def load_blobs(self, wanted: Collection[str]) -> Mapping[str, bytes]:
        """All bytes of several blobs, by digest; those that are gone are left out."""
        return await self.read(lambda connection: self.blobs.load_all(connection, wanted))

    async def open_blob(self, sha256: str) -> AsyncIterator[bytes] | None:
        """The bytes of a blob in pieces; None when there is none."""
        row = await self.read(
            lambda c: c.execute(select(schema.blob).where(schema.blob.c.sha256 == sha256)).mappings().first()
        )
        return None if row is None else self.blobs.stream(dict(row))

    # ---- room on the disk

    async def check_room(self) -> int:
        """Free bytes where the data lies; below the limit nothing new is accepted until there is room again."""
        places = {self.folder, self.settings.blob_folder(self.folder)}
        free = min([(await asyncio.to_thread(shutil.disk_usage, place)).free for place in places])
        self._low = free < self.settings.min_free_bytes
        return free

    @property
    def low_on_disk(self) -> bool:
        return self._low or self.writer.full
