"""Group commit: callers hand in work as values and get an answer when it is on the disk.

One thread writes to SQLite, a few to PostgreSQL. While a commit is being synced the next group gathers, so
an idle store answers at once and a busy one pays one sync for many units.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from store import acceptance, flush
from store.acceptance import Acceptance
from store.errors import StoreBusy
from store.units import Unit

#: Called at named points around each commit; proofs crash or wait there. Absent from normal wiring.
Hook = Callable[[str], None]


@dataclass(slots=True)
class _Work:
    """One piece of work and the future of whoever waits for it."""

    what: Unit | Acceptance | Callable[[Connection], Any]
    future: asyncio.Future[Any]
    label: str
    result: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """What kind of trouble a database error is: `fatal` stops the process, `full` is back-pressure."""

    fatal: bool = False
    full: bool = False
    lost: bool = False


def diagnose(error: BaseException) -> Trouble:
    """Tell a broken disk, a full disk and a lost connection from an error of one unit."""
    text = str(getattr(error, "orig", error)).lower()
    code = getattr(getattr(error, "orig", None), "sqlstate", None)
    if "disk is full" in text or code == "53100":
        return Trouble(full=True)
    if "disk i/o error" in text or "malformed" in text or code == "58030":
        return Trouble(fatal=True)
    if isinstance(error, DBAPIError) and (
        error.connection_invalidated or (code or "").startswith(("08", "57P"))
    ):
        return Trouble(lost=True)
    if isinstance(error, OperationalError) and code is None and ("connection" in text or "locked" in text):
        return Trouble(lost=True)
    return Trouble()


class Writer:
    """Gathers work and commits it in groups."""

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
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(f"{name}-{n}",), name=f"writer-{n}", daemon=True)
            for n in range(threads)
        ]
        self.flushes = 0
        self.units = 0
        self.full = False
        """The disk refused the last flush for want of room."""

    @property
    def depth(self) -> int:
        """Units that wait for a commit."""
        return len(self._queue)

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
            thread.join()

    async def do(self, what: Unit | Acceptance | Callable[[Connection], Any], label: str) -> Any:
        """Answer when the work is committed and synced. Cancelling the caller does not cancel the work.

        Raises StoreBusy when the queue is full or the database cannot take it now.
        """
        if self._loop is None or self._stopping:
            raise StoreBusy("the store is closed")
        if len(self._queue) >= self._limit:
            raise StoreBusy("too much waits for the disk")
        work = _Work(what, self._loop.create_future(), label)
        with self._ready:
            self._queue.append(work)
            self._ready.notify()
        return await asyncio.shield(work.future)

    # ---- below: the writer threads

    def _run(self, writer: str) -> None:
        busy = False
        while True:
            works = self._take(busy)
            if works is None:
                return
            calls = [work for work in works if callable(work.what)]
            for work in calls:
                self._attempt([work], writer)
            group = [work for work in works if not callable(work.what)]
            if group:
                self._attempt(group, writer)
            assert self._loop is not None
            self._loop.call_soon_threadsafe(_settle, works)
            busy = len(works) > 1

    def _take(self, busy: bool) -> list[_Work] | None:
        with self._ready:
            while not self._queue:
                if self._stopping:
                    return None
                self._ready.wait()
            if busy and len(self._queue) < self._batch and not self._stopping:
                self._ready.wait_for(lambda: len(self._queue) >= self._batch or self._stopping, self._linger)
            works: list[_Work] = []
            later: list[_Work] = []
            clash = flush.clashes()
            while self._queue and len(works) < self._batch:
                work = self._queue.popleft()
                (later if isinstance(work.what, Unit) and clash(work.what) else works).append(work)
            self._queue.extendleft(reversed(later))
            return works

    def _attempt(self, works: Sequence[_Work], writer: str) -> None:
        """Commit the group; when it fails, each piece alone, so that only the bad one fails."""
        try:
            self._commit(works, writer)
            self.full = False
        except Exception as error:
            trouble = diagnose(error)
            self.full = trouble.full
            if trouble.fatal:
                self._on_fatal(error)
            if trouble.full or trouble.lost or trouble.fatal:
                self._fail(
                    works, StoreBusy("the disk is full" if trouble.full else "the database is out of reach")
                )
            elif len(works) == 1:
                works[0].error = error
            else:
                for work in works:
                    self._attempt([work], writer)

    @staticmethod
    def _fail(works: Sequence[_Work], error: BaseException) -> None:
        for work in works:
            work.error = error

    def _commit(self, works: Sequence[_Work], writer: str) -> None:
        hook = self._hook
        with self._engine.begin() as connection:
            batches = [(work, work.what) for work in works if isinstance(work.what, Acceptance)]
            units = [(work, work.what) for work in works if isinstance(work.what, Unit)]
            if batches:
                answers = acceptance.apply(connection, [batch for _, batch in batches], writer)
                for (work, _), answer in zip(batches, answers, strict=True):
                    work.result = answer
            if units:
                held = flush.apply(connection, [unit for _, unit in units], writer)
                for (work, _), ok in zip(units, held, strict=True):
                    work.result = ok
            for work in works:
                if callable(work.what):
                    work.result = work.what(connection)
            if hook:
                for label in sorted({work.label for work in works}):
                    hook(f"{label}.before_commit")
        if hook:
            for label in sorted({work.label for work in works}):
                hook(f"{label}.after_commit")
        self.flushes += 1
        self.units += len(works)


def _settle(works: Sequence[_Work]) -> None:
    for work in works:
        if work.future.done():
            continue
        if work.error is not None:
            work.future.set_exception(work.error)
        else:
            work.future.set_result(work.result)
