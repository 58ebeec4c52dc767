"""The daemon is killed in the middle of an import, again and again; in the end every row is there, once."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.rigs.office import TOKEN, Office
from tests.rigs.process import Process, free_port

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]
ROWS = 2_000


async def _ask(url: str, method: str, path: str, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, url + path, **more) as answer,
    ):
        told = await answer.json()
        assert answer.status < 300, told
        return told


async def test_an_import_that_is_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    async with Office() as office:
        config = office.config(tmp_path / "data", listen={"port": free_port()}, imports={"batch": 20})
        process = Process(config, tmp_path)
        await process.start()
        # Every tenth row is like the one before, and some are bad.
        rows = [
            {"message": f"row {n - (n % 10 == 9)}"} | ({"date": "never"} if n % 100 == 5 else {})
            for n in range(ROWS)
        ]
        data = b"\n".join(json.dumps(one).encode() for one in rows)
        params = {"channel": "form", "name": "t.jsonl"}
        begun = await _ask(process.url, "POST", "/v1/imports", params=params, data=data)
        where = f"/v1/imports/{begun['id']}"
        await _ask(process.url, "POST", f"{where}/preview", json={})
        await _ask(process.url, "POST", f"{where}/start", json={})
        await process.kill()
        for point in (
            "accept.import.before_commit",
            "accept.import.after_commit",
            "import.claim.after_commit",
        ) * 2:
            times = 1 if "claim" in point else chance.randint(2, 12)
            await process.start(kill=f"{point}:{times}", wait=False)
            await process.died(60)
        await process.start()
        while (row := await _ask(process.url, "GET", where))["state"] == "running" or row["became"].get(
            "waiting"
        ):
            pass
        bad = ROWS // 100
        assert row["state"] == "done", row
        assert (row["rows"], row["taken"], row["known"], row["errors"]) == (ROWS, ROWS - bad, 0, bad)
        told = await _ask(process.url, "POST", "/v1/admin/audit", json={})
        assert told["balanced"] and sum(one["received"] for one in told["lines"]) == ROWS - bad
        await process.stop()
