"""What the house lends to connectors and destinations: time, identifiers, a spool and a vault."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from model.failures import Reason, TemporaryFailure
from model.tools import Raw, Spooled
from store import leases
from store.errors import StoreBusy
from store.schema import vault
from store.settings import LeaseSettings
from store.store import Store

#: Bits of a UUIDv7 that are not time, version or variant (RFC 9562 §5.7).
_TAIL = 74
#: A new millisecond starts in the lower half of the tail, so that it has room to count on (RFC 9562 §6.2).
_START = (1 << (_TAIL - 1)) - 1
#: Random bytes fetched at once, and those that one identifier takes.
_POOL, _TAKE = 4096, 10
_CHUNK = 262_144
#: How long one waits for a lease that another process holds before it asks again, seconds: doubled up to the last.
_ASK_FIRST, _ASK_LAST = 0.05, 1.0
#: Numbers the holders of this process: two tasks of one process exclude each other, too.
_HOLDERS = itertools.count(1)


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SystemIds:
    """UUIDv7 in the order of the calls, whatever the clock does, and the system's randomness.

    Within one millisecond, or while the clock stands behind, the tail of the last identifier grows by a random
    step (RFC 9562 §6.2, method 2). Safe to share between threads; a forked child must make its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool = b""
        self._at = 0
        self._ms = 0
        self._tail = 0
        self._head = ""
        """All but the last 48 bits as text; `_of` says of which."""
        self._of = (-1, -1)

    def new(self) -> str:
        """A fresh UUIDv7; later calls sort later."""
        ms = time.time_ns() // 1_000_000
        with self._lock:
            if self._at + _TAKE > len(self._pool):
                self._pool, self._at = os.urandom(_POOL), 0
            drawn = int.from_bytes(self._pool[self._at : self._at + _TAKE], "big")
            self._at += _TAKE
            if ms > self._ms:
                self._ms, self._tail = ms, drawn & _START
            else:
                self._tail += 1 + (drawn & 0xFFFF_FFFF)
                if self._tail >> _TAIL:
                    self._ms, self._tail = self._ms + 1, drawn & _START
            high = self._tail >> 48
            if self._of != (self._ms, high):
                self._of = self._ms, high
                self._head = (
                    f"{self._ms >> 16:08x}-{self._ms & 0xFFFF:04x}"
                    f"-{0x7000 | high >> 14:04x}-{0x8000 | high & 0x3FFF:04x}-"
                )
            return f"{self._head}{self._tail & 0xFFFF_FFFF_FFFF:012x}"

    def draw(self, size: int) -> bytes:
        """Unpredictable bytes, each time from the system: keys are made of them."""
        return os.urandom(size)


class FileSpool:
    """Raw bytes on their way to the store: in memory up to a limit, beyond it in files that only we can read.

    The store copies and syncs what it takes over, so nothing here needs to outlive a crash.
    """

    def __init__(self, folder: Path, memory_limit: int = 1_048_576) -> None:
        self._folder = folder
        self._memory = memory_limit

    def clear(self) -> None:
        """Remove what an earlier process left behind; to be called before anything is kept."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._folder.iterdir():
            if path.is_file() or path.is_symlink():
                path.unlink(missing_ok=True)

    async def keep(self, chunks: AsyncIterator[bytes], limit: int) -> Raw:
        """Read all chunks, in memory while small, else into a file; OverflowError beyond `limit` bytes."""
        kept = bytearray()
        async for chunk in chunks:
            if len(kept) + len(chunk) > limit:
                raise OverflowError(f"more than {limit} bytes")
            kept += chunk
            if len(kept) > self._memory:
                return await self._spool(kept, chunks, limit)
        return bytes(kept)

    async def _spool(self, begun: bytearray, chunks: AsyncIterator[bytes], limit: int) -> Spooled:
        file = await asyncio.to_thread(self._create)
        name = file.name
        try:
            with file:
                digest, size, waiting = hashlib.sha256(), len(begun), begun
                async for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise OverflowError(f"more than {limit} bytes")
                    waiting += chunk
                    if len(waiting) >= _CHUNK:
                        await asyncio.to_thread(_write, file, digest, bytes(waiting))
                        waiting.clear()
                await asyncio.to_thread(_write, file, digest, bytes(waiting))
                await asyncio.to_thread(file.flush)
        except BaseException:
            _discard(name)
            raise
        return Spooled(Path(name), size, digest.hexdigest())

    def _create(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix="raw-")  # 0600
        os.close(handle)
        return Path(name).open("wb")


def _write(file: BinaryIO, digest: hashlib._Hash, data: bytes) -> None:
    digest.update(data)
    file.write(data)


def _discard(name: str) -> None:
    Path(name).unlink(missing_ok=True)


class StoreVault:
    """Tokens of one owner (a channel or a destination) in the store; durable before `put` returns."""

    def __init__(self, store: Store, owner: str, settings: LeaseSettings | None = None) -> None:
        self._store = store
        self._owner = owner
        self._leases = settings or LeaseSettings()
        self._ours: dict[str, asyncio.Lock] = {}

    async def get(self, name: str) -> str | None:
        """The value, or None when nothing was put under the name."""
        query = select(vault.c.value).where(vault.c.name == self._key(name))
        value = await self._store.read(lambda connection: connection.scalar(query))
        return None if value is None else str(value)

    async def put(self, name: str, value: str) -> None:
        """Keep a value; committed and synced when this returns."""
        row = {"name": self._key(name), "value": value, "updated_at": self._store.now()}

        def put(connection: Connection) -> None:
            module = sqlite if connection.dialect.name == "sqlite" else postgresql
            statement = module.insert(vault).values(**row)
            taken = {"value": statement.excluded.value, "updated_at": statement.excluded.updated_at}
            connection.execute(statement.on_conflict_do_update(index_elements=[vault.c.name], set_=taken))

        await self._store.run(put, "vault")

    def alone(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold a lease while the block runs, renewed for as long as it takes.

        When it cannot be renewed in time, the block is cancelled and TemporaryFailure raised, before
        another process can have it.
        """
        return self._alone(name)

    @contextlib.asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        lease, holder = f"vault:{self._key(name)}", f"{self._store.owner}:{next(_HOLDERS)}"
        async with self._ours.setdefault(name, asyncio.Lock()):  # so that one task a process asks the store
            until = await self._taken(lease, holder)
            try:
                async with asyncio.timeout_at(until) as scope:
                    renewing = asyncio.create_task(self._renewed(lease, holder, scope))
                    try:
                        yield
                    finally:
                        renewing.cancel()
                        await asyncio.wait([renewing])
            except TimeoutError:
                if not scope.expired():
                    raise
                raise TemporaryFailure(Reason.SERVER, "the lease on a token could not be renewed") from None
            finally:
                with contextlib.suppress(StoreBusy):  # it ends by itself
                    await self._store.run(lambda c: leases.give_back(c, lease, holder), "lease")

    async def _taken(self, lease: str, holder: str) -> float:
        """Wait for the lease; the time of the loop until which it is ours."""
        wait = _ASK_FIRST
        while (until := await self._take(lease, holder)) is None:
            await self._store.clock.sleep(wait)
            wait = min(wait * 2, _ASK_LAST)
        return until

    async def _take(self, lease: str, holder: str) -> float | None:
        asked, ttl, now = asyncio.get_running_loop().time(), self._leases.ttl, self._store.now()
        if await self._store.run(lambda c: leases.take(c, lease, holder, ttl, now), "lease") is None:
            return None
        return asked + ttl.total_seconds()

    async def _renewed(self, lease: str, holder: str, scope: asyncio.Timeout) -> None:
        while True:
            await asyncio.sleep(self._leases.renew.total_seconds())
            with contextlib.suppress(StoreBusy):  # tried again for as long as it is ours
                until = await self._take(lease, holder)
                if until is None:
                    scope.reschedule(asyncio.get_running_loop().time())
                    return
                scope.reschedule(until)

    def _key(self, name: str) -> str:
        return f"{self._owner}/{name}"
