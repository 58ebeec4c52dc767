"""What colleagues are to say to customers: the list of call-backs, and how each try ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from model.delivery import Delivery, Outcome, Said
from model.event import EventType
from model.failures import Reason
from model.states import DeliveryState
from model.tools import Clock, Ids
from outbox.settle import Settler
from store import boxes, deliveries
from store.store import Store
from store.units import Guard, Insert, Unit

Facts = Mapping[str, Any]
#: Longest remark that is kept of a call, characters.
_NOTE = 500
_ENDS = {
    Said.REACHED: (DeliveryState.DELIVERED, None),
    Said.WRONG_NUMBER: (DeliveryState.DEAD, Reason.RECIPIENT),
    Said.DECLINED: (DeliveryState.CANCELLED, None),
}
_OUTCOMES = {Said.REACHED: Outcome.DELIVERED, Said.NOT_REACHED: Outcome.TEMPORARY}


@dataclass(frozen=True, slots=True)
class Patience:
    """How often it is tried by a channel, and when again."""

    tries: int
    again_after: timedelta


class CallBacks:
    """Lists them, and settles them by what a colleague tells."""

    def __init__(
        self,
        store: Store,
        settler: Settler,
        patience: Callable[[], Mapping[str, Patience]],
        *,
        clock: Clock,
        ids: Ids,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._settler = settler
        self._patience = patience
        """The channels whose messages colleagues say, as they are configured now."""
        self._clock = clock
        self._ids = ids
        self._wake = wake

    async def list(self, *, target: str | None, limit: int) -> Sequence[Facts]:
        """What is to be said, the earliest due first."""
        now = self._clock.now()
        targets: Collection[str] = [one for one in self._patience() if target in (None, one)]
        found = await self._store.read(lambda c: boxes.call_backs(c, targets, limit))
        before = await self._store.read(lambda c: boxes.said_before(c, [row["id"] for row in found]))
        return [
            {
                "id": row["id"],
                "due": row["next_at"].isoformat(),
                "overdue": row["next_at"] < now,
                "reference": row["reference"],
                "channel": row["target"],
                "number": (row["body"].get("to") or {}).get("value"),
                "name": row["body"].get("name") or "",
                "subject": row["body"].get("subject") or "",
                "text": row["body"].get("text") or "",
                "language": row["body"].get("language"),
                "purpose": row["purpose"],
                "call": row["body"].get("call"),
                "tries": before.get(row["id"], 0),
                "last": row["detail"] or "",
                "created_at": row["created_at"].isoformat(),
            }
            for row in found
        ]

    async def said(
        self, delivery: str, outcome: str, *, note: str, again_at: datetime | None, actor: str
    ) -> Facts:
        """How a try ended; of two colleagues who tell at once the first counts.

        Raises LookupError for what is no call-back, and ValueError for one that is settled already.
        """
        try:
            said = Said(outcome)
        except ValueError:
            raise ValueError(f"outcome must be one of {', '.join(Said)}") from None
        found = await self._store.read(lambda c: deliveries.by_ids(c, [delivery]))
        patience = self._patience().get(found[0].target) if found else None
        if not found or patience is None:
            raise LookupError(f"there is no call-back {delivery}")
        one = found[0]
        if one.state is not DeliveryState.ENTRUSTED:
            raise ValueError(f"this call-back is not open any more: it is {one.state.value}")
        now, remark = self._clock.now(), " ".join(note.split())[:_NOTE]
        detail = f"{said.value}: {remark}" if remark else said.value
        before = await self._store.read(lambda c: boxes.said_before(c, [one.id]))
        tried = before.get(one.id, 0) + (said is Said.NOT_REACHED)
        inserts = (self._attempt(one, said, detail, now), self._audit(one, said, actor, now))
        again: datetime | None = None
        if said is Said.NOT_REACHED and tried < patience.tries:
            state, again = DeliveryState.ENTRUSTED, again_at or now + patience.again_after
            held = await self._store.submit(self._later(one, detail, actor, again, inserts))
        else:
            gone = (DeliveryState.DEAD, Reason.UNREACHABLE)
            state, reason = _ENDS.get(said, gone)
            held = await self._settler.came_to(
                one,
                state,
                at=now,
                actor=actor,
                reason=reason,
                detail=detail if said in _ENDS else f"nobody was reached in {tried} tries",
                data={"outcome": said.value},
                inserts=inserts,
                changes={"attempts": one.attempts + 1},
            )
        if not held:
            raise ValueError("somebody else has just told how this call-back ended")
        self._wake()
        due = again.isoformat() if again else None
        return {
            "id": one.id,
            "reference": one.body.get("reference"),
            "state": state.value,
            "tries": tried,
            "due": due,
        }

    def _later(
        self, one: Delivery, detail: str, actor: str, again: datetime, inserts: Sequence[Insert]
    ) -> Unit:
        """Nobody was reached: it stays in hand, due anew."""
        where = {"id": one.id, "state": DeliveryState.ENTRUSTED.value, "attempts": one.attempts}
        guard = Guard("delivery", where, {"attempts": one.attempts + 1, "next_at": again, "detail": detail})
        event = {
            "id": self._ids.new(),
            "type": EventType.DELIVERY_REPORTED.value,
            "record": one.record,
            "reference": one.body.get("reference"),
            "at": self._clock.now(),
            "actor": actor,
            "data": {
                "delivery": one.id,
                "purpose": one.purpose.value,
                "target": one.target,
                "outcome": Said.NOT_REACHED.value,
                "detail": detail,
                "again": again.isoformat(),
            },
        }
        told = (Insert("event", event),) if one.record else ()
        return Unit(guard, (*inserts, *told), label="told")

    def _attempt(self, one: Delivery, said: Said, detail: str, now: datetime) -> Insert:
        row = {
            "delivery": one.id,
            "n": one.attempts + 1,
            "claim": self._ids.new(),
            "phase": "ended",
            "outcome": _OUTCOMES.get(said, Outcome.PERMANENT).value,
            "code": said.value,
            "detail": detail,
            "started_at": now,
            "ended_at": now,
        }
        return Insert("attempt", row)

    def _audit(self, one: Delivery, said: Said, actor: str, now: datetime) -> Insert:
        row = {
            "id": self._ids.new(),
            "at": now,
            "actor": actor,
            "verb": f"call_back.{said.value}",
            "target": one.id,
            "data": {"try": one.attempts + 1},
        }
        return Insert("audit", row)
