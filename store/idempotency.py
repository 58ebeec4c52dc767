"""First answers by the client's Idempotency-Key, so that a request sent twice is done once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from store.schema import idempotency


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a key: the request it came with, and the answer once there is one."""

    request_hash: str
    status: int | None
    response: Any


def claim(
    connection: Connection, *, scope: str, key: str, request_hash: str, now: datetime, until: datetime
) -> Remembered | None:
    """Take a key for a request; None when it is ours now, else what is remembered of it.

    A claim whose time is up, because the daemon died over it or because the answer is old, is free again.
    """
    i = idempotency.c
    ours = (i.scope == scope, i.key == key)
    connection.execute(delete(idempotency).where(*ours, i.expires_at <= now))
    found = connection.execute(select(idempotency).where(*ours)).first()
    if found is not None:
        return Remembered(found.request_hash, found.status, found.response)
    connection.execute(
        insert(idempotency).values(scope=scope, key=key, request_hash=request_hash, expires_at=until)
    )
    return None


def settle(
    connection: Connection, *, scope: str, key: str, status: int, response: Any, until: datetime
) -> None:
    """Remember the answer to a request."""
    i = idempotency.c
    connection.execute(
        update(idempotency)
        .where(i.scope == scope, i.key == key)
        .values(status=status, response=response, expires_at=until)
    )


def release(connection: Connection, *, scope: str, key: str) -> None:
    """Forget a claim without an answer: the request failed and may be sent again."""
    i = idempotency.c
    connection.execute(delete(idempotency).where(i.scope == scope, i.key == key, i.status.is_(None)))


def purge(connection: Connection, now: datetime, limit: int) -> int:
    """Forget answers whose time is up, at most `limit` of them; how many it were."""
    i = idempotency.c
    old = select(i.scope, i.key).where(i.expires_at <= now).limit(limit)
    rows = connection.execute(old).all()
    for scope, key in rows:
        connection.execute(delete(idempotency).where(i.scope == scope, i.key == key))
    return len(rows)
