"""Questions about who logs in, and about who did what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, null, or_, select, text

from store.schema import audit, event
from store.user_tables import user
from store.views import Row, first, rows

#: Whoever stands in the timeline and is somebody; as the index has it.
_BY_PEOPLE = text("event.actor NOT IN ('forebay', 'customer')")


def by_name(connection: Connection, name: str) -> Row | None:
    """One user."""
    return first(connection, select(user).where(user.c.name == name))


def every(connection: Connection) -> list[Row]:
    """All users, by name."""
    return rows(connection, select(user).order_by(user.c.name))


def trail(
    connection: Connection, *, before: tuple[datetime, str] | None, actor: str | None, limit: int
) -> list[Row]:
    """What people did, the latest first: id, at, actor, verb, target, data. `before`: at and id of the last seen."""
    a, e = audit.c, event.c
    done = select(a.id, a.at, a.actor, a.verb, a.target, a.data)
    said = select(
        e.id, e.at, e.actor, e.type.label("verb"), e.reference.label("target"), null().label("data")
    )
    said = said.where(_BY_PEOPLE)
    found: list[Row] = []
    for query, c in ((done, a), (said, e)):
        if before is not None:
            query = query.where(or_(c.at < before[0], and_(c.at == before[0], c.id < before[1])))
        if actor:
            query = query.where(c.actor == actor)
        found += rows(connection, query.order_by(c.at.desc(), c.id.desc()).limit(limit))
    return sorted(found, key=lambda row: (row["at"], row["id"]), reverse=True)[:limit]
