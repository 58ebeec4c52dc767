"""One record with all that is shown of it: story, judgement, messages; without people where that is due."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from casework import judgement
from console import masks
from console.links import Links
from console.services import Services
from console.story import Chapter, tell
from model import record as canon
from store import boxes, mergers, views
from store.views import Row


@dataclass(frozen=True, slots=True)
class Whole:
    """What stands on a record's page."""

    record: canon.Record
    story: list[Chapter]
    judgement: Any
    messages: list[Row]
    row: Row
    """The record as the register has it, with its people."""
    merged: Row | None
    """Into what it was merged."""


async def load(services: Services, links: Links, reference: str, *, people: bool) -> Whole | None:
    """A record by its reference; without `people` nobody is named. None for none."""

    def query(connection: Connection) -> Whole | None:
        row = views.record(connection, reference)
        if row is None:
            return None
        events = views.timeline(connection, row["id"])
        return Whole(
            record=views.canonical(connection, row, links),
            story=tell(row, events, boxes.deliveries_of(connection, row["id"])),
            judgement=judgement.tell(row, events),
            messages=views.messages(connection, row["id"]),
            row=row,
            merged=mergers.of(connection, row["id"]),
        )

    found = await services.store.read(query)
    if found is None or people:
        return found
    return replace(
        found, story=masks.story(found.story, found.record), record=masks.record(found.record), messages=[]
    )
