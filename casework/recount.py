"""Deadlines are counted anew when the calendar or the time of a stage changes, each with a line in its timeline."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from casework.deadlines import Deadlines, is_open, moment
from casework.settings import OfficeSettings
from model.decision import Urgency
from model.event import EventType
from model.tools import Clock, Ids
from router.worktime import NoWorkingDay
from store import care, cases, facts
from store.store import Store
from store.units import Guard, Insert, Unit

#: The fact that says by which calendar the deadlines were counted.
_COUNTED_BY = "deadlines_counted_by"
_AT_ONCE = 200
#: How far ahead the calendar is looked at.
_AHEAD = timedelta(days=366)
#: How far deadlines usually reach: two weeks, and the longest holidays between.
_REACH = timedelta(days=30)

Row = Mapping[str, Any]


class Recount:
    """Keeps the deadlines of open records to the office's calendar."""

    def __init__(
        self,
        store: Store,
        deadlines: Deadlines,
        settings: Callable[[], OfficeSettings],
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._deadlines = deadlines
        self._settings = settings
        self._clock = clock
        self._ids = ids

    async def trouble(self) -> str | None:
        """What is wrong with the office as it is configured now, with the remedy; None when nothing is."""
        settings = self._settings()
        if not settings.departments:
            return None
        lost = await self._store.read(lambda c: cases.homeless(c, settings.departments))
        if lost:
            held = ", ".join(f"{one['department']} ({one['records']})" for one in lost)
            return (
                f"departments that are not configured any more hold records: {held}; hand them over to others"
            )
        try:
            self._deadlines.worktime.opening(self._clock.now())
        except NoWorkingDay as error:
            return str(error)
        return None

    def notice(self) -> str | None:
        """Which public holidays of the weeks that deadlines reach into are not known yet; None when all are."""
        if not self._settings().departments:
            return None
        now = self._clock.now()
        years = self._deadlines.worktime.unpublished(now, now + _REACH)
        if not years:
            return None
        named = ", ".join(str(year) for year in years)
        return (
            f"the public holidays of {named} are not published yet: until then these days count by weekdays"
        )

    async def run(self) -> int:
        """Count anew if something changed since the last time; how many records have other deadlines."""
        now_by = self._signature()
        if not self._settings().departments:
            return 0
        if await self._store.read(lambda c: facts.get(c, _COUNTED_BY)) == now_by:
            return 0
        changed, after = 0, ""
        while page := await self._page(after):
            for row in page:
                changed += await self._recount(row)
            after = page[-1]["id"]
        await self._store.run(lambda c: facts.put(c, _COUNTED_BY, now_by), "case.counted")
        return changed

    async def _page(self, after: str) -> list[dict[str, Any]]:
        return await self._store.read(lambda c: cases.with_deadlines(c, after, _AT_ONCE))

    def _signature(self) -> str:
        """What deadlines depend on: settings, and for which of the coming years the holidays are published."""
        settings, now = self._settings(), self._clock.now()
        unpublished = self._deadlines.worktime.unpublished(now, now + _AHEAD)
        told = f"{settings.worktime.model_dump_json()} {settings.stages.model_dump_json()} {unpublished}"
        return hashlib.sha256(told.encode()).hexdigest()

    async def _recount(self, row: Row) -> int:
        try:
            due = await self._due(row)
        except NoWorkingDay:
            return 0
        moved = {
            name: {"from": moment(row["deadlines"][name]).isoformat(), "to": at.isoformat()}
            for name, at in due.items()
            if moment(row["deadlines"][name]) != at
        }
        if not moved:
            return 0
        deadlines = {**row["deadlines"], **{name: one["to"] for name, one in moved.items()}}
        event = {
            "id": self._ids.new(),
            "type": EventType.DUE_MOVED.value,
            "record": row["id"],
            "reference": row["reference"],
            "at": self._clock.now(),
            "actor": "forebay",
            "data": {"deadlines": moved, "why": "the calendar or the time of a stage changed"},
        }
        guard = Guard(
            "record",
            {"id": row["id"], "updated_at": row["updated_at"]},
            {"deadlines": deadlines, "updated_at": self._clock.now()},
        )
        # Somebody who acts on it at this moment counts by the new calendar already.
        return int(await self._store.submit(Unit(guard, (Insert("event", event),), label="case.recount")))

    async def _due(self, row: Row) -> dict[str, datetime]:
        """When the stages that are still open are due now; what a person set stays."""
        due: dict[str, datetime] = {}
        paused = await self._store.read(lambda c: care.pauses(c, row["id"]))
        if any(one["state"] == "open" for one in paused):
            return {}  # its clock stands still; what the pause took is added when it ends
        pauses = [(one["since"], one["ended_at"]) for one in paused]
        extended = await self._store.read(lambda c: care.extended(c, row["id"]))
        open_ = [name for name in row["deadlines"] if is_open(name, row["state"])]
        if "hand_over" in open_:
            due["hand_over"] = self._deadlines.hand_over(row["received_at"], pauses)
        if "solve" in open_ and not extended:
            due["solve"] = self._deadlines.solve(Urgency(row["urgency"]), row["received_at"], pauses)
        if "analyse" in open_ or "answer" in open_:
            lead = await self._store.read(lambda c: cases.lead(c, row["id"]))
            if lead is not None and "analyse" in open_ and lead["due_at"] is None:
                due["analyse"] = self._deadlines.analyse(lead["given_at"], pauses)
            if lead is not None and "answer" in open_ and lead["ended_at"] is not None:
                due["answer"] = self._deadlines.answer(lead["ended_at"], pauses)
        return due
