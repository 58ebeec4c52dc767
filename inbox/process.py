"""Processing: claimed envelopes are read, placed, decided upon and registered, a batch at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from connectors.channel import Channel
from inbox import calls, errands, links, placing, registering, reports, talks
from inbox.hot import Hot, HotQueue
from inbox.placing import File, Reading
from inbox.reading import Reader, Slow
from inbox.settings import InboxSettings
from model.decision import Decision, Urgency
from model.delivery import LOOPS, Purpose
from model.draft import Draft, Part
from model.envelope import StoredEnvelope
from model.failures import Malformed
from model.imported import UNTOLD
from model.registration import Planned, Registration
from model.states import DeliveryState, EnvelopeState, RecordState
from model.tools import Clock, Ids, Log, Spooled
from normalizer import own
from router.facts import facts
from router.rules import Rules
from store import envelopes, lookups
from store.errors import StoreBusy
from store.lookups import Findings, Questions
from store.store import Store
from store.units import Unit

#: How long the counts of the last hour's automatic messages, all and by domain, may be old, seconds.
_TOTAL_AGE = 10.0
#: Raw bytes up to this size are fetched for a whole batch together.
_SMALL = 65_536
#: How soon a batch is tried again that the store could not take: doubled up to the last, seconds.
_AGAIN_FIRST, _AGAIN_LAST = 0.5, 10.0
#: How often a batch that lets the doors go first looks whether it still must, seconds.
_GLANCE = 0.02
#: How soon a report of a message not known yet is looked at again: at first, and at the last, seconds.
_REPORT_AGAIN, _REPORT_LAST = 0.5, 15.0
#: What a colleague may call a matter.
_URGENCIES = frozenset(Urgency)
#: Batches at work at the same time: while one waits for its commit the next is read.
_LANES = 2


class Outbox(Protocol):
    """What processing needs from the way out."""

    def plan(self, registration: Registration) -> Planned:
        """The deliveries to commit with a record; may reserve places for those that are sent at once."""

    def release(self, planned: Planned, committed: bool) -> None:
        """Send what was planned, or let go of the reserved places when it was not committed."""


#: Called with each registration once it is durable.
Step = Callable[[Registration], None]


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
        steps: Sequence[Step] = (),
        errand: Callable[[], None] = lambda: None,
        hook: Callable[[str], None] | None = None,
        count: Callable[[str, str], None] | None = None,
        pressure: Callable[[], bool] = lambda: False,
        nothing_rides: Callable[[str], None] = lambda envelope: None,
    ) -> None:
        self._store = store
        self._channels = channels
        self._hot = hot
        self._reader = reader
        self._outbox = outbox
        self._settings = settings
        self._rules = rules
        self._clock = clock
        self._ids = ids
        self._log = log
        self._after_message = after_message
        self._after_delivery = after_delivery
        self._steps = steps
        self._errand = errand
        self._hook = hook
        self._count = count
        self._pressure = pressure
        self._nothing_rides = nothing_rides
        """Tells the door of an envelope that waits for an acknowledgement that none will come."""
        self._total = 0
        self._total_at = float("-inf")
        self._domains: dict[str, int] = {}
        """What went to each mail domain in the last hour, as old as the total: a domain may have very many."""
        self._looping: dict[str, int] = {}
        """What each mail domain did not get in the last hour, as rounds of a loop; as old as the others."""
        self._stopping = False
        self._contents: set[str] = set()
        """Fingerprints of what is being processed: of equal content the second must find the first."""
        self._done = asyncio.Condition()
        self._apart: deque[Hot] = deque()
        """Those that are slow to read and wait for the lane of their own."""
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
            group.create_task(self._slow_lane())

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

    async def _slow_lane(self) -> None:
        """One at a time, what takes long to read."""
        poll = self._settings.poll.total_seconds()
        while not self._stopping:
            if self._apart:
                await self._patiently(self._apart.popleft())
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

    async def _small_ones(self, batch: Sequence[Hot]) -> Mapping[str, bytes]:
        """Raw bytes by digest, of those small enough to be all in memory at once and not yet there."""
        small = [hot.envelope for hot in batch if hot.raw is None and hot.envelope.size <= _SMALL]
        return await self._store.load_blobs([one.blob for one in small]) if small else {}

    async def _safely(self, batch: Sequence[Hot]) -> None:
        """Process a batch; again while the store cannot take it, until told to stop."""
        self.working.update(hot.envelope.id for hot in batch)
        wait = _AGAIN_FIRST
        try:
            while not await self._tried(batch) and not self._stopping:
                await self._idle(wait)
                wait = min(wait * 2, _AGAIN_LAST)
        finally:
            apart = {hot.envelope.id for hot in self._apart}
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
                await self._set_aside(batch[0].envelope, EnvelopeState.QUARANTINED, reason)
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
        readings = []
        at_hand = await self._small_ones(batch)
        for hot in batch:
            try:
                reading = await self._read(hot, at_hand)
            except Slow:
                self._apart.append(hot)
                continue
            if reading is not None:
                readings.append(reading)
        if not readings:
            return
        asked = placing.merge([self._questions(one) for one in readings])
        now = self._clock.now()
        total = await self._total_sent(now)
        asked.domains -= self._domains.keys()
        found = await self._store.read(lambda c: lookups.answer(c, asked, now))
        self._domains |= dict.fromkeys(asked.domains, 0) | found.domain_hour
        self._looping |= dict.fromkeys(asked.domains, 0) | found.domain_loops
        found.domain_hour, found.domain_loops = self._domains, self._looping
        ended = await asyncio.gather(
            *(self._settle(one, found, total, now) for one in readings), return_exceptions=True
        )
        # Not before all have ended: who tries again must not meet one of them still under way.
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def _read(self, hot: Hot, at_hand: Mapping[str, bytes]) -> Reading | None:
        """Read one envelope; None when it was set aside."""
        envelope = hot.envelope
        raw: bytes | Path | None = hot.raw if hot.raw is not None else at_hand.get(envelope.blob)
        if raw is None and self._reader.is_hostile(envelope.kind):
            raw = await self._store.blob_file(envelope.blob)  # the worker reads it from there
        if raw is None:
            raw = await self._store.load_blob(envelope.blob)
        channel = self._channels.get(envelope.channel)
        options = channel.settings.reading() if channel else {}
        if self._hook:
            self._hook("process.before_read")
        try:
            if raw is None:
                raise Malformed("its raw bytes are gone")
            draft = await self._reader.read(envelope, raw, options, apart=envelope.id in self._patient)
        except Malformed as error:
            await self._set_aside(envelope, EnvelopeState.QUARANTINED, error.detail)
            return None
        except (StoreBusy, Slow):
            raise
        except Exception as error:
            self._log.error("envelope.unreadable", envelope=envelope.id, exc_info=error)
            await self._set_aside(
                envelope, EnvelopeState.QUARANTINED, f"its reader failed: {type(error).__name__}"
            )
            return None
        if draft.suspicious and not envelope.meta.get("released"):
            await self._set_aside(envelope, EnvelopeState.HELD, draft.suspicious)
            return None
        files = tuple([await self._keep(part) for part in draft.parts])
        # Of what people say in a chat; a mail's sender and a form's fields are known without.
        given = own.given(draft.text) if draft.conversation and draft.text and not draft.automatic else ()
        if envelope.meta.get(UNTOLD):
            draft = replace(draft, mute=(UNTOLD, *draft.mute))
        return Reading(envelope=envelope, draft=_without_bytes(draft), files=files, given=given)

    async def _keep(self, part: Part) -> File:
        if part.data is None:
            omitted = part.omitted or (errands.PENDING if part.reference else None)
            return File(part.filename, part.media_type, 0, None, part.content_id, omitted, part.reference)
        sha256, size = await self._store.put_blob(part.data)
        if isinstance(part.data, Spooled):
            part.data.path.unlink(missing_ok=True)
        return File(part.filename, part.media_type, size, sha256, part.content_id, part.omitted)

    def _note_sent(self, planned: Planned) -> None:
        for row in planned.rows:
            if row["purpose"] == "acknowledgement":
                self._total += 1
                if (domain := row["domain"]) in self._domains:
                    self._domains[domain] += row["state"] != "cancelled"
                    self._looping[domain] += row["reason"] in LOOPS

    async def _total_sent(self, now: datetime) -> int:
        if self._clock.monotonic() - self._total_at > _TOTAL_AGE:
            self._total = await self._store.read(lambda c: lookups.sent_in_the_last_hour(c, now))
            self._total_at = self._clock.monotonic()
            self._domains, self._looping = {}, {}
        return self._total

    async def _settle(self, reading: Reading, found: Findings, total: int, now: datetime) -> None:
        """Place one reading and commit it with all its consequences."""
        envelope, channel = reading.envelope, self._channels.get(reading.envelope.channel)
        reading = calls.settled(reading, found, channel.settings if channel else None)
        draft = reading.draft
        told = self._told(reading, found) if draft.reports else []
        if reports.early(draft.reports, told) and now - envelope.received_at < self._settings.report_wait:
            await self._look_again(envelope, now)
            return
        inserts, updates = (
            reports.settle(told, found, self._ids, now, envelope.kind, self._after_delivery)
            if told
            else ([], [])
        )
        opened, freed = (
            talks.opened(reading, channel.settings, found, self._ids, now) if channel else ([], [])
        )
        inserts, updates = [*inserts, *opened, *calls.heard(reading)], [*updates, *freed]
        in_burst = channel is not None and talks.in_burst(reading, channel.settings, found)
        place = placing.place(reading, found, self._settings, self._store.secret, told, in_burst)
        unknown = draft.reports and not told and not draft.full_text.strip()
        # A report of no message of ours is nothing; an echo with words is what a colleague typed elsewhere.
        if placing.says_nothing(draft) and (place is None or unknown):
            unit = registering.ignore(reading, now, inserts, updates)
            await self._end_unregistered(unit, envelope, wake=bool(freed))
            return
        burst = place is not None and place.why == "burst"
        whole = await self._whole(draft, place.record.id) if place and burst else draft
        decision = self._decided(whole, envelope)
        if decision.hold and not envelope.meta.get("released"):
            await self._set_aside(envelope, EnvelopeState.HELD, decision.hold)
            return
        contact = placing.contact_of(reading, found)
        twin = None if place else placing.repeat_of(reading, found, contact)
        registration = Registration(
            envelope=envelope.id,
            channel=envelope.channel,
            kind=envelope.kind,
            record=place.record.id if place else self._ids.new(),
            reference=place.record.reference if place else envelope.reference,
            conversation=reading.conversation,
            contact=contact,
            draft=draft,
            decision=decision,
            at=now,
            joined=place is not None,
            burst=burst,
            acknowledged_before=place is not None and place.record.id in found.acknowledged,
            repeat_recent=twin is not None and now - twin.received_at < self._settings.repeat_quiet,
            party_to=found.destinations.get(place.record.id, ()) if place else (),
            sent=placing.sent_to(draft, found, total),
        )
        is_new = contact is not None and contact not in found.contacts.values()
        inserts += links.learn(reading, registration, found, self._ids)
        updates += links.reachable_again(reading, registration, found)
        inserts += (asked := errands.wanted(reading, registration, channel, is_new, self._ids))
        planned, held = self._outbox.plan(registration), False
        if freed:
            planned = replace(planned, wake=True)
        try:
            if place:
                state = RecordState(place.record.state)
                if not draft.signal:
                    state = self._after_message(state)
                if burst:
                    state = talks.state_after(state, decision)
                    updates += talks.grown(place.record.id, RecordState(place.record.state), whole, decision)
                unit = registering.join(reading, registration, planned.rows, place, state, self._ids)
            else:
                unit = registering.register(reading, registration, planned.rows, twin, self._ids)
            if channel is not None and channel.settings.burst and not draft.signal:
                updates += talks.heard(reading)
            if inserts or updates:
                unit = replace(unit, inserts=(*unit.inserts, *inserts), updates=(*unit.updates, *updates))
            held = await self._submit(unit)
        finally:
            self._outbox.release(planned, held)
        if held:
            self._note_sent(planned)
            if self._count:
                self._count(envelope.channel, "joined" if place else "registered")
            if asked:
                self._errand()
            for step in self._steps:
                step(registration)
            if not any(_rides(row, envelope) for row in planned.rows):
                self._nothing_rides(envelope.id)

    def _questions(self, reading: Reading) -> Questions:
        asked = placing.ask(reading, self._store.secret)
        calls.ask(reading, asked)
        channel = self._channels.get(reading.envelope.channel)
        if channel is not None:
            talks.ask(reading, channel.settings, asked)
        return asked

    def _decided(self, draft: Draft, envelope: StoredEnvelope) -> Decision:
        rules = self._rules()
        decision = rules.decide(
            facts(
                draft,
                channel=envelope.channel,
                kind=envelope.kind,
                received_at=envelope.received_at,
                limit=rules.text_limit,
            )
        )
        return replace(decision, urgency=Urgency(draft.urgency)) if draft.urgency in _URGENCIES else decision

    async def _whole(self, draft: Draft, record: str) -> Draft:
        """What somebody said in several short messages, as one."""
        names = ("text", "full_text")
        before = await self._store.read(lambda c: envelopes.record_content(c, record, names))
        return replace(
            draft,
            text="\n".join(filter(None, (before["text"], draft.text))),
            full_text="\n".join(filter(None, (before["full_text"], draft.full_text))),
        )

    def _told(self, reading: Reading, found: Findings) -> list[reports.Told]:
        kind = reading.envelope.kind

        def same_kind(target: str) -> bool:
            channel = self._channels.get(target)
            return target == reading.envelope.channel or (channel is not None and channel.kind == kind)

        return reports.match(
            reading.draft.reports,
            found,
            channel=reading.envelope.channel,
            same_kind=same_kind,
            secret=self._store.secret,
        )

    async def _look_again(self, envelope: StoredEnvelope, now: datetime) -> None:
        """Put back a report that speaks of a message not known yet; soon at first, then less often."""
        age = (now - envelope.received_at).total_seconds()
        until = now + timedelta(seconds=min(max(age, _REPORT_AGAIN), _REPORT_LAST))
        await self._submit(registering.postpone(envelope, until, now))
        self._nothing_rides(envelope.id)

    async def _end_unregistered(self, unit: Unit, envelope: StoredEnvelope, *, wake: bool) -> None:
        held = await self._submit(unit)
        if held and self._count:
            self._count(envelope.channel, EnvelopeState.IGNORED.value)
        self._outbox.release(Planned(wake=wake), held)
        self._nothing_rides(envelope.id)

    async def _submit(self, unit: Unit) -> bool:
        return await self._store.submit(unit)

    async def _set_aside(self, envelope: StoredEnvelope, state: EnvelopeState, reason: str) -> None:
        if not await self._submit(registering.set_aside(envelope, state, reason, self._clock.now())):
            return  # its claim was lost: whoever has it now decides
        self._log.warning(
            f"envelope.{state.value}",
            envelope=envelope.id,
            channel=envelope.channel,
            reference=envelope.reference,
        )
        if self._count:
            self._count(envelope.channel, state.value)
        self._nothing_rides(envelope.id)


def _rides(row: Mapping[str, Any], envelope: StoredEnvelope) -> bool:
    """Whether a planned delivery may still go on the answer to its own envelope."""
    rides: bool = (
        row["purpose"] == Purpose.ACKNOWLEDGEMENT
        and row["target"] == envelope.channel
        and row["state"] != DeliveryState.CANCELLED
    )
    return rides


def _without_bytes(draft: Draft) -> Draft:
    """The bytes of attachments are in the store by now; nothing later needs them in memory."""
    if not draft.parts:
        return draft
    return replace(draft, parts=tuple(replace(part, data=None) for part in draft.parts))
