"""What the office tells and asks a customer while their matter is open: what is missing, how far it is, more time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from casework import lines
from casework.courier import Courier, goes
from casework.deadlines import STAGES, Deadlines, is_open, moment
from casework.passing import Overtaken
from casework.settings import AskSettings, OfficeSettings
from model.event import EventType
from model.states import RecordState
from model.tools import Clock, Ids
from router.settings import MISSING
from store import care, views
from store.store import Store
from store.units import Insert, Unit, Update

Facts = Mapping[str, Any]
Row = Mapping[str, Any]

_LONGEST = 2_000
#: States in which nobody works on a record.
_ENDED = frozenset({RecordState.CLOSED, RecordState.OUT_OF_SCOPE})


class CareVerbs:
    """What clerks tell and ask customers. Every verb sends one notice, committed with its line in the timeline."""

    def __init__(
        self,
        store: Store,
        deadlines: Deadlines,
        settings: Callable[[], OfficeSettings],
        courier: Courier,
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._deadlines = deadlines
        self._settings = settings
        self._courier = courier
        self._clock = clock
        self._ids = ids

    async def show(self, reference: str) -> Facts:
        """The pauses and follow-ups of a record, oldest first, and what can be asked for."""
        row = await self._record(reference)
        paused = await self._store.read(lambda c: care.pauses(c, row["id"]))
        asked = await self._store.read(lambda c: care.follow_ups(c, row["id"]))
        hidden = ("record",)
        return {
            "reference": row["reference"],
            "pauses": [_plain(one, hidden) for one in paused],
            "follow_ups": [_plain(one, hidden) for one in asked],
            "waits": any(one["state"] == "open" for one in paused),
            "may_ask_for": list(MISSING),
        }

    async def ask(
        self,
        reference: str,
        *,
        missing: Sequence[str],
        question: str = "",
        actor: str,
        seen: str | None = None,
    ) -> Facts:
        """Ask the customer for what is missing; the clock stands still until they answer."""
        row = await self._record(reference, seen)
        if unknown := [one for one in missing if one not in MISSING]:
            raise ValueError(f"{unknown[0]!r} cannot be asked for ({', '.join(MISSING)})")
        if not missing and not question.strip():
            raise ValueError("say what is missing, or write a question")
        if await self._store.read(lambda c: care.open_pause(c, row["id"])):
            raise ValueError("the customer was asked already, and has not answered yet")
        id_ = self._ids.new()
        told = await self._notice(
            {**row, "missing": list(missing)}, "missing", {"reason": question.strip()[:_LONGEST]}, id_
        )
        data = {"missing": list(missing), "text": question.strip()[:_LONGEST]}
        now = self._clock.now()
        inserts = [
            *told,
            Insert("pause", paused(self._deadlines, self._ask, row, id_, missing, now, actor)),
            lines.event(self._ids, row, EventType.ASKED, now, data, actor),
        ]
        await self._commit(row, {"missing": list(missing)}, inserts)
        return {"reference": row["reference"], "state": row["state"], "asked": list(missing)}

    async def progress(
        self,
        reference: str,
        *,
        text: str,
        expected: datetime | None = None,
        actor: str,
        seen: str | None = None,
    ) -> Facts:
        """Tell the customer how far it is, and when they may expect the answer: else when it is due."""
        row = await self._record(reference, seen)
        if not text.strip():
            raise ValueError("say how far it is")
        now = self._clock.now()
        due = expected or self._expected(row)
        if expected is not None and expected <= now:
            raise ValueError("the expected date lies in the past")
        more = {"reason": text.strip()[:_LONGEST], "due": self._day(due) if due else ""}
        told = await self._notice(row, "progress", more, self._ids.new())
        data = {"text": text.strip()[:_LONGEST], "expected": due.isoformat() if due else None}
        await self._commit(
            row, {}, [*told, lines.event(self._ids, row, EventType.PROGRESS, now, data, actor)]
        )
        return {"reference": row["reference"], "state": row["state"], "expected": data["expected"]}

    async def extend(
        self, reference: str, *, until: datetime, reason: str, actor: str, seen: str | None = None
    ) -> Facts:
        """Give a record more time to be solved, and explain it to the customer."""
        row = await self._record(reference, seen)
        if not reason.strip():
            raise ValueError("an extension needs its reason: the customer reads it")
        if not is_open("solve", row["state"]):
            raise ValueError(f"a record that is {row['state'].replace('_', ' ')} has nothing to extend")
        old = row["deadlines"].get("solve")
        now = self._clock.now()
        if until <= now or (old and until <= moment(old)):
            raise ValueError("the new deadline must lie after the old one")
        more = {"reason": reason.strip()[:_LONGEST], "due": self._day(until)}
        told = await self._notice(row, "extension", more, self._ids.new())
        moved = {"from": moment(old).isoformat() if old else None, "to": until.isoformat()}
        data = {"reason": reason.strip()[:_LONGEST], "deadlines": {"solve": moved}}
        inserts = [*told, lines.event(self._ids, row, EventType.EXTENDED, now, data, actor)]
        deadlines = {**row["deadlines"], "solve": until.isoformat()}
        await self._commit(row, {"deadlines": deadlines}, inserts)
        return {"reference": row["reference"], "state": row["state"], "solve": moved}

    async def resume(self, reference: str, *, actor: str, seen: str | None = None) -> Facts:
        """Go on without what was asked for."""
        row = await self._record(reference, seen)
        found = await self._store.read(lambda c: care.open_pause(c, row["id"]))
        if found is None:
            raise ValueError("nobody waits for the customer")
        now = self._clock.now()
        unit = resumed(self._deadlines, self._ids, row, found, "withdrawn", now, actor)
        await self._submit(unit)
        return {"reference": row["reference"], "state": row["state"]}

    # ----

    @property
    def _ask(self) -> AskSettings:
        return self._settings().ask or AskSettings()

    async def _record(self, reference: str, seen: str | None = None) -> Row:
        row = await self._store.read(lambda c: views.record(c, reference))
        if row is None:
            raise LookupError(f"there is no record {reference}")
        if seen is not None and seen != row["state"]:
            now = row["state"].replace("_", " ")
            raise Overtaken(f"somebody acted on it meanwhile: it is {now} now; look again")
        return row

    def _open(self, row: Row) -> None:
        if RecordState(row["state"]) in _ENDED:
            raise ValueError(f"a record that is {row['state'].replace('_', ' ')} is not worked on")

    async def _notice(self, row: Row, template: str, more: Facts, key: str) -> list[Insert]:
        """The notice; ValueError when it cannot go, so that the clerk knows that the customer does not."""
        self._open(row)
        told = list(await self._courier.compose(row, template, more, key=f"{template}:{key}", by_hand=True))
        if not goes(told):
            values = told[0].values
            why = ": ".join(one for one in (values["reason"], values["detail"]) if one)
            raise ValueError(f"the customer cannot be told ({why})")
        return told

    def _expected(self, row: Row) -> datetime | None:
        due = [moment(row["deadlines"][one]) for one in STAGES[2:] if row["deadlines"].get(one)]
        return max((one for one in due if one > self._clock.now()), default=None)

    def _day(self, at: datetime) -> str:
        return at.astimezone(self._deadlines.worktime.zone).date().isoformat()

    async def _commit(self, row: Row, values: Facts, inserts: Sequence[Insert]) -> None:
        await self._submit(lines.change(row, self._clock.now(), values, inserts, label="case.told"))

    async def _submit(self, unit: Unit) -> None:
        if not await self._store.submit(unit):
            raise Overtaken("somebody acted on it at the same time, so nothing was changed; look again")
        self._courier.wake()


def paused(
    deadlines: Deadlines,
    settings: AskSettings,
    row: Row,
    id_: str,
    missing: Sequence[str],
    at: datetime,
    by: str,
) -> dict[str, Any]:
    """The row of a pause that begins."""
    return {
        "id": id_,
        "record": row["id"],
        "state": "open",
        "missing": list(missing),
        "since": at,
        "by": by,
        "remind_at": deadlines.worktime.deadline(at, settings.remind_after),
        "until": deadlines.worktime.deadline(at, settings.go_on_after),
        "reminded_at": None,
        "ended_at": None,
        "why": None,
    }


def resumed(
    deadlines: Deadlines,
    ids: Ids,
    row: Row,
    found: Row,
    why: str,
    at: datetime,
    actor: str = lines.HOUSE,
    values: Facts | None = None,
) -> Unit:
    """The end of a pause: open deadlines are later by the working time that it took, with a trace."""
    took = deadlines.worktime.between(found["since"], at)
    moved = {
        name: {
            "from": moment(due).isoformat(),
            "to": deadlines.worktime.forward(moment(due), took).isoformat(),
        }
        for name, due in row["deadlines"].items()
        if took and is_open(name, row["state"]) and moment(due) > found["since"]
    }
    data = {"why": why, "missing": list(found["missing"]), "deadlines": moved}
    due = {**row["deadlines"], **{name: one["to"] for name, one in moved.items()}}
    ended = {"state": "ended", "ended_at": at, "why": why}
    return lines.change(
        row,
        at,
        {"deadlines": due, **(values or {})},
        [lines.event(ids, row, EventType.RESUMED, at, data, actor)],
        [Update("pause", {"id": found["id"], "state": "open"}, ended)],
        label="case.resumed",
    )


def _plain(row: Row, hidden: Sequence[str]) -> dict[str, Any]:
    shown = {str(name): value for name, value in row.items() if name not in hidden}
    return {name: one.isoformat() if isinstance(one, datetime) else one for name, one in shown.items()}
