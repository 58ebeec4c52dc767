"""Brings a database's schema up to date with Alembic; refuses one that a newer release wrote."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from store.errors import NewerSchema

#: Key of the advisory lock under which one replica migrates while the others wait.
_MIGRATION_LOCK = 0x6D696772


_MIGRATIONS = Path(__file__).parent / "migrations"
_REVISION = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)


def newest() -> str:
    """The revision that this release brings a database to: its files are numbered in their order."""
    last = max((_MIGRATIONS / "versions").glob("v[0-9]*.py"))
    found = _REVISION.search(last.read_text())
    assert found is not None, "each migration names its revision"
    return found[1]


def _current(connection: Connection) -> str | None:
    """The revision of a database; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(engine: Engine) -> None:
    """Apply what is missing. Safe to repeat, and with several replicas at once."""
    with engine.connect() as connection:
        current = _current(connection)
    if current == newest():
        return
    # Only now: most starts find nothing to do, and the library takes a tenth of a start to load.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise NewerSchema(
                f"the database is at schema {current}, which this release does not know; run the newer release"
            ) from error
