"""The daemon is killed at every point of an errand, fetching files and profiles; in the end each is there, once."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from store import engine
from store.schema import TABLES
from tests.prove import points
from tests.rigs import line
from tests.rigs.office import TOKEN, Office
from tests.rigs.process import Process, free_port

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]
#: How long a life may take to come to its point, and the last one to fetch everything, seconds.
PATIENCE = 60.0
#: Points of errands, and how many passes of each a life may see before it ends.
POINTS = (
    *((one, 4) for one in points.both(("claim.errands", "errand"))),
    *((one, 2) for one in points.both(("errand.again",))),
    *((one, 4) for one in ("errand.before", "errand.after")),
    # Once a life: what an earlier one had claimed is due again.
    *((one, 1) for one in points.both(("errand.free",))),
)


class Customers:
    """People new to us who send pictures to a LINE account; it prepares every fifth picture when it is first asked."""

    def __init__(self, office: Office, process: Process) -> None:
        self._office = office
        self._process = process
        self.pictures: dict[str, bytes] = {}
        """By the words of the message that came with it."""
        self._waiting: list[tuple[bytes, dict[str, str]]] = []
        self._count = 0

    def write(self) -> None:
        """The next customer sends a picture."""
        self._count += 1
        n, number = self._count, str(90_000 + self._count)
        self.pictures[number] = b"picture %d" % n
        self._office.line.files[number] = ("image/png", self.pictures[number])
        if n % 5 == 0:
            self._office.line.preparing.add(number)
        event = self._office.line.event(n, message={"type": "image", "id": number})
        request = line.request(event)
        self._waiting.append((request.body, dict(request.headers)))

    async def bring(self, session: aiohttp.ClientSession) -> None:
        """LINE posts what it was not told to be taken, and posts it again until it is."""
        for one in list(self._waiting):
            body, headers = one
            try:
                async with session.post(f"{self._process.url}/in/line", data=body, headers=headers) as answer:
                    if answer.status == 200:
                        self._waiting.remove(one)
            except (aiohttp.ClientError, OSError, TimeoutError):
                return

    @property
    def done(self) -> bool:
        return not self._waiting


def tables(folder: Path) -> Mapping[str, list[dict[str, Any]]]:
    """What stands in the store, looked at from outside."""
    write, read = engine.open_engines(engine.sqlite_url(folder / "data"), writers=1, readers=1)
    try:
        with read.connect() as connection:
            return {
                name: [dict(row) for row in connection.execute(select(TABLES[name])).mappings()]
                for name in ("errand", "attachment", "contact", "event", "delivery", "record")
            }
    finally:
        read.dispose()
        write.dispose()


async def test_killed_at_every_point_of_an_errand_each_file_and_name_is_there_once(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    lives = list(POINTS)
    chance.shuffle(lives)
    async with Office() as office, aiohttp.ClientSession() as session:
        config = office.config(
            tmp_path / "data",
            listen={"port": free_port()},
            log={"format": "json", "level": "warning"},
            inbox={"errand_pause": 0.2, "errand_pause_last": 0.5, "max_claims": 1_000},
            outbox={"max_claims": 1_000, "budget": {"total_hour": 1_000_000}},
        )
        process = Process(config, tmp_path)
        customers = Customers(office, process)
        loop = asyncio.get_running_loop()
        for point, most in lives:
            await process.start(kill=f"{point}:{chance.randint(1, most)}", wait=False)
            end = loop.time() + PATIENCE
            while not process.dead:
                assert loop.time() < end, f"{point} was not passed; {dict(process.passed())}"
                customers.write()
                await customers.bring(session)
                await asyncio.sleep(0.1)
            assert await process.died(1), "by its own hand"
            office.line.preparing.clear()

        # A last life in peace.
        assert await process.start(), process.tail()
        end = loop.time() + PATIENCE
        while not customers.done or any(one["state"] == "waiting" for one in tables(tmp_path)["errand"]):
            assert loop.time() < end, process.tail()
            await customers.bring(session)
            await asyncio.sleep(0.2)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with session.post(f"{process.url}/v1/admin/audit", json={}, headers=headers) as answer:
            told = await answer.json()
        assert told["balanced"], told
        assert await process.stop() == 0, process.tail()

    found = tables(tmp_path)
    people = len(customers.pictures)
    assert len(found["record"]) == len(found["contact"]) == people
    assert Counter(one["what"] for one in found["errand"]) == {"file": people, "profile": people}
    assert {one["state"] for one in found["errand"]} == {"done"}
    digests = Counter(one["sha256"] for one in found["attachment"])
    assert digests == Counter(hashlib.sha256(one).hexdigest() for one in customers.pictures.values())
    assert all(one["name"].startswith("顾客 ") for one in found["contact"])
    # The timeline tells of each once, and so do the destinations, however often it was fetched.
    assert Counter(one["record"] for one in found["event"] if one["type"] == "file.fetched") == Counter(
        one["id"] for one in found["record"]
    )
    updates = [one for one in found["delivery"] if one["purpose"] == "update"]
    assert len({one["key"] for one in updates}) == len(updates) == people
    missed = {point for point, _ in POINTS} - set(process.passed())
    assert not missed, f"never passed: {sorted(missed)}"
