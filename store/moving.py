"""Whole databases copied, from either engine to either, while both sides are counted; and the bytes beside them.

The source is read in one snapshot, table by table, so that a daemon may go on writing. The target must be empty. What a
copy is opened as finds out by itself that it is one, and starts on hold (law 16).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, func, inspect, select, text

from store import (
    archive,
    balance,
    bundles,
    calls,
    case_tables,
    engine,
    leases,
    migrate,
    optouts,
    schema,
    schema_imports,
    tickets,
)
from store.blobs import Blobs
from store.metadata import metadata
from store.schema import blob

#: Rows that are read and written together.
_BATCH = 500
#: Where the tables stand: imported, they are known to `metadata`.
WITH_TABLES = (archive, bundles, calls, case_tables, optouts, schema, schema_imports, tickets)
#: What Alembic keeps for itself: made anew by the target's own migration.
_APART = frozenset({"alembic_version"})
#: What SQLite keeps of the archive's index, beside the table that it is made from.
_INDEX = "archive_index"


class MovingError(Exception):
    """It cannot be copied, or the copy is not the same; says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Copied:
    """One table, counted at both sides."""

    table: str
    source: int
    target: int


def copy(
    source: Engine, target: Engine, told: Callable[[str, int], None] = lambda table, rows: None
) -> list[Copied]:
    """Copy every table. MovingError when the target is not empty, or has not what the source has in the end.

    Nothing stands in the target unless all of it does. `told` hears of each table as it is done.
    """
    migrate.upgrade(target)
    with _snapshot(source) as reading:
        tables = _tables(reading)
        with target.begin() as writing:
            for table in tables:
                if _count(writing, table):
                    raise MovingError(
                        f"the target is not empty: there is something in its table {table.name}"
                    )
            done = []
            for table in tables:
                _rows(reading, writing, table)
                counts = Copied(str(table.name), _count(reading, table), _count(writing, table))
                if counts.source != counts.target:
                    raise MovingError(
                        f"the table {table.name} has {counts.source} rows, and its copy {counts.target}"
                    )
                done.append(counts)
                told(counts.table, counts.target)
            # The source's daemons may live; none works with the copy, nor would wait for them to end.
            leases.free_all(writing)
            if writing.dialect.name == "postgresql":
                _go_on_counting(writing, tables)
    return done


def snapshot_of_file(source: Path, target: Path) -> None:
    """An embedded database copied by SQLite's own online backup, and looked at. A daemon may go on writing."""
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(fresh)) as writing,
    ):
        reading.backup(writing, pages=1000)
        if writing.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise MovingError("the copy of the database is damaged")
    handle = os.open(fresh, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.chmod(0o600)
    fresh.replace(target)


def copy_blobs(
    database: Engine, source: Path, target: Path, goes_on: Callable[[], None] = lambda: None
) -> tuple[int, int]:
    """Copy the files that the rows of a copied database name; how many, and how many were there already.

    Each is looked at by its digest; `goes_on` is called for each. MovingError for one that is not there: a row
    without its bytes is no copy.
    """
    copied = there = 0
    b = blob.c
    with _snapshot(database) as reading:
        found = reading.execution_options(yield_per=_BATCH).execute(
            select(b.sha256, b.size).where(b.place == "file")
        )
        for row in found:
            goes_on()
            name = Path(row.sha256[:2]) / row.sha256
            goal = target / name
            if goal.exists() and goal.stat().st_size == row.size:
                there += 1
                continue
            if not (source / name).exists():
                raise MovingError(f"the bytes {row.sha256} are not in {source}")
            goal.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = goal.with_name(f".{goal.name}.new")
            shutil.copyfile(source / name, fresh)
            if _digest(fresh) != row.sha256:
                fresh.unlink()
                raise MovingError(f"the bytes {row.sha256} in {source} are damaged")
            fresh.replace(goal)
            copied += 1
    return copied, there


def audited(database: Engine, folder: Path) -> list[str]:
    """What is wrong with a store, in words: counts that do not balance (law 4), and what refers to nothing."""
    with _snapshot(database) as reading:
        lines = balance.balance(reading)
        findings = balance.check(reading, Blobs(folder, 0))
    wrong = [
        f"{one.day} {one.channel}: {one.difference} of {one.received} are nowhere"
        for one in lines
        if one.difference
    ]
    return wrong + [f"{one.check} {one.id}: {one.detail}" for one in findings]


def counts(database: Engine) -> dict[str, int]:
    """The rows of each table."""
    with _snapshot(database) as reading:
        return {str(table.name): _count(reading, table) for table in _tables(reading)}


def daemons(database: Engine) -> int:
    """How many daemons hold leases in a database of PostgreSQL; none where there are no tables yet."""
    with database.connect() as connection:
        if not inspect(connection).has_table(schema.lease.name):
            return 0
        return len(leases.living(connection, datetime.now(UTC)))


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """The engine of a database, for reading or for a copy."""
    write, read = engine.open_engines(url, writers=1, readers=1)
    try:
        yield write
    finally:
        read.dispose()
        write.dispose()


@contextmanager
def _snapshot(database: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it was when it began."""
    with database.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def _tables(connection: Connection) -> Sequence[Table]:
    """Every table, by name. MovingError for one that this release does not know."""
    there = {name for name in inspect(connection).get_table_names() if not name.startswith(_INDEX)} - _APART
    known = dict(metadata.tables)
    if strange := sorted(there - known.keys()):
        raise MovingError(f"this release does not know the table {strange[0]}; use the release that wrote it")
    if missing := sorted(known.keys() - there):
        raise MovingError(f"the table {missing[0]} is missing; start the daemon once, so that it is made")
    return [known[name] for name in sorted(there)]


def _count(connection: Connection, table: Table) -> int:
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def _rows(reading: Connection, writing: Connection, table: Table) -> None:
    order = list(table.primary_key.columns)
    found = reading.execution_options(yield_per=_BATCH).execute(select(table).order_by(*order)).mappings()
    # The index is the engine's own: where it was copied to, the records are read in anew.
    anew = {"terms": None, "size": 0} if table is archive.archive else {}
    for part in found.partitions(_BATCH):
        writing.execute(table.insert(), [{**row, **anew} for row in part])


def _go_on_counting(writing: Connection, tables: Sequence[Table]) -> None:
    """Let PostgreSQL's own counters go on after the highest number that was copied."""
    for table in tables:
        for column in table.primary_key.columns:
            name = writing.scalar(
                text("SELECT pg_get_serial_sequence(:table, :column)"),
                {"table": f'"{table.name}"', "column": column.name},
            )
            highest = writing.scalar(select(func.max(column))) if name else None
            if highest is not None:
                writing.execute(text("SELECT setval(:name, :highest)"), {"name": name, "highest": highest})


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
