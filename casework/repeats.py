"""Whether a customer brings the same matter again: found by what they wrote, linked and unlinked by people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from casework import lines
from casework.passing import Overtaken
from casework.settings import OfficeSettings
from model import likeness
from model.event import EventType
from model.tools import Clock, Ids
from store import people, surges, views
from store.store import Store

Facts = Mapping[str, Any]
Row = Mapping[str, Any]


class Repeats:
    """Links between a record and the first one of the same matter by the same customer."""

    def __init__(
        self, store: Store, settings: Callable[[], OfficeSettings], *, clock: Clock, ids: Ids
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._ids = ids

    async def look(self, record_id: str) -> bool:
        """Look whether a new record repeats an earlier one, and link it; False when somebody was faster."""
        settings = self._settings().repeats
        row = await self._store.read(lambda c: views.record_by_id(c, record_id))
        if settings is None or row is None or row["repeat_of"] or row["in_reply_to"] or not row["contact"]:
            return True
        since = row["received_at"] - settings.within

        def read(connection: Connection) -> Sequence[Row]:
            if surges.compared(connection, record_id) is None:
                return []
            return surges.earlier(connection, people.group(connection, row["contact"]), row, since)

        before = {one["id"]: one for one in await self._store.read(read)}
        own = likeness.terms(row["subject"], row["text"])
        texts = ((id_, likeness.terms(one["subject"], one["text"])) for id_, one in before.items())
        best = likeness.most_like(own, texts)
        if best is None or best[1] < settings.likeness:
            return True
        # The first of them all, so that a matter that comes again and again is one.
        target = before[best[0]]["repeat_of"] or best[0]
        return await self._link(row, target, lines.HOUSE, {"likeness": round(best[1], 2)})

    async def link(self, reference: str, of: str, *, actor: str) -> Facts:
        """Say that a record repeats another. LookupError for what does not exist, ValueError for what cannot be."""
        row, first = await self._record(reference), await self._record(of)
        target = first["repeat_of"] or first["id"]
        if target == row["id"]:
            raise ValueError("a record cannot repeat itself, or one that repeats it")
        if not await self._link(row, target, actor, {}):
            raise Overtaken("somebody acted on it at the same time, so nothing was changed; look again")
        named = await self._store.read(lambda c: views.record_by_id(c, target))
        return {"reference": row["reference"], "repeat_of": named["reference"] if named else None}

    async def unlink(self, reference: str, *, actor: str) -> Facts:
        """Say that a record repeats no other; it is not linked again by itself."""
        row = await self._record(reference)
        if not row["repeat_of"]:
            raise ValueError(f"{row['reference']} is not linked to another record")
        data = {"unlinked": True, "repeat_of": row["repeat_of"]}
        now = self._clock.now()
        event = lines.event(self._ids, row, EventType.UNLINKED, now, data, actor)
        unit = lines.change(row, now, {"repeat_of": None}, [event], label="case.repeat")
        if not await self._store.submit(unit):
            raise Overtaken("somebody acted on it at the same time, so nothing was changed; look again")
        return {"reference": row["reference"], "repeat_of": None}

    # ----

    async def _record(self, reference: str) -> Row:
        row = await self._store.read(lambda c: views.record(c, reference))
        if row is None:
            raise LookupError(f"there is no record {reference}")
        return row

    async def _link(self, row: Row, target: str, actor: str, more: Facts) -> bool:
        named = await self._store.read(lambda c: views.record_by_id(c, target))
        if named is None or target == row["id"]:
            return True
        now = self._clock.now()
        data = {"repeat_of": target, "reference": named["reference"], **more}
        event = lines.event(self._ids, row, EventType.LINKED, now, data, actor)
        unit = lines.change(row, now, {"repeat_of": target}, [event], label="case.repeat")
        return await self._store.submit(unit)
