"""What belongs together: records merged, messages moved to another record or made one of their own; all undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from casework import life, lines
from casework.deadlines import Deadlines
from casework.passing import Overtaken
from model import ids as identifiers
from model import searching
from model.decision import Decision, Urgency
from model.event import EventType
from model.states import RECORD_TRANSITIONS, RecordState, may
from model.tools import Clock, Ids
from store import cases, mergers, people, views
from store.store import Store
from store.units import Found, Guard, Insert, Unit, Update

Facts = Mapping[str, Any]
Row = Mapping[str, Any]

_TOGETHER = "merged into another"


class Joining:
    """The verbs. A customer is answered once: only what the same person wrote is put together."""

    def __init__(self, store: Store, deadlines: Deadlines, *, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._deadlines = deadlines
        self._clock = clock
        self._ids = ids

    # ---- records

    async def merge(self, reference: str, into: str, *, actor: str) -> Facts:
        """Close a record as a part of another; what its customer writes to it goes there from then on.

        LookupError for what does not exist, ValueError for what cannot be, in words.
        """
        row, other = await self._record(reference), await self._record(into)
        if row["id"] == other["id"]:
            raise ValueError("a record cannot be merged into itself")
        await self._apart(row)
        await self._apart(other)
        await self._same_person(row, other)
        now, state = self._clock.now(), RecordState(row["state"])
        if state is not RecordState.CLOSED and not may(RECORD_TRANSITIONS, state, RecordState.CLOSED):
            raise ValueError(f"a record that is {state.value.replace('_', ' ')} cannot be merged")
        joined = {
            "id": self._ids.new(), "record": row["id"], "into": other["id"], "at": now, "by": actor,
            "state_before": row["state"],
        }  # fmt: skip
        shown = {"reference": row["reference"], "subject": row["subject"], "text": row["text"]}
        inserts = [
            Insert("merger", joined),
            self._event(row, EventType.MERGED, now, {"into": other["reference"]}, actor),
            self._event(other, EventType.MERGED_IN, now, shown, actor),
        ]
        if state is not RecordState.CLOSED:
            change = {"from": state.value, "to": RecordState.CLOSED.value, "why": "merged"}
            inserts.append(self._event(row, EventType.STATE_CHANGED, now, change, actor))
        given = await self._store.read(lambda c: cases.assignments(c, row["id"]))
        ended = {"state": "withdrawn", "ended_at": now, "ended_by": actor, "reason": _TOGETHER}
        updates = [Update("assignment", {"id": one["id"]}, ended) for one in given if one["ended_at"] is None]
        updates.append(Update("record", {"id": other["id"]}, {"updated_at": now}))
        values = {"state": RecordState.CLOSED.value}
        words = (row["subject"], row["full_text"])
        await self._submit(
            lines.change(row, now, values, inserts, updates, label="case.merged"), other["id"], *words
        )
        return {"reference": row["reference"], "into": other["reference"]}

    async def unmerge(self, reference: str, *, actor: str) -> Facts:
        """Undo a merger: the record is as it was before, and is written to again. What came meanwhile stays."""
        row = await self._record(reference)
        joined = await self._store.read(lambda c: mergers.of(c, row["id"]))
        if joined is None:
            raise ValueError(f"{row['reference']} is not merged into another record")
        other = await self._record(joined["reference"])
        now, before = self._clock.now(), joined["state_before"]
        shown = {"reference": row["reference"]}
        inserts = [
            self._event(row, EventType.UNMERGED, now, {"from": other["reference"]}, actor),
            self._event(other, EventType.UNMERGED_IN, now, shown, actor),
        ]
        if before != row["state"]:
            # Not a step of its course: it was closed by mistake, and is where it was.
            change = {"from": row["state"], "to": before, "why": "unmerged"}
            inserts.append(self._event(row, EventType.STATE_CHANGED, now, change, actor))
        undone = {"undone_at": now, "undone_by": actor}
        updates = [Update("merger", {"id": joined["id"]}, undone)]
        given = await self._store.read(lambda c: cases.assignments(c, row["id"]))
        for one in given:
            if one["reason"] == _TOGETHER and one["ended_at"] == joined["at"]:
                again = {
                    "state": "taken" if one["taken_at"] else "given",
                    "ended_at": None,
                    "ended_by": None,
                    "reason": None,
                }
                updates.append(Update("assignment", {"id": one["id"]}, again))
        await self._submit(lines.change(row, now, {"state": before}, inserts, updates, label="case.merged"))
        return {"reference": row["reference"], "state": before}

    # ---- messages

    async def move(self, message: str, to: str, *, actor: str) -> Facts:
        """Give a message that joined a record to another one; moved back, it is where it was.

        `message` is the message's own reference. LookupError for what does not exist, ValueError for what cannot be.
        """
        found, row = await self._message(message)
        other = await self._record(to)
        if other["id"] == row["id"]:
            raise ValueError(f"it is in {row['reference']} already")
        await self._apart(other)
        await self._same_person(row, other)
        # First: a record that gains a message is worked on again, whatever happens in between.
        await self._reopen(other, actor)
        now, told = self._clock.now(), found["told"]
        joined = {**told, "why": "moved", "from": row["reference"]}
        inserts = [
            self._event(row, EventType.MESSAGE_MOVED, now, self._away(found, other["reference"]), actor),
            self._event(other, EventType.MESSAGE_JOINED, now, joined, actor),
        ]
        updates = self._with_it(found, row["id"], other["id"])
        words = (str(told.get("subject") or ""), str(told.get("full_text") or ""))
        await self._submit(self._unit(found, row["id"], other["id"], inserts, updates), other["id"], *words)
        return {"message": found["reference"], "from": row["reference"], "to": other["reference"]}

    async def _reopen(self, row: Row, actor: str) -> None:
        now, state = self._clock.now(), life.after_message(RecordState(row["state"]))
        inserts = []
        if state.value != row["state"]:
            change = {"from": row["state"], "to": state.value}
            inserts.append(self._event(row, EventType.STATE_CHANGED, now, change, actor))
        await self._submit(lines.change(row, now, {"state": state.value}, inserts, label="case.moved"))

    async def split(self, message: str, *, actor: str) -> Facts:
        """Make a message that joined a record one of its own, with the reference that the message has.

        It is undone by merging it into the record that it came from.
        """
        found, row = await self._message(message)
        now, told = self._clock.now(), found["told"]
        made = self._made(found, row, told, now)
        born = {
            "channel": made["channel"], "urgency": made["urgency"], "nature": made["nature"],
            "department": made["department"], "in_scope": True, "rules": [], "reasons": [],
            "split_of": row["reference"],
        }  # fmt: skip
        inserts = [
            Insert("record", made),
            Insert("archive", {"record": made["id"]}),  # to be read in with its words
            self._event(row, EventType.MESSAGE_MOVED, now, self._away(found, made["reference"]), actor),
            self._event(made, EventType.REGISTERED, now, born, actor),
        ]
        updates = self._with_it(found, row["id"], made["id"])
        await self._submit(self._unit(found, row["id"], made["id"], inserts, updates))
        return {"reference": made["reference"], "from": row["reference"]}

    def _made(self, found: Row, row: Row, told: Row, now: datetime) -> dict[str, Any]:
        """The record that a message becomes: the person, the channel and the judgement are those of where it was."""
        deadlines = self._deadlines.at_registration(Decision(urgency=Urgency(row["urgency"])), now)
        raw = told.get("raw") or {}
        sent_at = told.get("sent_at")
        return {
            **row,
            "id": self._ids.new(),
            "reference": found["reference"],
            "envelope": found["id"],
            "channel": found["channel"],
            "kind": found["kind"],
            "source_id": found["source_id"],
            "in_reply_to": row["id"],
            "repeat_of": None,
            "sent_at": datetime.fromisoformat(sent_at) if sent_at else None,
            "received_at": found["received_at"],
            "registered_at": now,
            "updated_at": now,
            "subject": str(told.get("subject") or ""),
            "text": str(told.get("text") or ""),
            "full_text": str(told.get("full_text") or ""),
            "html": told.get("html"),
            "automatic": None,
            "bounce": False,
            "in_scope": True,
            "missing": [],
            "department": None,
            "deadlines": {name: at.isoformat() for name, at in deadlines.items()},
            "state": RecordState.REGISTERED.value,
            "raw_sha256": raw.get("sha256") or row["raw_sha256"],
            "raw_size": raw.get("size") or row["raw_size"],
            "thread": told.get("thread") or row["thread"],
            "rules": [],
            "omissions": list(told.get("omissions") or ()),
            "extra": {},
        }

    @staticmethod
    def _away(found: Row, to: str) -> Facts:
        return {"envelope": found["id"], "alias": found["reference"], "to": to}

    def _with_it(self, found: Row, old: str, new: str) -> list[Update]:
        """What goes along with a message: its files, and what names it in later messages."""
        updates = [Update("attachment", {"record": old, "envelope": found["id"]}, {"record": new})]
        named = (found["told"].get("thread") or {}).get("message_id")
        if named:
            key = identifiers.thread_key(found["kind"], named)
            updates.append(Update("thread_key", {"key": key, "record": old}, {"record": new}))
        return updates

    @staticmethod
    def _unit(found: Row, old: str, new: str, inserts: Sequence[Insert], updates: Sequence[Update]) -> Unit:
        guard = Guard("envelope", {"id": found["id"], "record": old}, {"record": new})
        return Unit(guard, tuple(inserts), tuple(updates), label="case.moved")

    # ----

    async def _record(self, reference: str) -> Row:
        row = await self._store.read(lambda c: views.record(c, reference))
        if row is None:
            raise LookupError(f"there is no record {reference}")
        return row

    async def _message(self, reference: str) -> tuple[Row, Row]:
        found = await self._store.read(lambda c: mergers.message(c, reference))
        if found is None:
            raise ValueError(
                f"{reference} is no message that joined a record; a record's first message is the record"
            )
        row = await self._store.read(lambda c: views.record_by_id(c, found["record"]))
        if row is None:
            raise LookupError(f"there is no record of {reference}")
        return found, row

    async def _apart(self, row: Row) -> None:
        """ValueError for a record that is a part of another."""
        if found := await self._store.read(lambda c: mergers.of(c, row["id"])):
            raise ValueError(f"{row['reference']} was merged into {found['reference']} already")

    async def _same_person(self, row: Row, other: Row) -> None:
        """An answer goes to one person: what two wrote stays apart."""
        if row["contact"] and other["contact"]:
            group = await self._store.read(lambda c: people.group(c, row["contact"]))
            if other["contact"] in group:
                return
        raise ValueError(
            f"{row['reference']} and {other['reference']} are of different people: link them as one person first"
        )

    def _event(self, row: Row, type_: EventType, at: datetime, data: Facts, actor: str) -> Insert:
        return lines.event(self._ids, row, type_, at, data, actor)

    async def _submit(self, unit: Unit, gains: str = "", *words: str) -> None:
        """Commit it, with the words that a record gains; Overtaken when somebody was faster."""
        terms = searching.terms(*words) if gains else []
        found = (Found(gains, tuple(terms)),) if terms else ()
        whole = Unit(unit.guard, unit.inserts, unit.updates, unit.counts, found, label=unit.label)
        if not await self._store.submit(whole):
            raise Overtaken("somebody acted on it at the same time, so nothing was changed; look again")
