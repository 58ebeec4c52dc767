"""What destinations were told, and what one of them was not: read page by page, oldest first."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, select

from store.schema import delivery, event, record

Row = dict[str, Any]


def told(
    connection: Connection, destination: str, since: datetime, until: datetime, after: str, limit: int
) -> list[Row]:
    """Deliveries that a destination took, made between two times, of records that are still here.

    Replays are left out: they tell what others told.
    """
    d = delivery.c
    columns = (d.id, d.key, d.order_key, d.target, d.record, d.envelope, d.body, d.created_at)
    query = (
        select(*columns)
        .join_from(delivery, record, record.c.id == d.record)
        .where(d.target == destination, d.downstream.is_(True), d.state == "delivered", d.id > after)
        .where(d.created_at >= since, d.created_at < until, d.key.not_like("replay:%"))
        .order_by(d.id)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def missing(
    connection: Connection,
    destination: str,
    since: datetime,
    until: datetime,
    channel: str | None,
    after: str,
    limit: int,
) -> list[Row]:
    """Records registered between two times that a destination was never given."""
    r, d = record.c, delivery.c
    given = exists().where(d.record == r.id, d.target == destination, d.downstream.is_(True))
    query = (
        select(r.id, r.reference, r.envelope, r.conversation)
        .where(r.id > after, r.registered_at >= since, r.registered_at < until, ~given)
        .order_by(r.id)
        .limit(limit)
    )
    if channel is not None:
        query = query.where(r.channel == channel)
    return [dict(row) for row in connection.execute(query).mappings()]


def joined(connection: Connection, records: Collection[str]) -> dict[str, list[Row]]:
    """The messages that joined each record, oldest first."""
    e = event.c
    query = select(e.record, e.data).where(e.record.in_(list(records)), e.type == "message.joined")
    found: dict[str, list[Row]] = {}
    for row in connection.execute(query.order_by(e.position)).mappings():
        if row["data"].get("envelope"):
            found.setdefault(row["record"], []).append(dict(row))
    return found
