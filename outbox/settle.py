"""What becomes of a delivery after a try: one compare-and-set on its claim with all its consequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from model import ids as identifiers
from model.delivery import AUTOMATIC, DOWNSTREAM, Delivery, OnUncertain, Outcome, Purpose, Receipt, is_last
from model.draft import Identity
from model.event import EventType
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.states import DeliveryState, RecordState
from model.tools import Clock, Ids
from outbox import parts, retry, rows
from outbox.settings import OutboxSettings, RetrySettings
from outbox.targets import Target
from store import deliveries, tickets
from store.store import Store
from store.units import Guard, Insert, Unit, Update

#: Tries that ended uncertain after which even a target that recognises repeats gets no more.
_UNCERTAIN_LIMIT = 2

_FREE = frozenset(reason.value for reason in retry.UNCOUNTED)

_EVENTS = {
    DeliveryState.DELIVERED: EventType.DELIVERY_DELIVERED,
    DeliveryState.ENTRUSTED: EventType.DELIVERY_ENTRUSTED,
    DeliveryState.UNCERTAIN: EventType.DELIVERY_UNCERTAIN,
    DeliveryState.DEAD: EventType.DELIVERY_DEAD,
    DeliveryState.EXPIRED: EventType.DELIVERY_EXPIRED,
    DeliveryState.HELD: EventType.DELIVERY_HELD,
    DeliveryState.CANCELLED: EventType.DELIVERY_CANCELLED,
}


class Settler:
    """Writes the outcome of tries."""

    def __init__(
        self,
        store: Store,
        settings: OutboxSettings,
        *,
        clock: Clock,
        ids: Ids,
        after_delivery: Callable[[RecordState, Purpose], RecordState],
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._after_delivery = after_delivery

    # ---- outcomes of one try

    async def delivered(self, delivery: Delivery, n: int, receipt: Receipt, target: Target) -> bool:
        """The far side took it, for good or in hand."""
        now = self._clock.now()
        values = _taken(receipt, now)
        extra: list[Insert] = []
        updates = [_ended(delivery, n, Outcome.DELIVERED if receipt.final else Outcome.ENTRUSTED, now)]
        if receipt.remote_id and delivery.record and not target.downstream:
            key = identifiers.thread_key(target.kind, receipt.remote_id)
            row = {"key": key, "record": delivery.record, "delivery": delivery.id, "since": now}
            extra.append(Insert("thread_key", row, ignore=True))
        extra += [Insert("delivery", row, ignore=True) for row in self._copies(delivery, receipt, now)]
        extra += await self._ticket(delivery, receipt, target, now)
        if receipt.final and _moves(delivery):
            inserts, moved = await self._move_record(delivery, now)
            extra += inserts
            updates += moved
        more: dict[str, Any] = {"remote_id": receipt.remote_id} | (
            {"data": dict(receipt.data)} if receipt.data else {}
        )
        return await self._end(delivery, _state(receipt), values, more, extra, updates)

    async def failed(self, delivery: Delivery, n: int, failure: SendFailure, target: Target) -> bool:
        """The far side did not take it, or nobody knows."""
        now = self._clock.now()
        detail = failure.detail[:500]
        if isinstance(failure, Uncertain):
            ended = _ended(delivery, n, Outcome.UNCERTAIN, now, detail=detail)
            unclear = {"reason": "timeout", "detail": detail}
            return await self._end(delivery, DeliveryState.UNCERTAIN, unclear, {}, [], [ended])
        assert isinstance(failure, TemporaryFailure | PermanentFailure)
        values: dict[str, Any] = {"reason": failure.reason.value, "detail": detail}
        if isinstance(failure, PermanentFailure):
            ended = _ended(delivery, n, Outcome.PERMANENT, now, failure.reason.value, detail)
            if failure.reason in retry.UNCOUNTED:
                # The operator's to mend, not the message's fault: it waits until the target works again.
                return await self._again(delivery, target.circuit.until or now, values, [ended])
            extra, moved = await self._unreachable(delivery, failure)
            return await self._end(
                delivery, DeliveryState.DEAD, values | {"settled_at": now}, {}, extra, [ended, *moved]
            )
        ended = _ended(delivery, n, Outcome.TEMPORARY, now, failure.reason.value, detail)
        counted = await self._store.read(lambda c: deliveries.counted_tries(c, delivery.id, _FREE)) + (
            failure.reason not in retry.UNCOUNTED
        )
        decision = self._decide(delivery, failure, counted, now)
        if isinstance(decision, retry.Again):
            return await self._again(delivery, decision.at, values, [ended])
        values |= {"detail": f"{decision.why}; last: {detail}"[:500], "settled_at": now}
        return await self._end(delivery, DeliveryState.DEAD, values, {}, [], [ended])

    async def expired(self, delivery: Delivery) -> bool:
        """Its time is over; it was not sent."""
        values = {"detail": "its time was over before it could be sent", "settled_at": self._clock.now()}
        return await self._end(delivery, DeliveryState.EXPIRED, values, {}, [], [])

    async def closed(
        self,
        delivery: Delivery,
        state: DeliveryState,
        detail: str,
        told: Sequence[Insert],
        ended: Sequence[Update],
        *,
        reason: str = Reason.WINDOW.value,
    ) -> bool:
        """The customer's reply window does not carry it, and nothing else does; or `reason` says why it must not go."""
        values: dict[str, Any] = {"reason": reason, "detail": detail[:500]}
        if state is not DeliveryState.HELD:
            values["settled_at"] = self._clock.now()
        return await self._end(delivery, state, values, {}, list(told), list(ended))

    def refused(self, delivery: Delivery, n: int, failure: PermanentFailure) -> list[Update]:
        """The end of an attempt that the far side refused for good."""
        now, detail = self._clock.now(), failure.detail[:500]
        return [_ended(delivery, n, Outcome.PERMANENT, now, failure.reason.value, detail)]

    async def postponed(self, delivery: Delivery, until: datetime) -> bool:
        """The target cannot send now; no attempt was made."""
        return await self._again(delivery, until, {}, [])

    # ---- entrusted ones

    async def came_to(
        self,
        delivery: Delivery,
        state: DeliveryState,
        *,
        at: datetime,
        actor: str,
        reason: Reason | None = None,
        detail: str | None = None,
        data: Mapping[str, Any] = MappingProxyType({}),
        inserts: Sequence[Insert] = (),
        changes: Mapping[str, Any] = MappingProxyType({}),
    ) -> bool:
        """Somebody tells what became of a message that they had in hand: DELIVERED, DEAD, or CANCELLED where its
        customer does not want it; at a time of theirs. `changes` are further columns.

        A delivered one may still come back. False when it stood no more as it did when it was looked up.
        """
        extra, updates = list(inserts), list[Update]()
        if state is DeliveryState.DELIVERED and _moves(delivery):
            more, moved = await self._move_record(delivery, self._clock.now())
            extra += more
            updates += moved
        if state is DeliveryState.DEAD:
            more, moved = await self._unreachable(delivery, PermanentFailure(reason or Reason.SERVER, ""))
            extra += more
            updates += [*moved, *parts.stopped(delivery, state, {"reason": reason and reason.value})]
        values: dict[str, Any] = {"reason": reason and reason.value, "detail": detail, "settled_at": at}
        values |= changes
        guard = Guard(
            "delivery", {"id": delivery.id, "state": delivery.state.value}, {"state": state.value, **values}
        )
        told = self.event(
            delivery,
            state,
            {"at": at.isoformat(), "reason": values["reason"], "detail": detail, **data},
            actor,
        )
        return await self._store.submit(Unit(guard, (*extra, *told), tuple(updates), label="told"))

    # ---- uncertain ones

    async def resolved(self, delivery: Delivery, receipt: Receipt | None, target: Target) -> bool:
        """The far side could tell: taken, or surely not."""
        now = self._clock.now()
        ended = _ended(delivery, delivery.attempts, Outcome.UNCERTAIN, now, detail="looked up")
        if receipt is not None:
            extra = await self._ticket(delivery, receipt, target, now)
            moved = [ended]
            if receipt.final and _moves(delivery):
                inserts, more = await self._move_record(delivery, now)
                extra += inserts
                moved += more
            values = _taken(receipt, now)
            return await self._from_uncertain(delivery, _state(receipt), values, extra, moved)
        return await self._surely_not(delivery, now, ended)

    async def _surely_not(
        self,
        delivery: Delivery,
        now: datetime,
        ended: Update,
        why: str = "sent, but the far side does not have it",
    ) -> bool:
        """Looked up, and not there: as after any failure, with a pause before the next try, and an end."""
        failure = TemporaryFailure(Reason.SERVER, why)
        seen = await self._store.read(lambda c: deliveries.uncertain_tries(c, delivery.id))
        decision = self._decide(delivery, failure, seen, now)
        if isinstance(decision, retry.Again):
            again = {"next_at": decision.at}
            return await self._from_uncertain(delivery, DeliveryState.WAITING, again, [], [ended])
        values = {"reason": failure.reason.value, "settled_at": now}
        values["detail"] = f"{decision.why}; last: {failure.detail}"
        return await self._from_uncertain(delivery, DeliveryState.DEAD, values, [], [ended])

    async def by_policy(self, delivery: Delivery, target: Target) -> bool:
        """Nobody can tell: what the channel's owner chose.

        Where a second try is recognised it is sent again; elsewhere an automatic message is dropped, with
        its row, and a person's message is held for a person's decision.
        """
        now = self._clock.now()
        ended = _ended(delivery, delivery.attempts, Outcome.UNCERTAIN, now)
        policy = target.on_uncertain
        if policy is OnUncertain.RESEND and target.downstream:
            # Nobody reads it twice there: it goes by the schedule of every other failure.
            return await self._surely_not(delivery, now, ended, "no answer came")
        if policy is OnUncertain.RESEND:
            seen = await self._store.read(lambda c: deliveries.uncertain_tries(c, delivery.id))
            if seen < _UNCERTAIN_LIMIT:
                return await self._from_uncertain(
                    delivery, DeliveryState.WAITING, {"next_at": now}, [], [ended]
                )
        if policy is OnUncertain.DROP or delivery.purpose in AUTOMATIC:
            values = {"detail": "may have been delivered; not sent again", "settled_at": now}
            return await self._from_uncertain(delivery, DeliveryState.CANCELLED, values, [], [ended])
        values = {"detail": "may have been delivered; a person decides"}
        return await self._from_uncertain(delivery, DeliveryState.HELD, values, [], [ended])

    # ---- tickets

    async def _ticket(
        self, delivery: Delivery, receipt: Receipt, target: Target, now: datetime
    ) -> list[Insert]:
        """The ticket that holds the record, where what becomes of it comes back."""
        remote_id = receipt.data.get("remote_id")
        if not (target.tickets and remote_id and delivery.record):
            return []
        record, name = delivery.record, target.name
        if delivery.purpose is Purpose.HAND_OVER:
            return [tickets.made(name, remote_id, record, now)]
        stands = await self._store.read(lambda c: tickets.state_of(c, name, record))
        if stands.remote_id != remote_id:
            await self._store.run(lambda c: tickets.again(c, name, record, remote_id, now), "ticket")
        return []

    # ---- copies

    def _copies(self, delivery: Delivery, receipt: Receipt, now: datetime) -> Iterator[dict[str, Any]]:
        """A delivery for each copy that was put off: the others have the message, and get it no second time."""
        for address, failure in receipt.put_off.items():
            decision = self._decide(delivery, failure, 1, now)
            if isinstance(decision, retry.Again):
                yield rows.row(
                    self._ids,
                    key=f"{delivery.key}:copy:{address}",
                    purpose=delivery.purpose,
                    target=delivery.target,
                    record=delivery.record,
                    at=now,
                    body={**delivery.body, "copy_to": address, "same_as": delivery.key},
                    to=Identity("email", address),
                    delay=decision.at - now,
                )

    # ---- units

    async def _again(
        self, delivery: Delivery, at: datetime, values: Mapping[str, Any], updates: list[Update]
    ) -> bool:
        new = {"state": DeliveryState.WAITING.value, "next_at": at, "claim": None, "owner": None, **values}
        guard = Guard("delivery", {"id": delivery.id, "claim": delivery.claim}, new)
        return await self._store.submit(Unit(guard, (), tuple(updates), label="settle"))

    async def _end(
        self,
        delivery: Delivery,
        state: DeliveryState,
        values: Mapping[str, Any],
        data: Mapping[str, Any],
        inserts: list[Insert],
        updates: list[Update],
    ) -> bool:
        new = {"state": state.value, "claim": None, "owner": None, **values}
        guard = Guard("delivery", {"id": delivery.id, "claim": delivery.claim}, new)
        told = self.event(
            delivery, state, {**data, "detail": values.get("detail"), "reason": values.get("reason")}
        )
        updates += parts.stopped(delivery, state, values)
        return await self._store.submit(Unit(guard, (*inserts, *told), tuple(updates), label="settle"))

    async def _from_uncertain(
        self,
        delivery: Delivery,
        state: DeliveryState,
        values: Mapping[str, Any],
        inserts: list[Insert],
        updates: list[Update],
    ) -> bool:
        where = {"id": delivery.id, "state": DeliveryState.UNCERTAIN.value}
        guard = Guard("delivery", where, {"state": state.value, **values})
        told = self.event(delivery, state, {"detail": values.get("detail")}) if state in _EVENTS else ()
        updates += parts.stopped(delivery, state, values)
        return await self._store.submit(Unit(guard, (*inserts, *told), tuple(updates), label="resolve"))

    def event(
        self, delivery: Delivery, state: DeliveryState, data: Mapping[str, Any], actor: str = "forebay"
    ) -> tuple[Insert, ...]:
        """The line in the record's timeline."""
        if delivery.record is None:
            return ()
        row = {
            "id": self._ids.new(),
            "type": _EVENTS[state].value,
            "record": delivery.record,
            "reference": delivery.body.get("reference"),
            "at": self._clock.now(),
            "actor": actor,
            "data": {
                "delivery": delivery.id,
                "purpose": delivery.purpose.value,
                "target": delivery.target,
                **{name: value for name, value in data.items() if value is not None},
            },
        }
        return (Insert("event", row),)

    # ---- consequences for others

    async def _move_record(self, delivery: Delivery, now: datetime) -> tuple[list[Insert], list[Update]]:
        """The record's state after a reply or a hand-over was taken."""
        old = await self._store.read(lambda c: deliveries.record_state(c, delivery.record or ""))
        if old is None:
            return [], []
        new = self._after_delivery(RecordState(old), delivery.purpose)
        if new.value == old:
            return [], []
        row = {
            "id": self._ids.new(),
            "type": EventType.STATE_CHANGED.value,
            "record": delivery.record,
            "reference": delivery.body.get("reference"),
            "at": now,
            "actor": "forebay",
            "data": {"from": old, "to": new.value},
        }
        where = {"id": delivery.record, "state": old}
        return [Insert("event", row)], [Update("record", where, {"state": new.value, "updated_at": now})]

    async def _unreachable(
        self, delivery: Delivery, failure: PermanentFailure
    ) -> tuple[list[Insert], list[Update]]:
        """A recipient that does not exist or does not want us: noted at the contact."""
        if failure.reason.value != "recipient" or not delivery.record or not delivery.address:
            return [], []
        if delivery.body.get("copy_to"):
            return [], []  # it is not the contact's address
        found = await self._store.read(lambda c: deliveries.contact_of(c, delivery.record or ""))
        if found is None or delivery.address in found[1]:
            return [], []
        update = Update("contact", {"id": found[0]}, {"unreachable": [*found[1], delivery.address]})
        return [], [update]

    def _decide(
        self, delivery: Delivery, failure: TemporaryFailure, counted: int, now: datetime
    ) -> retry.Again | retry.GiveUp:
        return retry.decide(
            failure,
            counted=counted,
            created_at=delivery.created_at,
            expires_at=delivery.expires_at,
            now=now,
            chance=int.from_bytes(self._ids.draw(2), "big") / 65535,
            schedule=self._schedule(delivery.purpose),
            settings=self._settings,
        )

    def _schedule(self, purpose: Purpose) -> RetrySettings:
        if purpose in DOWNSTREAM:
            return self._settings.hand_over
        return self._settings.acknowledgement if purpose in AUTOMATIC else self._settings.reply


def _state(receipt: Receipt) -> DeliveryState:
    return DeliveryState.DELIVERED if receipt.final else DeliveryState.ENTRUSTED


def _taken(receipt: Receipt, now: datetime) -> dict[str, Any]:
    """The columns of a delivery that the far side has; one that it only has in hand is not settled."""
    settled = now if receipt.final else None
    due = {} if receipt.due is None else {"next_at": receipt.due}
    return {"remote_id": receipt.remote_id, "reason": None, "detail": None, "settled_at": settled, **due}


def _moves(delivery: Delivery) -> bool:
    """Whether its arrival may move its record's state: of a message in parts that of the last one."""
    purposes = (Purpose.REPLY, Purpose.HAND_OVER)
    to_customer = not delivery.body.get("copy_to")
    return (
        delivery.purpose in purposes
        and delivery.record is not None
        and to_customer
        and is_last(delivery.body)
    )


def _ended(
    delivery: Delivery,
    n: int,
    outcome: Outcome,
    at: datetime,
    code: str | None = None,
    detail: str | None = None,
) -> Update:
    values = {"outcome": outcome.value, "code": code, "detail": detail, "ended_at": at, "phase": "ended"}
    return Update("attempt", {"delivery": delivery.id, "n": n}, values)
