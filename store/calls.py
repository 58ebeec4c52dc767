"""What is known of telephone calls: one row for each message about one, whose order does not matter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Index, String, Table, and_, delete, or_, select

from store.metadata import metadata
from store.types import Instant, Json

call_event = Table(
    "call_event",
    metadata,
    Column("channel", String, primary_key=True),
    Column("call", String, primary_key=True),
    Column("event", String, primary_key=True),  # with the leg's own name, so that a repeat is the same row
    Column("at", Instant, nullable=False),
    Column("facts", Json, nullable=False),
    Index("ix_call_event_at", "at"),
)

Facts = Mapping[str, Any]
#: Messages that are looked at for the list of calls.
_MOST = 2_000


def of(connection: Connection, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[Facts]]:
    """What is known of each call, (channel, call) by (channel, call)."""
    c = call_event.c
    one = or_(*(and_(c.channel == channel, c.call == call) for channel, call in sorted(wanted)))
    found: dict[tuple[str, str], list[Facts]] = {}
    for row in connection.execute(select(call_event).where(one).order_by(c.at, c.event)):
        found.setdefault((row.channel, row.call), []).append({**row.facts, "event": row.event, "at": row.at})
    return found


def since(connection: Connection, at: datetime) -> dict[tuple[str, str], list[Facts]]:
    """All calls of which something was told since a time, the latest first."""
    c = call_event.c
    latest = select(c.channel, c.call).where(c.at >= at).order_by(c.at.desc()).limit(_MOST)
    names = list(dict.fromkeys((row.channel, row.call) for row in connection.execute(latest)))[:200]
    known = of(connection, names) if names else {}
    return {name: known[name] for name in names if name in known}


def put(connection: Connection, channel: str, call: str, event: str, at: datetime, facts: Facts) -> None:
    """Add what a colleague says of a call; said before, it stays as it was."""
    c = call_event.c
    same = (c.channel == channel, c.call == call, c.event == event)
    if connection.execute(select(c.call).where(*same)).first() is None:
        row = {"channel": channel, "call": call, "event": event, "at": at, "facts": dict(facts)}
        connection.execute(call_event.insert().values(row))


def purge(connection: Connection, before: datetime) -> int:
    """Forget what was told of calls before a time; how many rows."""
    return int(connection.execute(delete(call_event).where(call_event.c.at < before)).rowcount)
