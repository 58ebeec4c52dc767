"""Measures mail going out through the channel's sender, beside a bare aiosmtplib loop to the same aiosmtpd sink.

    python benchmarks/mail_out.py [--mails 1000]

Both keep two connections busy. What the daemon writes about each delivery is not part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
import time
from email.message import EmailMessage
from typing import Any

import aiosmtplib
from aiosmtpd.smtp import SMTP
from programs import HERE

sys.path.insert(0, str(HERE.parent))
from connectors.email import SPEC
from model.delivery import Message, Purpose
from model.draft import Identity
from tests.rigs.email import ADDRESS
from tests.rigs.tools import Workbench

TEXT = "Thank you for writing. We have registered your message.\n感谢您的来信，我们已经登记。\n" * 8


class _Counts:
    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        return "250 2.0.0 taken"


def _sink(told: Any) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(_Counts(), loop=loop), "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


async def bare(port: int, count: int) -> tuple[float, float]:
    """Mails and processor time of the plain loop: the standard library writes, aiosmtplib sends."""

    async def some(numbers: range) -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port) as client:
            for n in numbers:
                mail = EmailMessage()
                mail["From"], mail["To"], mail["Subject"] = ADDRESS, f"c{n}@example.com", f"Matter {n} 投诉"
                mail["Message-ID"] = f"<{n}@office.example>"
                mail.set_content(TEXT)
                await client.send_message(mail)

    return await _timed(asyncio.gather(some(range(count // 2)), some(range(count // 2, count))), count)


async def ours(port: int, count: int) -> tuple[float, float]:
    """The same by the channel's sender."""
    settings = {
        "kind": "email", "address": ADDRESS,
        "outgoing": {
            "transport": "smtp", "host": "127.0.0.1", "port": port, "security": "none", "allow_plaintext": True,
            "connections": 2,
        },
    }  # fmt: skip
    async with (
        Workbench() as bench,
        SPEC.build(SPEC.settings.model_validate(settings), bench.tools()) as built,
    ):
        connector: Any = built

        async def one(n: int) -> None:
            to = Identity("email", f"c{n}@example.com")
            await connector.send(
                Message(
                    key=f"k{n}",
                    purpose=Purpose.REPLY,
                    reference="",
                    to=to,
                    subject=f"Matter {n} 投诉",
                    text=TEXT,
                )
            )

        return await _timed(asyncio.gather(*(one(n) for n in range(count))), count)


async def _timed(work: Any, count: int) -> tuple[float, float]:
    begun, spent = time.perf_counter(), time.process_time()
    await work
    return count / (time.perf_counter() - begun), 1e6 * (time.process_time() - spent) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=1000)
    count = parser.parse_args().mails
    here, there = multiprocessing.Pipe()
    sink = multiprocessing.get_context("spawn").Process(target=_sink, args=(there,), daemon=True)
    sink.start()
    port = here.recv()
    asyncio.run(bare(port, 20))
    floor, floor_cpu = asyncio.run(bare(port, count))
    rate, cpu = asyncio.run(ours(port, count))
    sink.terminate()
    print(f"load {os.getloadavg()[0]:.1f}; bare loop {floor:.0f}/s, {floor_cpu:.0f} µs each")
    print(f"sender {rate:.0f}/s, {cpu:.0f} µs each: {rate / floor:.2f} of it (wanted: >= 0.6)")


if __name__ == "__main__":
    main()
