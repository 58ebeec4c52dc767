"""Whether a customer who was answered is satisfied: asked, marked, and what follows from a bad mark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from casework import lines
from casework.deadlines import Deadlines
from casework.settings import FollowUpSettings, OfficeSettings
from model import ids as identifiers
from model.decision import Decision, Urgency
from model.event import EventType
from model.states import RecordState
from model.tools import Clock, Ids
from store import care, views
from store.store import Store
from store.units import Guard, Insert, Unit, Update

Facts = Mapping[str, Any]
Row = Mapping[str, Any]

MARKS = range(1, 6)
_LONGEST = 10_000
#: Random bytes from which a reference is made.
_RANDOM = 32
#: How often a mark is tried while others change what it marks.
_TRIES = 3
#: States that a mark ends: one in a chat comes as a message, which reopened the record before.
_MARKED = frozenset({RecordState.ANSWERED.value, RecordState.REOPENED.value})


class Following:
    """The questions after answers, and the marks that customers give."""

    def __init__(
        self,
        store: Store,
        deadlines: Deadlines,
        settings: Callable[[], OfficeSettings],
        *,
        clock: Clock,
        ids: Ids,
        prefix: str,
    ) -> None:
        self._store = store
        self._deadlines = deadlines
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._prefix = prefix

    async def question(self, id_: str) -> Facts | None:
        """What the page behind a question shows: reference, subject, and whether it may still be answered."""
        found = await self._store.read(lambda c: care.by_id(c, id_))
        row = await self._store.read(lambda c: views.record_by_id(c, found["record"])) if found else None
        if found is None or row is None:
            return None
        return {
            "reference": row["reference"],
            "subject": row["subject"],
            "language": row["language"],
            "open": found["state"] in care.OPEN,
            "mark": found["mark"],
        }

    async def mark(self, id_: str, *, mark: int, remarks: str = "", by: str) -> Facts:
        """Take a customer's mark, once. Who is dissatisfied has a linked record, which runs the same course.

        Raises LookupError for an unknown question, and ValueError when it was answered already.
        """
        if mark not in MARKS:
            raise ValueError("a mark is a number from 1 to 5")
        for _ in range(_TRIES):
            if (told := await self._mark(id_, mark, remarks.strip()[:_LONGEST], by)) is not None:
                return told
        raise ValueError("this question was answered already, or is over")

    async def _mark(self, id_: str, mark: int, remarks: str, by: str) -> Facts | None:
        """One try; None when somebody was faster, which may only have been the round that asks the question."""
        found = await self._store.read(lambda c: care.by_id(c, id_))
        row = await self._store.read(lambda c: views.record_by_id(c, found["record"])) if found else None
        if found is None or row is None:
            raise LookupError("there is no such question")
        if found["state"] not in care.OPEN:
            raise ValueError("this question was answered already, or is over")
        now = self._clock.now()
        settings = self._settings().follow_up or FollowUpSettings()
        satisfied = mark >= settings.good_from
        values = {
            "state": "answered",
            "satisfied": satisfied,
            "mark": mark,
            "remarks": remarks,
            "answered_at": now,
            "by": by,
            "close_at": found["close_at"] or self._deadlines.worktime.deadline(now, settings.close_after),
        }
        data: dict[str, Any] = {"mark": mark, "satisfied": satisfied, "text": remarks, "by": by}
        inserts: list[Insert] = []
        updates: list[Update] = []
        if not satisfied:
            linked = self._linked(row, remarks, now)
            data["linked"] = linked["reference"]
            inserts += [Insert("record", linked), self._born(linked, row, now)]
            inserts.append(Insert("archive", {"record": linked["id"]}))  # to be read in with its words
        inserts.append(lines.event(self._ids, row, EventType.MARKED, now, data, "customer"))
        if row["state"] in _MARKED:
            moved = {"state": RecordState.FOLLOWED_UP.value, "updated_at": now}
            updates.append(Update("record", {"id": row["id"], "state": row["state"]}, moved))
            change = {"from": row["state"], "to": RecordState.FOLLOWED_UP.value}
            inserts.append(lines.event(self._ids, row, EventType.STATE_CHANGED, now, change))
        guard = Guard("follow_up", {"id": id_, "state": found["state"]}, values)
        if not await self._store.submit(Unit(guard, tuple(inserts), tuple(updates), label="case.marked")):
            return None
        return {"reference": row["reference"], "satisfied": satisfied, "linked": data.get("linked")}

    async def mark_record(self, reference: str, *, mark: int, remarks: str = "", actor: str) -> Facts:
        """What a customer told a colleague who called them."""
        row = await self._store.read(lambda c: views.record(c, reference))
        if row is None:
            raise LookupError(f"there is no record {reference}")
        asked = await self._store.read(lambda c: care.follow_ups(c, row["id"]))
        open_ = [one for one in asked if one["state"] in care.OPEN]
        if not open_:
            raise ValueError("nobody is to be asked: the record was not answered, or was marked already")
        return await self.mark(open_[-1]["id"], mark=mark, remarks=remarks, by=actor)

    # ----

    def _linked(self, row: Row, remarks: str, now: datetime) -> dict[str, Any]:
        """The record of what a customer is still dissatisfied with."""
        decision = Decision(urgency=Urgency(row["urgency"]))
        deadlines = self._deadlines.at_registration(decision, now)
        return {
            **row,
            "id": self._ids.new(),
            "reference": identifiers.mint_reference(self._prefix, now, self._ids.draw(_RANDOM), 8),
            "in_reply_to": row["id"],
            "repeat_of": None,
            "sent_at": now,
            "received_at": now,
            "registered_at": now,
            "updated_at": now,
            "text": remarks,
            "full_text": remarks,
            "html": None,
            "nature": list(dict.fromkeys(("complaint", *row["nature"]))),
            "in_scope": True,
            "missing": [],
            "deadlines": {name: at.isoformat() for name, at in deadlines.items()},
            "state": RecordState.REGISTERED.value,
            "rules": [],
            "omissions": [],
        }

    def _born(self, linked: Row, row: Row, now: datetime) -> Insert:
        data = {
            "channel": linked["channel"],
            "urgency": linked["urgency"],
            "nature": linked["nature"],
            "department": linked["department"],
            "in_scope": True,
            "rules": [],
            "reasons": [],
            "follow_up_of": row["reference"],
        }
        return lines.event(self._ids, linked, EventType.REGISTERED, now, data)
