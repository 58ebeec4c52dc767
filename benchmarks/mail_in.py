"""Measures mail coming in, a real Dovecot to registered records, beside what libraries alone do with the same mails.

    python benchmarks/mail_in.py [--mails 1000] [--json FILE]

Floors, in the same run: the standard library's parser (`email.policy.default`) in one process, and a plain loop that
only fetches with aioimaplib. The method, and what the figures say, stand in docs/reference/figures.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import email
import email.policy
import json
import os
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import psutil
from programs import HERE, free_port, running
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(HERE.parent))
from tests.rigs.dovecot import Dovecot

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
LARGE = 50 * 1_048_576
WORDS = (
    "lift",
    "house",
    "stood",
    "still",
    "since",
    "monday",
    "nobody",
    "answers",
    "please",
    "tell",
    "repaired",
)
CHINESE = "您好，我们小区的电梯从周一开始就停了，物业一直没有人来修，请尽快处理并回复，谢谢。"

Figures = dict[str, Any]


def made(count: int, seed: int = 1) -> list[bytes]:
    """Mails as an office gets them: plain, HTML beside text, answers with quotations, files; English and Chinese."""
    chance = random.Random(seed)
    return [_mail(n, chance).as_bytes(policy=email.policy.SMTP) for n in range(count)]


def _mail(n: int, chance: random.Random) -> EmailMessage:
    message = EmailMessage()
    name = "顾客" if n % 2 else "Customer"
    message["From"] = f"{name} {n} <customer{n}@example.com>"
    message["To"] = "Example Office <feedback@office.example>"
    message["Subject"] = f"电梯故障 {n}" if n % 2 else f"The lift stands still, house {n}"
    message["Date"] = format_datetime(BEGIN + timedelta(minutes=n))
    message["Message-ID"] = f"<bench-{n}@example.com>"
    for hop in range(4):
        way = f"from mx{hop}.example.com by mx{hop + 1}.example.com with ESMTPS id {chance.getrandbits(60):x}"
        message["Received"] = f"{way}; {message['Date']}"
    text = "\n".join(_line(chance, n % 2) for _ in range(chance.randrange(4, 40)))
    if n % 3 == 0:
        quoted = "\n".join(f"> {_line(chance, 0)}" for _ in range(20))
        text += f"\n\nOn Mon, 2 Nov 2026 at 10:00, Example Office wrote:\n{quoted}"
    message.set_content(text, charset="gb18030" if n % 4 == 1 else "utf-8")
    if n % 10 >= 4:
        paragraphs = "".join(f"<p style='margin:0'>{line}</p>" for line in text.splitlines())
        html = f"<html><body><div class='x'>{paragraphs}</div></body></html>"
        message.add_alternative(html, subtype="html")
    if n % 10 == 9:
        photo = chance.randbytes(chance.randrange(20_000, 120_000))
        message.add_attachment(photo, maintype="image", subtype="jpeg", filename=f"照片{n}.jpg")
    return message


def _line(chance: random.Random, chinese: int) -> str:
    if chinese:
        return CHINESE[: chance.randrange(8, len(CHINESE))]
    return " ".join(chance.choices(WORDS, k=chance.randrange(5, 14)))


def large() -> bytes:
    """A mail of fifty megabytes."""
    message = _mail(1_000_000, random.Random(2))
    data = random.Random(3).randbytes(LARGE * 3 // 4 * 57 // 59)  # base64 in lines of 76
    message.add_attachment(data, maintype="application", subtype="zip", filename="all.zip")
    return message.as_bytes(policy=email.policy.SMTP)


# ---- floors


def measure_parser(mails: list[bytes]) -> Figures:
    """Parse each mail, read the headers and the text that a record needs, and nothing else."""
    wall, cpu = time.perf_counter(), time.process_time()
    for raw in mails:
        message: Any = email.message_from_bytes(raw, policy=email.policy.default)
        for name in ("from", "to", "subject", "date", "message-id"):
            str(message[name])
        body = message.get_body(("plain", "html"))
        body.get_content()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"parser_per_second": len(mails) / wall, "parser_cpu_us": 1e6 * cpu / len(mails)}


def measure_fetching(server: Dovecot, count: int) -> Figures:
    """Fetch all mails by fifties with the library as it is, and drop them."""
    from aioimaplib import aioimaplib

    async def fetch() -> int:
        client = aioimaplib.IMAP4("127.0.0.1", server.port, timeout=60)
        await client.wait_hello_from_server()
        await client.login(server.user, server.password)
        await client.select("INBOX")
        got = 0
        for first in range(1, count + 1, 50):
            answer = await client.uid("fetch", f"{first}:{first + 49}", "(UID INTERNALDATE BODY.PEEK[])")
            got += sum(isinstance(line, bytearray) for line in answer.lines)
        await client.logout()
        return got

    wall, cpu = time.perf_counter(), time.process_time()
    got = asyncio.run(fetch())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if got != count:
        raise SystemExit(f"{got} of {count} mails were fetched")
    return {"fetch_per_second": count / wall, "fetch_cpu_us": 1e6 * cpu / count}


# ---- the daemon


class Peak:
    """The most resident memory of a process and its children, looked at every 10 ms."""

    def __init__(self, pid: int) -> None:
        self._whole = psutil.Process(pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.together = 0
        self.alone = 0
        """Of the daemon itself, without its reading process."""
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.01):
            with contextlib.suppress(psutil.Error):
                own = self._whole.memory_info().rss
                children = [one.memory_info().rss for one in self._whole.children(recursive=True)]
                self.alone, self.together = max(self.alone, own), max(self.together, own + sum(children))


@contextlib.contextmanager
def daemon(server: Dovecot, folder: Path) -> Iterator[tuple[int, Path]]:
    """The daemon with a mailbox to read from its beginning; its process and its data folder."""
    folder.mkdir(parents=True)
    config = {
        "listen": {"port": free_port()},
        "data": str(folder / "var"),
        "log": {"format": "json", "level": "info"},
        "channels": {
            "box": {
                "kind": "email", "address": "feedback@office.example", "limits": {"body_bytes": 2 * LARGE},
                "imap": {
                    "host": "127.0.0.1", "port": server.port, "security": "none", "allow_plaintext": True,
                    "user": server.user, "password": server.password, "start": "all",
                },
            }
        },
    }  # fmt: skip
    path = folder / "bench.yaml"
    path.write_text(json.dumps(config))
    with (
        (folder / "log").open("wb") as log,
        running([sys.executable, "-m", "gateway", "run", "--config", str(path)], set(), log) as process,
    ):
        yield process.pid, folder


def _wait(data: Path, count: int, patience: float) -> None:
    """Wait until so many records are there."""
    until = time.perf_counter() + patience
    while time.perf_counter() < until:
        with (
            contextlib.suppress(sqlite3.OperationalError),
            contextlib.closing(sqlite3.connect(f"file:{data}/forebay.db?mode=ro", uri=True)) as database,
        ):
            if database.execute("SELECT count(*) FROM record").fetchone()[0] >= count:
                return
        time.sleep(0.1)
    raise SystemExit(f"not all of {count} mails were registered within {patience:.0f} s")


def _first(log: Path) -> dict[str, Any]:
    """What the daemon logs at its first look into the mailbox."""
    while True:
        for line in log.read_text().splitlines():
            if '"mailbox.first"' in line:
                told: dict[str, Any] = json.loads(line)
                return told
        time.sleep(0.01)


def _spent(pid: int) -> tuple[float, float]:
    """Processor seconds of the daemon, and of its reading processes."""
    whole = psutil.Process(pid)
    own, *readers = (sum(one.cpu_times()[:2]) for one in (whole, *whole.children(recursive=True)))
    return own, sum(readers)


def measure_daemon(server: Dovecot, folder: Path, count: int) -> Figures:
    """From the first look into the mailbox until the last record."""
    with daemon(server, folder) as (pid, _):
        peak = Peak(pid)
        first = _first(folder / "log")
        own, readers = _spent(pid)
        _wait(folder / "var", count, patience=300)
        own_after, readers_after = _spent(pid)
        peak.stop()
    with contextlib.closing(sqlite3.connect(folder / "var" / "forebay.db")) as database:
        last, records, envelopes = database.execute(
            "SELECT max(registered_at), count(*), (SELECT count(*) FROM envelope) FROM record"
        ).fetchone()
    if (records, envelopes) != (count, count):
        raise SystemExit(f"{count} mails became {envelopes} envelopes and {records} records")
    begun = datetime.fromisoformat(first["timestamp"]).timestamp()
    return {
        "registered_per_second": count / (last / 1e6 - begun),
        "registered_cpu_us": 1e6 * (own_after - own + readers_after - readers) / count,
        "reading_cpu_us": 1e6 * (readers_after - readers) / count,
        "rss_mb": peak.together / 1e6,
    }


def measure_large(server: Dovecot, folder: Path, raw: bytes) -> Figures:
    """The memory that one mail of fifty megabytes takes, over IMAP."""
    server.put("INBOX", raw)
    with daemon(server, folder) as (pid, _):
        peak = Peak(pid)
        _wait(folder / "var", 1, patience=120)
        peak.stop()
    return {"large_rss_mb": peak.together / 1e6, "large_rss_alone_mb": peak.alone / 1e6}


def show(figures: Figures) -> Table:
    """The figures with their targets."""
    table = Table(title=f"Mail in, {figures['mails']} mails of {figures['bytes']:,} bytes on average")
    for name in ("", "mails/s", "CPU for one", "of the parser's rate"):
        table.add_column(name, justify="right" if name else "left")
    for name, words in (
        ("parser", "email.policy.default alone"), ("fetch", "aioimaplib, fetching alone"),
        ("registered", "Dovecot to registered record"),
    ):  # fmt: skip
        rate = figures[f"{name}_per_second"]
        share = rate / figures["parser_per_second"]
        table.add_row(words, f"{rate:,.0f}", f"{figures[f'{name}_cpu_us']:,.0f} µs", f"{share:.2f}")
    table.add_section()
    table.add_row("target: >= 0.8 of the parser's rate", "", "", "reached" if share >= 0.8 else "missed")
    table.add_row(
        f"memory with a mail of 50 MB: {figures['large_rss_mb']:.0f} MB, the reader's included", "", "", ""
    )
    table.add_row("target: < 300 MB", "", "", "reached" if figures["large_rss_mb"] < 300 else "missed")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "var", help="where the data folders go")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    mails = made(given.mails)
    figures: Figures = {
        "mails": len(mails),
        "bytes": sum(map(len, mails)) // len(mails),
        "load_before": os.getloadavg()[0],
        **measure_parser(mails),
    }
    with tempfile.TemporaryDirectory(prefix="bench-", dir=given.folder) as folder:
        with Dovecot() as server:
            for raw in mails:
                server.put("INBOX", raw)
            figures |= measure_fetching(server, len(mails))
            figures |= measure_daemon(server, Path(folder) / "many", len(mails))
        with Dovecot() as server:
            figures |= measure_large(server, Path(folder) / "large", large())
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    Console().print(show(figures))


if __name__ == "__main__":
    main()
