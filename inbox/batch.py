"""One batch of readings: placed, decided upon and registered, all of them in one go to the store.

What has to be known of the database is asked once for the whole batch, and all units are handed to the writer
together: it applies them in sets, and each for itself where one of them fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from connectors.channel import Channel
from inbox import aside, calls, errands, finding, links, placing, registering, reports, standing, talks
from inbox.aside import Aside
from inbox.lately import Lately
from inbox.placing import Place, Reading
from inbox.settings import InboxSettings
from model.decision import Decision, Urgency
from model.delivery import Purpose
from model.draft import Draft
from model.envelope import StoredEnvelope
from model.registration import Planned, Registration
from model.states import DeliveryState, EnvelopeState, RecordState
from model.tools import Clock, Ids
from router.facts import facts
from router.rules import Rules
from store import envelopes, lookups
from store.lookups import Findings, Questions, Twin
from store.store import Store
from store.units import Insert, Unit, Update

#: What a colleague may call a matter.
_URGENCIES = frozenset(Urgency)


class Outbox(Protocol):
    """What processing needs from the way out."""

    def plan(self, registration: Registration) -> Planned:
        """The deliveries to commit with a record; may reserve places for those that are sent at once."""

    def release(self, planned: Planned, committed: bool) -> None:
        """Send what was planned, or let go of the reserved places when it was not committed."""


#: Called with each registration once it is durable.
Step = Callable[[Registration], None]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A reading and the record that it joins, if any, with what it changes wherever it belongs."""

    reading: Reading
    place: Place | None
    inserts: list[Insert]
    updates: list[Update]
    freed: bool
    """Answers that were held for the customer go on with it."""
    ignored: bool
    blocked: bool = False
    """Its sender is heard no more; nothing of it has a consequence."""

    @property
    def burst(self) -> bool:
        return self.place is not None and self.place.why == "burst"


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be committed for one envelope, and what follows once that is done."""

    unit: Unit
    committed: Callable[[], None]
    planned: Planned = field(default_factory=Planned)


#: Why a message of a blocked sender is set aside.
_BLOCKED = "the sender is blocked"


class Registrar:
    """Registers what was read."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        outbox: Outbox,
        settings: InboxSettings,
        aside: Aside,
        *,
        rules: Callable[[], Rules],
        clock: Clock,
        ids: Ids,
        after_message: Callable[[RecordState], RecordState],
        after_delivery: Callable[[RecordState, Purpose], RecordState],
        deadlines: Callable[[Decision, datetime], Mapping[str, datetime]],
        steps: Sequence[Step],
        errand: Callable[[], None],
        count: Callable[[str, str], None] | None,
        nothing_rides: Callable[[str], None],
    ) -> None:
        self._store = store
        self._channels = channels
        self._outbox = outbox
        self._settings = settings
        self._aside = aside
        self._rules = rules
        self._clock = clock
        self._ids = ids
        self._after_message = after_message
        self._after_delivery = after_delivery
        self._deadlines = deadlines
        """When the stages of what was decided are due, counted from the acceptance."""
        self._steps = steps
        self._errand = errand
        self._count = count
        self._nothing_rides = nothing_rides
        self._lately = Lately(store, clock)

    async def register(self, readings: Sequence[Reading]) -> None:
        """Commit every reading with all its consequences.

        An error is raised when all others have ended: who tries again must meet none of them under way.
        """
        now = self._clock.now()
        found = await self._look_up(readings, now)
        errors: list[BaseException] = []
        placed: list[_Placed] = []
        works: list[_Work] = []
        for reading in readings:
            try:
                one = self._place(reading, found, now)
                if isinstance(one, _Work):
                    works.append(one)
                else:
                    placed.append(one)
            except Exception as error:
                errors.append(error)
        before = await self._said_before(placed)
        for one in placed:
            try:
                works.append(self._work(one, before, found, now))
            except Exception as error:
                errors.append(error)
        errors += await self._commit(works)
        if errors:
            raise errors[0]

    async def _commit(self, works: Sequence[_Work]) -> list[BaseException]:
        """Commit all; the errors of those that failed."""
        ended: Sequence[bool | BaseException] = [False] * len(works)
        try:
            ended = await self._store.submit_all([one.unit for one in works])
        finally:
            for one, outcome in zip(works, ended, strict=True):
                self._outbox.release(one.planned, outcome is True)
        for one, outcome in zip(works, ended, strict=True):
            if outcome is True:
                one.committed()
        return [outcome for outcome in ended if isinstance(outcome, BaseException)]

    # ---- what is asked

    async def _look_up(self, readings: Sequence[Reading], now: datetime) -> Findings:
        asked = placing.merge([self._questions(one) for one in readings])
        await self._lately.refresh(now)
        asked.domains = self._lately.unknown(asked.domains)
        found = await self._store.read(lambda c: lookups.answer(c, asked, now))
        self._lately.learn(asked.domains, found)
        return found

    def _questions(self, reading: Reading) -> Questions:
        asked = placing.ask(reading, self._store.secret)
        calls.ask(reading, asked)
        channel = self._channels.get(reading.envelope.channel)
        if channel is not None:
            talks.ask(reading, channel.settings, asked)
        return asked

    async def _said_before(self, placed: Sequence[_Placed]) -> Mapping[str, Mapping[str, Any]]:
        """The texts so far of records that grow by a further part of the same message."""
        wanted = {one.place.record.id for one in placed if one.place and one.burst}
        if not wanted:
            return {}
        names = ("text", "full_text")
        return await self._store.read(lambda c: envelopes.record_contents(c, wanted, names))

    # ---- one reading

    def _place(self, reading: Reading, found: Findings, now: datetime) -> _Placed | _Work:
        """Where a reading belongs; the whole work, when it is a report to look at again."""
        envelope, channel = reading.envelope, self._channels.get(reading.envelope.channel)
        reading = calls.settled(reading, found, channel.settings if channel else None)
        draft = reading.draft
        told = self._told(reading, found) if draft.reports else []
        if reports.early(draft.reports, told) and now - envelope.received_at < self._settings.report_wait:
            return _Work(aside.later(envelope, now), lambda: self._nothing_rides(envelope.id))
        inserts, updates = (
            reports.settle(told, found, self._ids, now, envelope.kind, self._after_delivery)
            if told
            else ([], [])
        )
        opened, freed = (
            talks.opened(reading, channel.settings, found, self._ids, now) if channel else ([], [])
        )
        marked, changed = standing.told(reading, found, self._store.secret, now)
        in_burst = channel is not None and talks.in_burst(reading, channel.settings, found)
        place = placing.place(reading, found, self._settings, self._store.secret, told, in_burst)
        unknown = draft.reports and not told and not draft.full_text.strip()
        return _Placed(
            reading,
            place,
            [*inserts, *opened, *calls.heard(reading), *marked],
            [*updates, *freed, *changed],
            freed=bool(freed),
            # A report of no message of ours is nothing; an echo with words is what a colleague typed elsewhere.
            ignored=placing.says_nothing(draft) and (place is None or bool(unknown)),
            # What a machine reports of our own messages is heard of everybody.
            blocked=not draft.reports and not found.blocked.isdisjoint(_identities(reading)),
        )

    def _work(
        self, one: _Placed, before: Mapping[str, Mapping[str, Any]], found: Findings, now: datetime
    ) -> _Work:
        reading, place, draft = one.reading, one.place, one.reading.draft
        envelope, channel = reading.envelope, self._channels.get(reading.envelope.channel)
        if one.blocked:
            unit = registering.set_aside(envelope, EnvelopeState.IGNORED, _BLOCKED, now)
            return _Work(unit, lambda: self._aside.told(envelope, EnvelopeState.IGNORED))
        if one.ignored:
            unit = registering.ignore(reading, now, one.inserts, one.updates)
            return _Work(
                unit, lambda: self._aside.told(envelope, EnvelopeState.IGNORED), Planned(wake=one.freed)
            )
        whole = _whole(draft, before[place.record.id]) if place and one.burst else draft
        decision = self._decided(whole, envelope)
        if decision.hold and not envelope.meta.get("released"):
            unit = registering.set_aside(envelope, EnvelopeState.HELD, decision.hold, now, draft.shown)
            return _Work(unit, lambda: self._aside.told(envelope, EnvelopeState.HELD))
        contact = placing.contact_of(reading, found)
        twin = None if place else placing.repeat_of(reading, found, contact)
        registration = self._registration(one, decision, found, contact, twin, now)
        inserts, updates = list(one.inserts), list(one.updates)
        # Of somebody whose name is not known yet the platform is asked once more with each new record of theirs.
        unknown = contact is not None and (
            contact not in found.contacts.values() or (place is None and contact in found.nameless)
        )
        inserts += links.learn(reading, registration, found, self._ids)
        updates += links.reachable_again(reading, registration, found)
        inserts += (asked := errands.wanted(reading, registration, channel, unknown, self._ids))
        planned = self._outbox.plan(registration)
        try:
            if place:
                state = RecordState(place.record.state)
                if not draft.signal:
                    state = self._after_message(state)
                if one.burst:
                    state = talks.state_after(state, decision)
                    updates += talks.grown(place.record.id, RecordState(place.record.state), whole, decision)
                unit = registering.join(reading, registration, planned.rows, place, state, self._ids)
            else:
                unit = registering.register(reading, registration, planned.rows, twin, self._ids)
            if channel is not None and channel.settings.burst and not draft.signal:
                updates += talks.heard(reading)
            unit = replace(
                unit,
                inserts=(*unit.inserts, *inserts),
                updates=(*unit.updates, *updates),
                found=finding.of_message(reading, registration, place, found.names.get(contact or "", ())),
            )
        except BaseException:
            self._outbox.release(planned, False)
            raise
        return _Work(
            unit,
            lambda: self._registered(registration, planned, envelope, bool(asked)),
            replace(planned, wake=True) if one.freed else planned,
        )

    def _registration(
        self,
        one: _Placed,
        decision: Decision,
        found: Findings,
        contact: str | None,
        twin: Twin | None,
        now: datetime,
    ) -> Registration:
        reading, place, envelope = one.reading, one.place, one.reading.envelope
        return Registration(
            envelope=envelope.id,
            channel=envelope.channel,
            kind=envelope.kind,
            record=place.record.id if place else self._ids.new(),
            reference=place.record.reference if place else envelope.reference,
            conversation=reading.conversation,
            contact=contact,
            draft=reading.draft,
            decision=decision,
            at=now,
            joined=place is not None,
            burst=one.burst,
            acknowledged_before=place is not None and place.record.id in found.acknowledged,
            repeat_recent=twin is not None and now - twin.received_at < self._settings.repeat_quiet,
            party_to=found.destinations.get(place.record.id, ()) if place else (),
            sent=placing.sent_to(reading.draft, found, self._lately.total),
        )

    def _registered(
        self, registration: Registration, planned: Planned, envelope: StoredEnvelope, asked: bool
    ) -> None:
        """What follows once it is durable."""
        self._lately.note(planned)
        if self._count:
            self._count(envelope.channel, "joined" if registration.joined else "registered")
        if asked:
            self._errand()
        for step in self._steps:
            step(registration)
        if not any(_rides(row, envelope) for row in planned.rows):
            self._nothing_rides(envelope.id)

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
        if draft.urgency in _URGENCIES:
            decision = replace(decision, urgency=Urgency(draft.urgency))
        due = self._deadlines(decision, envelope.received_at)
        return replace(decision, deadlines=due) if due else decision

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


def _whole(draft: Draft, before: Mapping[str, Any]) -> Draft:
    """What somebody said in several short messages, as one."""
    return replace(
        draft,
        text="\n".join(filter(None, (before["text"], draft.text))),
        full_text="\n".join(filter(None, (before["full_text"], draft.full_text))),
    )


def _rides(row: Mapping[str, Any], envelope: StoredEnvelope) -> bool:
    """Whether a planned delivery may still go on the answer to its own envelope."""
    rides: bool = (
        row["purpose"] == Purpose.ACKNOWLEDGEMENT
        and row["target"] == envelope.channel
        and row["state"] != DeliveryState.CANCELLED
    )
    return rides


def _identities(reading: Reading) -> list[tuple[str, str]]:
    """What the sender of a message is known by."""
    return [(one.kind, one.value) for one in (*reading.draft.identities, *reading.given)]
