"""The same matter from many customers in a short time: shown as one, made more urgent, answered at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Connection

from casework import lines
from casework.deadlines import Deadlines
from casework.passing import Overtaken
from casework.settings import OfficeSettings, SurgeSettings
from casework.similar import Matter, Recent
from model import likeness
from model.decision import Urgency
from model.event import EventType
from model.states import RecordState
from model.tools import Clock, Ids
from router.worktime import NoWorkingDay
from store import surges, views
from store.store import Store
from store.units import Insert, Unit, Update

Facts = Mapping[str, Any]
Row = Mapping[str, Any]

_LONGEST = 10_000
#: Records of which a preview tells how the answer would go.
_PREVIEWED = 500
_OVER = frozenset({RecordState.CLOSED, RecordState.OUT_OF_SCOPE})
#: How urgent, the least first.
_RISING = (Urgency.NORMAL, Urgency.IMPORTANT, Urgency.URGENT)
#: How often a record is raised while others change it.
_TRIES = 3


class Answering(Protocol):
    """The outbox, as far as surges are answered by it."""

    async def reply(
        self,
        reference: str,
        *,
        text: str,
        html: str | None,
        files: Sequence[Facts],
        channel: str | None,
        cc: Sequence[str],
        expects_answer: bool,
        actor: str,
        key: str,
    ) -> Facts:
        """Put an answer in the outbox, once a key. ValueError when there is no way."""

    async def way(self, reference: str, channel: str | None, text: str | None = None) -> Facts:
        """How an answer would go now. ValueError when there is no way."""


class Surges:
    """Finds surges, and what is done with them."""

    def __init__(
        self,
        store: Store,
        deadlines: Deadlines,
        settings: Callable[[], OfficeSettings],
        answering: Answering,
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._deadlines = deadlines
        self._settings = settings
        self._answering = answering
        self._clock = clock
        self._ids = ids
        self._recent: Recent | None = None

    # ---- finding them

    def forget(self) -> None:
        """Know no recent matters any more: somebody else finds surges now, or nobody does."""
        self._recent = None

    async def look(self, record_id: str) -> bool:
        """Look whether a new record is one of many; it is kept, to be compared with those after it."""
        settings = self._settings().surges
        if settings is None:
            return True
        row = await self._store.read(lambda c: surges.compared(c, record_id))
        if row is None:
            return True
        recent = await self._filled(settings, row["received_at"])
        recent.forget_before(row["received_at"] - settings.within)
        own = _matter(row)
        like = [matter.record for matter, _ in recent.like(own.terms, settings.likeness)]
        alike = [one for one in like if one != own.record]
        recent.add(own)
        if alike:
            await self._gather(own, alike, settings)
        return True

    async def _filled(self, settings: SurgeSettings, now: datetime) -> Recent:
        if self._recent is None:
            self._recent = Recent(settings.most)
            since = now - settings.within
            for row in await self._store.read(partial(surges.recent, since=since, limit=settings.most)):
                self._recent.add(_matter(row))
        return self._recent

    async def _gather(self, own: Matter, alike: Sequence[str], settings: SurgeSettings) -> None:
        """Put a record and those like it into the surge that some of them are in, or into one of enough people."""
        known = await self._store.read(lambda c: surges.places(c, [own.record, *alike]))
        if own.record in known:
            return
        loose = [one for one in (*alike, own.record) if one not in known]
        there = {
            one["surge"]
            for one in known.values()
            if one["state"] == surges.OPEN
            and one["out_at"] is None
            and one["last_at"] >= own.at - settings.within
        }
        made: list[Insert] = []
        if there:
            surge = min(there)
        elif len(await self._store.read(lambda c: surges.persons(c, loose))) >= settings.contacts:
            surge = self._ids.new()
            row = {"id": surge, "state": surges.OPEN, "opened_at": self._clock.now(), "last_at": own.at}
            made = [Insert("surge", row, ignore=True)]
        else:
            return
        for one in loose:
            await self._put_in(surge, one, lines.HOUSE, settings.urgency, made)
        last = Update("surge", {"id": surge}, {"last_at": own.at})
        await self._store.submit(Unit(None, (), (last,), label="case.surge"))

    async def _put_in(
        self, surge: str, record_id: str, actor: str, urgency: Urgency | None, made: Sequence[Insert] = ()
    ) -> None:
        """Make a record one of a surge, which is `made` with it, and as urgent as that."""
        for _ in range(_TRIES):
            row = await self._store.read(lambda c: views.record_by_id(c, record_id))
            if row is None:
                return
            now = self._clock.now()
            place: dict[str, Any] = {
                "record": row["id"], "surge": surge, "at": now, "by": actor, "urgency_before": None,
            }  # fmt: skip
            data: dict[str, Any] = {"surge": surge}
            values: dict[str, Any] = {}
            if (
                urgency is not None
                and _less(row["urgency"], urgency)
                and RecordState(row["state"]) not in _OVER
            ):
                changed = self._weighed(row, urgency)
                if changed is not None:
                    values, data["changed"] = changed
                    place["urgency_before"] = row["urgency"]
            told = lines.event(self._ids, row, EventType.SURGE_JOINED, now, data, actor)
            inserts = [*made, Insert("surge_record", place, ignore=True), told]
            if await self._store.submit(lines.change(row, now, values, inserts, label="case.surge")):
                return

    def _weighed(self, row: Row, urgency: Urgency) -> tuple[dict[str, Any], dict[str, Any]] | None:
        try:
            return self._deadlines.weighed_anew(row, urgency)
        except NoWorkingDay:
            return None  # told in health

    # ---- what people do

    def wanted(self) -> bool:
        """Whether surges are looked for."""
        return self._settings().surges is not None

    async def active(self) -> int:
        """How many surges go on, and nobody answered them."""
        settings = self._settings().surges
        if settings is None:
            return 0
        since = self._clock.now() - settings.within
        return await self._store.read(lambda c: surges.open_since(c, since))

    async def of(self, record_id: str) -> Facts | None:
        """The surge that a record is in: id, and how many records it has; None for none."""
        place = await self._store.read(lambda c: surges.place(c, record_id))
        if place is None or place["out_at"] is not None:
            return None
        found = await self._store.read(lambda c: surges.members(c, place["surge"]))
        return {"id": place["surge"], "records": len(found)}

    async def list(self, limit: int = 50) -> Sequence[Facts]:
        """The latest surges: id, state, opened_at, last_at, records, people, subject, answered."""
        return await self._store.read(lambda c: surges.latest(c, limit))

    async def show(self, surge: str) -> Facts:
        """A surge with its records, those that were taken out, and the answers to all of it. LookupError for none."""

        def read(connection: Connection) -> Facts | None:
            found = surges.show(connection, surge)
            if found is None:
                return None
            return {
                **found,
                "records": surges.members(connection, surge),
                "out": surges.members(connection, surge, out=True),
                "answers": [_answer(one) for one in surges.answers(connection, surge)],
            }

        told = await self._store.read(read)
        if told is None:
            raise LookupError(f"there is no surge {surge}")
        return told

    async def take_out(self, reference: str, *, actor: str) -> Facts:
        """A record is not of its surge: its urgency is again what it was, unless somebody judged it meanwhile."""
        row, place = await self._placed(reference)
        await self._leave(row, place, actor)
        return {"reference": row["reference"], "surge": place["surge"], "in": False}

    async def put_in(self, reference: str, surge: str, *, actor: str) -> Facts:
        """A record is of a surge after all, or of this one."""
        found = await self._store.read(lambda c: surges.show(c, surge))
        if found is None:
            raise LookupError(f"there is no surge {surge}")
        if found["state"] != surges.OPEN:
            raise ValueError("this surge was dissolved")
        row = await self._record(reference)
        place = await self._store.read(lambda c: surges.place(c, row["id"]))
        if place is not None:
            if place["out_at"] is None and place["state"] == surges.OPEN:
                raise ValueError(f"{row['reference']} is in a surge already; take it out first")
            await self._store.run(lambda c: surges.remove(c, row["id"]), "case.surge")
        settings = self._settings().surges or SurgeSettings()
        await self._put_in(surge, row["id"], actor, settings.urgency)
        return {"reference": row["reference"], "surge": surge, "in": True}

    async def dissolve(self, surge: str, *, actor: str) -> Facts:
        """They are different matters: all are taken out, and nothing joins it any more."""
        found = await self._store.read(lambda c: surges.show(c, surge))
        if found is None:
            raise LookupError(f"there is no surge {surge}")
        now = self._clock.now()
        gone = {"state": surges.DISSOLVED, "dissolved_at": now, "dissolved_by": actor}
        await self._store.submit(
            Unit(None, (), (Update("surge", {"id": surge, "state": surges.OPEN}, gone),), label="case.surge")
        )
        records = await self._store.read(lambda c: surges.members(c, surge))
        for one in records:
            row, place = await self._placed(one["reference"])
            await self._leave(row, place, actor)
        return {"id": surge, "state": surges.DISSOLVED, "records": len(records)}

    async def _leave(self, row: Row, place: Row, actor: str) -> None:
        for _ in range(_TRIES):
            now = self._clock.now()
            data: dict[str, Any] = {"surge": place["surge"]}
            values: dict[str, Any] = {}
            raised = (self._settings().surges or SurgeSettings()).urgency
            if place["urgency_before"] and row["urgency"] == raised:
                changed = self._weighed(row, Urgency(place["urgency_before"]))
                if changed is not None:
                    values, data["changed"] = changed
            told = lines.event(self._ids, row, EventType.SURGE_LEFT, now, data, actor)
            out = Update(
                "surge_record",
                {"record": row["id"], "surge": place["surge"]},
                {"out_at": now, "out_by": actor},
            )
            if await self._store.submit(lines.change(row, now, values, [told], [out], label="case.surge")):
                return
            row, place = await self._placed(row["reference"])
        raise Overtaken("somebody acted on it at the same time, so nothing was changed; look again")

    async def _record(self, reference: str) -> Row:
        row = await self._store.read(lambda c: views.record(c, reference))
        if row is None:
            raise LookupError(f"there is no record {reference}")
        return row

    async def _placed(self, reference: str) -> tuple[Row, Row]:
        row = await self._record(reference)
        place = await self._store.read(lambda c: surges.place(c, row["id"]))
        if place is None or place["out_at"] is not None:
            raise ValueError(f"{row['reference']} is in no surge")
        return row, place

    # ---- one answer to all

    async def preview(self, surge: str, text: str) -> Facts:
        """To whom an answer would go, before it does: `records` by channel, `refused` with why, and how many more
        than are told here."""
        await self.show(surge)
        found = await self._store.read(lambda c: surges.unanswered(c, surge))
        by: dict[str, int] = {}
        refused = []
        for one in found[:_PREVIEWED]:
            try:
                way = await self._answering.way(one["reference"], None, text or None)
            except (LookupError, ValueError) as error:
                refused.append({"reference": one["reference"], "why": str(error)})
                continue
            by[way["channel"]] = by.get(way["channel"], 0) + 1
        return {
            "channels": by,
            "refused": refused,
            "records": len(found),
            "more": max(0, len(found) - _PREVIEWED),
        }

    async def answer(self, surge: str, *, text: str, actor: str, key: str) -> Facts:
        """Answer all records of a surge that were not answered yet, each by a delivery of its own; once a key.

        It goes on by itself when this process ends. LookupError for no such surge, ValueError without a text.
        """
        if not text.strip():
            raise ValueError("an answer needs a text")
        if len(text) > _LONGEST:
            raise ValueError(f"an answer to a surge has up to {_LONGEST} characters")
        await self.show(surge)
        found = await self._store.read(lambda c: surges.unanswered(c, surge))
        row = {
            "id": f"{surge}:{key}", "surge": surge, "at": self._clock.now(), "by": actor, "text": text.strip(),
            "state": surges.GOING, "records": [one["reference"] for one in found], "done": 0, "refused": [],
        }  # fmt: skip
        begun = Insert("surge_answer", row, ignore=True)
        await self._store.submit(Unit(None, (begun,), label="case.surge_answer"))
        kept = [one for one in (await self.show(surge))["answers"] if one["id"] == row["id"]]
        if kept and kept[0]["text"] != row["text"]:
            raise ValueError("this key came with another text before")
        await self.go_on()
        return await self.show(surge)

    async def go_on(self) -> None:
        """Go on with the answers that have not gone to all yet. Twice at once does no harm: each has its key."""
        for answer in await self._store.read(surges.answers_going):
            done, refused = answer["done"], list(answer["refused"])
            for reference in answer["records"][done:]:
                why = await self._answer_one(answer, reference)
                if why is not None:
                    refused.append({"reference": reference, "why": why})
                now_done = {"done": done + 1, "refused": refused}
                await self._note(answer, done, now_done)
                done += 1
            await self._note(answer, done, {"state": surges.DONE})

    async def _answer_one(self, answer: Row, reference: str) -> str | None:
        """Why it could not be answered, or None."""
        try:
            await self._answering.reply(
                reference, text=answer["text"], html=None, files=(), channel=None, cc=(),
                expects_answer=False, actor=answer["by"], key=f"surge:{answer['id']}:{reference}",
            )  # fmt: skip
        except (LookupError, ValueError) as error:
            return str(error)
        return None

    async def _note(self, answer: Row, done: int, values: Row) -> None:
        change = Update("surge_answer", {"id": answer["id"], "done": done}, values)
        await self._store.submit(Unit(None, (), (change,), label="case.surge_answer"))


def _matter(row: Row) -> Matter:
    return Matter(row["id"], row["received_at"], likeness.terms(row["subject"], row["text"]))


def _less(urgency: str, than: Urgency) -> bool:
    return _RISING.index(Urgency(urgency)) < _RISING.index(than)


def _answer(row: Row) -> dict[str, Any]:
    """An answer with the number of records that it went to."""
    shown = {name: value for name, value in row.items() if name not in ("records", "done")}
    return {**shown, "answered": row["done"] - len(row["refused"]), "of": len(row["records"])}
