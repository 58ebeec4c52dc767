"""Law 12: one bad channel, token or message never stops another, and what fails is told."""

from __future__ import annotations

import pytest

from store.schema import TABLES
from tests.contracts.conftest import Make
from tests.rigs.daemon import House, Points
from tests.rigs.http import Refuse
from tests.rigs.office import Office
from tests.rigs.ways import WAYS, Box, Form, Hook


async def test_a_fetch_loop_that_falls_over_begins_again(make: Make, office: Office, points: Points) -> None:
    def fail_once() -> None:
        if points.hits["cursor.before_commit"] == 1:
            raise RuntimeError("something that nobody thought of")

    with points.acting("cursor.before_commit", fail_once):
        async with make() as house:
            await Box().bring(house, 1, office=office)
            await house.until(lambda: points.hits["cursor.before_commit"] >= 2)
            await house.until(lambda: Box().flagged(office) == [True])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_channel_that_cannot_log_in_is_told_with_its_repair_and_stops_no_other(
    make: Make, office: Office
) -> None:
    old = {"box": {"imap": {"password": "an old password"}}}
    async with make(channels=old, inbox={"backoff_last": 900}) as house:
        trouble = await house.until(lambda: _failing(house, "box"))
        assert "imap" in trouble["detail"].lower() or "log" in trouble["detail"].lower()
        assert trouble["repair"]
        answering = [way for way in WAYS if way.answers]
        for way in answering:
            assert (await way.bring(house, 1, office=office)).taken
        await house.until(lambda: _registered(house, len(answering)))
        await house.idle()
        assert (await house.health("hook"))["state"] == "ok"
        assert office.imap.connections == 1, "log-in failures lock accounts: no hammering"


async def test_a_target_that_refuses_our_credentials_waits_and_burns_no_message(
    make: Make, office: Office
) -> None:
    short = {"circuit": {"pause": 0.2, "pause_last": 0.2}, "reply": {"max_attempts": 2}}
    async with make(outbox={**short, "acknowledgement": {"max_attempts": 2}}) as house:
        office.chat.always(Refuse(401))
        for n in range(3):
            await Hook().bring(house, n, office=office)
        await Form().bring(house, 9, office=office)
        await house.until(lambda: len(office.chat.requests) >= 4)
        assert (await house.health("hook"))["state"] == "failing"
        assert len(Form().got(office, 9)) == 1, "the others go on"
        assert {one["state"] for one in await house.deliveries("acknowledgement", target="hook")} <= {
            "waiting",
            "claimed",
        }
        office.chat.always(None)
        await house.idle()
        assert [len(Hook().got(office, n)) for n in range(3)] == [1, 1, 1]
        assert (await house.health("hook"))["state"] == "ok"


async def test_one_message_that_is_refused_for_good_is_dead_and_the_rest_leaves(
    house: House, office: Office
) -> None:
    office.chat.next(Refuse(422))
    await Hook().bring(house, 1, office=office)
    await house.until(lambda: office.chat.requests)
    await Hook().bring(house, 2, office=office)
    await house.idle()
    states = {one["reference"]: one["state"] for one in await house.deliveries("acknowledgement")}
    assert sorted(states.values()) == ["dead", "delivered"]
    # An operator sends it again: the same message with the same key.
    (dead,) = [one for one in await house.deliveries("acknowledgement") if one["state"] == "dead"]
    await house.ask("POST", "/v1/outbox/redrive", {"ids": [dead["id"]]})
    await house.idle()
    assert office.chat.keys.count(dead["key"]) == 2
    assert len(office.chat.tickets) == 2


async def _failing(house: House, name: str) -> object:
    found = await house.health(name)
    return found if found["state"] == "failing" else None


async def _registered(house: House, n: int) -> bool:
    return len(await house.records()) == n


async def test_what_an_earlier_life_left_is_read_with_the_settings_of_its_channel(
    make: Make, office: Office, points: Points
) -> None:
    async with make() as house:
        await Hook().bring(house, 1, text="please hold this", office=office)
        await house.until(lambda: house.envelopes("held"))
    left = {"state": "waiting", "claims": 1, "meta": {"released": True}}
    known: list[list[str]] = []
    house = make()
    await house.start_store()
    await house.store.run(lambda c: c.execute(TABLES["envelope"].update().values(**left)) and None)
    await house.store.close()
    with points.acting("process.before_read", lambda: known.append(sorted(house.daemon.house.channels))):
        async with house:
            await house.idle()
            assert known == [sorted(way.channel for way in WAYS)]
            assert len(Hook().got(office, 1)) == 1
