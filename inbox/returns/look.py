"""Looks what happened at a destination: one loop for each that can be asked, owned by lease, with a cursor.

The cursor moves when everything before it is applied, and applying knows repeats: a death between the two costs one
look more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from destinations.contract import ReturnedFile, Returner, Returns
from inbox.returns.apply import Applier
from model.failures import Failure, SendFailure, TemporaryFailure
from model.tools import Clock, Log, Raw
from store import leases, tickets
from store.errors import LeaseLost, StoreBusy
from store.settings import LeaseSettings
from store.store import Store
from store.units import Guard, Unit

#: How long one look may take.
_LONGEST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A destination to look at."""

    name: str
    returner: Returner
    poll: timedelta
    open: Callable[[], bool]
    woken: asyncio.Event
    """Set when the far side said that something happened."""
    state_of: Callable[[str], str | None]
    told: Callable[[SendFailure | None], None]
    """Hears how each look went, for the destination's health."""


class Looker:
    """Looks at one destination for as long as it is ours."""

    def __init__(
        self,
        place: Place,
        store: Store,
        applier: Applier,
        lease: LeaseSettings,
        *,
        longest_pause: timedelta,
        clock: Clock,
        log: Log,
        count: Callable[[str, str], None] | None = None,
    ) -> None:
        self._place = place
        self._store = store
        self._applier = applier
        self._lease = lease
        self._longest_pause = longest_pause
        self._clock = clock
        self._log = log
        self._count = count or (lambda name, outcome: None)
        self._failures = 0
        self._wait: timedelta | None = None
        """The pause that the far side asked for at the last failure."""

    @property
    def _name(self) -> str:
        return f"returns:{self._place.name}"

    async def run(self) -> None:
        """Take the lease, look, and take it again when it was lost; until cancelled."""
        try:
            while True:
                epoch = await self._take()
                if epoch is None:
                    await asyncio.sleep(self._lease.renew.total_seconds())
                    continue
                await self._own(epoch)
        finally:
            with contextlib.suppress(StoreBusy):
                await self._store.run(lambda c: leases.give_back(c, self._name, self._store.owner), "lease")

    async def _take(self) -> int | None:
        try:
            return await self._store.run(
                lambda c: leases.take(c, self._name, self._store.owner, self._lease.ttl, self._clock.now()),
                "lease",
            )
        except StoreBusy:
            return None

    async def _own(self, epoch: int) -> None:
        """Look while renewing the lease beside it; ends when the lease is lost."""
        looking = asyncio.create_task(self._look_on(epoch))
        try:
            while not looking.done():
                await asyncio.wait({looking}, timeout=self._lease.renew.total_seconds())
                if not looking.done() and await self._take() != epoch:
                    return
            await looking
        except LeaseLost:
            self._log.warning("lease.lost", destination=self._place.name)
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            if not looking.cancelled():
                looking.exception()  # heard already, or of no use to who has lost the lease

    async def _look_on(self, epoch: int) -> None:
        state = await self._store.run(lambda c: leases.take_cursor(c, self._name, epoch), "cursor")
        cursor: Mapping[str, Any] | None = state.get("value")
        while True:
            more = False
            if self._place.open() and not self._store.on_hold:
                self._place.woken.clear()
                try:
                    async with asyncio.timeout(_LONGEST.total_seconds()):
                        found = await self._place.returner.returns(cursor, self._ours)
                        await self._apply(found)
                    if found.cursor != cursor:
                        await self._keep(epoch, found.cursor)
                        cursor = found.cursor
                    more, self._failures = found.more, 0
                    self._place.told(None)
                except (LeaseLost, asyncio.CancelledError):
                    raise
                except Exception as error:
                    self._trouble(error)
            if not more:
                await self._pause()

    async def _apply(self, found: Returns) -> None:
        done = await self._applier.apply(
            self._place.name, found.items, state_of=self._place.state_of, load=self._load
        )
        if done:
            self._count(self._place.name, "returned")

    async def _ours(self, remote_ids: Collection[str]) -> set[str]:
        return await self._store.read(lambda c: tickets.ours(c, self._place.name, remote_ids))

    async def _load(self, file: ReturnedFile) -> Raw:
        return await self._place.returner.load(file.reference)

    async def _keep(self, epoch: int, cursor: Mapping[str, Any]) -> None:
        values = {"value": dict(cursor), "last_ok_at": self._clock.now()}
        guard = Guard("cursor", {"channel": self._name, "epoch": epoch}, values)
        if not await self._store.submit(Unit(guard, label="returns")):
            raise LeaseLost("another process looks at this destination now")

    def _trouble(self, error: Exception) -> None:
        """Say what is wrong; the next look comes by itself, later each time."""
        self._failures += 1
        if isinstance(error, SendFailure):
            self._place.told(error)
        if isinstance(error, Failure | StoreBusy | TimeoutError):
            self._log.warning("returns.failed", destination=self._place.name, why=str(error))
        else:
            self._log.error("returns.failed", destination=self._place.name, exc_info=error)
        self._wait = error.retry_after if isinstance(error, TemporaryFailure) else None

    async def _pause(self) -> None:
        """Wait for the next look; a call of the far side ends the wait, unless the last look failed."""
        poll = self._place.poll
        wait = min(poll * 2 ** min(self._failures, 10), max(self._longest_pause, poll))
        if self._failures and self._wait:
            wait = max(wait, min(self._wait, timedelta(hours=1)))
        waiting: set[asyncio.Task[Any]] = {asyncio.create_task(self._clock.sleep(wait.total_seconds()))}
        if not self._failures:
            waiting.add(asyncio.create_task(self._place.woken.wait()))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
