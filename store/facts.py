"""Facts of an installation, kept in the `meta` table: its id, its key, whether it is on hold."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects import postgresql, sqlite

from store.schema import meta


def get(connection: Connection, name: str, default: Any = None) -> Any:
    """A fact, or the default."""
    row = connection.execute(select(meta.c.value).where(meta.c.name == name)).first()
    return default if row is None else row.value


def put(connection: Connection, name: str, value: Any) -> None:
    """Set a fact."""
    module = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Any = module.insert(meta).values(name=name, value=value)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[meta.c.name], set_={"value": statement.excluded.value}
        )
    )


def locked(connection: Connection, name: str, default: Any = None) -> Any:
    """A fact, or the default, that no other transaction changes until this one ends: to be read, changed and put.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        # A row that is not there cannot be locked.
        made = postgresql.insert(meta).values(name=name, value=default).on_conflict_do_nothing()
        connection.execute(made)
        connection.execute(select(meta.c.name).where(meta.c.name == name).with_for_update())
    return get(connection, name, default)


def secret(connection: Connection, draw: Callable[[int], bytes]) -> bytes:
    """The installation's key, made once."""
    stored = get(connection, "secret")
    if stored is None:
        made = base64.b64encode(draw(32)).decode()
        module = sqlite if connection.dialect.name == "sqlite" else postgresql
        statement: Any = module.insert(meta).values(name="secret", value=made)
        connection.execute(statement.on_conflict_do_nothing())
        stored = get(connection, "secret")  # that of another replica, if it was faster
    return base64.b64decode(stored)


def home(connection: Connection, database: Path | None) -> str:
    """What this database is, physically: a copy, a restored or a migrated one answers differently.

    SQLite: the number of its file on the file system. PostgreSQL: the cluster's identifier and the database.
    """
    if database is not None:
        return f"file:{database.stat().st_ino}"
    row = connection.execute(
        text(
            "SELECT (SELECT system_identifier FROM pg_control_system())::text, "
            "(SELECT oid FROM pg_database WHERE datname = current_database())::text"
        )
    ).one()
    return f"cluster:{row[0]}:{row[1]}"


def check_home(connection: Connection, database: Path | None) -> bool:
    """Law 16: a store that is not where it last ran goes on hold. True when it is on hold."""
    here = home(connection, database)
    known = get(connection, "home")
    if known is None:
        put(connection, "home", here)
    elif known != here:
        put(connection, "home", here)
        put(connection, "hold", "the database was restored, copied or moved")
    return get(connection, "hold") is not None


def release(connection: Connection) -> None:
    """Let messages go out and sources be touched again."""
    put(connection, "hold", None)
