"""Questions about records that were found to be one, and about messages that may be moved between records."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, or_, select

from model.event import EventType
from model.ids import tidy_reference
from store.conditions import any_of
from store.merge_tables import merger
from store.schema import envelope, event, record
from store.views import Row, first, rows

#: Records of a chain that are followed: A into B into C.
_LONGEST = 10


def of(connection: Connection, record_id: str) -> Row | None:
    """Into what a record was merged: the merger with the reference of that; None when it was not, or no more."""
    m = merger.c
    query = select(merger, record.c.reference.label("reference")).join(record, record.c.id == m.into)
    return first(connection, query.where(m.record == record_id, m.undone_at.is_(None)))


def merged_in(connection: Connection, record_id: str) -> list[Row]:
    """The records that were merged into one: the mergers with the reference of each."""
    m = merger.c
    query = select(merger, record.c.reference.label("reference")).join(record, record.c.id == m.record)
    return rows(connection, query.where(m.into == record_id, m.undone_at.is_(None)).order_by(m.at, m.id))


def targets(connection: Connection, records: Collection[str]) -> dict[str, str]:
    """Of those records that were merged into others, where what is written to them goes."""
    m, found = merger.c, dict[str, str]()
    asked = set(records)
    for _ in range(_LONGEST):
        query = select(m.record, m.into).where(any_of(connection, m.record, asked), m.undone_at.is_(None))
        step = {row.record: row.into for row in connection.execute(query)}
        if not step:
            break
        found |= step
        asked = set(step.values())
    return {id_: end for id_ in records if (end := _end(found, id_)) != id_}


def _end(into: dict[str, str], id_: str) -> str:
    for _ in range(_LONGEST):
        if id_ not in into:
            break
        id_ = into[id_]
    return id_


def message(connection: Connection, alias: str) -> Row | None:
    """A message that joined a record, by its own reference: the envelope, with `told` of it as the timeline keeps it;
    None for what is none, or a record's first message."""
    found = first(connection, select(envelope).where(envelope.c.reference == tidy_reference(alias)))
    if found is None or found["record"] is None:
        return None
    e = event.c
    said = select(e.data).where(e.record == found["record"], e.type == EventType.MESSAGE_JOINED.value)
    for data in connection.scalars(said.order_by(e.position.desc())):
        if data.get("envelope") == found["id"]:
            return {**found, "told": dict(data)}
    return None


def forget(connection: Connection, records: Collection[str]) -> None:
    """Delete what is known of the mergers of some records."""
    ids = list(records)
    connection.execute(delete(merger).where(or_(merger.c.record.in_(ids), merger.c.into.in_(ids))))
