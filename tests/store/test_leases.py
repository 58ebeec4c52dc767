"""Leases: one holder at a time, epochs that grow, and cursors that only the present holder can write."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from store import leases
from store.acceptance import Acceptance, CursorMove
from store.errors import LeaseLost
from store.store import Store
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker

TTL = timedelta(seconds=20)


class Time:
    """Lets time pass for leases: the injected clock on SQLite; on PostgreSQL the leases are made older."""

    def __init__(self, store: Store, clock: FixedClock) -> None:
        self.store = store
        self.clock = clock

    async def take(self, holder: str, name: str = "poll:mail", ttl: timedelta = TTL) -> int | None:
        now = self.clock.now()
        return await self.store.run(lambda c: leases.take(c, name, holder, ttl, now))

    async def pass_(self, seconds: int) -> None:
        self.clock.advance(seconds)
        if not self.store.embedded:
            older = text("UPDATE lease SET expires_at = expires_at - :micros")
            await self.store.run(lambda c: c.execute(older, {"micros": seconds * 1_000_000}) and None)

    async def living(self) -> set[str]:
        now = self.clock.now()
        return await self.store.run(lambda c: leases.living(c, now))


@pytest.fixture
def time(store: Store, clock: FixedClock) -> Time:
    return Time(store, clock)


async def test_a_lease_has_one_holder_until_its_time_is_up(time: Time) -> None:
    assert await time.take("a") == 1
    assert await time.take("b") is None
    await time.pass_(15)
    assert await time.take("a") == 1, "renewed, the epoch stays"
    await time.pass_(15)
    assert await time.take("b") is None
    await time.pass_(6)
    assert await time.take("b") == 2
    assert await time.take("a") is None


async def test_what_is_given_back_is_free_at_once_and_the_epoch_grows_on(time: Time) -> None:
    await time.take("a")
    await time.store.run(lambda c: leases.give_back(c, "poll:mail", "b"))
    assert await time.take("b") is None, "only its holder gives it back"
    await time.store.run(lambda c: leases.give_back(c, "poll:mail", "a"))
    assert await time.take("b") == 2
    await time.store.run(lambda c: leases.give_back(c, "poll:mail", "b"))
    assert await time.take("a") == 3


async def test_of_many_who_want_it_at_once_one_has_it(time: Time) -> None:
    got = await asyncio.gather(*(time.take(f"p{n}") for n in range(30)))
    assert [epoch for epoch in got if epoch is not None] == [1]


async def test_a_process_lives_as_long_as_its_lease(time: Time) -> None:
    for name in ("a", "b"):
        now = time.clock.now()
        await time.store.run(lambda c, name=name, now=now: leases.own_process(c, name, TTL, now))
    assert await time.living() == {"a", "b"}
    await time.pass_(15)
    now = time.clock.now()
    await time.store.run(lambda c: leases.own_process(c, "b", TTL, now))
    await time.pass_(10)
    assert await time.living() == {"b"}
    await time.store.run(lambda c: leases.forget_process(c, "b"))
    assert await time.living() == set()


async def test_leases_of_accounts_are_no_processes(time: Time) -> None:
    await time.take("a", "poll:mail")
    assert await time.living() == set()


async def test_an_earlier_holder_cannot_write_the_cursor(time: Time, ids: CountingIds) -> None:
    store, maker = time.store, Maker(time.store, ids, time.clock)

    async def cursor(epoch: int) -> dict[str, Any]:
        return await store.run(lambda c: leases.take_cursor(c, "mail", epoch))

    def batch(epoch: int, uid: int) -> Acceptance:
        move = CursorMove("mail", epoch, {"uid": uid}, [uid], time.clock.now())
        return Acceptance((maker.arrival(f"m{uid}", bytes([uid])),), move)

    assert await cursor(1) == {"value": None, "pending": [], "last_ok_at": None}
    await store.accept(batch(1, 7))
    taken = await cursor(2)
    assert (taken["value"], taken["pending"]) == ({"uid": 7}, [7]), "with what the other left unconfirmed"
    results = await asyncio.gather(
        store.accept(batch(1, 8)), store.accept(batch(2, 9)), return_exceptions=True
    )
    assert isinstance(results[0], LeaseLost) and not isinstance(results[1], BaseException)
    assert [row["source_id"] for row in await maker.all("envelope")] == ["m7", "m9"]
    assert await cursor(1) == {}, "and cannot take it back"
    assert (await cursor(2))["value"] == {"uid": 9}


async def test_confirming_without_a_new_cursor_keeps_the_value(time: Time) -> None:
    store = time.store
    await store.run(lambda c: leases.take_cursor(c, "mail", 1))
    await store.accept(Acceptance((), CursorMove("mail", 1, {"uid": 7}, [7], time.clock.now())))
    await store.accept(Acceptance((), CursorMove("mail", 1, None, [], time.clock.now())))
    taken = await store.run(lambda c: leases.take_cursor(c, "mail", 1))
    assert (taken["value"], taken["pending"]) == ({"uid": 7}, [])


async def test_a_ring_is_heard_by_whoever_holds_the_lease(store: Store, clock: FixedClock) -> None:
    assert await store.read(lambda c: leases.last_ring(c, "poll:box")) is None
    for ring in ("first", "second"):
        await store.run(lambda c, ring=ring: leases.ring(c, "poll:box", ring, clock.now()))
        assert await store.read(lambda c: leases.last_ring(c, "poll:box")) == ring
    # The lease itself is another row: ringing takes it from nobody.
    assert await store.run(lambda c: leases.take(c, "poll:box", "me", TTL, clock.now())) == 1
