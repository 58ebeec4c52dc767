"""The wish for older messages of a polled channel: it lies here until whoever polls the channel takes it up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection

from store import facts
from store.schema import cursor


def put(connection: Connection, channel: str, since: date) -> None:
    """Wish for everything since a day; of two wishes the one that goes further back holds."""
    before = get(connection, channel)
    facts.put(connection, _name(channel), min(since, before or since).isoformat())


def get(connection: Connection, channel: str) -> date | None:
    """The day of the wish, if there is one."""
    day = facts.get(connection, _name(channel))
    return None if day is None else date.fromisoformat(day)


def grant(connection: Connection, channel: str, epoch: int, value: Mapping[str, Any]) -> bool:
    """Forget the wish and set the cursor that grants it; False when the cursor has another owner by now."""
    moved = connection.execute(
        cursor.update().where(cursor.c.channel == channel, cursor.c.epoch == epoch).values(value=dict(value))
    )
    if moved.rowcount == 1:
        facts.put(connection, _name(channel), None)
    return moved.rowcount == 1


def _name(channel: str) -> str:
    return f"backfill:{channel}"
