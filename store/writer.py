"""Group commit: callers hand in work as values and get an answer when it is on the disk.

One thread writes to SQLite, a few to PostgreSQL. While a commit is being synced the next group gathers, so
an idle store answers at once and a busy one pays one sync for many units.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from store import acceptance, flush
from store.acceptance import Acceptance
from store.errors import StoreBusy
from store.units import Unit

#: Called at named points around each commit; proofs crash or wait there. Absent from normal wiring.
Hook = Callable[[str], None]

#: Seconds over which it is looked how many batches waited at most: a group that is committed leaves nobody
#: waiting for a moment, however busy the doors are.
_LATELY = 0.05

#: How often a unit is tried that others were in the way of.
_TRIES = 4

_UNSETTLED = object()


@dataclass(slots=True, eq=False)
class _Work:
    """One piece of work and the future of whoever waits for it."""

    what: Unit | Acceptance | Callable[[Connection], Any]
    future: asyncio.Future[Any] | _Several
    label: str
    result: Any = _UNSETTLED
    error: BaseException | None = None


class _Several:
    """The end of several pieces of work for one who waits for all of them: each one's result, or its error."""

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self.future = future
        self.works: list[_Work] = []
        self._left = 0

    def add(self, work: _Work) -> None:
        self.works.append(work)
        self._left += 1

    def one_done(self) -> None:
        self._left -= 1
        if not self._left and not self.future.done():
            self.future.set_result([one.result if one.error is None else one.error for one in self.works])


@dataclass(frozen=True, slots=True)
class Trouble:
    """What kind of trouble a database error is."""

    fatal: bool = False
    """The disk or the file is broken: what was promised is in doubt, so the process must stop."""
    full: bool = False
    """No room: back-pressure until there is."""
    lost: bool = False
    """The database is out of reach for now."""
    again: bool = False
    """Two transactions were in each other's way: the same again will do."""


_FATAL, _FULL, _LOST, _AGAIN = (
    Trouble(fatal=True),
    Trouble(full=True),
    Trouble(lost=True),
    Trouble(again=True),
)

#: By SQLite's primary result code (sqlite.org/rescode.html): BUSY, LOCKED, READONLY, IOERR, CORRUPT, FULL,
#: CANTOPEN, NOTADB. A file system turns read-only when its disk fails.
_SQLITE = {5: _LOST, 6: _LOST, 8: _FATAL, 10: _FATAL, 11: _FATAL, 13: _FULL, 14: _LOST, 26: _FATAL}
#: IOERR_SHMSIZE: the index beside the log could not grow; a full disk and not a broken one.
_SQLITE_NO_ROOM = 4874

#: By SQLSTATE (PostgreSQL, appendix A): disk full; I/O error and corruption; out of memory, too many
#: connections, a standby that was not promoted yet; serialisation failure and deadlock.
_POSTGRES = {
    "53100": _FULL,
    **dict.fromkeys(("58030", "XX001", "XX002"), _FATAL),
    **dict.fromkeys(("53200", "53300", "25006"), _LOST),
    **dict.fromkeys(("40001", "40P01"), _AGAIN),
}


def diagnose(error: BaseException) -> Trouble:
    """Tell a broken disk, a full disk and a lost connection from an error of one unit.

    By codes alone: the text of an error may quote what a stranger sent.
    """
    if not isinstance(error, DBAPIError):
        return Trouble()
    cause: Any = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0)
        return _FULL if code == _SQLITE_NO_ROOM else _SQLITE.get(code & 0xFF, Trouble())
    state: str | None = getattr(cause, "sqlstate", None)
    if state in _POSTGRES:
        return _POSTGRES[state]
    # Another writer's row of the same order key went into flight at the same moment; now it can be seen.
    if state == "23505" and cause.diag.constraint_name in ("uq_envelope_in_flight", "uq_delivery_in_flight"):
        return _AGAIN
    if error.connection_invalidated or (state or "").startswith(("08", "57P")):
        return _LOST
    if state is None and isinstance(error, OperationalError | InterfaceError):
        return _LOST
    return Trouble()


class Writer:
    """Gathers work and commits it in groups. `on_fatal` is called in a writer thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        name: str,
        threads: int,
        batch: int,
        linger: float,
        queue: int,
        on_fatal: Callable[[BaseException], None],
        hook: Hook | None = None,
    ) -> None:
        self._engine = engine
        self._name = name
        self._batch = batch
        self._linger = linger
        self._limit = queue
        self._on_fatal = on_fatal
        self._hook = hook
        self._queue: deque[_Work] = deque()
        self._ready = threading.Condition()
        self._idle = self._gathering = 0
        """Writers that wait for work, and those that wait for more of it."""
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(f"{name}-{n}",), name=f"writer-{n}", daemon=True)
            for n in range(threads)
        ]
        self.flushes = 0
        self.units = 0
        self.arriving = 0
        """Batches from outside that wait for their commit."""
        self._most = self._most_before = 0
        """The most that waited since `_since`, and in the time before that."""
        self._since = 0.0
        self.graves = True
        """Whether there may be tombstones to look for."""
        self.full = False
        """The disk refused the last flush for want of room."""

    @property
    def depth(self) -> int:
        """Units that wait for a commit."""
        return len(self._queue)

    def crowd(self) -> int:
        """The most batches from outside that waited together a moment ago: how busy the doors are."""
        self._look()
        return max(self._most, self._most_before)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._since > _LATELY:
            long_ago = now - self._since > 2 * _LATELY
            self._most_before, self._most, self._since = 0 if long_ago else self._most, self.arriving, now

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    async def close(self) -> None:
        """Commit what waits, then end the threads."""
        with self._ready:
            self._stopping = True
            self._ready.notify_all()
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        for thread in self._threads:
            if thread.ident is not None:  # a store that failed to open never started them
                thread.join()

    async def do(self, what: Unit | Acceptance | Callable[[Connection], Any], label: str) -> Any:
        """Answer when the work is committed and synced. Cancelling the caller does not cancel the work.

        Raises StoreBusy when the queue is full or the database cannot take it now; ValueError for a unit
        whose guard could never hold.
        """
        if self._loop is None or self._stopping:
            raise StoreBusy("the store is closed")
        # New messages leave a quarter of the queue to what settles old ones.
        limit = self._limit * 3 // 4 if isinstance(what, Acceptance) else self._limit
        if len(self._queue) >= limit:
            raise StoreBusy("too much waits for the disk")
        if isinstance(what, Unit):
            flush.check(what)
        future = self._loop.create_future()
        self._queue.append(_Work(what, future, label))
        self._wake()
        arrives = isinstance(what, Acceptance)
        self.arriving += arrives
        if self.arriving > self._most:
            self._look()
            self._most = max(self._most, self.arriving)
        try:
            # Cancelling the caller cancels only its waiting: the work is in the queue and will be committed.
            return await future
        finally:
            self.arriving -= arrives

    async def do_all(self, units: Sequence[Unit]) -> Sequence[bool | BaseException]:
        """The same for several units, each for itself: its result, or its error, in their order.

        Raises StoreBusy, and nothing was done, when there is no room for all of them.
        """
        if self._loop is None or self._stopping:
            raise StoreBusy("the store is closed")
        if len(self._queue) + len(units) > self._limit:
            raise StoreBusy("too much waits for the disk")
        for unit in units:
            flush.check(unit)
        several = _Several(self._loop.create_future())
        for unit in units:
            several.add(_Work(unit, several, unit.label or "unit"))
        if not units:
            return []
        self._queue.extend(several.works)
        self._wake()
        ended: Sequence[bool | BaseException] = await several.future
        return ended

    def _wake(self) -> None:
        """Wake a writer for what was put into the queue.

        A writer says that it waits before it looks at the queue: either it sees the work, or we see it wait.
        """
        if self._idle or (self._gathering and len(self._queue) >= self._batch):
            with self._ready:
                self._ready.notify()

    # ---- below: the writer threads

    def _run(self, writer: str) -> None:
        busy = False
        while True:
            works = self._take(busy)
            if works is None:
                return
            try:
                calls = [work for work in works if callable(work.what)]
                for work in calls:
                    self._attempt([work], writer)
                group = [work for work in works if not callable(work.what)]
                if group:
                    self._attempt(group, writer)
            except Exception as error:  # whatever it is, nobody may wait for ever
                self._fail([work for work in works if work.result is _UNSETTLED], error)
            assert self._loop is not None
            self._loop.call_soon_threadsafe(_settle, works)
            busy = len(works) > 1

    def _take(self, busy: bool) -> list[_Work] | None:
        with self._ready:
            self._idle += 1
            try:
                while not self._queue:
                    if self._stopping:
                        return None
                    self._ready.wait()
            finally:
                self._idle -= 1
            if busy and len(self._queue) < self._batch and not self._stopping:
                # Not woken by each piece that arrives, but by the one that makes the group whole.
                self._gathering += 1
                self._ready.wait_for(lambda: len(self._queue) >= self._batch or self._stopping, self._linger)
                self._gathering -= 1
            works: list[_Work] = []
            later: list[_Work] = []
            clash = flush.clashes()
            while self._queue and len(works) < self._batch:
                work = self._queue.popleft()
                (later if isinstance(work.what, Unit) and clash(work.what) else works).append(work)
            self._queue.extendleft(reversed(later))
            return works

    def _attempt(self, works: Sequence[_Work], writer: str, tries: int = _TRIES) -> None:
        """Commit the group; when it fails, each piece alone, so that only the bad one fails."""
        try:
            self._commit(works, writer)
        except Exception as error:
            trouble = diagnose(error)
            self.full = trouble.full
            if trouble.full or trouble.lost or trouble.fatal:
                reason = "the disk is full" if trouble.full else "the database is out of reach"
                self._fail(works, StoreBusy(reason))
                if trouble.fatal:
                    self._on_fatal(error)
            elif len(works) > 1:
                for work in works:
                    self._attempt([work], writer)
            elif trouble.again and tries > 1:
                self._attempt(works, writer, tries - 1)
            else:
                works[0].error = error
        else:
            self.full = False
            self._call_hook(works, "after_commit")

    @staticmethod
    def _fail(works: Sequence[_Work], error: BaseException) -> None:
        for work in works:
            work.error = error

    def _commit(self, works: Sequence[_Work], writer: str) -> None:
        with self._engine.begin() as connection:
            batches = [(work, work.what) for work in works if isinstance(work.what, Acceptance)]
            units = [(work, work.what) for work in works if isinstance(work.what, Unit)]
            if batches:
                answers = acceptance.apply(connection, [batch for _, batch in batches], writer, self.graves)
                for (work, _), answer in zip(batches, answers, strict=True):
                    work.result = answer
            if units:
                held = flush.apply(connection, [unit for _, unit in units], writer)
                for (work, _), ok in zip(units, held, strict=True):
                    work.result = ok
            for work in works:
                if callable(work.what):
                    work.result = work.what(connection)
            self._call_hook(works, "before_commit")
        self.flushes += 1
        self.units += len(works)

    def _call_hook(self, works: Sequence[_Work], point: str) -> None:
        if self._hook:
            for label in sorted({work.label for work in works}):
                self._hook(f"{label}.{point}")


def _settle(works: Sequence[_Work]) -> None:
    for work in works:
        if isinstance(work.future, _Several):
            work.future.one_done()
            continue
        if work.future.done():
            continue
        if work.error is not None:
            work.future.set_exception(work.error)
        else:
            work.future.set_result(work.result)
