"""Passing a record on: judged, handed over, taken, returned, solved, closed. Each verb is one transaction.

Every verb guards on the state that the caller saw: of two clerks who act on one record at once, the second is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from casework.courier import Courier
from casework.deadlines import Deadlines, next_due
from casework.settings import OfficeSettings
from model.decision import Urgency
from model.event import EventType
from model.states import RECORD_TRANSITIONS, RecordState, may
from model.tools import Clock, Ids
from store import cases, views
from store.store import Store
from store.units import Guard, Insert, Unit, Update

Facts = Mapping[str, Any]
Row = Mapping[str, Any]
R = RecordState

_LONGEST = 10_000


class Overtaken(ValueError):
    """Somebody else acted on the record first; nothing was changed."""


#: The states of an assignment that is not ended.
_GIVEN, _TAKEN = "given", "taken"


class PassingVerbs:
    """What clerks and departments do with a registered record."""

    def __init__(
        self,
        store: Store,
        deadlines: Deadlines,
        settings: Callable[[], OfficeSettings],
        natures: Callable[[], Sequence[str]],
        *,
        clock: Clock,
        ids: Ids,
        because: Callable[[], Mapping[str, Mapping[str, str]]] = dict,
        courier: Courier | None = None,
    ) -> None:
        self._courier = courier
        self._because = because
        self._store = store
        self._deadlines = deadlines
        self._settings = settings
        self._natures = natures
        self._clock = clock
        self._ids = ids

    def choices(self) -> Facts:
        """What can be chosen: departments with their titles by language and natures, and the natures there are;
        and what the rules say for themselves (`because`), by rule and language."""
        settings = self._settings()
        return {
            "departments": {
                name: {"title": dict(one.title), "natures": list(one.natures)}
                for name, one in settings.departments.items()
            },
            "coordinator": settings.coordinator,
            "natures": list(self._natures()),
            "causes": list(settings.report.causes),
            "outcomes": list(settings.report.outcomes),
            "titles": {name: dict(texts) for name, texts in settings.report.titles.items()},
            "because": {name: dict(texts) for name, texts in self._because().items()},
        }

    def due(self, state: str, stages: Mapping[str, Any]) -> Facts | None:
        """The stage that a record is in: its name, when it is due, whether that is over, and the working time
        that is left or over."""
        found = next_due(state, stages)
        if found is None:
            return None
        name, at = found
        now = self._clock.now()
        span = self._deadlines.worktime.between(min(now, at), max(now, at))
        return {"stage": name, "at": at, "late": now > at, "span": span}

    async def show(self, reference: str) -> Facts:
        """Who has a record and had it, oldest first, and whose it is now. Raises LookupError."""
        row = await self._record(reference)
        found = await self._store.read(lambda c: cases.assignments(c, row["id"]))
        return {
            "reference": row["reference"],
            "state": row["state"],
            "assignments": [_plain(one) for one in found],
            "returns": sum(1 for one in found if one["state"] == "returned"),
        }

    async def judge(
        self,
        reference: str,
        *,
        nature: Sequence[str] | None = None,
        urgency: str | None = None,
        department: str | None = None,
        in_scope: bool | None = None,
        note: str = "",
        actor: str,
        seen: str | None = None,
    ) -> Facts:
        """Overrule what the rules proposed; what they proposed stays in the timeline.

        Whoever learns in this way that it is not ours to handle is told so once, with where to turn.
        """
        row = await self._record(reference, seen)
        changed: dict[str, Any] = {}
        if nature is not None:
            if unknown := [one for one in nature if one not in self._natures()]:
                raise ValueError(f"{unknown[0]!r} is none of the natures ({', '.join(self._natures())})")
            changed["nature"] = list(dict.fromkeys(nature))
        if urgency is not None:
            if urgency not in list(Urgency):
                raise ValueError(f"urgency must be one of {', '.join(Urgency)}")
            changed["urgency"] = urgency
        if department is not None:
            changed["department"] = self._known(department) if department else None
        if in_scope is not None:
            changed["in_scope"] = in_scope
        changed = {name: value for name, value in changed.items() if value != row[name]}
        if not changed:
            return {"reference": row["reference"], "state": row["state"], "changed": {}}
        told = {name: {"from": row[name], "to": value} for name, value in changed.items()}
        state = R(row["state"])
        if "in_scope" in changed:
            state = self._step(state, R.REOPENED if in_scope else R.OUT_OF_SCOPE)
        if "urgency" in changed:
            values, traced = self._deadlines.weighed_anew(row, Urgency(changed["urgency"]))
            changed |= values
            told |= traced
        events = [self._event(row, EventType.DECIDED, actor, {"changed": told, "note": note[:_LONGEST]})]
        if state is R.OUT_OF_SCOPE and self._courier:
            whole = {**row, **changed}
            key = f"out_of_scope:{row['id']}"
            events += await self._once(row, "out_of_scope", whole, key)
        await self._move(row, state, changed, actor, events)
        if len(events) > 1 and self._courier:
            self._courier.wake()
        return {"reference": row["reference"], "state": state.value, "changed": told}

    async def hand_over(
        self,
        reference: str,
        *,
        departments: Sequence[str],
        lead: str | None = None,
        suggestion: str = "",
        due: datetime | None = None,
        actor: str,
        seen: str | None = None,
    ) -> Facts:
        """Give a record to one department, or to several of which one leads [牵头].

        `due` is when they must have looked into it; without it the office's time for it counts.
        """
        row = await self._record(reference, seen)
        names = list(dict.fromkeys(self._known(one) for one in departments))
        if not names:
            raise ValueError("name the department that gets the record")
        if len(names) > 1 and lead is None:
            raise ValueError("several departments need a lead among them")
        if lead is not None and lead not in names:
            raise ValueError(f"the lead must be one of the departments ({', '.join(names)})")
        now = self._clock.now()
        if due is not None and due <= now:
            raise ValueError("the deadline lies in the past")
        given = await self._open(row)
        inserts, updates = self._give(row, names, lead or names[0], suggestion, due, actor, now, given)
        state = R(row["state"])
        if state is not R.HANDED_OVER:
            state = self._step(state, R.HANDED_OVER)
        deadlines = {**row["deadlines"], "analyse": (due or self._deadlines.analyse(now)).isoformat()}
        data = {"departments": names, "lead": lead or names[0], "suggestion": suggestion[:_LONGEST]}
        events = [self._event(row, EventType.ASSIGNED, actor, data)]
        values = {"department": lead or names[0], "deadlines": deadlines}
        await self._move(row, state, values, actor, [*inserts, *events], updates)
        return {"reference": row["reference"], "state": state.value, "departments": names}

    async def take(
        self, reference: str, *, department: str | None = None, actor: str, seen: str | None = None
    ) -> Facts:
        """A department confirms that it has the record."""
        row = await self._record(reference, seen)
        mine = await self._mine(row, department, (_GIVEN,))
        now = self._clock.now()
        state = R(row["state"])
        if mine["lead"]:
            state = self._step(state, R.TAKEN)
        updates = [
            Update(
                "assignment",
                {"id": mine["id"]},
                {"state": _TAKEN, "taken_at": now, "taken_by": actor},
            )
        ]
        events = [self._event(row, EventType.TAKEN, actor, {"department": mine["department"]})]
        await self._move(row, state, {}, actor, events, updates)
        return {"reference": row["reference"], "state": state.value, "department": mine["department"]}

    async def give_back(
        self,
        reference: str,
        *,
        reason: str,
        department: str | None = None,
        actor: str,
        seen: str | None = None,
    ) -> Facts:
        """A department returns what is not its own; after so many returns the coordinator has it."""
        if not reason.strip():
            raise ValueError("say why it is returned")
        row = await self._record(reference, seen)
        mine = await self._mine(row, department, (_GIVEN, _TAKEN))
        settings, now = self._settings(), self._clock.now()
        before = await self._store.read(lambda c: cases.assignments(c, row["id"]))
        returns = 1 + sum(1 for one in before if one["state"] == "returned")
        data = {"department": mine["department"], "reason": reason.strip()[:_LONGEST], "returns": returns}
        events = [self._event(row, EventType.RETURNED, actor, data)]
        updates = [self._end(mine, "returned", actor, now, reason)]
        state, values, inserts = R(row["state"]), {}, list[Insert]()
        if mine["lead"]:
            state = self._step(state, R.RETURNED)
            # The others wait for a lead: they are given anew with the next hand-over.
            others = [one for one in before if one["ended_at"] is None and one["id"] != mine["id"]]
            updates += [self._end(one, "withdrawn", actor, now, "the lead returned it") for one in others]
            coordinator = settings.coordinator
            if returns >= settings.returns and coordinator and mine["department"] != coordinator:
                more, _ = self._give(row, [coordinator], coordinator, reason, None, actor, now, [])
                inserts += more
                given = {
                    "departments": [coordinator],
                    "lead": coordinator,
                    "suggestion": "",
                    "why": "returns",
                }
                events.append(self._event(row, EventType.ASSIGNED, "forebay", given))
                values = {
                    "department": coordinator,
                    "deadlines": {**row["deadlines"], "analyse": self._deadlines.analyse(now).isoformat()},
                }
                state = R.HANDED_OVER
        await self._move(row, state, values, actor, [*inserts, *events], updates)
        return {"reference": row["reference"], "state": state.value, "returns": returns}

    async def solve(
        self,
        reference: str,
        *,
        result: str,
        cause: str = "",
        outcome: str = "",
        department: str | None = None,
        actor: str,
        seen: str | None = None,
    ) -> Facts:
        """A department tells what it found and did, and for the figures the cause and what came of it.

        The lead's word makes the record solved.
        """
        if not result.strip():
            raise ValueError("say what was found and done")
        figures = self._settings().report
        for name, given, known in (("cause", cause, figures.causes), ("outcome", outcome, figures.outcomes)):
            if given and given not in known:
                raise ValueError(f"{name}: {given!r} is none of those configured ({', '.join(known)})")
        row = await self._record(reference, seen)
        mine = await self._mine(row, department, (_GIVEN, _TAKEN))
        now = self._clock.now()
        data = {"department": mine["department"], "text": result.strip()[:_LONGEST]}
        stated = {"cause": cause, "outcome": outcome}
        data |= {name: value for name, value in stated.items() if value}
        inserts = [self._event(row, EventType.SOLVED, actor, data)]
        # Of several departments the lead's word counts, even where it came first.
        if (cause or outcome) and mine["lead"]:
            concluded = {
                "id": self._ids.new(),
                "record": row["id"],
                "department": mine["department"],
                **stated,
                "at": now,
                "by": actor,
            }
            inserts.append(Insert("conclusion", concluded))
        updates = [self._end(mine, "done", actor, now, result)]
        state, values = R(row["state"]), dict[str, Any]()
        if mine["lead"]:
            state = self._step(state, R.RESOLVED)
            values["deadlines"] = {**row["deadlines"], "answer": self._deadlines.answer(now).isoformat()}
        await self._move(row, state, values, actor, inserts, updates)
        return {"reference": row["reference"], "state": state.value, "department": mine["department"]}

    async def close(self, reference: str, *, reason: str, actor: str, seen: str | None = None) -> Facts:
        """End the work on a record; what departments still have is taken from them."""
        row = await self._record(reference, seen)
        state, now = self._step(R(row["state"]), R.CLOSED), self._clock.now()
        updates = [self._end(one, "withdrawn", actor, now, "closed") for one in await self._open(row)]
        note = [self._event(row, EventType.NOTE_ADDED, actor, {"note": reason.strip()[:_LONGEST]})]
        await self._move(row, state, {}, actor, note if reason.strip() else [], updates)
        return {"reference": row["reference"], "state": state.value}

    async def note(self, reference: str, *, text: str, actor: str) -> Facts:
        """A note for colleagues; the customer never sees it."""
        if not text.strip():
            raise ValueError("a note needs some text")
        row = await self._record(reference)
        event = self._event(row, EventType.NOTE_ADDED, actor, {"note": text.strip()[:_LONGEST]})
        touched = Update("record", {"id": row["id"]}, {"updated_at": self._clock.now()})
        await self._store.submit(Unit(None, (event,), (touched,), label="case.note"))
        return {"reference": row["reference"], "state": row["state"]}

    # ----

    async def _once(self, row: Row, template: str, whole: Row, key: str) -> list[Insert]:
        """A notice that a record gets once, and not after an acknowledgement that said the same."""
        if self._courier is None or await self._store.read(lambda c: cases.told(c, row["id"], template)):
            return []
        return list(await self._courier.compose(whole, template, {}, key=key, by_hand=True))

    async def _record(self, reference: str, seen: str | None = None) -> Row:
        row = await self._store.read(lambda c: views.record(c, reference))
        if row is None:
            raise LookupError(f"there is no record {reference}")
        if seen is not None and seen != row["state"]:
            raise Overtaken(
                f"somebody acted on it meanwhile: it is {row['state'].replace('_', ' ')} now; look again"
            )
        return row

    async def _open(self, row: Row) -> list[Row]:
        found = await self._store.read(lambda c: cases.assignments(c, row["id"]))
        return [one for one in found if one["ended_at"] is None]

    async def _mine(self, row: Row, department: str | None, states: Sequence[str]) -> Row:
        """The assignment that a verb is about: the department's, or the only one there is."""
        given = [one for one in await self._open(row) if one["state"] in states]
        if department is not None:
            given = [one for one in given if one["department"] == department]
        if not given:
            whom = f"to {department}" if department else "to a department"
            raise ValueError(f"the record is not given {whom}")
        if len(given) > 1:
            names = ", ".join(one["department"] for one in given)
            raise ValueError(f"several departments have it ({names}): say which one acts")
        return given[0]

    def _known(self, department: str) -> str:
        if department not in self._settings().departments:
            known = ", ".join(self._settings().departments) or "none is configured: see `office.departments`"
            raise ValueError(f"there is no department {department!r} ({known})")
        return department

    @staticmethod
    def _step(old: RecordState, new: RecordState) -> RecordState:
        if not may(RECORD_TRANSITIONS, old, new):
            words = old.value.replace("_", " "), new.value.replace("_", " ")
            raise ValueError(f"a record that is {words[0]} cannot become {words[1]}")
        return new

    def _give(
        self,
        row: Row,
        names: Sequence[str],
        lead: str,
        suggestion: str,
        due: datetime | None,
        actor: str,
        now: datetime,
        given: Sequence[Row],
    ) -> tuple[list[Insert], list[Update]]:
        """New assignments; what was given before to others is withdrawn, what stays keeps its row."""
        keep = {one["department"] for one in given if one["department"] in names}
        updates = [
            self._end(one, "withdrawn", actor, now, "handed to another")
            for one in given
            if one["department"] not in keep
        ]
        updates += [
            Update("assignment", {"id": one["id"]}, {"lead": one["department"] == lead})
            for one in given
            if one["department"] in keep
        ]
        inserts = [
            Insert(
                "assignment",
                {
                    "id": self._ids.new(),
                    "record": row["id"],
                    "department": name,
                    "lead": name == lead,
                    "state": _GIVEN,
                    "suggestion": suggestion.strip()[:_LONGEST],
                    "due_at": due,
                    "given_at": now,
                    "given_by": actor,
                    "taken_at": None,
                    "taken_by": None,
                    "ended_at": None,
                    "ended_by": None,
                    "reason": None,
                },
            )
            for name in names
            if name not in keep
        ]
        return inserts, updates

    @staticmethod
    def _end(one: Row, state: str, actor: str, at: datetime, reason: str) -> Update:
        values = {"state": state, "ended_at": at, "ended_by": actor, "reason": reason.strip()[:_LONGEST]}
        return Update("assignment", {"id": one["id"]}, values)

    async def _move(
        self,
        row: Row,
        state: RecordState,
        values: Mapping[str, Any],
        actor: str,
        inserts: Sequence[Insert],
        updates: Sequence[Update] = (),
    ) -> None:
        """Change the record as it was seen; ValueError when somebody was faster."""
        events = list(inserts)
        if state.value != row["state"]:
            change = {"from": row["state"], "to": state.value}
            events.append(self._event(row, EventType.STATE_CHANGED, actor, change))
        guard = Guard(
            "record",
            {"id": row["id"], "state": row["state"], "updated_at": row["updated_at"]},
            {**values, "state": state.value, "updated_at": self._clock.now()},
        )
        if not await self._store.submit(Unit(guard, tuple(events), tuple(updates), label="case.passed")):
            raise Overtaken("somebody acted on it at the same time, so nothing was changed; look again")

    def _event(self, row: Row, type_: EventType, actor: str, data: Facts) -> Insert:
        return Insert(
            "event",
            {
                "id": self._ids.new(),
                "type": type_.value,
                "record": row["id"],
                "reference": row["reference"],
                "at": self._clock.now(),
                "actor": actor,
                "data": dict(data),
            },
        )


def _plain(row: Row) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name != "record"}
    return {name: one.isoformat() if isinstance(one, datetime) else one for name, one in shown.items()}
