"""Whoever dies while a page is recognised, nothing is lost; and recognition leaves nothing behind when it idles."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import psutil
import pytest

from tests.rigs import letter, letters
from tests.rigs.office import TOKEN, Office
from tests.rigs.process import Process, free_port
from tests.rigs.waiting import until

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]

DPI = 150
LONG = 240.0
#: Processor time after which a reader is in the middle of the batch, seconds: its libraries are loaded, its models too
#: or nearly. A quick machine needs half of it for the libraries, and three times as much for the whole batch.
_AT_WORK = 1.5
#: The letters of the batch, by their seeds.
_SEEDS = (2, 3, 5)


def _batch() -> bytes:
    """Three letters; reading the batch, and each of its letters, are four works of the reader."""
    sheets = []
    for seed in _SEEDS:
        sheets += [
            letters.printed(letters.brief(seed), letters.fonts()[0], dpi=DPI)[0].image,
            letters.separator(dpi=DPI),
        ]
    return letters.pdf([letters.scanned(one, Random(1), dpi=DPI, sigma=4) for one in sheets], DPI)


def _readers(process: Process) -> list[psutil.Process]:
    found = []
    for one in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "inbox.worker" in one.cmdline():
                found.append(one)
    return found


def _at_work(process: Process, other_than: int = 0) -> psutil.Process | None:
    for one in _readers(process):
        with contextlib.suppress(psutil.Error):
            if one.pid != other_than and one.cpu_times().user > _AT_WORK:
                return one
    return None


async def test_reader_and_daemon_killed_in_mid_page_lose_nothing_and_idle_costs_nothing(
    tmp_path: Path, record_property: Any
) -> None:
    async with Office() as office, aiohttp.ClientSession() as session:
        config = office.config(
            tmp_path / "data",
            channels={"letters": letter.settings(office.scans, own=[*letters.US_ZH, *letters.US_EN])},
            inbox={"slow_reader_idle": 1},
            listen={"port": free_port()},
            log={"level": "error"},
        )
        process = Process(config, tmp_path)
        assert await process.start(), process.tail()

        async def records() -> list[Any]:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with session.get(f"{process.url}/v1/records", headers=headers) as told:
                return list(json.loads(await told.read())["records"])

        async def registered() -> bool:
            return len(await records()) == len(_SEEDS)

        try:
            before = psutil.Process(process.pid).memory_info().rss
            letter.put(office.scans, "batch.pdf", _batch())
            reader = await until(lambda: _at_work(process), LONG, process.tail)
            assert reader.nice() == min(19, psutil.Process(process.pid).nice() + 10)
            reader.kill()
            again = await until(lambda: _at_work(process, other_than=reader.pid), LONG, process.tail)
            await process.kill()
            with contextlib.suppress(psutil.Error):
                again.wait(60)  # it ends by itself when nobody is there to be answered
            assert await process.start(), process.tail()
            await until(registered, LONG, process.tail)
            names = {one["contact"]["name"] for one in await records()}
            assert names == {letters.brief(seed).name for seed in _SEEDS}
            # The worker and its memory go.
            await until(lambda: not _readers(process), 60, process.tail)
            after = psutil.Process(process.pid).memory_info().rss
            record_property("memory", (before, after))
            assert after < before + 80 * 2**20
        finally:
            await process.stop()
    assert [path.name for path in (tmp_path / "data").glob("spool/*")] == []
