"""The feed: a reader that asks for what comes after the last position sees every event exactly once."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text

from store.schema import event
from store.store import Store
from store.units import Unit
from tests import databases
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker

WRITERS, EACH = 8, 25


async def after(store: Store, position: int) -> list[tuple[int, str]]:
    query = select(event.c.position, event.c.id).where(event.c.position > position).order_by(event.c.position)
    return await store.read(lambda c: [(row.position, row.id) for row in c.execute(query)])


@pytest.mark.parametrize("kind", databases.KINDS)
async def test_readers_beside_many_writers_miss_nothing(
    kind: str, tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    """Some units fail, which leaves holes in the positions; no hole is ever filled later."""
    settings = databases.settings(kind, writers=4, batch=4, linger_ms=0)
    replicas = 2 if kind == "postgresql" else 1
    stores = [await databases.open_store(settings, tmp_path / f"{n}", clock, ids) for n in range(replicas)]
    written: list[str] = []

    async def write(lane: int) -> None:
        maker = Maker(stores[lane % replicas], ids, clock)
        for n in range(EACH):
            events = tuple(maker.event() for _ in range(1 + n % 3))
            bad = (maker.event(actor=None),) if n % 7 == 3 else ()
            try:
                await maker.store.submit(Unit(inserts=(*events, *bad)))
                written.extend(row.values["id"] for row in events)
            except Exception:
                assert bad

    writing = asyncio.gather(*(write(lane) for lane in range(WRITERS)))
    seen: list[tuple[int, str]] = []
    last = 0
    while not writing.done():
        fresh = await after(stores[0], last)
        seen += fresh
        last = fresh[-1][0] if fresh else last
        await asyncio.sleep(0)
    await writing
    seen += await after(stores[0], last)
    assert [id_ for _, id_ in seen] == [id_ for _, id_ in await after(stores[0], 0)]
    assert sorted(id_ for _, id_ in seen) == sorted(written)
    for store in stores:
        await store.close()


async def test_no_later_position_is_seen_before_an_earlier_one(
    tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    """One writer has its position and not yet its commit; another must not overtake it."""
    reached, go_on = threading.Event(), threading.Event()

    def hook(point: str) -> None:
        if point == "slow.before_commit":
            reached.set()
            assert go_on.wait(30)

    settings = databases.settings("postgresql")
    stores = [await databases.open_store(settings, tmp_path / f"{n}", clock, ids, hook) for n in range(2)]
    maker = Maker(stores[0], ids, clock)
    first, second = maker.event(), maker.event()
    slow = asyncio.create_task(stores[0].submit(Unit(inserts=(first,), label="slow")))
    assert await asyncio.to_thread(reached.wait, 30)
    quick = asyncio.create_task(stores[1].submit(Unit(inserts=(second,), label="quick")))
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    for _ in range(10_000):
        if quick.done() or await stores[0].read(lambda c: c.scalar(waits)):
            break
    assert not quick.done() and await after(stores[0], 0) == []
    go_on.set()
    await asyncio.gather(slow, quick)
    assert [id_ for _, id_ in await after(stores[0], 0)] == [first.values["id"], second.values["id"]]
    for store in stores:
        await store.close()
