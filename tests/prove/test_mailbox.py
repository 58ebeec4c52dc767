"""A real mail server and everything that happens to a mailbox in a year; in the end each mail is registered once."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.email import imap_text
from tests.prove import books
from tests.rigs import dovecot
from tests.rigs.dovecot import Dovecot
from tests.rigs.email import mail
from tests.rigs.office import TIMES, TOKEN, merge
from tests.rigs.process import Process, free_port
from tests.rigs.wire import Wire

WHY_NOT = dovecot.missing()
pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(900),
    pytest.mark.skipif(WHY_NOT is not None and os.environ.get("REQUIRE_ALL") != "1", reason=WHY_NOT or ""),
]

MAILS = 2000
#: As it is seen, and as it lies in the server's folders.
FOLDERS = ("INBOX", "投诉")
ON_DISK = {name: imap_text.modified_utf7(name) for name in FOLDERS}
#: What happens, in an order that chance gives: the daemon is killed between all of it.
EVENTS = (
    ("kill",) * 10 + ("cut",) * 3 + ("restart",) * 2 + ("renumber",) * 3 + ("silence",) * 2 + ("password",)
)


class Year:
    """A daemon, its mailbox, and what befalls both."""

    def __init__(self, server: Dovecot, wire: Wire, folder: Path, chance: random.Random) -> None:
        self._server = server
        self._wire = wire
        self._chance = chance
        self._secret = folder / "password"
        self._secret.write_text(server.password)
        imap = {
            "port": wire.port, "folders": list(FOLDERS), "after": "flag", "timeout": 3, "idle_seconds": 2,
            "poll_seconds": 1.5, "chunk": 40, "password": {"file": str(self._secret)},
        }  # fmt: skip
        config = merge(
            {
                "listen": {"port": free_port()},
                "data": str(folder / "data"),
                "api": {"admin_token": TOKEN},
                "database": {"min_free_bytes": 0},
                "log": {"format": "json", "level": "info"},
                "channels": {"box": dovecot.settings(server, imap=imap)},
                **TIMES,
            },
            {"inbox": {"max_claims": 1000}},
        )
        self.process = Process(config, folder)
        self._sent = 0

    async def put(self, count: int) -> None:
        """Customers write; two in three to the first folder."""
        for _ in range(min(count, MAILS - self._sent)):
            self._sent += 1
            folder = FOLDERS[self._sent % 3 == 0]
            await asyncio.to_thread(self._server.put, ON_DISK[folder], mail(self._sent))

    @property
    def everything_came(self) -> bool:
        return self._sent == MAILS

    async def happen(self, event: str) -> None:
        """One event, while mail comes before, within and after it."""
        await self.put(self._chance.randint(10, 60))
        await asyncio.sleep(self._chance.uniform(0, 0.8))
        await getattr(self, f"_{event}")()
        await self.put(self._chance.randint(10, 60))

    async def _kill(self) -> None:
        await self.process.kill()
        await self.put(self._chance.randint(0, 30))
        assert await self.process.start(), self.process.tail()

    async def _cut(self) -> None:
        await self._wire.cut()
        await self.put(20)
        await self._wire.mend()

    async def _restart(self, change: Callable[[], None] = lambda: None) -> None:
        await asyncio.to_thread(self._server.stop)
        change()
        await self.put(20)
        await asyncio.to_thread(self._server.start)

    async def _renumber(self) -> None:
        folder = ON_DISK[self._chance.choice(FOLDERS)]
        await self._restart(lambda: self._server.renumber(folder))

    async def _silence(self) -> None:
        """Nothing is said any more on an open connection; mail that comes then is found by the next poll."""
        self._wire.hush()
        await self.put(5)
        await self.until(lambda told: told["registered"] >= self._sent)

    async def _password(self) -> None:
        """The account's password changes at the server first, and hours later in our file."""
        self._server.password += "-new"
        await self._restart()

        def refused(told: Any) -> bool:
            return told["state"] == "failing" and "imap.password" in told["repair"]

        await self.until(refused)
        self._secret.write_text(self._server.password)
        assert (await self._api("POST", "/v1/admin/reload", {})) is not None
        await self.until(lambda told: told["state"] == "ok")

    async def until(self, holds: Callable[[Any], bool], seconds: float = 180.0) -> Any:
        """Wait for something to be true of the channel's health, with the count of what is registered in it."""
        end = asyncio.get_running_loop().time() + seconds
        told: Any = None
        while asyncio.get_running_loop().time() < end:
            found = await self._api("GET", "/v1/channels")
            audit = await self._api("POST", "/v1/admin/audit", {})
            if found and audit:
                states: Counter[str] = Counter()
                for line in audit["lines"]:
                    states.update(line["by_state"])
                told = {**found["channels"][0], "registered": 0, **states}
                if holds(told):
                    return told
            await asyncio.sleep(0.1)
        raise AssertionError(f"{told}; {self.process.tail()}")

    async def _api(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
                session.request(method, self.process.url + path, json=body, headers=headers) as answer,
            ):
                return json.loads(await answer.read()) if answer.status < 300 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None


async def test_whatever_happens_to_a_mailbox_each_mail_is_registered_once(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    events = list(EVENTS)
    chance.shuffle(events)
    with Dovecot() as server:
        for folder in ON_DISK.values():
            server.make(folder)
        async with Wire(server.port) as wire:
            year = Year(server, wire, tmp_path, chance)
            assert await year.process.start(), year.process.tail()
            try:
                for event in events:
                    await year.happen(event)
                while not year.everything_came:
                    await year.put(50)
                await year.until(lambda told: told["registered"] >= MAILS, 300)
                told = await year.until(lambda told: told["state"] == "ok")
                assert await year.process.stop() == 0, year.process.tail()
            finally:
                if not year.process.dead:
                    await year.process.kill()
        unflagged = sum(server.count(folder, unseen=True) for folder in ON_DISK.values())
    tables = books.read(tmp_path / "data")
    made = Counter(row["source_id"] for row in tables["envelope"])
    assert made == Counter(f"<matter-{n}@example.com>" for n in range(1, MAILS + 1))
    assert Counter(row["envelope"] for row in tables["record"]) == Counter(
        row["id"] for row in tables["envelope"]
    )
    assert {row["state"] for row in tables["envelope"]} == {"registered"}
    assert unflagged == 0, "every mail was marked at the server in the end"
    assert told["registered"] == MAILS
    log = year.process.log.read_text()
    renumbered = log.count("mailbox.renumbered")
    assert renumbered >= EVENTS.count("renumber")
    with capsys.disabled():
        print(
            f"\nmailbox: {year.process.lives} lives, {len(tables['sighting'])} mails seen again, "
            f"{log.count('fetch.failed')} broken fetches, {renumbered} times UIDs anew"
        )
