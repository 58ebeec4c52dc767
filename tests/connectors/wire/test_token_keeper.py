"""The keeper of one app's token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from connectors.wire.token_keeper import Fresh, TokenKeeper
from model.failures import Reason, TemporaryFailure, Uncertain
from tests.rigs.tools import Workbench


class Platform:
    """Gives out the same token until it is forced, or somebody else forces it."""

    def __init__(self) -> None:
        self.n = 1
        self.asked: list[bool] = []
        self.fails: list[Exception] = []

    async def fetch(self, force: bool) -> Fresh:
        self.asked.append(force)
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails.pop()
        self.n += force
        return Fresh(f"token-{self.n}", timedelta(hours=2))


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as bench:
        yield bench


def keeper(bench: Workbench, platform: Platform) -> TokenKeeper:
    """One replica's keeper; the vault is that of all of them."""
    return TokenKeeper(bench.tools("wechat"), "token", platform.fetch)


async def test_a_token_is_asked_for_once_by_many_and_by_all_replicas(bench: Workbench) -> None:
    platform = Platform()
    replicas = [keeper(bench, platform) for _ in range(3)]
    got = await asyncio.gather(*(one.get() for one in replicas * 5))
    assert set(got) == {"token-1"} and platform.asked == [False]


async def test_it_is_renewed_a_while_before_it_ends(bench: Workbench) -> None:
    platform = Platform()
    one = keeper(bench, platform)
    await one.get()
    bench.clock.advance(7_200 - 301)
    await one.get()
    assert platform.asked == [False]
    bench.clock.advance(2)
    await one.get()
    assert platform.asked == [False, False]


async def test_a_token_that_the_platform_refuses_itself_is_forced_once(bench: Workbench) -> None:
    platform = Platform()
    here, there = keeper(bench, platform), keeper(bench, platform)
    old = await here.get()
    await there.get()
    assert await here.refused(old) == "token-2"
    assert await there.refused(old) == "token-2", "the other replica takes what the first one got"
    assert platform.asked == [False, False, True]
    assert here.stolen_at is None and not bench.log.events


async def test_a_second_force_waits_for_the_platforms_bounds(bench: Workbench) -> None:
    platform = Platform()
    one = keeper(bench, platform)
    await one.refused(await one.get())
    with pytest.raises(TemporaryFailure) as caught:
        await one.refused(await one.get())
    assert caught.value.reason is Reason.THROTTLED
    assert caught.value.retry_after == timedelta(seconds=30)
    for _ in range(19):
        bench.clock.advance(31)
        await one.refused(await one.get())
    bench.clock.advance(31)
    with pytest.raises(TemporaryFailure):
        await one.refused(await one.get())
    assert platform.asked.count(True) == 20
    bench.clock.advance(86_400)
    await one.refused(await one.get())


async def test_another_system_that_takes_our_token_away_is_told(bench: Workbench) -> None:
    platform = Platform()
    one = keeper(bench, platform)
    old = await one.get()
    platform.n += 1  # somebody else forced it
    assert await one.refused(old) == "token-2"
    assert platform.asked == [False, False], "no force is spent on it"
    assert one.stolen_at == bench.clock.now()
    assert [event for _, event, _ in bench.log.events] == ["token.replaced_by_another_system"]
    assert "token-" not in str(bench.log.events)


async def test_a_token_at_its_end_was_not_stolen(bench: Workbench) -> None:
    platform = Platform()
    one = keeper(bench, platform)
    old = await one.get()
    bench.clock.advance(7_100)
    platform.n += 1
    await one.refused(old)
    assert one.stolen_at is None


async def test_nothing_is_uncertain_about_a_token_that_did_not_come(bench: Workbench) -> None:
    platform = Platform()
    one = keeper(bench, platform)
    platform.fails.append(Uncertain("no answer"))
    with pytest.raises(TemporaryFailure):
        await one.get()
    assert await one.get() == "token-1"


async def test_a_vault_written_by_another_release_is_no_trouble(bench: Workbench) -> None:
    bench.vault.values["token"] = '{"value": 3}'
    assert await keeper(bench, Platform()).get() == "token-1"


async def test_a_token_of_a_few_seconds_is_not_asked_for_again_at_once(bench: Workbench) -> None:
    platform = Platform()

    async def short(force: bool) -> Fresh:
        return Fresh((await platform.fetch(force)).value, timedelta(seconds=60))

    one = TokenKeeper(bench.tools("wechat"), "token", short)
    await one.get()
    await one.get()
    assert platform.asked == [False]
