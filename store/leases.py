"""Ownership with an end: who runs, who polls an account. Epochs grow at each change of holder."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, delete, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite

from store.schema import cursor, lease
from store.types import from_micros

_OWNER = "owner:"
_BELL = "bell:"


def database_now(connection: Connection, injected: datetime) -> datetime:
    """Time to compare leases with: the database's on PostgreSQL, so that replicas agree; else the injected."""
    if connection.dialect.name == "sqlite":
        return injected
    micros = connection.execute(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"))
    return from_micros(micros.scalar_one())


def take(connection: Connection, name: str, holder: str, ttl: timedelta, injected: datetime) -> int | None:
    """Take or renew a lease. The epoch when it is ours, None when somebody else holds it."""
    now = database_now(connection, injected)
    module = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Any = module.insert(lease).values(name=name, holder=holder, epoch=1, expires_at=now + ttl)
    changed = lease.c.holder != holder
    statement = statement.on_conflict_do_update(
        index_elements=[lease.c.name],
        set_={
            "holder": holder,
            "epoch": lease.c.epoch + case((changed, 1), else_=0),
            "expires_at": now + ttl,
        },
        where=or_(lease.c.holder == holder, lease.c.expires_at < now),
    ).returning(lease.c.epoch)
    epoch: int | None = connection.execute(statement).scalar()
    return epoch


def give_back(connection: Connection, name: str, holder: str) -> None:
    """Let the next one have it at once; the epoch stays, so that the next is greater."""
    connection.execute(
        lease.update().where(lease.c.name == name, lease.c.holder == holder).values(holder="", expires_at=0)
    )


def free_all(connection: Connection) -> None:
    """Free every lease: whoever holds the lock of an embedded store knows that all other holders are dead."""
    connection.execute(lease.update().values(holder="", expires_at=0))


def own_process(connection: Connection, owner: str, ttl: timedelta, injected: datetime) -> None:
    """Say that this process lives; its claims are safe until the lease ends."""
    take(connection, _OWNER + owner, owner, ttl, injected)


def ring(connection: Connection, name: str, ring: str, injected: datetime) -> None:
    """Tell the holder of a lease, wherever it runs, that there is something to do; `ring` is fresh each time."""
    module = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"holder": ring, "expires_at": database_now(connection, injected)}
    statement: Any = module.insert(lease).values(name=_BELL + name, epoch=0, **row)
    connection.execute(statement.on_conflict_do_update(index_elements=[lease.c.name], set_=row))


def last_ring(connection: Connection, name: str) -> str | None:
    """What `ring` was given last."""
    found: str | None = connection.scalar(select(lease.c.holder).where(lease.c.name == _BELL + name))
    return found


def forget_process(connection: Connection, owner: str) -> None:
    connection.execute(delete(lease).where(lease.c.name == _OWNER + owner))


def forget_dead(connection: Connection, before: datetime) -> None:
    """Remove processes whose lease ended before a time long past."""
    connection.execute(delete(lease).where(lease.c.name.startswith(_OWNER), lease.c.expires_at < before))


def living(connection: Connection, injected: datetime) -> set[str]:
    """The processes whose claims are safe."""
    now = database_now(connection, injected)
    query = select(lease.c.holder).where(lease.c.name.startswith(_OWNER), lease.c.expires_at >= now)
    return set(connection.scalars(query))


def take_cursor(connection: Connection, channel: str, epoch: int) -> dict[str, Any]:
    """The cursor of a channel for its new owner; from here on earlier epochs cannot write it."""
    module = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Any = module.insert(cursor).values(channel=channel, value=None, pending=[], epoch=epoch)
    statement = statement.on_conflict_do_update(
        index_elements=[cursor.c.channel], set_={"epoch": epoch}, where=cursor.c.epoch <= epoch
    ).returning(cursor.c.value, cursor.c.pending, cursor.c.last_ok_at)
    row = connection.execute(statement).first()
    if row is None:
        return {}
    return {"value": row.value, "pending": row.pending, "last_ok_at": row.last_ok_at}
