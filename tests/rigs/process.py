"""The daemon as a process of its own, which a test may kill and start again.

process = Process(config, tmp_path, port=8080)
await process.start(kill="settle.after_commit:2")
await process.died(20)          # by SIGKILL, at that point
await process.start()
await process.stop()            # SIGTERM, in good order
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A free port of loopback below those that the kernel gives to clients.

    A client that knocks at a dead port of its own range is at last given that very port, and talks to itself.
    """
    while True:
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", random.randint(18_000, 30_000)))
            return int(one.getsockname()[1])


class Process:
    """One data folder and the lives of the daemon in it."""

    def __init__(self, config: Mapping[str, Any], folder: Path, prefix: Sequence[str] = ()) -> None:
        self.path = folder / "forebay.yaml"
        self.path.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
        self.log = folder / "daemon.log"
        self._points = folder / "points"
        self._prefix = tuple(prefix)
        self._process: asyncio.subprocess.Process | None = None
        self.lives = 0
        self.url = ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self, *, kill: str = "", text: str = "", wait: bool = True) -> bool:
        """Begin a life; False when it ended before it was ready, as one does that dies while starting."""
        self.lives += 1
        environ = {
            **os.environ,
            "FOREBAY_PROVE_POINTS": str(self._points),
            "FOREBAY_PROVE_KILL": kill,
            "FOREBAY_PROVE_TEXT": text,
        }
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._prefix,
                sys.executable,
                "-m",
                "tests.prove.daemon_main",
                str(self.path),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environ,
                cwd=ROOT,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            line = (await self._process.stdout.readline()).decode()
        if not line.startswith("READY"):
            await self._process.wait()
            return False
        self.url = line.split()[1]
        return True

    @property
    def dead(self) -> bool:
        return self._process is None or self._process.returncode is not None

    async def died(self, seconds: float) -> bool:
        """Whether it ended within the time; by SIGKILL, or the test fails with its log."""
        assert self._process is not None
        try:
            async with asyncio.timeout(seconds):
                code = await self._process.wait()
        except TimeoutError:
            return False
        assert code == -signal.SIGKILL, f"it ended with {code}: {self.tail()}"
        return True

    async def kill(self) -> None:
        """End it as a power cut does."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def terminate(self) -> None:
        """Tell it to stop, without waiting."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    async def stop(self) -> int:
        """Tell it to stop, and wait; its exit code."""
        assert self._process is not None
        self.terminate()
        async with asyncio.timeout(40):
            return await self._process.wait()

    def passed(self) -> Counter[str]:
        """How often each point was passed, in all lives."""
        return Counter(self._points.read_text().split()) if self._points.exists() else Counter()

    def tail(self) -> str:
        """The end of the log."""
        return self.log.read_text(errors="replace")[-3000:]
