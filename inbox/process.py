"""Processing: claimed envelopes are read, placed, decided upon and registered, a batch at a time, in lanes.

What a batch goes through is elsewhere: `inbox.unpack` reads it, `inbox.batch` registers it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.channel import Channel
from inbox.aside import Aside
from inbox.batch import Outbox, Registrar, Step
from inbox.hot import Hot, HotQueue
from inbox.reading import Reader
from inbox.settings import InboxSettings
from inbox.split import MakeChild, Splitter
from inbox.unpack import Unpacker
from model.decision import Decision
from model.delivery import Purpose
from model.envelope import StoredEnvelope
from model.states import EnvelopeState, RecordState
from model.tools import Clock, Ids, Log
from router.rules import Rules
from store import envelopes
from store.errors import StoreBusy
from store.store import Store

#: How soon a batch is tried again that the store could not take: doubled up to the last, seconds.
_AGAIN_FIRST, _AGAIN_LAST = 0.5, 10.0
#: How often a batch that lets the doors go first looks whether it still must, seconds.
_GLANCE = 0.02
#: Batches at work at the same time: while one waits for its commit the next is read.
_LANES = 2


class Processor:
    """What just came in, and beside it, one at a time, what an earlier process died with and what is slow to read."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        hot: HotQueue,
        reader: Reader,
        outbox: Outbox,
        settings: InboxSettings,
        *,
        rules: Callable[[], Rules],
        clock: Clock,
        ids: Ids,
        log: Log,
        after_message: Callable[[RecordState], RecordState],
        after_delivery: Callable[[RecordState, Purpose], RecordState],
        child: MakeChild,
        deadlines: Callable[[Decision, datetime], Mapping[str, datetime]] = lambda decision, at: {},
        steps: Sequence[Step] = (),
        errand: Callable[[], None] = lambda: None,
        hook: Callable[[str], None] | None = None,
        count: Callable[[str, str], None] | None = None,
        pressure: Callable[[], bool] = lambda: False,
        nothing_rides: Callable[[str], None] = lambda envelope: None,
    ) -> None:
        self._store = store
        self._hot = hot
        self._reader = reader
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._log = log
        self._pressure = pressure
        self._aside = Aside(store, clock=clock, log=log, count=count, nothing_rides=nothing_rides)
        splitter = Splitter(store, channels, self._aside, child=child, clock=clock, wake=hot.wake)
        self._unpacker = Unpacker(store, channels, reader, self._aside, splitter, log=log, hook=hook)
        self._registrar = Registrar(
            store,
            channels,
            outbox,
            settings,
            self._aside,
            rules=rules,
            clock=clock,
            ids=ids,
            after_message=after_message,
            after_delivery=after_delivery,
            deadlines=deadlines,
            steps=steps,
            errand=errand,
            count=count,
            nothing_rides=nothing_rides,
        )
        self._stopping = False
        self._contents: set[str] = set()
        """Fingerprints of what is being processed: of equal content the second must find the first."""
        self._done = asyncio.Condition()
        self._apart: deque[Hot] = deque()
        """Those that are slow to read and wait for the lane of their own."""
        self._scans: deque[Hot] = deque()
        """Those of kinds that are slow by their nature: neither may wait for the other."""
        self._patient: set[str] = set()
        """Envelopes that have all the time there is to be read: nobody waits behind them."""
        self.working: set[str] = set()
        """Envelopes that this process has in hand; recovery leaves them alone."""

    # ---- the lanes

    async def run(self) -> None:
        """Work until stopped; ends with everything in hand finished."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_LANES):
                group.create_task(self._lane())
            group.create_task(self._careful_lane())
            group.create_task(self._slow_lane(self._apart))
            for _ in range(self._settings.slow_workers):
                group.create_task(self._slow_lane(self._scans))

    def stop(self) -> None:
        """Finish what is in hand and end."""
        self._stopping = True
        self._hot.wake()

    async def _lane(self) -> None:
        poll, limit = self._settings.poll.total_seconds(), self._settings.process_batch
        time = asyncio.get_running_loop().time
        found: list[Hot] = []
        looked = time()
        while not self._stopping:
            batch: list[Hot] = []
            # However much comes in: what waits in the database has its turn, too.
            if time() - looked < poll:
                # After something was found in the database there may be more of it: look again at once.
                batch = await self._hot.take(limit, 0.0 if found else poll)
            found = []
            if not batch:
                found, looked = await self._claim(limit, recovered=False), time()
            batch = batch or found
            if batch:
                await self._safely(batch)
                await self._give_way()

    async def _careful_lane(self) -> None:
        poll = self._settings.poll.total_seconds()
        while not self._stopping:
            batch = await self._claim(1, recovered=True)
            if batch:
                await self._patiently(batch[0])
            else:
                await self._idle(poll)

    async def _slow_lane(self, line: deque[Hot]) -> None:
        """One at a time, what takes long to read."""
        poll = self._settings.poll.total_seconds()
        while not self._stopping:
            if line:
                await self._patiently(line.popleft())
            else:
                await self._idle(poll)

    async def _patiently(self, hot: Hot) -> None:
        self._patient.add(hot.envelope.id)
        try:
            await self._safely([hot])
        finally:
            self._patient.discard(hot.envelope.id)

    async def _idle(self, seconds: float) -> None:
        """Wait, but not beyond a stop."""
        step = min(seconds, 0.25)
        waited = 0.0
        while waited < seconds and not self._stopping:
            await asyncio.sleep(step)
            waited += step

    async def _give_way(self) -> None:
        """While the doors are under pressure, accepting goes before processing; but never for long."""
        waited, limit = 0.0, self._settings.give_way.total_seconds()
        while waited < limit and self._pressure() and not self._stopping:
            await asyncio.sleep(_GLANCE)
            waited += _GLANCE

    async def _claim(self, limit: int, *, recovered: bool) -> list[Hot]:
        token, now = self._ids.new(), self._clock.now()

        def claim(connection: Any) -> list[StoredEnvelope]:
            return envelopes.claim(
                connection, owner=self._store.owner, token=token, limit=limit, recovered=recovered, now=now
            )

        try:
            if not await self._store.read(lambda c: envelopes.any_waiting(c, recovered, now)):
                return []
            found = await self._store.run(claim, "claim.envelopes")
        except StoreBusy as error:
            self._log.warning("processing.waits", why=str(error))
            await self._idle(1.0)
            return []
        return [Hot(one, None) for one in found]

    async def _safely(self, batch: Sequence[Hot]) -> None:
        """Process a batch; again while the store cannot take it, until told to stop."""
        self.working.update(hot.envelope.id for hot in batch)
        wait = _AGAIN_FIRST
        try:
            while not await self._tried(batch) and not self._stopping:
                await self._idle(wait)
                wait = min(wait * 2, _AGAIN_LAST)
        finally:
            apart = {hot.envelope.id for hot in (*self._apart, *self._scans)}
            self.working.difference_update({hot.envelope.id for hot in batch} - apart)

    async def _tried(self, batch: Sequence[Hot]) -> bool:
        """One try at a batch; False when the store was busy. What settled in an earlier try is left alone then.

        A batch that fails as a whole is tried one by one, so that only the bad one fails.
        """
        try:
            left = list(batch)
            while left:
                left = await self._process_distinct(left)
        except StoreBusy as error:
            self._log.warning("processing.waits", why=str(error), envelopes=len(batch))
            return False
        except Exception as error:
            if len(batch) > 1:
                for hot in batch:
                    await self._safely([hot])
                return True
            self._log.error("envelope.failed", envelope=batch[0].envelope.id, exc_info=error)
            reason = f"an error of ours: {type(error).__name__}"
            try:
                await self._aside.put(batch[0].envelope, EnvelopeState.QUARANTINED, reason)
            except StoreBusy:
                return False
        return True

    # ---- one batch

    async def _process_distinct(self, batch: Sequence[Hot]) -> list[Hot]:
        """Process all whose content nobody has in hand, one of each; the rest is for the next round."""
        now: dict[str, Hot] = {}
        later: list[Hot] = []
        for hot in batch:
            content = hot.envelope.fingerprint
            if content in now or content in self._contents:
                later.append(hot)
            else:
                now[content] = hot
        if not now:
            async with self._done:
                await self._done.wait_for(
                    lambda: any(hot.envelope.fingerprint not in self._contents for hot in later)
                )
            return later
        self._contents.update(now)
        try:
            await self._process(list(now.values()))
        finally:
            self._contents.difference_update(now)
            async with self._done:
                self._done.notify_all()
        return later

    async def _process(self, batch: Sequence[Hot]) -> None:
        patient = all(hot.envelope.id in self._patient for hot in batch)
        readings, slow = await self._unpacker.read(batch, patient=patient)
        for hot in slow:
            (self._scans if self._reader.is_slow(hot.envelope.kind) else self._apart).append(hot)
        if readings:
            await self._registrar.register(readings)
