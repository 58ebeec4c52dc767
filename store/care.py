"""Questions about what the office waits for from customers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, or_, select

from store.care_tables import follow_up, pause
from store.schema import delivery, event
from store.views import Row, first, rows

#: States of a follow-up that is not done.
OPEN = ("planned", "asked")


def pauses(connection: Connection, record_id: str) -> list[Row]:
    """The pauses of a record, oldest first."""
    query = select(pause).where(pause.c.record == record_id)
    return rows(connection, query.order_by(pause.c.since, pause.c.id))


def open_pause(connection: Connection, record_id: str) -> Row | None:
    """The pause that a record is in."""
    return first(connection, select(pause).where(pause.c.record == record_id, pause.c.state == "open"))


def pauses_due(connection: Connection, now: datetime, limit: int) -> list[Row]:
    """Open pauses of which it is time to remind somebody, or to go on."""
    p = pause.c
    due = or_(p.until <= now, (p.remind_at <= now) & p.reminded_at.is_(None))
    return rows(connection, select(pause).where(p.state == "open", due).order_by(p.id).limit(limit))


def extended(connection: Connection, record_id: str) -> bool:
    """Whether a person gave a record more time to be solved."""
    e = event.c
    query = select(e.id).where(e.record == record_id, e.type == "record.extended").limit(1)
    return connection.execute(query).first() is not None


def follow_ups(connection: Connection, record_id: str) -> list[Row]:
    """The follow-ups of a record, oldest first."""
    query = select(follow_up).where(follow_up.c.record == record_id)
    return rows(connection, query.order_by(follow_up.c.ask_at, follow_up.c.id))


def by_id(connection: Connection, id_: str) -> Row | None:
    """One follow-up."""
    return first(connection, select(follow_up).where(follow_up.c.id == id_))


def due(connection: Connection, now: datetime, limit: int) -> list[Row]:
    """Follow-ups of which it is time to ask, or to close their record."""
    f = follow_up.c
    ask = (f.state == "planned") & (f.ask_at <= now)
    close = f.state.in_(("asked", "answered")) & (f.close_at <= now)
    return rows(connection, select(follow_up).where(or_(ask, close)).order_by(f.id).limit(limit))


def last_position(connection: Connection) -> int:
    """The position of the latest event."""
    return int(connection.scalar(select(func.max(event.c.position))) or 0)


def happened(connection: Connection, after: int, until: int, types: Sequence[str], limit: int) -> list[Row]:
    """Events of some types after a position, up to another, in the order of commit."""
    e = event.c
    where = (e.position > after, e.position <= until, e.type.in_(list(types)), e.record.is_not(None))
    return rows(connection, select(event).where(*where).order_by(e.position).limit(limit))


def was_acknowledged(connection: Connection, record_id: str) -> bool:
    """Whether the customer of a record got an acknowledgement, or will: it names what is missing."""
    d = delivery.c
    query = select(d.id).where(d.record == record_id, d.purpose == "acknowledgement", d.state != "cancelled")
    return connection.execute(query.limit(1)).first() is not None
