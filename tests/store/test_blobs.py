"""Blobs: small ones in the row, large ones as files that are whole or not there."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from gateway.tools import SystemClock, SystemIds
from model.tools import Spooled
from store.blobs import Blobs
from store.store import Store
from tests import databases
from tests.rigs.tools import NOW

LARGE = b"L" * 100_000
DIGEST = hashlib.sha256(LARGE).hexdigest()


async def test_small_bytes_stand_in_the_row_and_large_ones_in_a_file(store: Store) -> None:
    small, _ = await store.put_blob(b"small")
    large, size = await store.put_blob(LARGE)
    assert (large, size) == (DIGEST, 100_000)
    assert not store.blobs.path(small).exists() and store.blobs.path(large).read_bytes() == LARGE
    assert await store.load_blob(small) == b"small" and await store.load_blob(large) == LARGE
    for sha256, raw in ((small, b"small"), (large, LARGE)):
        stream = await store.open_blob(sha256)
        assert stream and b"".join([piece async for piece in stream]) == raw
    assert await store.load_blob("0" * 64) is None and await store.open_blob("0" * 64) is None


async def test_spooled_bytes_become_a_blob(store: Store, tmp_path: Path) -> None:
    spooled = tmp_path / "spooled"
    spooled.write_bytes(LARGE)
    sha256, _ = await store.put_blob(Spooled(spooled, len(LARGE), DIGEST))
    assert await store.load_blob(sha256) == LARGE


async def test_the_same_bytes_at_once_are_one_file(store: Store) -> None:
    put = await asyncio.gather(*(store.put_blob(LARGE) for _ in range(20)))
    assert {sha256 for sha256, _ in put} == {DIGEST}
    assert [path.name for path in (store.folder / "blobs").glob("*/*")] == [DIGEST]


async def test_a_file_cut_short_is_written_again(store: Store) -> None:
    await store.put_blob(LARGE)
    store.blobs.path(DIGEST).write_bytes(b"cut")
    await store.put_blob(LARGE)
    assert await store.load_blob(DIGEST) == LARGE


async def test_bytes_folder_and_name_are_synced_in_this_order_before_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a file that is there already: its writer may not have come so far."""
    (tmp_path / "blobs").mkdir()
    blobs, seen = Blobs(tmp_path / "blobs", 10), list[str]()
    sync, replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        seen.append(f"sync {Path(f'/proc/self/fd/{handle}').readlink().name[:7]}")
        sync(handle)

    def renamed(path: Path, target: Path) -> Path:
        seen.append(f"rename {path.name[:7]}")
        return replace(path, target)

    monkeypatch.setattr("store.blobs.os.fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    await blobs.prepare(LARGE, NOW)
    temporary = f".{DIGEST[:6]}"
    folders = [f"sync {DIGEST[:2]}", "sync blobs"]
    assert seen == [f"sync {temporary}", f"rename {temporary}", *folders]
    seen.clear()
    await blobs.prepare(LARGE, NOW)
    assert seen == folders


async def test_two_stores_over_one_database_share_the_folder_of_large_bytes(tmp_path: Path) -> None:
    shared = databases.settings("postgresql", inline_bytes=10, blobs=tmp_path / "shared")
    clock, ids = SystemClock(), SystemIds()
    first = await databases.open_store(shared, tmp_path / "first", clock, ids)
    try:
        second = await databases.open_store(shared, tmp_path / "second", clock, ids)
        try:
            sha256, _ = await first.put_blob(b"more than is kept in a row")
            assert await second.load_blob(sha256) == b"more than is kept in a row"
        finally:
            await second.close()
    finally:
        await first.close()
