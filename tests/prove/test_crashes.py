"""The daemon is killed at every named point while work goes on; in the end nothing is lost and nothing doubled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import databases
from tests.prove import books, points
from tests.prove.campaign import HOLD, Campaign
from tests.rigs.office import Office
from tests.rigs.process import Process, free_port

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]

#: How long a life may take to come to its point, seconds.
PATIENCE = 30.0


def config(office: Office, folder: Path, port: int, mail_port: int, url: str) -> dict[str, Any]:
    """The whole house with short leases, a place for every step, and budgets that are no bound."""
    hook = office.channels()["hook"]
    return office.config(
        folder / "data",
        {"url": url} if url else {},
        listen={"port": port},
        log={"format": "json", "level": "warning"},
        retention={"every": 0.7},
        channels={
            # Their customers cannot tell a repeat, which the books here count by.
            **dict.fromkeys(("wechat", "weibo", "wecom", "messenger", "instagram", "whatsapp")),
            "mail": {"door": {"port": mail_port}},
            "ask": {
                **hook,
                "answer_within": 2,
                "respond": {"body": {"say": "{{ message.text }}"}},
                "order": None,
            },
        },
        rules={
            "rules": [
                {
                    "name": "look first",
                    "when": f'record.full_text.contains("{HOLD}")',
                    "set": {"hold": "somebody should look"},
                }
            ],
        },
        # These deaths come from outside: they are no sign that a message kills (law 11 has a proof of its own).
        inbox={"hot_queue": 16, "process_batch": 8, "max_claims": 1000},
        outbox={"hot_queue": 16, "max_claims": 1000, "budget": {"total_hour": 1_000_000}},
    )


@asynccontextmanager
async def campaign(tmp_path: Path, seed: int, url: str = "") -> AsyncIterator[Campaign]:
    """Clients at work around a house that is not started yet."""
    port, mail_port = free_port(), free_port()
    async with Office() as office:
        process = Process(config(office, tmp_path, port, mail_port, url), tmp_path)
        process.url = f"http://127.0.0.1:{port}"
        run = Campaign(process, office, mail_port, random.Random(seed))
        await run.begin()
        try:
            yield run
        finally:
            await run.close()
            if not process.dead:
                await process.kill()


async def end(run: Campaign, tmp_path: Path, url: str = "") -> str:
    """A last life in peace, and the proof of everything; a line that tells of it."""
    assert await run.process.start(), run.process.tail()
    await run.finish()
    await run.settle()
    audit = await run.audit()
    assert audit["balanced"], audit
    assert await run.process.stop() == 0, run.process.tail()

    tables = books.read(tmp_path / "data", url)
    books.nothing_lost_or_doubled(run, tables)
    doubts = {
        "acknowledgements": books.everybody_was_acknowledged(run, tables),
        "answers": books.every_answer_left_once(run, tables),
        "hand-overs": books.every_record_was_handed_over(run, tables),
    }
    flags = ["\\Seen" in mail.flags for mail in run.office.imap.boxes["INBOX"].mails]
    assert all(flags), "every mail in the box was marked in the end"
    assert sum(doubts.values()) <= run.process.lives * 6, "doubt comes from a death, never from nowhere"
    return (
        f"{run.process.lives} lives, {len(run.sent)} messages, {len(run.replied)} answers, "
        f"{len(tables['sighting'])} repeats recognised, in doubt: {doubts}"
    )


async def _die_at(run: Campaign, point: str, times: int) -> None:
    """One life that ends at the N-th pass of a point."""
    alive = await run.process.start(kill=f"{point}:{times}")
    if alive and point.startswith("release."):
        await asyncio.sleep(1.0)
        run.process.terminate()
    died = await run.process.died(PATIENCE)
    assert died, (
        f"{point} was not passed {times} times in {PATIENCE:g} s; passed: {dict(run.process.passed())}"
    )


def _plan(chance: random.Random) -> list[tuple[str, int]]:
    """Every point once, in any order; after a life that died while it sent comes one that resolves the doubt."""
    plan = [
        *((one, chance.randint(1, 4)) for one in points.both(points.BY_TRAFFIC)),
        *((one, 1) for one in points.both(points.BY_TIME)),
        *((one, 1) for one in points.both(points.BY_START)),
        *((one, 1) for one in points.both(points.BY_STOP)),
        *((one, chance.randint(1, 4)) for one in points.AROUND),
    ]
    chance.shuffle(plan)
    for doubt in points.both(points.BY_DOUBT):
        plan += [("send.after", 2), (doubt, 1)]
    return plan


async def test_killed_at_every_point_nothing_is_lost_or_doubled(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with campaign(tmp_path, seed) as run:
        for point, times in _plan(random.Random(seed)):
            await _die_at(run, point, times)
        told = await end(run, tmp_path)
        missed = set(points.EVERY) - set(run.process.passed())
        assert not missed, f"never passed: {sorted(missed)}"
    with capsys.disabled():
        print(f"\nevery point: {told}")


async def test_killed_at_random_moments_nothing_is_lost_or_doubled(
    tmp_path: Path, seed: int, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    async with campaign(tmp_path, seed) as run:
        for _ in range(kills):
            assert await run.process.start(), run.process.tail()
            await asyncio.sleep(chance.uniform(0.0, 1.2))
            await run.process.kill()
        told = await end(run, tmp_path)
    with capsys.disabled():
        print(f"\nrandom kills: {told}")


async def test_killed_on_postgresql_nothing_is_lost_or_doubled(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    url = databases.migrated_database()
    some = ("accept.form", "accept.email", "process.registered", "attempt", "settle", "reply", "recover")
    async with campaign(tmp_path, seed, url) as run:
        for point in (*points.both(some), "send.before", "send.after", "confirm.after"):
            await _die_at(run, point, 1)
        told = await end(run, tmp_path, url)
    with capsys.disabled():
        print(f"\nPostgreSQL: {told}")
