"""Law 11: a message that kills its reader, or the whole process, is set aside; the others are not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.contracts.conftest import Make
from tests.rigs.daemon import House
from tests.rigs.office import TOKEN, Office
from tests.rigs.process import Process, free_port
from tests.rigs.waiting import until
from tests.rigs.ways import Box, Mail


def _reader() -> psutil.Process | None:
    """The process that reads mail for the house in this one."""
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "inbox.worker" in one.cmdline():
                return one
    return None


async def _stand_still(stop: asyncio.Event) -> list[psutil.Process]:
    """Suspend every reader that there is, or comes, until told to stop; those that were."""
    found: dict[int, psutil.Process] = {}

    def stopped() -> bool:
        reader = _reader()
        if reader is not None and reader.pid not in found:
            reader.suspend()
            found[reader.pid] = reader
        return stop.is_set()

    await until(stopped)
    return list(found.values())


ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.mark.parametrize("way", [Mail(), Box()], ids=repr)
@ONE_DATABASE
async def test_a_mail_whose_reader_dies_is_set_aside_and_the_next_is_read(
    house: House, office: Office, way: Mail
) -> None:
    await way.bring(house, 1, office=office)
    (await house.until(_reader)).kill()
    (bad,) = await house.until(lambda: house.envelopes("quarantined"))
    assert bad["reason"] == "the reader died on it"
    await way.bring(house, 2, office=office)
    await house.until(lambda: _count(house, 1))
    # It was not the mail's fault: read again it is registered.
    await house.ask("POST", "/v1/inbox/replay", {"ids": [bad["id"]]})
    await house.until(lambda: _count(house, 2))
    await house.idle()


@ONE_DATABASE
async def test_a_mail_over_which_its_reader_hangs_is_set_aside_and_the_next_is_read(
    make: Make, office: Office
) -> None:
    way = Mail()
    async with make(inbox={"reader_deadline": 4}) as house:
        await way.bring(house, 1, office=office)
        await house.until(lambda: _count(house, 1))
        stop = asyncio.Event()
        standing = asyncio.create_task(_stand_still(stop))  # it, and whichever is given another try
        await way.bring(house, 2, office=office)
        (bad,) = await house.until(lambda: house.envelopes("quarantined"))
        assert bad["reason"] == "reading it took longer than 4 s"
        stop.set()
        assert all(not one.is_running() or one.status() == psutil.STATUS_ZOMBIE for one in await standing)
        await way.bring(house, 3, office=office)
        await house.until(lambda: _count(house, 2))
        await house.idle()


@ONE_DATABASE
async def test_a_reader_that_died_while_nobody_read_costs_no_mail(house: House, office: Office) -> None:
    await Mail().bring(house, 1, office=office)
    await house.until(lambda: _count(house, 1))
    reader = _reader()
    assert reader is not None
    reader.kill()
    await Mail().bring(house, 2, office=office)
    await house.until(lambda: _count(house, 2))
    await house.idle()


async def test_a_message_that_kills_the_daemon_three_times_is_set_aside_and_innocent_ones_are_not(
    office: Office, tmp_path: Path, database: Mapping[str, Any]
) -> None:
    port = free_port()
    config = office.config(
        tmp_path / "data",
        database,
        listen={"port": port},
        channels={"mail": None, "box": None},
        log={"level": "error"},
    )
    for channel in config["channels"].values():  # no mail: what starts without it starts in a moment
        channel.get("reply_via", {}).pop("email", None)
        channel.pop("fallback", None)
    process = Process(config, tmp_path)
    async with aiohttp.ClientSession() as session:

        async def post(n: int, words: str) -> int:
            body = {"name": f"customer {n}", "message": words}
            headers = {"Idempotency-Key": f"form-{n}"}
            try:
                async with session.post(
                    f"http://127.0.0.1:{port}/in/form", json=body, headers=headers
                ) as told:
                    return told.status
            except aiohttp.ClientError:
                return 0

        async def ask(path: str) -> Any:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as told:
                return json.loads(await told.read())

        await process.start(text="the deadly words")
        asked = [post(n, "the deadly words" if n == 5 else f"harmless {n}") for n in range(10)]
        await asyncio.gather(*asked)
        deaths = 0
        while await process.died(3):
            deaths += 1
            assert deaths <= 4, "it kills for ever"
            await process.start(text="the deadly words")
        try:
            for n in range(10):  # sources that heard nothing come again
                assert await post(n, "the deadly words" if n == 5 else f"harmless {n}") == 202

            async def registered() -> bool:
                return len((await ask("/v1/records"))["records"]) == 9

            await until(registered, told=process.tail)
            bad = (await ask("/v1/inbox?state=quarantined"))["envelopes"]
            assert [one["source_id"] for one in bad] == ["form-5"]
            assert bad[0]["reason"] == "the daemon died 3 times while reading it"
            assert deaths == 3
        finally:
            await process.stop()


async def _count(house: House, n: int) -> bool:
    return len(await house.records()) == n
