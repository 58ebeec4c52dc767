"""Lines of the timeline and changes of a record, as all verbs of the office write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from model.event import EventType
from model.tools import Ids
from store.units import Guard, Insert, Unit, Update

Row = Mapping[str, Any]
HOUSE = "forebay"


def event(made: Ids, row: Row, type_: EventType, at: datetime, data: Row, actor: str = HOUSE) -> Insert:
    """One line of a record's timeline."""
    values = {
        "id": made.new(),
        "type": type_.value,
        "record": row["id"],
        "reference": row["reference"],
        "at": at,
        "actor": actor,
        "data": dict(data),
    }
    return Insert("event", values)


def change(
    row: Row,
    at: datetime,
    values: Row,
    inserts: Sequence[Insert],
    updates: Sequence[Update] = (),
    *,
    label: str,
) -> Unit:
    """A change of a record as it was seen: it is not made when somebody was faster."""
    seen = {"id": row["id"], "state": row["state"], "updated_at": row["updated_at"]}
    guard = Guard("record", seen, {"updated_at": at, **values})
    return Unit(guard, tuple(inserts), tuple(updates), label=label)
