"""Full disks, broken disks and lost connections: back-pressure, a stop, and a way back."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError

from store import writer
from store.errors import StoreBusy
from store.settings import DatabaseSettings
from store.store import Store
from store.units import Count, Insert, Unit
from tests import databases
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker

UNIT = Unit(counts=(Count("2026-11-22", "form", "seen"),))


def pragma(statement: str) -> Callable[[Connection], Any]:
    return lambda connection: connection.execute(text(f"PRAGMA {statement}")).scalar()


async def test_a_full_disk_is_back_pressure_and_recovers_by_itself(
    tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    store = await databases.open_store(databases.settings("sqlite"), tmp_path, clock, ids)
    maker = Maker(store, ids, clock)
    pages = await store.run(pragma("page_count"))
    await store.run(pragma(f"max_page_count={pages + 4}"))
    refused = 0
    for n in range(20):
        try:
            await maker.accept(f"m{n}", bytes([n]) * 8000)
        except StoreBusy as busy:
            assert "full" in str(busy)
            refused += 1
    assert refused > 10 and store.low_on_disk
    before = await maker.count("envelope")
    assert before == 20 - refused, "what was refused is not there, what was accepted is"
    await store.run(pragma("max_page_count=1073741823"))
    await maker.accept("later", b"x" * 8000)
    assert not store.low_on_disk
    assert await maker.count("envelope") == before + 1
    await store.close()


async def test_below_the_reserve_nothing_new_is_taken_in_and_the_old_is_settled(
    tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    huge = DatabaseSettings(min_free_bytes=2**60)
    store = await databases.open_store(huge, tmp_path, clock, ids)
    await store.check_room()
    with pytest.raises(StoreBusy):
        await Maker(store, ids, clock).accept("m1")
    assert store.low_on_disk and await store.submit(UNIT)
    await store.close()


async def test_a_full_disk_under_a_large_blob_is_back_pressure(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("store.blobs.os.fsync", full)
    with pytest.raises(StoreBusy):
        await store.put_blob(b"x" * 100_000)
    monkeypatch.undo()
    sha256, _ = await store.put_blob(b"x" * 100_000)
    left = [path.name for path in (store.folder / "blobs").glob("??/*")]
    assert left == [sha256], "and no half of it is left"


class Failing(sqlite3.OperationalError):
    """An error as the SQLite driver raises it."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.sqlite_errorcode = code


def wrapped(error: Exception, kind: Any = OperationalError) -> Exception:
    made: Exception = kind("INSERT", {}, error)
    return made


async def test_a_broken_disk_stops_the_process(tmp_path: Path, clock: FixedClock, ids: CountingIds) -> None:
    told: list[BaseException] = []
    store = await Store(databases.settings("sqlite"), tmp_path, clock, ids, on_fatal=told.append).open()

    def broken(_: Connection) -> None:
        raise wrapped(Failing(sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error"))

    results = await asyncio.gather(store.run(broken), store.submit(UNIT), return_exceptions=True)
    assert isinstance(results[0], StoreBusy) and results[1] is True
    assert len(told) == 1
    await store.close()


async def test_a_stop_that_fails_leaves_nobody_waiting(
    tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    store = await databases.open_store(databases.settings("sqlite"), tmp_path, clock, ids)  # its stop raises

    def broken(_: Connection) -> None:
        raise wrapped(Failing(sqlite3.SQLITE_IOERR, "disk I/O error"))

    with pytest.raises(AssertionError, match="gave up"):
        await asyncio.wait_for(store.run(broken), 10)
    assert await asyncio.wait_for(store.submit(UNIT), 10)
    await store.close()


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (sqlite3.SQLITE_FULL, "full"),
        (4874, "full"),  # SQLITE_IOERR_SHMSIZE
        (sqlite3.SQLITE_IOERR_WRITE, "fatal"),
        (sqlite3.SQLITE_CORRUPT, "fatal"),
        (sqlite3.SQLITE_NOTADB, "fatal"),
        (sqlite3.SQLITE_READONLY, "fatal"),
        (sqlite3.SQLITE_BUSY, "lost"),
        (sqlite3.SQLITE_CANTOPEN, "lost"),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, None),
    ],
)
def test_each_trouble_of_sqlite_is_told_by_its_code(code: int, trouble: str | None) -> None:
    found = writer.diagnose(wrapped(Failing(code, "whatever")))
    assert found == writer.Trouble(**({trouble: True} if trouble else {}))


@pytest.mark.parametrize(
    ("name", "trouble"),
    [
        ("DiskFull", "full"),
        ("IoError", "fatal"),
        ("DataCorrupted", "fatal"),
        ("AdminShutdown", "lost"),
        ("CannotConnectNow", "lost"),
        ("TooManyConnections", "lost"),
        ("ReadOnlySqlTransaction", "lost"),
        ("DeadlockDetected", "again"),
        ("SerializationFailure", "again"),
        ("NotNullViolation", None),
        ("OperationalError", "lost"),
    ],
)
def test_each_trouble_of_postgresql_is_told_by_its_code(name: str, trouble: str | None) -> None:
    kind = getattr(psycopg.errors, name, None) or getattr(psycopg, name)
    found = writer.diagnose(wrapped(kind("whatever")))
    assert found == writer.Trouble(**({trouble: True} if trouble else {}))


@pytest.mark.parametrize("words", ["disk I/O error", "database disk image is malformed", "the disk is full"])
async def test_words_of_a_stranger_never_stop_the_process(
    tmp_path: Path, clock: FixedClock, ids: CountingIds, store: Store, words: str
) -> None:
    """PostgreSQL quotes the row in the text of an error."""
    maker = Maker(store, ids, clock)
    row = Insert("thread_key", {"key": words, "record": "r", "since": clock.now()})
    assert await store.submit(Unit(inserts=(row,)))
    with pytest.raises(IntegrityError):
        await store.submit(Unit(inserts=(row,)))
    assert not store.low_on_disk and await maker.count("thread_key") == 1


# ---- PostgreSQL: other writers, and connections that go


@pytest.fixture
def postgres() -> DatabaseSettings:
    return databases.settings("postgresql")


def cut_connections(settings: DatabaseSettings, state: str) -> int:
    """End the server's side of the store's connections, as a fail-over does; how many it were."""
    assert settings.url
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = %s"
    )
    with psycopg.connect(settings.url.get_secret_value(), autocommit=True) as connection:
        return len(connection.execute(query, (state,)).fetchall())


async def test_a_connection_lost_while_idle_is_replaced_unseen(
    postgres: DatabaseSettings, tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    store = await databases.open_store(postgres, tmp_path, clock, ids)
    assert await asyncio.to_thread(cut_connections, postgres, "idle") > 0
    assert await store.submit(UNIT)
    assert await Maker(store, ids, clock).count("tally") == 1
    await store.close()


async def test_a_connection_lost_before_the_commit_is_told_and_the_next_call_works(
    postgres: DatabaseSettings, tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    cuts = [1]

    def cut(point: str) -> None:
        if point == "accept.before_commit" and cuts:
            cuts.pop()
            assert cut_connections(postgres, "idle in transaction") == 1

    store = await databases.open_store(postgres, tmp_path, clock, ids, cut)
    maker = Maker(store, ids, clock)
    with pytest.raises(StoreBusy):
        await maker.accept("m1")
    assert await maker.count("envelope") == 0
    assert not (await maker.accept("m1")).repeat
    await store.close()


async def test_two_writers_in_each_others_way_both_get_through(
    postgres: DatabaseSettings, tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    store = await databases.open_store(postgres, tmp_path, clock, ids)
    maker = Maker(store, ids, clock)
    for name in ("a", "b"):
        await maker.add("thread_key", {"key": name, "record": "r", "since": clock.now()})
    tries: list[str] = []
    begun = threading.Event()

    def step(first: str, second: str) -> Callable[[Connection], None]:
        def run(connection: Connection) -> None:
            tries.append(first)
            for name in (first, second):
                connection.execute(
                    text("UPDATE thread_key SET record = record || 'x' WHERE key = :key"), {"key": name}
                )
                begun.set()
                if len(tries) < 3:
                    connection.execute(text("SELECT pg_sleep(0.2)"))

        return run

    one = asyncio.create_task(store.run(step("a", "b")))
    assert await asyncio.to_thread(begun.wait, 10)
    await asyncio.gather(one, store.run(step("b", "a")))
    assert len(tries) == 3, "they did meet"
    assert [row["record"] for row in await maker.all("thread_key")] == ["rxx", "rxx"]
    await store.close()


async def test_many_writers_of_few_chats_lose_nothing_and_keep_one_in_flight(
    postgres: DatabaseSettings, tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    """Two replicas take in the same messages of the same chats, each some of them twice, in other orders."""
    stores = [await databases.open_store(postgres, tmp_path / f"{n}", clock, ids) for n in range(2)]
    makers = [Maker(store, ids, clock) for store in stores]
    calls = [
        makers[n % 2].accept(f"m{n * 7 % 40}", bytes([n * 7 % 40]), order_key=f"chat-{n * 7 % 3}", owner="me")
        for n in range(240)
    ]
    stored = await asyncio.gather(*calls)
    assert sum(not one.repeat for one in stored) == 40
    rows = await makers[0].all("envelope")
    flying = [row["order_key"] for row in rows if row["state"] == "claimed"]
    assert len(rows) == 40 and sorted(set(flying)) == sorted(flying)
    assert sum(one.claimed for one in stored) == len(flying)
    assert await makers[0].count("sighting") == 200
    for store in stores:
        await store.close()
