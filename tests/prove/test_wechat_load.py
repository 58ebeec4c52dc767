"""Messages from WeChat at a steady rate, some of them brought four times, with the store on PostgreSQL.

Two hundred a second is what a large account brings. How long the answers took is printed, not held against a limit: the
machine also plays WeChat, and other proofs run beside this one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from connectors.contract import Request
from tests import databases
from tests.prove import books
from tests.rigs import wechat
from tests.rigs.office import Office
from tests.rigs.process import Process, free_port

Capture = pytest.CaptureFixture[str]
pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]

SECONDS = 20
#: Of a hundred messages so many are redelivered, three times each, within WeChat's five seconds for each try.
REDELIVERED, TIMES, WITHIN = 5, 3, 5.0


async def test_every_message_is_answered_and_none_is_lost_or_doubled(
    tmp_path: Path, rate: int, capsys: Capture
) -> None:
    port, url, total = free_port(), databases.migrated_database(), rate * SECONDS
    chance = random.Random(20261122)
    async with Office() as office:
        others = {name: None for name in office.channels() if name != "wechat"}
        config = office.config(
            tmp_path / "data",
            {"url": url},
            listen={"port": port},
            log={"format": "json", "level": "warning"},
            channels={**others, "wechat": {"answer_within": 0.5}},
            outbox={"budget": {"total_hour": 1_000_000}},
        )
        process = Process(config, tmp_path)
        now = datetime.now(UTC)
        requests = [
            wechat.sealed(wechat.text(n, f"第 {n} 件事：电梯坏了。", at=now), now, nonce=str(n))
            for n in range(total)
        ]
        assert await process.start(), process.tail()
        try:
            answers, waits = await _bring(process.url, requests, chance, rate)
            async with asyncio.timeout(240):
                while not _settled(books.read(tmp_path / "data", url), total):  # noqa: ASYNC110  another process
                    await asyncio.sleep(1)
        finally:
            assert await process.stop() == 0, process.tail()
        tables = books.read(tmp_path / "data", url)
        passive = Counter(n for n, bodies in answers.items() if any(body != b"success" for body in bodies))
        sent = {n: len(office.weixin.got[wechat.openid(n)]) for n in range(total)}

    waits.sort()
    median, slow, slowest = (waits[int(len(waits) * share)] * 1e3 for share in (0.5, 0.99, 0.99999))
    with capsys.disabled():
        print(
            f"\n{len(waits)} requests: median {median:.0f} ms, 99 % {slow:.0f} ms, slowest {slowest:.0f} ms; "
            f"{sum(passive.values())} acknowledgements on the answer"
        )
    assert len(tables["record"]) == len(tables["envelope"]) == total, "none is lost, none doubled"
    assert len(tables["sighting"]) == len(waits) - total, "every redelivery is known as one"
    for n, bodies in answers.items():
        replies = {body for body in bodies if body != b"success"}
        assert len(replies) <= 1, "a redelivery gets the same answer"
        for reply in replies:
            assert wechat.opened(reply)["ToUserName"] == wechat.openid(n)
        assert len(replies) + sent[n] == 1, f"follower {n} was acknowledged {len(replies) + sent[n]} times"


def _settled(tables: Mapping[str, books.Rows], total: int) -> bool:
    """Every message is registered, and no acknowledgement is still on its way."""
    acknowledgements = [row for row in tables["delivery"] if row["purpose"] == "acknowledgement"]
    under_way = [row for row in acknowledgements if row["state"] in ("waiting", "claimed")]
    return len(tables["record"]) >= total and len(acknowledgements) >= total and not under_way


async def _bring(
    url: str, requests: list[Request], chance: random.Random, rate: int
) -> tuple[dict[int, list[bytes]], list[float]]:
    """Post each at its time, and some again and again; what was answered, and how long each answer took."""
    answers: defaultdict[int, list[bytes]] = defaultdict(list)
    waits: list[float] = []
    # A slow answer is to be measured, not cut off.
    connector, patient = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=60, sock_connect=60)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=patient) as session,
        asyncio.TaskGroup() as group,
    ):

        async def post(n: int, at: float) -> None:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            begun = time.monotonic()
            async with session.post(url + wechat.target(requests[n]), data=requests[n].body) as answer:
                body = await answer.read()
            waits.append(time.monotonic() - begun)
            assert answer.status == 200, (answer.status, body)
            answers[n].append(body)

        begin = time.monotonic() + 0.5
        for n in range(len(requests)):
            at = begin + n / rate
            group.create_task(post(n, at))
            if chance.randrange(100) < REDELIVERED:
                for _ in range(TIMES):
                    group.create_task(post(n, at + chance.random() * WITHIN))
    return answers, waits
