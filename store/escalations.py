"""Questions about what was told because a deadline came near or passed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, delete, select

from store.care_tables import pause
from store.case_tables import assignment
from store.escalation_tables import digest, escalation
from store.schema import record
from store.views import Row, rows

#: States in which no stage is open.
_DONE = ("answered", "followed_up", "closed", "out_of_scope")


def open_records(connection: Connection, after: str, limit: int) -> list[Row]:
    """Records on which work is still to be done and whose clock runs, by id, from after one on."""
    c = record.c
    stands = select(pause.c.id).where(pause.c.record == c.id, pause.c.state == "open").exists()
    query = select(c.id, c.reference, c.state, c.urgency, c.deadlines).where(
        c.id > after, c.state.not_in(_DONE), ~stands
    )
    return rows(connection, query.order_by(c.id).limit(limit))


def told(connection: Connection, records: Collection[str]) -> set[tuple[str, str, str, datetime]]:
    """What was told of records: record, stage, level, deadline."""
    e = escalation.c
    query = select(e.record, e.stage, e.level, e.due_at).where(e.record.in_(list(records)))
    return {(row.record, row.stage, row.level, row.due_at) for row in connection.execute(query)}


def holders(connection: Connection, records: Collection[str]) -> dict[str, list[str]]:
    """The departments that have records in hand, the lead first."""
    a = assignment.c
    query = select(a.record, a.department).where(a.record.in_(list(records)), a.ended_at.is_(None))
    found: dict[str, list[str]] = {}
    for row in connection.execute(query.order_by(a.lead.desc(), a.given_at, a.id)):
        found.setdefault(row.record, []).append(row.department)
    return found


def digests_due(connection: Connection, now: datetime, limit: int) -> list[Row]:
    """What is to be posted now."""
    d = digest.c
    query = select(digest).where(d.state == "waiting", d.next_at <= now)
    return rows(connection, query.order_by(d.next_at, d.id).limit(limit))


def forget(connection: Connection, before: datetime) -> None:
    """Remove what was posted, or given up, before a time."""
    d = digest.c
    connection.execute(delete(digest).where(d.state != "waiting", d.created_at < before))
