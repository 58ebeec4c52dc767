"""The programs that are measured: the bare echo and the daemon, each in a process of its own on its own cores."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import psutil

HERE = Path(__file__).parent
_CONFIG = """
listen: {{port: {port}}}
data: {data}
channels:
  form: {{kind: form, rate: null, reply_via: {{{reply_via}}}}}
  mail: {{kind: email, address: feedback@forebay.example, outgoing: {{transport: file, folder: {data}/outgoing}}}}
{channels}
outbox: {{budget: {{per_domain_hour: 100000000, total_hour: 100000000}}}}
log: {{level: warning}}
"""


@dataclass
class Program:
    """A running program, and what it took of the machine so far."""

    process: subprocess.Popen[str]
    port: int

    def cpu_seconds(self) -> float:
        """Processor time of all its threads."""
        spent = psutil.Process(self.process.pid).cpu_times()
        return float(spent.user + spent.system)

    def children(self) -> int:
        """How many processes it has started that still run."""
        return len(psutil.Process(self.process.pid).children(recursive=True))

    def rss(self) -> int:
        """Resident memory, bytes, of it and its children."""
        whole = psutil.Process(self.process.pid)
        return sum(one.memory_info().rss for one in (whole, *whole.children(recursive=True)))


@contextlib.contextmanager
def running(
    command: list[str], cores: Set[int], log: BinaryIO | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A program for as long as the block lasts, on these cores only; `log` takes what it says to standard error."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=HERE.parent)
    try:
        pin(process.pid, cores)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def pin(pid: int, cores: Set[int]) -> None:
    """Let a process run on these cores only, where the system can do that."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, cores)


@contextlib.contextmanager
def echo(cores: Set[int]) -> Iterator[Program]:
    """The bare echo."""
    with running([sys.executable, str(HERE / "echo.py")], cores) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        yield Program(process, int(address.rpartition(":")[2]))


class Daemon(Program):
    """The daemon as an operator starts it, with a form whose customers are answered on their status page or by mail."""

    def __init__(
        self, process: subprocess.Popen[str], port: int, data: Path, started: float, config: Path
    ) -> None:
        super().__init__(process, port)
        self.config = config
        self._data = data
        self._started = started
        self.ready_after = 0.0
        """Seconds from the start of the process to the first 200 of /readyz."""
        self.made_after = 0.0
        """The same for the start that made the database."""

    def wait_until_ready(self) -> Self:
        while True:
            with contextlib.suppress(OSError):
                self._get("/readyz")
                self.ready_after = time.perf_counter() - self._started
                return self
            if self.process.poll() is not None:
                raise SystemExit(f"the daemon ended with {self.process.returncode}")
            time.sleep(0.005)

    def acknowledged(self) -> int:
        """Acknowledgements that went out, as the daemon counts them."""
        return self.figure("forebay_deliveries_total", 'outcome="delivered"')

    def commits(self) -> int:
        """Commits of the store's writer, each synced; up to ten seconds old."""
        return self.figure("forebay_commits_total")

    def wait_until_drained(self, accepted: int, patience: float) -> float:
        """Wait until everything accepted is acknowledged; when that was, by the monotonic clock."""
        until = time.perf_counter() + patience
        while self.acknowledged() < accepted:
            if time.perf_counter() > until:
                raise SystemExit(f"not drained within {patience:.0f} s: {self.counts()}")
            time.sleep(0.2)
        return time.perf_counter()

    def counts(self) -> dict[str, int]:
        """What really is there: rows of the database, and files of mail."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self._data}/forebay.db?mode=ro", uri=True)
        ) as database:
            tables = {
                "envelopes": "SELECT count(*) FROM envelope",
                "records": "SELECT count(*) FROM record",
                "delivered": "SELECT count(*) FROM delivery WHERE state = 'delivered'",
            }
            found = {name: int(database.execute(query).fetchone()[0]) for name, query in tables.items()}
        return found | {"mails": sum(1 for _ in self.mails())}

    def mails(self) -> Iterator[os.DirEntry[str]]:
        """The files of mail."""
        folder = self._data / "outgoing"
        return (
            (one for one in os.scandir(folder) if one.name.endswith(".eml")) if folder.is_dir() else iter(())
        )

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def figure(self, name: str, label: str = "") -> int:
        """The sum of what /metrics tells under a name, with a label if one is given."""
        lines = (
            line for line in self._get("/metrics").splitlines() if line.startswith(name) and label in line
        )
        return int(sum(float(line.rpartition(" ")[2]) for line in lines))


def configuration(port: int, data: Path, *, by_mail: bool, channels: Mapping[str, Any] | None = None) -> str:
    """What the measured daemon runs with; further channels may be named."""
    more = "\n".join(f"  {name}: {json.dumps(settings)}" for name, settings in (channels or {}).items())
    return _CONFIG.format(
        port=port, data=data, reply_via="email: mail" if by_mail else "", channels=more or "  # no others"
    )


@contextlib.contextmanager
def daemon(
    folder: Path, cores: Set[int], *, by_mail: bool = False, channels: Mapping[str, Any] | None = None
) -> Iterator[Daemon]:
    """The daemon with an empty store, ready. `by_mail`: acknowledgements become synced files of mail.

    It is the second start: the first one of all makes the tables, which takes time and memory once.
    """
    folder.mkdir(parents=True)
    port, config = free_port(), folder / "bench.yaml"
    config.write_text(configuration(port, folder / "var", by_mail=by_mail, channels=channels))
    with _start(config, port, folder / "var", cores) as first:
        made_after = first.ready_after
    with _start(config, port, folder / "var", cores) as again:
        again.made_after = made_after
        yield again


@contextlib.contextmanager
def _start(config: Path, port: int, data: Path, cores: Set[int]) -> Iterator[Daemon]:
    started = time.perf_counter()
    with running([sys.executable, "-m", "gateway", "run", "--config", str(config)], cores) as process:
        yield Daemon(process, port, data, started, config).wait_until_ready()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
