"""Errands: what is fetched after registering. Claimed for a time; one whose process died is due again by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from store.conditions import stands
from store.schema import delivery, errand, record


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to fetch."""

    id: str
    what: str
    channel: str
    record: str
    envelope: str
    n: int
    reference: str
    kind: str | None
    attempts: int
    created_at: datetime
    claim: str


def claim(
    connection: Connection, *, room: Mapping[str, int], token: str, now: datetime, until: datetime
) -> list[Errand]:
    """Claim due errands, for each channel as many as it has room for; theirs until a time."""
    e = errand
    found: list[Errand] = []
    for channel, limit in room.items():
        chosen = (
            select(e.c.id)
            .where(e.c.channel == channel, stands(e.c.state, "waiting"), e.c.next_at <= now)
            .order_by(e.c.next_at, e.c.id)
            .limit(limit)
        )
        if connection.dialect.name == "postgresql":
            chosen = select(chosen.with_for_update(skip_locked=True).cte("chosen").c.id)
        rows = connection.execute(
            update(e)
            .where(e.c.id.in_(chosen.scalar_subquery()))
            .values(claim=token, next_at=until, attempts=e.c.attempts + 1)
            .returning(*(e.c[name] for name in Errand.__dataclass_fields__))
        )
        found += [Errand(*row) for row in rows]
    return found


def due(connection: Connection, channels: Collection[str], now: datetime) -> set[str]:
    """Which of the channels have something due: worth asking the writer for a claim."""
    e = errand.c
    query = select(e.channel).where(
        e.channel.in_(list(channels)), stands(e.state, "waiting"), e.next_at <= now
    )
    return set(connection.scalars(query.distinct()))


def free_all(connection: Connection, now: datetime) -> None:
    """Let everything be due: whoever holds the lock of an embedded store knows that nobody else is at it."""
    e = errand
    connection.execute(
        update(e).where(stands(e.c.state, "waiting"), e.c.claim.is_not(None)).values(claim=None, next_at=now)
    )


def open_ones(connection: Connection) -> int:
    """How many are not done yet."""
    query = select(func.count()).where(stands(errand.c.state, "waiting"))
    return int(connection.scalar(query) or 0)


def destinations(connection: Connection, record_id: str) -> tuple[str | None, list[str]]:
    """The reference of a record, and the destinations that have it."""
    reference = connection.scalar(select(record.c.reference).where(record.c.id == record_id))
    d = delivery.c
    names = select(d.target).where(d.record == record_id, d.downstream.is_(True)).distinct()
    return reference, sorted(connection.scalars(names))
