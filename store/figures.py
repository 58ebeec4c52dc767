"""Figures for metrics and alerts: how much stands where, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger, Connection, cast, func, select

from store.schema import delivery, envelope
from store.types import from_micros

_HOUR_MICROS = 3_600_000_000


def last_in(connection: Connection) -> Mapping[str, datetime]:
    """When each channel's latest envelope was received."""
    e = envelope.c
    rows = connection.execute(select(e.channel, func.max(e.received_at)).group_by(e.channel))
    return {row[0]: row[1] for row in rows}


def oldest_waiting(connection: Connection, now: datetime) -> datetime | None:
    """Since when the open envelope, or the due delivery, that has waited longest waits."""
    e, d = envelope.c, delivery.c
    arrived = connection.scalar(select(func.min(e.received_at)).where(e.state.in_(("waiting", "claimed"))))
    due = connection.scalar(select(func.min(d.next_at)).where(d.state == "waiting", d.next_at <= now))
    known = [at for at in (arrived, due) if at is not None]
    return min(known) if known else None


def hourly(connection: Connection, channel: str, since: datetime, until: datetime) -> Mapping[datetime, int]:
    """Envelopes of a channel for each hour, by the hour's beginning."""
    e = envelope.c
    hour = cast(e.received_at, BigInteger) / _HOUR_MICROS
    whole = cast(func.floor(hour), BigInteger) if connection.dialect.name == "postgresql" else hour
    query = select(whole.label("hour"), func.count().label("n")).where(
        e.channel == channel, e.received_at >= since, e.received_at < until
    )
    counts: dict[datetime, int] = {}
    for row in connection.execute(query.group_by("hour")):
        at = from_micros(int(row.hour) * _HOUR_MICROS)
        counts[at] = counts.get(at, 0) + row.n
    return counts


def waiting_by_target(connection: Connection) -> Mapping[str, int]:
    """Deliveries that wait, by target."""
    d = delivery.c
    rows = connection.execute(select(d.target, func.count()).where(d.state == "waiting").group_by(d.target))
    return {row[0]: row[1] for row in rows}
