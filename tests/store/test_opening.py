"""Opening a store: one daemon a folder, migrations, crashes, and stores that are not where they were."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from store import balance, engine, facts, mark, migrate
from store.errors import FolderInUse, NewerSchema, WeakDurability
from store.mark import MarkFile
from store.metadata import metadata
from store.settings import DatabaseSettings
from store.store import Store
from store.units import Count, Unit
from tests import databases
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker

ROOT = Path(__file__).parents[2]
UNIT = Unit(counts=(Count("2026-11-22", "form", "seen"),))


@pytest.fixture(params=databases.KINDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table."""
    if request.param == "postgresql":
        return databases.new_database()
    return engine.sqlite_url(tmp_path)


# ---- migrations


#: The full text index of SQLite is a table of its own with others below it; `_assert_same_sql` sees those.
_COMPARED = {
    "compare_type": True,
    "include_name": lambda name, kind, parents: not (kind == "table" and name.startswith("archive_index")),
    # PostgreSQL's alone.
    "include_object": lambda one, name, kind, *more: not (kind == "index" and name == "ix_archive_terms"),
}


def test_migrations_build_exactly_the_tables_of_the_schema(empty: str) -> None:
    # Tables stand in several modules: whatever other tests loaded, all of them count.
    for module in pkgutil.iter_modules([str(ROOT / "store")], "store."):
        importlib.import_module(module.name)
    write, read = engine.open_engines(empty, writers=1, readers=1)
    migrate.upgrade(write)
    migrate.upgrade(write)
    with write.begin() as connection:
        context = MigrationContext.configure(connection, opts=_COMPARED)
        assert compare_metadata(context, metadata) == []
        _assert_same_sql(connection)
    write.dispose()
    read.dispose()


def _assert_same_sql(connection: Connection) -> None:
    """What the comparison does not see: the conditions of partial indexes, and AUTOINCREMENT."""
    if connection.dialect.name == "sqlite":
        query = text(
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' AND sql IS NOT NULL"
        )
    else:
        query = text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    migrated = {name: _squeezed(sql) for name, sql in connection.execute(query)}
    if connection.dialect.name == "sqlite":
        other = create_engine("sqlite://")
        with other.begin() as fresh:
            metadata.create_all(fresh)
            wanted = {name: _squeezed(sql) for name, sql in fresh.execute(query)}
        other.dispose()
    else:
        connection.execute(text("CREATE SCHEMA fresh"))
        connection.execute(text("SET LOCAL search_path TO fresh"))
        metadata.create_all(connection)
        rows = connection.execute(text(str(query).replace("'public'", "'fresh'")))
        migrated.pop("alembic_version_pkc")
        wanted = {name: _squeezed(sql).replace("fresh.", "public.") for name, sql in rows}
    assert migrated == wanted


def _squeezed(sql: str) -> str:
    """Without spaces; of a table the columns in any order, since one that is added later stands last."""
    plain = "".join(sql.split())
    if not plain.startswith("CREATETABLE"):
        return plain
    head, _, columns = plain.partition("(")
    body, _, tail = columns.rpartition(")")
    return f"{head}({','.join(sorted(body.split(',')))}){tail}"


async def test_two_replicas_that_start_at_once_both_find_the_schema(
    tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    url = databases.new_database()
    settings = DatabaseSettings(url=url, min_free_bytes=0)  # type: ignore[arg-type]
    stores = await asyncio.gather(
        *(databases.open_store(settings, tmp_path / f"{n}", clock, ids) for n in range(3))
    )
    assert len({store.secret for store in stores}) == 1, "and share one key"
    for store in stores:
        assert not store.on_hold and await store.submit(UNIT)
        await store.close()


async def test_the_database_of_a_newer_release_is_refused_and_left_alone(
    empty: str, tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    write, read = engine.open_engines(empty, writers=1, readers=1)
    migrate.upgrade(write)
    with write.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerSchema, match="9999"):
        migrate.upgrade(write)
    with write.begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    write.dispose()
    read.dispose()


async def test_a_database_set_up_to_lose_what_it_promised_is_refused(
    tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    settings = databases.settings("postgresql")
    assert settings.url
    url = settings.url.get_secret_value()
    write, read = engine.open_engines(url, writers=1, readers=1)
    with write.begin() as connection:
        connection.execute(text("SET synchronous_commit = off"))
        with pytest.raises(WeakDurability, match="synchronous_commit"):
            engine.check_durability(connection)
    write.dispose()
    read.dispose()
    plain = create_engine(f"sqlite:///{tmp_path / 'plain.db'}")
    with plain.connect() as connection, pytest.raises(WeakDurability, match="journal_mode"):
        engine.check_durability(connection)
    plain.dispose()


# ---- one daemon a folder


HOLDER = """
import asyncio, sys, pathlib
from tests import databases
from tests.rigs.tools import CountingIds, FixedClock
async def main():
    folder, ids = pathlib.Path(sys.argv[1]), CountingIds("other")
    await databases.open_store(databases.settings("sqlite"), folder, FixedClock(), ids)
    print("open", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


async def test_a_folder_in_use_is_refused_by_name_of_the_process_until_that_ends(
    tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    process = start(HOLDER, str(tmp_path))
    try:
        assert process.stdout and process.stdout.readline() == "open\n"
        with pytest.raises(FolderInUse, match=str(process.pid)):
            await databases.open_store(databases.settings("sqlite"), tmp_path, clock, ids)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    store = await databases.open_store(databases.settings("sqlite"), tmp_path, clock, ids)
    with pytest.raises(FolderInUse, match=str(os.getpid())):
        await databases.open_store(databases.settings("sqlite"), tmp_path, clock, CountingIds("b"))
    await store.close()
    await (await databases.open_store(databases.settings("sqlite"), tmp_path, clock, ids)).close()


# ---- crashes


WRITER = """
import asyncio, sys, pathlib
from tests import databases
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker
async def main():
    clock, ids = FixedClock(), CountingIds("writer")
    store = await databases.open_store(databases.settings("sqlite"), pathlib.Path(sys.argv[1]), clock, ids)
    maker = Maker(store, ids, clock)
    async def stream(lane):
        for n in range(100_000):
            await maker.accept(f"{lane}-{n}", f"{lane}-{n}".encode() * 20, owner="dead")
            print(f"{lane}-{n}", flush=True)
            if n % 10 == 0:
                await store.put_blob(f"{lane}-{n}".encode() * 20_000)
    await asyncio.gather(*(stream(lane) for lane in range(16)))
asyncio.run(main())
"""


async def test_a_kill_in_the_midst_of_writing_loses_nothing_that_was_promised(
    tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    process = start(WRITER, str(tmp_path))
    assert process.stdout
    told = [process.stdout.readline().strip() for _ in range(300)]
    process.send_signal(signal.SIGKILL)
    told += process.communicate()[0].split("\n")[:-1]
    store = await databases.open_store(databases.settings("sqlite"), tmp_path, clock, ids)
    kept = {row["source_id"] for row in await Maker(store, ids, clock).all("envelope")}
    assert kept >= set(told) and len(told) >= 300
    assert await store.read(lambda c: c.scalar(text("PRAGMA integrity_check"))) == "ok"
    assert await store.read(lambda c: balance.check(c, store.blobs)) == []
    assert all(line.difference == 0 for line in await store.read(balance.balance))
    assert not store.on_hold
    await store.close()


# ---- law 16


async def run_once(folder: Path, settings: DatabaseSettings | None = None, seed: str = "") -> bool:
    """Open a store, write to it, and close it; whether it was on hold."""
    clock, ids = FixedClock(), CountingIds(seed)
    store = await databases.open_store(settings or databases.settings("sqlite"), folder, clock, ids)
    held = store.on_hold
    await Maker(store, ids, clock).accept(f"m-{seed}")
    await store.close()
    return held


async def release(folder: Path) -> None:
    store = await databases.open_store(databases.settings("sqlite"), folder, FixedClock(), CountingIds("r"))
    await store.run(facts.release)
    await store.close()


async def test_a_store_that_stayed_where_it_was_is_not_on_hold(tmp_path: Path) -> None:
    settings = databases.settings("postgresql")
    for seed in "abc":
        assert not await run_once(tmp_path / "a", seed=seed)
        assert not await run_once(tmp_path / "b", settings, seed)


async def test_a_copied_folder_is_on_hold_until_released(tmp_path: Path) -> None:
    await run_once(tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    assert await run_once(tmp_path / "new", seed="a")
    assert await run_once(tmp_path / "new", seed="b"), "a restart is no release"
    await release(tmp_path / "new")
    assert not await run_once(tmp_path / "new", seed="c")
    assert not await run_once(tmp_path / "old", seed="d"), "the original never was"


async def test_a_moved_folder_is_where_it_was(tmp_path: Path) -> None:
    """On the same file system it is the very same file, and nobody else has it."""
    await run_once(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    assert not await run_once(tmp_path / "new", seed="a")


@pytest.mark.parametrize("how", ["replaced", "overwritten"])
async def test_a_database_restored_in_place_is_on_hold(tmp_path: Path, how: str) -> None:
    """The commonest restore: the backup of last night over the file of today, number of the file and all."""
    folder, backup = tmp_path / "data", tmp_path / "backup.db"
    await run_once(folder)
    shutil.copy(folder / "forebay.db", backup)
    await run_once(folder, seed="a")
    for rest in folder.glob("forebay.db-*"):
        rest.unlink()
    if how == "replaced":
        (folder / "forebay.db").unlink()
        shutil.copy(backup, folder / "forebay.db")
    else:
        (folder / "forebay.db").write_bytes(backup.read_bytes())
    assert await run_once(folder, seed="b")


async def test_a_dump_restored_into_another_database_is_on_hold(tmp_path: Path) -> None:
    first, second = databases.settings("postgresql"), databases.settings("postgresql")
    await run_once(tmp_path, first)
    # What pg_dump and pg_restore carry over: the rows.
    assert first.url and second.url
    store = Store(first, tmp_path, FixedClock(), CountingIds("x"), on_fatal=databases.fail_test)
    await store.open()
    home = await store.read(lambda c: facts.get(c, "home"))
    await store.close()
    other = await databases.open_store(second, tmp_path / "other", FixedClock(), CountingIds("y"))
    await other.run(lambda c: facts.put(c, "home", home))
    await other.close()
    assert await run_once(tmp_path / "third", second, "z")


async def test_a_copy_taken_of_a_running_store_is_known_when_put_back(tmp_path: Path) -> None:
    """As after a crash: the store was never closed between the copy and its return."""
    folder, backup = tmp_path / "data", tmp_path / "backup.db"
    store = await databases.open_store(databases.settings("sqlite"), folder, FixedClock(), CountingIds("run"))
    await store.run(lambda c: None)
    with create_engine(f"sqlite:///{folder / 'forebay.db'}").connect() as connection:
        connection.execute(text("VACUUM INTO :path"), {"path": str(backup)})
    await store.renew_mark()
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    (crashed / "mark").write_bytes((folder / "mark").read_bytes())
    (crashed / "forebay.db").write_bytes(backup.read_bytes())
    await store.close()
    known = MarkFile(crashed).read()
    write, read = engine.open_engines(engine.sqlite_url(crashed), writers=1, readers=1)
    with write.begin() as connection:
        assert known and known.bears(connection) not in known.marks
    write.dispose()
    read.dispose()


@pytest.mark.parametrize("kind", databases.KINDS)
@pytest.mark.parametrize("crash", ["before the commit", "before the file", "nowhere"])
async def test_a_crash_while_the_mark_changes_is_no_restore(tmp_path: Path, kind: str, crash: str) -> None:
    settings, file = databases.settings(kind), MarkFile(tmp_path)
    await run_once(tmp_path, settings)
    store = await databases.open_store(settings, tmp_path, FixedClock(), CountingIds("a"))

    def renew(connection: Connection) -> object:
        known = mark.renew(connection, file, "fresh")
        if crash == "before the commit":
            raise LookupError("crash")
        return known

    with contextlib.suppress(LookupError):
        known = await store.run(renew)
        if crash == "nowhere":
            file.write(known)
    store._opened = False  # no good-bye
    await store.close()
    assert not await run_once(tmp_path, settings, "b")
