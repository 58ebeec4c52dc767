"""Letters out: the daemon is killed at every step of a bundle; in the end each letter was printed and posted once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pypdfium2
import pytest

from tests.prove import points
from tests.rigs.office import TIMES, TOKEN
from tests.rigs.process import Process, free_port
from tests.rigs.waiting import until

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]

LETTERS = 2
#: Every step of a bundle, and the settling of the first and of the second letter in it.
PLAN = (
    *(
        (point, 1)
        for point in points.both(("bundle.close", "bundle.ready", "bundle.posting", "bundle.posted"))
    ),
    ("bundle.before", 1),
    ("bundle.after", 1),
    ("told.after_commit", 1),
    ("told.before_commit", 2),
)


class Desk:
    """A clerk whose daemon dies: looks what is there, and does what is still to be done."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.references: list[str] = []

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self._process.url + path, **more) as answer,
        ):
            told = await answer.json()
            assert answer.status < 300, told
            return told

    async def write(self, n: int) -> None:
        """A customer leaves an address, and is answered; the answer is printed."""
        note = {
            "name": f"Customer {n}",
            "address": f"{n} Mill Lane\nExmouth EX99 1AA",
            "message": f"Lift {n} stands still.",
        }
        told = await self.ask("POST", "/in/form", json=note)
        reference = told["reference"]

        async def registered() -> bool:
            found = await self.ask("GET", "/v1/records", params={"q": reference})
            return bool(found["records"])

        await until(registered)
        await self.ask("POST", f"/v1/records/{reference}/replies", json={"text": f"Lift {n} runs again."})
        self.references.append(reference)

    async def printed(self) -> None:
        async def in_hand() -> bool:
            found = await self.ask("GET", "/v1/outbox", params={"purpose": "reply", "limit": 1000})
            states = Counter(one["state"] for one in found["deliveries"])
            return states["entrusted"] + states["delivered"] == len(self.references)

        await until(in_hand)

    async def done(self) -> None:
        """Close what waits and post what is ready, until nothing is left."""
        while True:
            found = await self.ask("GET", "/v1/bundles")
            ready = [one for one in found["bundles"] if one["state"] == "ready"]
            if ready:
                await self.ask("POST", f"/v1/bundles/{ready[0]['id']}/posted", json={})
            elif found["waiting"]:
                await self.ask("POST", "/v1/bundles", json={"channel": "letters"})
            elif all(one["state"] == "posted" for one in found["bundles"]):
                return


async def test_killed_at_every_step_of_a_bundle_each_letter_is_printed_and_posted_once(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "print"
    folder.mkdir()
    config = {
        "listen": {"port": free_port()},
        "data": str(tmp_path / "data"),
        "api": {"admin_token": TOKEN},
        "database": {"min_free_bytes": 0},
        "channels": {
            "letters": {
                "kind": "letter",
                "print": {"folder": str(folder), "bundle": {"at": None, "letters": None}},
            },
            "form": {"kind": "form", "reply_via": {"post": "letters"}, "rate": None},
        },
        **TIMES,
    }
    process = Process(config, tmp_path)
    desk = Desk(process)
    for point, times in PLAN:
        assert await process.start(kill=f"{point}:{times}"), process.tail()
        for _ in range(LETTERS):
            await desk.write(len(desk.references) + 1)
        await desk.printed()
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await desk.done()
        assert await process.died(30), f"{point} was not passed: {process.tail()}"
        assert await process.start(), process.tail()
        await desk.done()
        await process.stop()
    await process.start()
    found = await desk.ask("GET", "/v1/bundles", params={"limit": 1000})
    audit = await desk.ask("POST", "/v1/admin/audit", json={})
    replies = await desk.ask("GET", "/v1/outbox", params={"purpose": "reply", "limit": 1000})
    letters = [
        one["reference"]
        for bundle in found["bundles"]
        for one in (await desk.ask("GET", f"/v1/bundles/{bundle['id']}"))["list"]
    ]
    await process.stop()

    assert audit["balanced"], audit
    assert sorted(letters) == sorted(desk.references), "each letter is in one bundle"
    assert [one["state"] for one in replies["deliveries"]] == ["delivered"] * len(desk.references)
    place = folder / "letters"
    assert sorted(one.name for one in place.iterdir()) == ["open", "posted"], "nothing is left half-made"
    assert not list((place / "open").iterdir())
    posted = sorted((place / "posted").iterdir())
    assert [one.name for one in posted] == sorted(one["name"] for one in found["bundles"])
    paper = [file for one in posted for file in one.iterdir()]
    assert Counter(file.stem.partition(" ")[2] for file in paper if file.name != "00 list.pdf") == Counter(
        desk.references
    )
    for file in paper:
        document = pypdfium2.PdfDocument(file.read_bytes())
        assert len(document) == 1
        document.close()
    passed = process.passed()
    assert not {point for point, _ in PLAN} - set(passed)
