"""A mail of 50 MB goes through the daemon and its reader in bounded memory, and its attachment is whole."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.rigs import email
from tests.rigs.office import TOKEN, Office
from tests.rigs.process import Process, free_port

pytestmark = [pytest.mark.prove, pytest.mark.timeout(180)]

#: Bytes of the attachment, which base64 makes a third larger; and of memory that all processes may take together.
ATTACHMENT, MEMORY = 37_000_000, 300 * 1024 * 1024


class Watch:
    """The most memory that a process and its children held together."""

    def __init__(self, pid: int) -> None:
        self._daemon = psutil.Process(pid)
        self._task = asyncio.create_task(self._look())
        self.most = 0

    async def _look(self) -> None:
        while True:
            held = 0
            for one in (self._daemon, *self._daemon.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    held += one.memory_info().rss
            self.most = max(self.most, held)
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def test_a_mail_of_50_megabytes_takes_less_than_300_of_memory(
    tmp_path: Path, record_property: Any
) -> None:
    data = random.Random(1).randbytes(ATTACHMENT)
    raw = (
        b"From: customer@example.com\r\nTo: feedback@office.example\r\nSubject: Large\r\n"
        b"Message-ID: <large@example.com>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the file.\r\n--b\r\n"
        b"Content-Type: application/pdf; name=large.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(data).replace(b"\n", b"\r\n")
        + b"\r\n--b--\r\n"
    )
    assert len(raw) > 50_000_000
    doors = {"listen": {"port": free_port()}, "log": {"level": "error"}}
    async with Office() as office, aiohttp.ClientSession() as session:
        mail_port = free_port()
        config = office.config(
            tmp_path / "data",
            channels={
                **dict.fromkeys(office.channels()),  # what other kinds hold in memory is not the mail's
                "mail": {"limits": {"body_bytes": 60_000_000}, "door": {"port": mail_port}},
            },
            **doors,
        )
        process = Process(config, tmp_path)
        assert await process.start(), process.tail()

        async def ask(path: str) -> Any:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with session.get(f"{process.url}{path}", headers=headers) as told:
                return json.loads(await told.read())

        watch = Watch(process.pid)
        try:
            answer = await email.bring(mail_port, raw, sender="customer@example.com", seconds=90)
            assert answer.startswith("250"), answer
            async with asyncio.timeout(60):
                while not (records := (await ask("/v1/records"))["records"]):  # noqa: ASYNC110 — nobody tells
                    await asyncio.sleep(0.1)
        finally:
            await watch.stop()
            await process.stop()
    [record] = records
    [attachment] = record["attachments"]
    assert (attachment["size"], attachment["sha256"]) == (ATTACHMENT, hashlib.sha256(data).hexdigest())
    assert record["text"] == "See the file."
    record_property("memory", watch.most)
    print(f"most memory: {watch.most / 2**20:.0f} MB")
    assert watch.most < MEMORY, f"{watch.most / 2**20:.0f} MB"
