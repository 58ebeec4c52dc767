"""The lease on a token: one at a time over tasks and processes, given back, and never outlived."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.tools import StoreVault
from model.failures import TemporaryFailure
from store import leases
from store.settings import LeaseSettings
from store.store import Store

DAY = timedelta(days=1)


def vault(store: Store, **values: float) -> StoreVault:
    given = {name: timedelta(seconds=value) for name, value in values.items()}
    return StoreVault(store, "wechat", LeaseSettings.model_validate(given))


async def ends(store: Store) -> int:
    at: int = await store.read(lambda c: c.exec_driver_sql("SELECT expires_at FROM lease").scalar_one())
    return at


async def test_tasks_and_processes_are_in_it_one_at_a_time(store: Store) -> None:
    """Two vaults of one channel stand for two replicas: their holders differ."""
    inside = most = 0

    async def refresh(one: StoreVault) -> None:
        nonlocal inside, most
        async with one.alone("token"):
            inside += 1
            most = max(most, inside)
            value = int(await one.get("token") or 0)
            await asyncio.sleep(0)
            await one.put("token", str(value + 1))
            inside -= 1

    here, there = vault(store), vault(store)
    await asyncio.gather(*(refresh(one) for one in (here, there, here, there, here)))
    assert most == 1
    assert await here.get("token") == "5"


async def test_other_names_and_other_channels_do_not_wait(store: Store) -> None:
    one, other = vault(store), StoreVault(store, "line")
    async with one.alone("token"), one.alone("ticket"), other.alone("token"):
        pass


async def test_it_is_free_again_after_an_error_and_a_cancellation(store: Store) -> None:
    one = vault(store)
    with pytest.raises(RuntimeError):
        async with one.alone("token"):
            raise RuntimeError
    reached = asyncio.Event()

    async def hang() -> None:
        async with one.alone("token"):
            reached.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10), vault(store).alone("token"):
        pass


async def test_one_who_died_inside_holds_it_until_the_lease_ends(store: Store) -> None:
    ttl = timedelta(seconds=1)
    taken = await store.run(
        lambda c: leases.take(c, "vault:wechat/token", "dead", ttl, leases.database_now(c, store.now()))
    )
    assert taken == 1
    async with asyncio.timeout(30), vault(store).alone("token"):
        holder = await store.read(lambda c: c.exec_driver_sql("SELECT holder FROM lease").scalar())
        assert holder != "dead"


async def test_a_block_that_takes_longer_than_the_lease_keeps_it(store: Store) -> None:
    async with vault(store, ttl=0.6, renew=0.05).alone("token"):
        first = await ends(store)
        store.clock.advance(0.3)  # type: ignore[attr-defined]
        async with asyncio.timeout(10):
            while await ends(store) <= first:  # noqa: ASYNC110  seen from outside, as another process sees it
                await asyncio.sleep(0.01)


async def test_a_block_whose_lease_cannot_be_renewed_ends_before_another_has_it(store: Store) -> None:
    with pytest.raises(TemporaryFailure, match="lease"):
        async with asyncio.timeout(10), vault(store, ttl=5, renew=0.05).alone("token"):
            await store.run(
                lambda c: c.exec_driver_sql(
                    "UPDATE lease SET holder = 'another', expires_at = 9000000000000000"
                )
            )
            await asyncio.Event().wait()
