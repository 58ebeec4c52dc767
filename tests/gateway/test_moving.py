"""Backup, restore and migration, by the command line: everything is there at the other side, counted, and on hold."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.trouble import Trouble
from store import blobs, leases, migrate, moving, sweep
from store.settings import RetentionSettings
from tests import databases
from tests.rigs import form
from tests.rigs.daemon import House
from tests.rigs.office import TIMES, TOKEN
from tests.rigs.ways import Form

RECORDS = 12


def config(data: Path, database: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "listen": {"port": 0},
        "data": str(data),
        "api": {"admin_token": TOKEN},
        "database": {"min_free_bytes": 0, "inline_bytes": 100, **database},
        "channels": {"form": form.settings()},
        **TIMES,
    }


def written(path: Path, whole: Mapping[str, Any]) -> str:
    path.write_text(json.dumps(whole), encoding="utf-8")
    return str(path)


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def refused(*arguments: str) -> tuple[int, str]:
    """The exit code and the words of a verb that cannot be done."""
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, Trouble), (done.output, done.exception)
    return int(done.exception.code), str(done.exception)


def empty() -> dict[str, Any]:
    """A database of PostgreSQL in which nothing was ever made."""
    return {"url": databases.migrated_database()}


async def filled(house: House) -> None:
    body = form.multipart(form.fields(1).items(), [("photo", "照片.txt", b"pixels" * 100)])
    for n in range(RECORDS):
        told = await Form().post(
            house,
            body,
            id=f"form-{n}",
            content_type=f"multipart/form-data; boundary={form.BOUNDARY}",
        )
        assert told.taken
    await house.idle()


@pytest.mark.parametrize("kind", databases.KINDS)
async def test_a_backup_of_a_running_store_is_restored_whole_and_on_hold(kind: str, tmp_path: Path) -> None:
    database = empty() if kind == "postgresql" else {}
    whole = config(tmp_path / "data", database)
    target = tmp_path / "backup"
    async with House(whole, tmp_path) as house:
        await filled(house)
        told = await asyncio.to_thread(run, "backup", str(target), "-c", str(house.path))
        assert told["rows"]["record"] == RECORDS and told["files"] >= 1
        before = sorted(one["reference"] for one in await house.records())
    new = config(tmp_path / "new", empty() if kind == "postgresql" else {})
    again = written(tmp_path / "new.yaml", new)
    restored = run("restore", str(target), "-c", again)
    assert restored["balanced"] is True and restored["findings"] == []
    counted = {one["table"]: one for one in restored["tables"]}
    assert counted["record"]["source"] == counted["record"]["target"] == RECORDS
    # Into one that is not empty, nothing is put.
    assert refused("restore", str(target), "-c", again)[0] == 65
    async with House(new, tmp_path / "new") as house:
        assert house.store.on_hold
        assert sorted(one["reference"] for one in await house.records()) == before
        await house.ask("POST", "/v1/admin/release")
        await Form().post(house, b'{"message": "After the restore."}')
        await house.until(lambda: _n(house, RECORDS + 1))


async def test_a_store_moves_from_sqlite_to_postgresql_and_goes_on(tmp_path: Path) -> None:
    old = config(tmp_path / "data", {})
    async with House(old, tmp_path) as house:
        await filled(house)
        assert refused("migrate", "--to", str(house.path), "-c", str(house.path))[0] == 64
        before = [one["reference"] for one in await house.records()]
    new = config(tmp_path / "data", empty())
    path = written(tmp_path / "new.yaml", new)
    moved = run("migrate", "--to", path, "-c", str(house.path))
    assert moved["balanced"] is True
    told = moved["tables"]
    assert {one["table"] for one in told} >= {"record", "event", "delivery", "blob", "ticket"}
    assert all(one["source"] == one["target"] for one in told)
    (tmp_path / "second").mkdir()
    async with House(new, tmp_path / "second") as house:
        assert house.store.on_hold, "it is a copy"
        assert [one["reference"] for one in await house.records()] == before
        await house.ask("POST", "/v1/admin/release")
        await Form().post(house, b'{"message": "After the move."}')
        await house.until(lambda: _n(house, RECORDS + 1))
        await house.until(
            lambda: _found(house, "照片", RECORDS)
        )  # records are read into the new engine's index
        positions = [one["position"] for one in (await house.ask("GET", "/v1/events?limit=1000"))["events"]]
        assert positions == sorted(set(positions)), "the feed's positions go on"


async def test_a_store_with_which_a_daemon_works_is_not_moved(tmp_path: Path) -> None:
    for name, database in (("sqlite", {}), ("postgresql", empty())):
        folder = tmp_path / name
        folder.mkdir()
        new = written(folder / "new.yaml", config(folder / "new", {}))
        async with House(config(folder / "data", database), folder) as house:
            await house.daemon._live()
            code, said = await asyncio.to_thread(refused, "migrate", "--to", new, "-c", str(house.path))
            assert code == 69 and "stop the daemon" in said


async def test_a_backup_whose_bytes_are_gone_or_damaged_is_told(tmp_path: Path) -> None:
    whole = config(tmp_path / "data", {})
    async with House(whole, tmp_path) as house:
        await filled(house)
    target = tmp_path / "backup"
    run("backup", str(target), "-c", str(house.path))
    (file, *_) = [one for one in (target / "blobs").rglob("*") if one.is_file()]
    size = file.stat().st_size
    file.write_bytes(b"x" * size)
    again = written(tmp_path / "new.yaml", config(tmp_path / "new", {}))
    code, said = refused("restore", str(target), "-c", again)
    assert code == 65 and "damaged" in said
    with sqlite3.connect(target / "forebay.db") as database:
        database.execute("DELETE FROM event")
    code, said = refused("restore", str(target), "-c", again)
    assert code == 65 and "manifest" in said


async def test_a_restored_store_that_does_not_balance_is_told(tmp_path: Path) -> None:
    whole = config(tmp_path / "data", {})
    target = tmp_path / "backup"
    async with House(whole, tmp_path) as house:
        await filled(house)
        await asyncio.to_thread(run, "backup", str(target), "-c", str(house.path))
    with sqlite3.connect(target / "forebay.db") as damaged:
        damaged.execute("DELETE FROM envelope WHERE id = (SELECT min(id) FROM envelope)")
    damaged.close()
    (target / "manifest.json").unlink()
    again = written(tmp_path / "new.yaml", config(tmp_path / "new", {}))
    done = CliRunner().invoke(app, ["restore", str(target), "-c", again])
    assert done.exit_code == 1 and "1 of 12 are nowhere" in done.stdout, done.stdout
    assert "THE COUNTS DO NOT BALANCE" in done.stdout


async def test_no_daemon_deletes_bytes_while_a_backup_copies_them(tmp_path: Path) -> None:
    async with House(config(tmp_path / "data", {}), tmp_path) as house:
        sha256, _ = await house.store.put_blob(b"x" * 1_000)
        file = house.store.blobs.path(sha256)
        settings = RetentionSettings(blob_grace=timedelta())
        ago = time.time() - 10 * 86_400
        os.utime(file, (ago, ago))
        with blobs.holding(tmp_path / "data" / "blobs"):
            for _ in range(2):
                await sweep.sweep(house.store, settings)
            assert file.exists() and await house.store.load_blob(sha256) is not None
        # A backup that died holds nobody up for long.
        mark = tmp_path / "data" / "blobs" / ".backup"
        mark.touch()
        os.utime(mark, (time.time() - 7_200,) * 2)
        for _ in range(2):
            await sweep.sweep(house.store, settings)
        assert not file.exists()


@pytest.mark.parametrize("kind", databases.KINDS)
async def test_nobody_holds_a_lease_in_a_copy(kind: str, tmp_path: Path) -> None:
    """However long they last at the source: whoever starts on the copy would wait for a daemon that is elsewhere."""
    target_url = (
        databases.migrated_database() if kind == "postgresql" else f"sqlite:///{tmp_path / 'copy.db'}"
    )
    async with House(config(tmp_path / "data", {}), tmp_path) as house:
        now, owner = house.store.now(), house.store.owner
        await house.store.run(lambda c: leases.own_process(c, owner, timedelta(days=1), now), "lease")
        await house.store.run(lambda c: leases.take(c, "mail", owner, timedelta(days=1), now), "lease")
        source_url = f"sqlite:///{tmp_path / 'data' / 'forebay.db'}"
        with moving.opened(source_url) as source, moving.opened(target_url) as target:
            moving.copy(source, target)
            assert moving.daemons(target) == 0
            with target.begin() as writing:
                assert leases.take(writing, "mail", "another", timedelta(seconds=1), now) is not None


def test_a_table_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with moving.opened(f"sqlite:///{tmp_path / 'a.db'}") as source:
        migrate.upgrade(source)
        with source.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE strange (id TEXT PRIMARY KEY)")
        with (
            moving.opened(f"sqlite:///{tmp_path / 'b.db'}") as target,
            pytest.raises(moving.MovingError, match="strange"),
        ):
            moving.copy(source, target)


async def _found(house: House, words: str, n: int) -> bool:
    return len((await house.ask("GET", f"/v1/records?q={words}"))["records"]) == n


async def _n(house: House, n: int) -> bool:
    return len(await house.records()) == n


def test_every_table_is_known_without_anything_else(tmp_path: Path) -> None:
    """A module with tables that `store.moving` does not import would be told as a strange table by the command."""
    script = (
        "import sys\n"
        "from store import leases, migrate, moving\n"
        "with moving.opened(sys.argv[1]) as database:\n"
        "    migrate.upgrade(database)\n"
        "    print(len(moving.counts(database)))\n"
    )
    url = f"sqlite:///{tmp_path / 'a.db'}"
    done = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 25
