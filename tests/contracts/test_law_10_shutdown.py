"""Law 10: stopping is no failed attempt; a reload swaps what changed and a bad file changes nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.contracts.conftest import Make
from tests.rigs.daemon import House, Points
from tests.rigs.http import Hang, Refuse
from tests.rigs.office import Office, merge
from tests.rigs.ways import Form, Hook, Mail, Way

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


async def test_a_stop_lets_what_is_being_sent_arrive(
    make: Make, office: Office, points: Points, way: Way
) -> None:
    """Told to stop in the middle of it, the daemon ends with the message delivered and counted once."""
    async with make() as house:
        with points.held("attempt.before_commit") as arrived:
            await way.bring(house, 1, office=office)
            await arrived()
            stopping = asyncio.create_task(house.stop())
            await asyncio.sleep(0.1)
        await stopping
        await house.start()
        await house.idle()
        assert len(way.got(office, 1)) == 1
        assert {row["attempts"] for row in await house.deliveries()} == {1}
        assert {row["outcome"] for row in await house.rows("attempt")} == {"delivered"}


async def test_a_stop_that_cannot_wait_counts_no_failure_and_leaves_the_doubt_to_the_policy(
    make: Make, office: Office
) -> None:
    async with make(inbox={"shutdown": 0.3}) as house:
        office.chat.next(Hang())
        await Hook().bring(house, 1, office=office)
        await house.until(lambda: office.chat.requests)
        await house.stop()
        await house.start()
        await house.idle()
        (ack,) = await house.deliveries("acknowledgement")
        assert (ack["state"], ack["detail"]) == ("cancelled", "may have been delivered; not sent again")
        (attempt,) = [one for one in await house.rows("attempt") if one["delivery"] == ack["id"]]
        assert attempt["outcome"] == "uncertain", "no failure was counted"
        assert len(office.chat.keys) == 1


@ONE_DATABASE
async def test_a_reload_swaps_what_changed_and_drops_nothing(make: Make, office: Office) -> None:
    async with make() as house:
        channels = house.daemon.house.channels
        before = dict(channels)
        office.chat.next(Hang())
        await Hook().bring(house, 1, office=office)
        await house.until(lambda: office.chat.requests)

        config = office.config(house.store.folder, channels={"form": {"required": ["message", "name"]}})
        house.write(config)
        told = await house.ask("POST", "/v1/admin/reload", {})

        assert told["channels"] == ["form"]
        assert {name for name in before if channels[name] is not before[name]} == {"form"}
        refused = await Form().post(house, b'{"message": "nameless"}')
        assert refused.status == 400
        assert (await Form().bring(house, 2, office=office)).taken
        office.chat._released.set()
        await house.until(lambda: _records(house, 2))
        await house.idle()


@ONE_DATABASE
async def test_a_bad_file_changes_nothing_and_says_so(make: Make, office: Office) -> None:
    async with make() as house:
        before = dict(house.daemon.house.channels)
        good = house.path.read_text(encoding="utf-8")
        house.path.write_text(good.replace('"kind": "webhook"', '"kind": "webhok"'), encoding="utf-8")
        status, told = await house.api("POST", "/v1/admin/reload", {})

        assert status in (400, 409, 422) and "webhok" not in str(house.daemon.house.channels)
        assert "kind" in told["detail"]
        assert dict(house.daemon.house.channels) == before
        assert (await Hook().bring(house, 1, office=office)).taken
        trouble = await house.health("configuration")
        assert trouble["state"] == "failing" and trouble["repair"]

        house.path.write_text(good, encoding="utf-8")
        await house.ask("POST", "/v1/admin/reload", {})
        assert await house.health("configuration") is None
        await house.idle()


@ONE_DATABASE
async def test_a_mail_channel_is_swapped_with_its_door_and_what_waits_for_it_leaves(
    make: Make, office: Office, tmp_path: Path
) -> None:
    async with make() as house:
        await office.to_smtp.cut()
        await Mail().bring(house, 1, office=office)
        await house.until(house.records)
        config = office.config(house.store.folder)
        direct = {"channels": {"mail": {"outgoing": {"port": office.smtp.port}}}}
        house.write(merge(config, direct))
        told = await house.ask("POST", "/v1/admin/reload", {})
        assert told["channels"] == ["mail"]
        await house.until(house.doors_open)
        assert (await Mail().bring(house, 2, office=office)).taken
        await house.until(lambda: _records(house, 2))
        await house.idle()
        assert len(Mail().got(office, 1)) == len(Mail().got(office, 2)) == 1


@ONE_DATABASE
async def test_a_channel_taken_out_stops_and_its_letters_wait_for_it(make: Make, office: Office) -> None:
    async with make() as house:
        office.chat.always(Refuse(503))
        await Hook().bring(house, 1, office=office)
        await house.until(lambda: office.chat.requests)
        good = house.path.read_text(encoding="utf-8")
        house.write(office.config(house.store.folder, channels={"hook": None}))
        await house.ask("POST", "/v1/admin/reload", {})
        assert (await Hook().bring(house, 2, office=office)).status == 404
        office.chat.always(None)
        house.path.write_text(good, encoding="utf-8")
        await house.ask("POST", "/v1/admin/reload", {})
        await house.idle()
        assert len(Hook().got(office, 1)) == 1
        begun = asyncio.get_running_loop().time()
        await house.stop()
        assert asyncio.get_running_loop().time() - begun < 5, "a stop does not wait for what was replaced"
        await house.start()


async def _records(house: House, n: int) -> bool:
    return len(await house.records()) == n
