"""Identifiers sort by call, the spool bounds memory and leaves nothing behind, the vault outlives the store."""

from __future__ import annotations

import hashlib
import stat
import threading
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.tools import FileSpool, StoreVault, SystemClock, SystemIds
from model.tools import Spooled
from store.store import Store


def names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def test_ids_are_version_7_uuids_of_now() -> None:
    made = uuid.UUID(SystemIds().new())
    at = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert abs(at - datetime.now(UTC)) < timedelta(seconds=5)


def test_later_ids_sort_later_within_a_millisecond() -> None:
    ids = SystemIds()
    made = [ids.new() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_later_ids_sort_later_when_the_clock_jumps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [1_800_000_000_000_000_000]
    monkeypatch.setattr("time.time_ns", lambda: at[0])
    ids = SystemIds()
    before = ids.new()
    at[0] -= 3600 * 10**9
    after = [ids.new() for _ in range(100)]
    assert [before, *after] == sorted({before, *after})


def test_a_used_up_tail_borrows_from_the_next_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_000_000_000)
    ids = SystemIds()
    ids.new()
    ids._tail = (1 << 74) - 1
    full, over = f"{ids._ms:012x}", ids.new()
    assert over.replace("-", "")[:12] > full
    assert uuid.UUID(over).version == 7


def test_threads_never_get_the_same_id() -> None:
    ids = SystemIds()
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.extend([ids.new() for _ in range(2_000)])) for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(made)) == 8_000


def test_draw_gives_as_many_bytes_as_asked_and_never_the_same() -> None:
    ids = SystemIds()
    assert len(ids.draw(32)) == 32
    assert ids.draw(16) != ids.draw(16)


async def test_the_clock_is_aware_and_does_not_go_back() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.now().utcoffset() == timedelta()
    assert clock.monotonic() >= before


async def test_small_bytes_stay_in_memory(tmp_path: Path) -> None:
    kept = await FileSpool(tmp_path / "spool", 10).keep(pieces(b"12345", b"67890"), 100)
    assert kept == b"1234567890"
    assert not (tmp_path / "spool").exists()


async def test_large_bytes_become_a_file_that_only_we_can_read(tmp_path: Path) -> None:
    data = [bytes([n]) * 100_000 for n in range(9)]
    kept = await FileSpool(tmp_path / "spool", 1000).keep(pieces(*data), 10**6)
    assert isinstance(kept, Spooled)
    whole = b"".join(data)
    assert kept.path.read_bytes() == whole
    assert (kept.size, kept.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("memory", [10, 1000])
async def test_more_than_the_limit_is_refused_and_leaves_no_file(tmp_path: Path, memory: int) -> None:
    with pytest.raises(OverflowError, match="more than 100 bytes"):
        await FileSpool(tmp_path, memory).keep(pieces(b"x" * 60, b"x" * 60), 100)
    assert names(tmp_path) == []


async def test_a_source_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 60
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await FileSpool(tmp_path, 10).keep(broken(), 100)
    assert names(tmp_path) == []


async def test_clearing_removes_what_an_earlier_process_left(tmp_path: Path) -> None:
    (tmp_path / "raw-left").write_bytes(b"x")
    FileSpool(tmp_path).clear()
    assert names(tmp_path) == []


async def test_the_vault_keeps_the_last_value_of_each_owner(store: Store) -> None:
    mine, other = StoreVault(store, "wechat"), StoreVault(store, "line")
    assert await mine.get("token") is None
    await mine.put("token", "first")
    await mine.put("token", "second")
    await other.put("token", "another's")
    assert (await mine.get("token"), await other.get("token")) == ("second", "another's")
