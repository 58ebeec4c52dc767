"""The dispatcher when something beside it goes wrong: the store, a reload, a look-up, its own loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from model.delivery import Delivery, OnUncertain, Purpose, Receipt
from model.failures import Reason, TemporaryFailure, Uncertain
from model.states import DeliveryState
from outbox import rows, send, settle
from outbox.send import Dispatcher
from outbox.settings import CircuitSettings, OutboxSettings
from outbox.targets import Circuit, Target
from store import deliveries
from store.errors import StoreBusy
from store.schema import attempt, delivery
from store.store import Store
from store.units import Insert, Unit
from tests.rigs.tools import CountingIds, FixedClock, RecordingLog

#: Circuits open at the first failure; the loop looks around all the time.
SETTINGS = OutboxSettings(
    poll=timedelta(milliseconds=5), circuit=CircuitSettings(failures=1, pause=timedelta(seconds=30))
)
Send = Callable[[Delivery], Awaitable[Receipt]]


class Bench:
    """A dispatcher with targets that do what a test says."""

    def __init__(self, store: Store, ids: CountingIds, clock: FixedClock) -> None:
        self.store, self.ids, self.clock = store, ids, clock
        self.log = RecordingLog()
        self.targets: dict[str, Target] = {}
        self.sent: list[str] = []
        settler = settle.Settler(store, SETTINGS, clock=clock, ids=ids, after_delivery=lambda state, _: state)
        self.dispatcher = Dispatcher(
            store, self.targets, SETTINGS, settler, clock=clock, ids=ids, log=self.log
        )

    def target(self, name: str, send: Send | None = None, **more: Any) -> Target:
        values: dict[str, Any] = {
            "kind": "webhook",
            "downstream": False,
            "on_uncertain": OnUncertain.RESEND,
            "concurrency": 2,
            "rate": None,
            "resolve": None,
            "open": lambda: True,
        }
        made = Target(name=name, circuit=Circuit(SETTINGS.circuit), send=send or self.take, **(values | more))
        self.targets[name] = made
        return made

    async def take(self, one: Delivery) -> Receipt:
        self.sent.append(one.id)
        return Receipt("r", self.clock.now())

    async def owe(self, target: str, n: int = 1, **values: Any) -> list[str]:
        """New deliveries, without a record."""
        made = [
            rows.row(
                self.ids,
                key=self.ids.new(),
                purpose=Purpose.REPLY,
                target=target,
                record=None,
                at=self.clock.now(),
                body={},
                **values,
            )
            for _ in range(n)
        ]
        await self.store.submit(Unit(None, tuple(Insert("delivery", row) for row in made)))
        self.dispatcher.wake()
        return [row["id"] for row in made]

    async def states(self) -> list[str]:
        query = select(delivery.c.state).order_by(delivery.c.id)
        return list(await self.store.read(lambda c: c.scalars(query).all()))

    async def when(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110 — nobody tells
                await asyncio.sleep(0.01)

    async def until(self, *states: str) -> None:
        async with asyncio.timeout(10):
            while await self.states() != list(states):  # noqa: ASYNC110 — nobody tells
                await asyncio.sleep(0.01)

    def refuse(self, monkeypatch: pytest.MonkeyPatch, label: str, times: int = 1) -> None:
        """The store is busy for the next units of a label."""
        submit, left = self.store.submit, [times]

        async def busy(unit: Unit) -> bool:
            if unit.label == label and left[0]:
                left[0] -= 1
                raise StoreBusy("the database is out of reach")
            return await submit(unit)

        monkeypatch.setattr(self.store, "submit", busy)


@pytest.fixture
async def bench(
    store: Store, ids: CountingIds, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    monkeypatch.setattr(send, "_RESOLVE_EVERY", 0.01)
    made = Bench(store, ids, clock)
    running = asyncio.create_task(made.dispatcher.run())
    yield made
    made.dispatcher.stop()
    async with asyncio.timeout(5):
        await running


async def test_an_outcome_that_the_store_cannot_take_now_is_not_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forgotten, the delivery would count as uncertain, and be sent a second time."""
    bench.refuse(monkeypatch, "settle", times=3)
    bench.target("chat")
    await bench.owe("chat")
    await bench.until("delivered")
    assert len(bench.sent) == 1


async def test_a_busy_store_at_the_probe_of_a_circuit_does_not_shut_the_target_for_good(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.refuse(monkeypatch, "attempt")
    target = bench.target("chat")
    target.circuit.until = bench.clock.now()
    await bench.owe("chat")
    await bench.when(lambda: any(event == "sending.waits" for _, event, _ in bench.log.events))
    await asyncio.sleep(0)
    assert target.circuit.closed(bench.clock.now())
    await bench.owe("chat")
    await bench.until("claimed", "delivered")


async def test_the_next_one_goes_out_while_the_outcome_of_the_last_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, disk = bench.store.submit, asyncio.Event()

    async def slow(unit: Unit) -> bool:
        if unit.label == "settle":
            await disk.wait()
        return await submit(unit)

    monkeypatch.setattr(bench.store, "submit", slow)
    bench.target("chat", concurrency=1)
    both = await bench.owe("chat", 2)
    await bench.when(lambda: len(bench.sent) == 2)
    assert bench.dispatcher.working == set(both)
    disk.set()
    await bench.until("delivered", "delivered")


@pytest.mark.parametrize("policy", [OnUncertain.RESEND, OnUncertain.HOLD])
async def test_an_attempt_is_written_ahead_only_where_a_second_try_is_recognised(
    bench: Bench, policy: OnUncertain
) -> None:
    """After a crash it counts as uncertain: a person would have to look at a message that never went out."""
    hang, under_way = asyncio.Event(), 0

    async def slow(_: Delivery) -> Receipt:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await hang.wait()
        under_way -= 1
        return Receipt("r", bench.clock.now())

    async def begun() -> int:
        return await bench.store.read(lambda c: len(c.scalars(select(attempt.c.delivery)).all()))

    bench.target("chat", slow, concurrency=1, on_uncertain=policy)
    await bench.owe("chat", 3)
    await bench.when(lambda: under_way == 1)
    await bench.store.submit(Unit())  # whatever was begun together with it is committed by then
    assert await begun() == (2 if policy is OnUncertain.RESEND else 1)
    hang.set()
    await bench.until("delivered", "delivered", "delivered")
    assert await begun() == 3


async def test_nothing_stays_in_hand_for_a_target_that_was_taken_out(bench: Bench) -> None:
    """What was queued would be claimed for ever, and take the places of others."""
    hang = asyncio.Event()

    async def slow(one: Delivery) -> Receipt:
        await hang.wait()
        return Receipt("r", bench.clock.now())

    bench.target("chat", slow, concurrency=1, on_uncertain=OnUncertain.HOLD)
    under_way, queued = await bench.owe("chat", 2)
    await bench.when(lambda: bench.dispatcher.working == {under_way, queued})
    del bench.targets["chat"]
    await bench.when(lambda: queued not in bench.dispatcher.working)
    hang.set()
    await bench.until("delivered", "claimed")
    # What recovery does with it, once it has lain for a while:
    bench.clock.advance(120)
    await bench.store.run(
        lambda c: deliveries.recover(
            c,
            living=(),
            me=bench.store.owner,
            working=bench.dispatcher.working,
            max_claims=3,
            idle_before=bench.clock.now(),
        )
    )
    bench.target("chat")
    await bench.until("delivered", "delivered")


async def test_one_that_cannot_be_looked_up_does_not_keep_the_others_uncertain(bench: Bench) -> None:
    async def broken(one: Delivery) -> Receipt | None:
        raise KeyError("no such field in the answer")

    async def found(one: Delivery) -> Receipt | None:
        return Receipt("r", bench.clock.now())

    bench.target("broken", resolve=broken)
    bench.target("good", resolve=found)
    await bench.owe("broken", state=DeliveryState.UNCERTAIN)
    await bench.owe("good", state=DeliveryState.UNCERTAIN)
    await bench.until("uncertain", "delivered")


async def test_uncertain_ones_of_a_target_that_is_gone_do_not_keep_others_waiting(bench: Bench) -> None:
    await bench.owe("gone", 120, state=DeliveryState.UNCERTAIN)
    bench.target("good")
    await bench.owe("good", state=DeliveryState.UNCERTAIN)
    await bench.until(*["uncertain"] * 120, "delivered")


async def test_what_was_looked_up_and_is_not_there_is_tried_again_with_pauses_and_an_end(
    bench: Bench,
) -> None:
    tries = 0

    async def drops(one: Delivery) -> Receipt:
        nonlocal tries
        tries += 1
        raise Uncertain("no answer")

    async def absent(one: Delivery) -> Receipt | None:
        return None

    bench.target("chat", drops, resolve=absent)
    await bench.owe("chat")
    await bench.when(lambda: tries == 1)
    await bench.until("waiting")
    await asyncio.sleep(0.1)
    assert tries == 1, "not at once"
    bench.clock.advance(10)
    await bench.when(lambda: tries == 2)
    await bench.until("waiting")
    bench.clock.advance(6 * 86_400)
    await bench.until("dead")


async def test_a_target_paused_while_its_rate_was_waited_for_sends_nothing(bench: Bench) -> None:
    paused = False
    bench.target("chat", rate=0.1, open=lambda: not paused, concurrency=1)
    await bench.owe("chat")
    await bench.until("delivered")

    sleep = bench.clock.sleep

    async def pause_meanwhile(seconds: float) -> None:
        nonlocal paused
        paused = True
        await sleep(seconds)

    bench.clock.sleep = pause_meanwhile  # type: ignore[method-assign]
    await bench.owe("chat")
    await bench.when(lambda: paused)
    await bench.until("delivered", "waiting")
    assert len(bench.sent) == 1


async def test_a_loop_that_falls_over_cancels_nothing_that_is_being_sent(
    store: Store, ids: CountingIds, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, hang = Bench(store, ids, clock), asyncio.Event()

    async def slow(one: Delivery) -> Receipt:
        await hang.wait()
        return await bench.take(one)

    bench.target("chat", slow)
    running = asyncio.create_task(bench.dispatcher.run())
    await bench.owe("chat")
    await bench.until("claimed")
    monkeypatch.setattr(bench.dispatcher, "_room", lambda: {}["none"])  # type: ignore[index]
    with pytest.raises(KeyError):
        await running
    hang.set()
    await bench.until("delivered")
    monkeypatch.undo()
    again = asyncio.create_task(bench.dispatcher.run())
    bench.dispatcher.stop()
    await again
    assert len(bench.sent) == 1


async def test_a_stop_in_good_order_counts_as_no_death(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    """Three slow sends at three upgrades are no killer; what was under way is uncertain, the rest is due."""
    bench, begun = Bench(store, ids, clock), asyncio.Event()

    async def slow(one: Delivery) -> Receipt:
        begun.set()
        await asyncio.Event().wait()
        raise TemporaryFailure(Reason.SERVER, "never")

    bench.target("chat", slow, concurrency=1, on_uncertain=OnUncertain.HOLD)
    running = asyncio.create_task(bench.dispatcher.run())
    await bench.owe("chat", 2)
    await begun.wait()
    bench.dispatcher.stop()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await store.run(lambda c: deliveries.release(c, store.owner))
    assert await bench.states() == ["uncertain", "waiting"]
    query = select(delivery.c.claims, delivery.c.claim, delivery.c.owner)
    assert set(await store.read(lambda c: {tuple(row) for row in c.execute(query)})) == {(0, None, None)}
    begun_tries = await store.read(lambda c: c.execute(select(attempt.c.outcome)).all())
    assert [row.outcome for row in begun_tries] == [None]
