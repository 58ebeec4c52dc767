"""The office's rounds: what follows from what happened, and what is due, each once and in a commit of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from casework import lines
from casework.care import paused, resumed
from casework.courier import Courier, goes
from casework.deadlines import Deadlines
from casework.following import MARKS, Following
from casework.settings import OfficeSettings
from casework.timeline import Timeline
from model.event import EventType
from model.states import RecordState
from model.tools import Clock, Ids, Log
from store import care, leases, people, views
from store.store import Store
from store.units import Guard, Insert, Unit, Update

Row = Mapping[str, Any]

_AT_ONCE = 200
#: How long another process leaves the rounds to this one.
_LEASE = timedelta(seconds=60)
_TYPES = (EventType.REGISTERED, EventType.MESSAGE_JOINED, EventType.STATE_CHANGED)
_OVER = frozenset({RecordState.CLOSED, RecordState.OUT_OF_SCOPE})


class Rounds:
    """Goes round once each time it is called; of several processes, one does."""

    def __init__(
        self,
        store: Store,
        deadlines: Deadlines,
        settings: Callable[[], OfficeSettings],
        courier: Courier,
        following: Following,
        *,
        clock: Clock,
        ids: Ids,
        log: Log,
        question_url: Callable[[str], str],
    ) -> None:
        self._store = store
        self._deadlines = deadlines
        self._settings = settings
        self._courier = courier
        self._following = following
        self._clock = clock
        self._ids = ids
        self._timeline = Timeline(store, "office_position", _TYPES, label="case.round", log=log)
        self._question_url = question_url

    async def begin(self) -> None:
        """Note the place in the timeline from which on things are followed, before the doors open."""
        settings = self._settings()
        if settings.ask is None and settings.follow_up is None:
            return
        await self._timeline.begin()

    async def run(self) -> None:
        """One round."""
        settings = self._settings()
        if settings.ask is None and settings.follow_up is None:
            await self._timeline.leave()
            return
        if not self._store.embedded and not await self._ours():
            return
        await self._timeline.read_on(self._happened)
        now = self._clock.now()
        for one in await self._store.read(lambda c: care.pauses_due(c, now, _AT_ONCE)):
            await self._timeline.safely(self._waited, one)
        for one in await self._store.read(lambda c: care.due(c, now, _AT_ONCE)):
            await self._timeline.safely(self._follow, one)

    async def _ours(self) -> bool:
        owner, now = self._store.owner, self._clock.now()
        taken = await self._store.run(lambda c: leases.take(c, "office", owner, _LEASE, now), "lease")
        return taken is not None

    # ---- what happened

    async def _happened(self, event: Row) -> bool:
        row = await self._store.read(lambda c: views.record_by_id(c, event["record"]))
        if row is None:
            return True
        data = event["data"]
        if event["type"] == EventType.REGISTERED:
            return await self._registered(row)
        if event["type"] == EventType.MESSAGE_JOINED:
            told_again = data.get("why") == "other account" or data.get("automatic")
            return True if told_again else await self._wrote(row, data)
        if data.get("to") == RecordState.ANSWERED:
            return await self._answered(row)
        if data.get("to") in (RecordState.REOPENED, RecordState.CLOSED):
            return await self._no_question(row)
        return True

    async def _registered(self, row: Row) -> bool:
        """What is missing was asked for by the acknowledgement; where none went, a notice asks."""
        settings = self._settings().ask
        if settings is None or not row["missing"] or RecordState(row["state"]) in _OVER:
            return True
        if await self._store.read(lambda c: care.pauses(c, row["id"])):
            return True
        now, id_ = self._clock.now(), self._ids.new()
        told: list[Insert] = []
        if not await self._store.read(lambda c: care.was_acknowledged(c, row["id"])):
            told = list(await self._courier.compose(row, "missing", {}, key=f"missing:{row['id']}"))
            if not goes(told):
                return True  # nobody can be asked: the work goes on as it is
        data = {"missing": list(row["missing"])}
        row_of_pause = paused(self._deadlines, settings, row, id_, row["missing"], now, lines.HOUSE)
        inserts = [
            *told,
            Insert("pause", row_of_pause),
            lines.event(self._ids, row, EventType.ASKED, now, data),
        ]
        return await self._submit(lines.change(row, now, {}, inserts, label="case.asked"))

    async def _wrote(self, row: Row, data: Row) -> bool:
        """A customer wrote again: a mark, or what was missing; the clock goes on."""
        if await self._marked(row, str(data.get("text") or "")):
            return True
        found = await self._store.read(lambda c: care.open_pause(c, row["id"]))
        values = await self._filled(row, data)
        now = self._clock.now()
        if found is not None:
            unit = resumed(self._deadlines, self._ids, row, found, "answered", now, "customer", values)
            return await self._submit(unit)
        if values.get("missing", row["missing"]) == row["missing"]:
            return True
        return await self._submit(lines.change(row, now, values, [], label="case.filled"))

    async def _filled(self, row: Row, data: Row) -> dict[str, Any]:
        """The fields that a message brings of what was missing."""
        values: dict[str, Any] = {}
        missing = set(row["missing"])
        if "content" in missing and (text := str(data.get("text") or "").strip()):
            values |= {"text": row["text"] or text, "full_text": row["full_text"] or text}
            missing.discard("content")
        if "subject" in missing and (data.get("subject") or data.get("text")):
            values["subject"] = row["subject"] or str(data.get("subject") or data["text"]).strip()[:80]
            missing.discard("subject")
        if "attachment" in missing and data.get("files"):
            missing.discard("attachment")
        if "contact" in missing:
            reach = await self._store.read(lambda c: people.reach(c, row["id"]))
            known = [one for one in reach.identities if one[0] in ("email", "phone")]
            if known:
                values["reply_to"] = row["reply_to"] or [{"kind": known[0][0], "value": known[0][1]}]
                missing.discard("contact")
        values["missing"] = [one for one in row["missing"] if one in missing]
        return values

    async def _marked(self, row: Row, text: str) -> bool:
        """A single digit after the question is the mark."""
        text = text.strip()
        if len(text) != 1 or text not in {str(one) for one in MARKS}:
            return False
        asked = await self._store.read(lambda c: care.follow_ups(c, row["id"]))
        open_ = [one for one in asked if one["state"] == "asked"]
        if not open_:
            return False
        await self._following.mark(open_[-1]["id"], mark=int(text), by="chat")
        return True

    async def _answered(self, row: Row) -> bool:
        settings = self._settings().follow_up
        if settings is None or row["state"] != RecordState.ANSWERED:
            return True
        before = await self._store.read(lambda c: care.follow_ups(c, row["id"]))
        if any(one["state"] in care.OPEN for one in before):
            return True
        now = self._clock.now()
        planned = {
            "id": self._ids.new(),
            "record": row["id"],
            "state": "planned",
            "ask_at": self._deadlines.worktime.deadline(now, settings.ask_after),
        }
        return await self._submit(
            lines.change(row, now, {}, [Insert("follow_up", planned)], label="case.planned")
        )

    async def _no_question(self, row: Row) -> bool:
        """Who wrote again is not asked whether they are satisfied, before they are answered again."""
        asked = await self._store.read(lambda c: care.follow_ups(c, row["id"]))
        for one in asked:
            if one["state"] in care.OPEN and row["state"] not in (
                RecordState.ANSWERED,
                RecordState.FOLLOWED_UP,
            ):
                await self._end(one)
        return True

    # ---- what is due

    async def _waited(self, pause: Row) -> bool:
        row = await self._store.read(lambda c: views.record_by_id(c, pause["record"]))
        now = self._clock.now()
        if row is None:
            return True
        if pause["until"] <= now or RecordState(row["state"]) in _OVER:
            return await self._submit(resumed(self._deadlines, self._ids, row, pause, "no answer", now))
        asked = {**row, "missing": list(pause["missing"])}
        told = list(await self._courier.compose(asked, "missing_reminder", {}, key=f"reminder:{pause['id']}"))
        data = {"missing": list(pause["missing"])}
        told.append(lines.event(self._ids, row, EventType.REMINDED, now, data))
        guard = Guard("pause", {"id": pause["id"], "state": "open"}, {"reminded_at": now})
        # Their answer comes to a matter that is not old: it belongs to it, whatever the channel.
        touched = Update("record", {"id": row["id"]}, {"updated_at": now})
        return await self._submit(Unit(guard, tuple(told), (touched,), label="case.reminded"))

    async def _follow(self, one: Row) -> bool:
        row = await self._store.read(lambda c: views.record_by_id(c, one["record"]))
        settings = self._settings().follow_up
        if row is None or settings is None:
            return True
        if one["state"] == "planned":
            if row["state"] != RecordState.ANSWERED:
                return await self._end(one)
            return await self._ask(row, one, settings.close_after)
        now = self._clock.now()
        if row["state"] not in (RecordState.ANSWERED, RecordState.FOLLOWED_UP):
            return await self._end(one)
        closed = {"from": row["state"], "to": RecordState.CLOSED.value}
        why = "marked" if one["state"] == "answered" else "no answer"
        event = lines.event(self._ids, row, EventType.STATE_CHANGED, now, {**closed, "why": why})
        values = {"state": RecordState.CLOSED.value}
        done: Row = {"close_at": None} if one["state"] == "answered" else {"state": "ended"}
        over = Update("follow_up", {"id": one["id"], "state": one["state"]}, done)
        return await self._submit(lines.change(row, now, values, [event], [over], label="case.closed"))

    async def _ask(self, row: Row, one: Row, close_after: Any) -> bool:
        now = self._clock.now()
        more = {"question_url": self._question_url(one["id"]), "digits": bool(row["conversation"])}
        told = list(await self._courier.compose(row, "satisfaction", more, key=f"question:{one['id']}"))
        values: dict[str, datetime | str | None] = {
            "state": "asked",
            "asked_at": now if goes(told) else None,
            "close_at": self._deadlines.worktime.deadline(now, close_after),
        }
        guard = Guard("follow_up", {"id": one["id"], "state": "planned"}, values)
        return await self._submit(Unit(guard, tuple(told), label="case.question"))

    async def _end(self, one: Row) -> bool:
        guard = Guard("follow_up", {"id": one["id"], "state": one["state"]}, {"state": "ended"})
        return await self._store.submit(Unit(guard, label="case.ended"))

    async def _submit(self, unit: Unit) -> bool:
        done = await self._store.submit(unit)
        self._courier.wake()
        return done
