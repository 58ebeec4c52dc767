"""The writer: what it promises to callers when they leave, when there are too many, and when it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from store.errors import StoreBusy
from store.store import Store
from store.units import Count, Guard, Insert, Unit
from tests import databases
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker

Opener = Callable[..., Awaitable[Store]]


class Gate:
    """A hook that holds every commit back until opened, and notes the points that were passed."""

    def __init__(self, *, open_: bool = False) -> None:
        self.points: list[str] = []
        self.reached = threading.Event()
        self._open = threading.Event()
        if open_:
            self._open.set()

    def __call__(self, point: str) -> None:
        self.points.append(point)
        if point.endswith("before_commit"):
            self.reached.set()
            assert self._open.wait(30)

    def open(self) -> None:
        self._open.set()

    async def wait_reached(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 30)


@pytest.fixture(params=databases.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_store(kind: str, tmp_path: Path, clock: FixedClock, ids: CountingIds) -> Opener:
    async def opened(gate: Gate, **values: object) -> Store:
        settings = databases.settings(kind, writers=1, **values)
        return await databases.open_store(settings, tmp_path / "data", clock, ids, gate)

    return opened


def count(n: int = 1, label: str = "count") -> Unit:
    return Unit(counts=(Count("2026-11-22", "form", "seen", n),), label=label)


async def test_nobody_is_answered_before_the_commit(open_store: Opener, clock: FixedClock) -> None:
    gate = Gate()
    store: Store = await open_store(gate)
    task = asyncio.create_task(store.submit(count()))
    await gate.wait_reached()
    await asyncio.sleep(0)
    assert not task.done()
    assert await Maker(store, CountingIds(), clock).count("tally") == 0
    gate.open()
    assert await task
    await store.close()


async def test_a_caller_that_goes_does_not_take_its_work_along(
    open_store: Opener, ids: CountingIds, clock: FixedClock
) -> None:
    gate = Gate()
    store: Store = await open_store(gate)
    task = asyncio.create_task(store.submit(count(5)))
    await gate.wait_reached()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open()
    await store.submit(count(2))
    (row,) = await Maker(store, ids, clock).all("tally")
    assert row["n"] == 7
    await store.close()


async def test_a_full_queue_refuses_and_keeps_room_for_settling(
    open_store: Opener, ids: CountingIds, clock: FixedClock
) -> None:
    gate = Gate()
    store: Store = await open_store(gate, queue=64, batch=1)
    maker = Maker(store, ids, clock)
    first = asyncio.create_task(store.submit(count()))
    await gate.wait_reached()
    accepted = [asyncio.create_task(maker.accept(f"m{n}")) for n in range(60)]
    await asyncio.sleep(0)
    settled = [asyncio.create_task(store.submit(count())) for _ in range(20)]
    await asyncio.sleep(0)
    gate.open()
    results = await asyncio.gather(first, *accepted, *settled, return_exceptions=True)
    refused = [n for n, result in enumerate(results) if isinstance(result, StoreBusy)]
    assert refused == [*range(1 + 48, 1 + 60), *range(61 + 16, 61 + 20)]
    assert await maker.count("envelope") == 48
    await maker.accept("later")
    await store.close()


async def test_of_several_units_each_ends_for_itself(
    open_store: Opener, ids: CountingIds, clock: FixedClock
) -> None:
    store: Store = await open_store(Gate(open_=True))
    new = Insert("sighting", {"id": "s1", "envelope": "e", "channel": "form", "at": clock.now()})
    lost = Guard("record", {"id": "nowhere", "state": "registered"}, {"state": "taken"})
    units = [
        count(1),
        Unit(inserts=(new,)),
        Unit(lost, (), (), (Count("d", "form", "seen"),)),
        Unit(inserts=(new,)),
        count(2),
    ]
    ended = await store.submit_all(units)
    assert [one for one in ended if isinstance(one, bool)] == [True, True, False, True]
    assert isinstance(ended[3], IntegrityError)
    assert [row["n"] for row in await Maker(store, ids, clock).all("tally")] == [3]
    assert await store.submit_all([]) == []
    await store.close()


async def test_several_units_that_have_no_room_are_refused_together(
    open_store: Opener, ids: CountingIds, clock: FixedClock
) -> None:
    gate = Gate()
    store: Store = await open_store(gate, queue=64, batch=1)
    first = asyncio.create_task(store.submit(count()))
    await gate.wait_reached()
    with pytest.raises(StoreBusy):
        await store.submit_all([count()] * 65)
    gate.open()
    assert await first
    assert await store.submit_all([count()] * 60) == [True] * 60
    assert [row["n"] for row in await Maker(store, ids, clock).all("tally")] == [61]
    await store.close()


async def test_closing_commits_what_waits_and_refuses_the_rest(
    kind: str, tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    gate, settings = Gate(), databases.settings(kind, writers=1)
    store = await databases.open_store(settings, tmp_path / "data", clock, ids, gate)
    tasks = [asyncio.create_task(store.submit(count())) for _ in range(200)]
    await gate.wait_reached()
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreBusy):
        await store.submit(count())
    gate.open()
    assert await asyncio.gather(*tasks) == [True] * 200
    await closing
    await store.close()  # safe to repeat
    again = await databases.open_store(settings, tmp_path / "data", clock, ids)
    assert sum(row["n"] for row in await Maker(again, ids, clock).all("tally")) == 200
    await again.close()


async def test_the_points_before_and_after_each_commit_are_named_after_the_steps(
    open_store: Opener, ids: CountingIds, clock: FixedClock
) -> None:
    gate = Gate(open_=True)
    store: Store = await open_store(gate)
    await store.submit(count(label="register"))
    await Maker(store, ids, clock).accept("m1")
    await store.run(lambda c: None, "claim")
    expected = [
        f"{step}.{when}_commit" for step in ("register", "accept", "claim") for when in ("before", "after")
    ]
    assert gate.points == expected
    await store.close()


async def test_what_arrives_during_a_commit_shares_the_next_one(open_store: Opener) -> None:
    gate = Gate()
    store: Store = await open_store(gate, linger_ms=0)
    first = asyncio.create_task(store.submit(count()))
    await gate.wait_reached()
    others = [asyncio.create_task(store.submit(count())) for _ in range(60)]
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(first, *others)
    assert (store.writer.flushes, store.writer.units) == (2, 61)
    await store.close()


async def test_a_step_that_fails_fails_for_its_caller_only(open_store: Opener) -> None:
    store: Store = await open_store(Gate(open_=True))

    def bad(_: object) -> None:
        raise LookupError("mine")

    results = await asyncio.gather(store.run(bad), store.submit(count()), return_exceptions=True)
    assert isinstance(results[0], LookupError) and results[1] is True
    await store.close()


async def test_a_store_that_never_opened_can_be_closed(
    tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> None:
    store = Store(databases.settings("sqlite"), tmp_path / "data", clock, ids, on_fatal=databases.fail_test)
    with pytest.raises(StoreBusy):
        await store.submit(count())
    await store.close()
