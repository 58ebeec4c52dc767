"""Drafts of clerks, and who looks at a record: each written over by its next."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from store.desk_tables import draft, presence
from store.views import Row, first


def keep(connection: Connection, record: str, actor: str, text: str, at: datetime) -> None:
    """Keep what somebody wrote; nothing is kept of an empty text."""
    if text.strip():
        _put(connection, draft, {"record": record, "actor": actor, "text": text, "at": at})
    else:
        drop(connection, record, actor)


def drop(connection: Connection, record: str, actor: str) -> None:
    """Forget a draft."""
    connection.execute(delete(draft).where(draft.c.record == record, draft.c.actor == actor))


def of(connection: Connection, record: str, actor: str) -> Row | None:
    """Somebody's draft: text and at."""
    return first(connection, select(draft).where(draft.c.record == record, draft.c.actor == actor))


def look(connection: Connection, record: str, actor: str, at: datetime) -> None:
    """Somebody looks at a record."""
    _put(connection, presence, {"record": record, "actor": actor, "at": at})


def others(connection: Connection, record: str, actor: str, since: datetime) -> list[str]:
    """Who else looked at a record since a moment, by name."""
    p = presence.c
    query = select(p.actor).where(p.record == record, p.actor != actor, p.at >= since)
    return list(connection.scalars(query.order_by(p.actor)))


def _put(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    module: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = module.insert(table).values(**row)
    new = {name: statement.excluded[name] for name in row if name not in ("record", "actor")}
    connection.execute(statement.on_conflict_do_update(index_elements=["record", "actor"], set_=new))
