"""Nobody is told anything before the system call that puts it on the disk has returned, as strace sees it.

Each message carries a mark of its own. In the trace the mark must be written to the write-ahead log, then the
log be synced, and only after that may the answer that belongs to the message be written to its socket.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from tests.rigs.office import Office
from tests.rigs.process import Process, free_port
from tests.rigs.ways import Box, Form, Hook, Mail

pytestmark = [pytest.mark.prove, pytest.mark.timeout(180)]

MESSAGES = 12
_CALLS = "fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"
_LINE = re.compile(r"^(\d+) +(.*)$")


def _tracer() -> list[str]:
    """The command that traces what follows it; skips the test where none can."""
    found = shutil.which("strace")
    works = found and subprocess.run([found, "-o", os.devnull, "true"], capture_output=True).returncode == 0
    if not works:
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail("strace is not here, or may not trace")
        pytest.skip("strace is not here, or may not trace")
    assert found is not None
    return [found, "-D", "-f", "-y", "-s", "16384", "-e", f"trace={_CALLS}", "-e", "signal=none"]


@dataclass(frozen=True)
class Call:
    """One system call at the moment when it returned."""

    name: str
    file: str
    data: str


def calls(trace: Path) -> Iterator[Call]:
    """What was called, in the order of return; a call that another thread interrupted stands where it ended."""
    begun: dict[str, str] = {}
    for line in trace.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        thread, text = found.groups()
        if text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>")
            continue
        if text.startswith("<... "):
            text = begun.pop(thread, "") + text.partition(" resumed>")[2]
        call = re.match(r"(\w+)\(\d+<([^>]*(?:->[^>]*)?)>(.*)", text)
        if call:
            yield Call(*call.groups())


def _mark(kind: str, n: int) -> str:
    return f"mark-{kind}-{n:04d}-x"


async def _bring_all(run: Any, office: Office) -> None:
    """One message after another by each way, so that each answer can be told."""
    for n in range(MESSAGES):
        for way in (Form(), Hook(), Mail()):
            told = await way.bring(
                run, n, text=_mark(way.channel, n), id=_mark(way.channel, n), office=office
            )
            assert told.taken
    for n in range(MESSAGES):
        await Box().bring(run, n, text=_mark("box", n), id=_mark("box", n), office=office)
        async with asyncio.timeout(20):
            await _flagged(office, n + 1)


async def _flagged(office: Office, n: int) -> None:
    for _ in range(1000):
        if Box().flagged(office) == [True] * n:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the box was not marked")


async def test_every_answer_follows_a_sync_of_what_it_promises(tmp_path: Path) -> None:
    trace, port, mail_port = tmp_path / "trace", free_port(), free_port()
    async with Office() as office:
        config = office.config(
            tmp_path / "data",
            listen={"port": port},
            channels={
                "mail": {"door": {"port": mail_port}, "acknowledge": False},
                "box": {"acknowledge": False},
            },
            log={"level": "error"},
        )
        process = Process(config, tmp_path, prefix=[*_tracer(), "-o", str(trace)])
        assert await process.start(), process.tail()
        async with aiohttp.ClientSession() as session:
            run = SimpleNamespace(
                url=process.url,
                session=session,
                port=lambda channel: mail_port,
                now=lambda: datetime.now(UTC),
            )
            try:
                await _bring_all(run, office)
            finally:
                await process.stop()
        for _ in range(250):
            if "+++ exited" in trace.read_text(errors="replace")[-4000:]:
                break
            await asyncio.sleep(0.02)

    written: set[str] = set()
    synced: set[str] = set()
    answers = {"202": 0, "250": 0, "flag": 0}
    syncs = 0
    for call in calls(trace):
        if call.file.endswith("forebay.db-wal"):
            if call.name == "pwrite64":
                written |= set(re.findall(r"mark-[a-z]+-\d{4}-x", call.data))
            elif call.name in ("fdatasync", "fsync"):
                syncs += 1
                synced |= written
            continue
        for name, sign, ways in (
            ("202", "HTTP/1.1 202", ("form", "hook")),
            ("250", "250 2.0.0 stored as", ("mail",)),
            ("flag", "STORE", ("box",)),
        ):
            if call.name != "pwrite64" and sign in call.data:
                n = answers[name]
                answers[name] += 1
                way = ways[n % len(ways)]
                mark = _mark(way, n // len(ways))
                assert mark in synced, f"{name} of {mark} left before its sync (written: {mark in written})"
    assert answers == {"202": 2 * MESSAGES, "250": MESSAGES, "flag": MESSAGES}
    assert syncs >= 4 * MESSAGES, "one message after another, each has a sync of its own"
