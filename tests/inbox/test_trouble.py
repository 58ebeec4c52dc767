"""The way in when something beside it goes wrong: the store, a flood, a request that ends, a worker that dies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Batch
from inbox import reading, worker
from inbox.hot import Hot, HotQueue
from inbox.process import Processor
from inbox.pull import Puller
from inbox.settings import InboxSettings
from model.draft import Draft
from model.envelope import StoredEnvelope
from model.states import EnvelopeState
from outbox.slots import Slots
from store.errors import StoreBusy
from store.settings import LeaseSettings
from store.units import Unit
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.tools import NOW, CountingIds, FixedClock, RecordingLog
from tests.rigs.ways import Form


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with Office() as office:
        yield office


@pytest.mark.parametrize("label", ["process.registered", "process.held"])
async def test_what_the_store_could_not_take_is_tried_again_at_once_and_not_when_it_is_recovered(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    leases = {"ttl": 60, "recover": 60}
    async with House(office.config(tmp_path / "data", leases=leases), tmp_path) as house:
        submit_all, left = house.store.submit_all, [2]

        async def busy(units: Sequence[Unit]) -> Sequence[bool | BaseException]:
            if left[0] and label in [unit.label for unit in units]:
                left[0] -= 1
                raise StoreBusy("the database is out of reach")
            return await submit_all(units)

        monkeypatch.setattr(house.store, "submit_all", busy)
        await Form().bring(house, 1, office=office, text="hold this" if label == "process.held" else "Hello.")
        await house.idle(10)
        assert left == [0]
        assert [one["state"] for one in await house.envelopes()] == [label.partition(".")[2]]


async def test_a_plan_that_cannot_be_made_into_a_unit_gives_its_places_back(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each such message would take places of the outbox's hot queue away, until none is left."""
    async with House(office.config(tmp_path / "data"), tmp_path) as house:

        def broken(*_: Any) -> Unit:
            raise KeyError("a bug of ours")

        monkeypatch.setattr("inbox.registering.register", broken)
        for n in range(5):
            await Form().bring(house, n, office=office)
        await house.idle()
        assert {one["state"] for one in await house.envelopes()} == {"quarantined"}
        assert house.daemon.house.dispatcher._reserved == 0


class _Nobody:
    """An outbox that is not asked."""

    def plan(self, registration: Any) -> Any:
        raise AssertionError

    def release(self, planned: Any, committed: bool) -> None:
        raise AssertionError


def _envelope(n: int, kind: str = "form") -> StoredEnvelope:
    return StoredEnvelope(
        id=f"e{n}",
        account="a",
        channel="c",
        kind=kind,
        source_id=str(n),
        fingerprint=str(n),
        order_key=None,
        received_at=NOW,
        sent_at=None,
        state=EnvelopeState.CLAIMED,
        reason=None,
        claim="t",
        claims=0,
        record=None,
        parent=None,
        reference=f"FB-{n}",
        blob="b",
        size=1,
        media_type="text/plain",
        meta={},
    )


async def test_what_waits_in_the_database_has_its_turn_while_the_hot_queue_never_runs_dry(
    clock: FixedClock, ids: CountingIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot = HotQueue(8)
    settings = InboxSettings(poll=timedelta(milliseconds=20))
    processor = Processor(
        None,  # type: ignore[arg-type]
        {},
        hot,
        None,  # type: ignore[arg-type]
        _Nobody(),
        settings,
        rules=lambda: None,  # type: ignore[arg-type,return-value]
        clock=clock,
        ids=ids,
        log=RecordingLog(),
        after_message=lambda state: state,
        after_delivery=lambda state, purpose: state,
        child=None,  # type: ignore[arg-type]
    )
    looked = 0

    def refill() -> None:
        while hot.reserve():
            hot.put(Hot(_envelope(0), b""))

    async def claim(limit: int, *, recovered: bool) -> list[Hot]:
        nonlocal looked
        looked += not recovered
        return []

    async def tried(batch: Any) -> bool:
        await asyncio.sleep(0.001)
        refill()
        return True

    monkeypatch.setattr(processor, "_claim", claim)
    monkeypatch.setattr(processor, "_tried", tried)
    refill()
    running = asyncio.create_task(processor.run())
    async with asyncio.timeout(5):
        while looked < 3:  # noqa: ASYNC110 — nobody tells
            await asyncio.sleep(0.01)
    processor.stop()
    await running


# ---- slots


async def test_a_slot_is_taken_only_by_the_channel_whose_door_waits() -> None:
    slots = Slots()
    slot = slots.offer("chat", "e1")
    assert slots.take("mail", "e1") is None
    assert slots.take("chat", "e1") is slot


async def test_a_door_that_is_cancelled_lets_go_of_who_fills_its_slot() -> None:
    slots = Slots()
    waiting = asyncio.create_task(slots.offer("chat", "e1").message(30))
    await asyncio.sleep(0)
    slot = slots.take("chat", "e1")
    assert slot is not None
    filling = asyncio.create_task(slot.fill("words"))  # type: ignore[arg-type]
    waiting.cancel()
    async with asyncio.timeout(5):
        assert await filling is False


async def test_a_door_whose_acknowledgement_was_refused_does_not_wait() -> None:
    slots = Slots()
    waiting = asyncio.create_task(slots.offer("chat", "e1").message(30))
    await asyncio.sleep(0)
    slots.nothing("e1")
    async with asyncio.timeout(5):
        assert await waiting is None
    assert slots.take("chat", "e1") is None


# ---- fetching


class _Source:
    """A source whose batches are given, and that then waits for ever."""

    def __init__(self, *batches: Batch) -> None:
        self.batches = list(batches)
        self.confirmed: list[Any] = []
        self.stubborn = asyncio.Event()

    async def fetch(self, cursor: Any, wait: timedelta) -> Batch:
        if self.batches:
            return self.batches.pop(0)
        try:
            await asyncio.Event().wait()
        finally:
            await self.stubborn.wait()
        raise AssertionError

    async def confirm(self, handles: Any) -> None:
        self.confirmed += handles


class _Pulled:
    """What a puller needs of a channel and a store, with a lease that a test can take away."""

    def __init__(self, source: _Source) -> None:
        self.name, self.open, self.on_hold, self.owner = "box", True, False, "me"
        self.connector: Any = source
        self.health: Any = None
        self.last_ok_at: Any = None
        self.lost = False
        self.embedded, self.woken, self.mended = True, asyncio.Event(), asyncio.Event()
        self.moves: list[Any] = []

    async def run(self, step: Any, label: str) -> Any:
        if label == "cursor":
            return {}
        return None if self.lost else 1

    async def submit(self, unit: Unit) -> bool:
        return True

    async def accept(self, channel: Any, batch: Batch, move: Any) -> list[Any]:
        self.moves.append(move)
        return []


def _puller(one: _Pulled, clock: FixedClock) -> Puller:
    one.connector.__class__.__aenter__ = one.connector.__class__.__aexit__ = None
    one.connector.__class__.probe = None
    any_: Any = one
    lease = LeaseSettings(renew=timedelta(milliseconds=10))
    return Puller(any_, any_, any_, InboxSettings(), lease, clock=clock, log=RecordingLog())


async def test_handles_that_come_without_envelopes_are_kept_and_confirmed(clock: FixedClock) -> None:
    source = _Source(Batch(handles=["h1"]))
    source.stubborn.set()
    one = _Pulled(source)
    running = asyncio.create_task(_puller(one, clock).run())
    async with asyncio.timeout(5):
        while source.confirmed != ["h1"]:  # noqa: ASYNC110 — nobody tells
            await asyncio.sleep(0.01)
    assert [list(move.pending) for move in one.moves] == [["h1"]]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_stop_that_comes_while_a_lost_lease_is_being_left_is_heard(clock: FixedClock) -> None:
    """Swallowed, the fetch loop would go on, and whoever stops it wait for ever."""
    source = _Source()
    one = _Pulled(source)
    running = asyncio.create_task(_puller(one, clock).run())
    await asyncio.sleep(0.05)
    one.lost = True
    await asyncio.sleep(0.05)  # by now the fetch is cancelled, and takes its time
    running.cancel()
    await asyncio.sleep(0.01)
    source.stubborn.set()
    _, late = await asyncio.wait({running}, timeout=1)
    running.cancel()
    assert not late


# ---- reading


async def test_a_worker_that_died_while_idle_costs_no_envelope(tmp_path: Path) -> None:
    from normalizer.catalog import CATALOG

    reader = reading.Reader(InboxSettings(), CATALOG, tmp_path)
    try:
        mail = _envelope(1, "email")
        raw = b"From: a@example.com\r\nSubject: Hello\r\n\r\nHello.\r\n"
        assert isinstance(await reader.read(mail, raw, {}), Draft)
        (idle,) = reader._plain._free
        os.kill(idle._process.pid, signal.SIGKILL)
        await idle._process.wait()
        assert (await reader.read(mail, raw, {})).subject == "Hello"
    finally:
        await reader.close()


def test_a_reader_that_fails_tells_where_and_not_what_the_customer_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        @staticmethod
        def load() -> Any:
            def read(source: Any) -> Draft:
                raise ValueError(source.raw.decode())

            return read

    monkeypatch.setattr(worker, "CATALOG", {"email": Broken})
    header = {"kind": "email", "media_type": "", "received_at": NOW.isoformat(), "sent_at": None}
    answer = worker._answer({**header, "meta": {}, "options": {}, "path": None}, b"my illness", tmp_path)
    told = capsys.readouterr().err
    assert b"ValueError" in answer and b"illness" not in answer
    assert "ValueError" in told and "illness" not in told and Path(__file__).name in told
