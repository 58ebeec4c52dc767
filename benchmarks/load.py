"""The generator: posts numbered 700-byte forms over kept-alive connections, in a process of its own.

Speaks just enough HTTP to stay far cheaper than what it measures. Prints one JSON object when done.

    python benchmarks/load.py full  HOST PORT --connections 64 --seconds 60
    python benchmarks/load.py paced HOST PORT --rate 200 --seconds 20

`full`: each connection posts again as soon as it is answered. `paced`: posts at fixed times whatever the
answers do, and counts each latency from the time at which it was due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import cast

import uvloop

#: Bytes of a form; its text is filled up to that.
SIZE = 700
#: Where the number of a form stands, in the address that its customer left.
ADDRESS = "c{:07d}@example.com"
_TEXT = "The fridge that you sold me does not cool any more. "
_SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def form(number: int) -> bytes:
    """Form number so-and-so: all differ, all have the same size."""
    head = (
        '{"name":"Li Wei","company":"Acme","contact":"'
        + ADDRESS.format(number)
        + f'","subject":"Order {number:07d}",'
        '"message":"'
    )
    text = _TEXT * (SIZE // len(_TEXT) + 1)
    return (head + text[: SIZE - len(head) - 2] + '"}').encode()


def request(host: str, number: int) -> bytes:
    body = form(number)
    head = (
        f"POST /in/form HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(
        self, answered: Callable[[Connection, int], None], lost: Callable[[Connection], None]
    ) -> None:
        self._answered = answered
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self.since = 0.0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        self._lost(self)

    def post(self, data: bytes, since: float) -> None:
        assert self._transport is not None
        self.since, self.busy = since, True
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._data[:end].lower()
        at = head.index(b"content-length:") + 15
        size = int(head[at:].split(b"\r\n", 1)[0])
        if len(self._data) < end + 4 + size:
            return
        self._data, self.busy = self._data[end + 4 + size :], False
        self._answered(self, int(head[9:12]))

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


class Load:
    """Posts forms and keeps what came of them."""

    def __init__(self, host: str, port: int, first: int) -> None:
        self._host, self._port = host, port
        self._next = first
        self._done = asyncio.Event()
        self._until = 0.0
        self._sending = True
        self._open = 0
        self._free: list[Connection] = []
        self._statuses: Counter[int] = Counter()
        self._latencies: list[float] = []
        self._broken = 0
        self.due: dict[int, float] = {}
        """Form number to the time of the day at which it was due, seconds since 1970."""

    async def full(self, connections: int, seconds: float) -> float:
        """Keep all connections busy; the seconds until the last answer."""

        def answered(connection: Connection, status: int) -> None:
            now = time.perf_counter()
            self._note(connection, status, now)
            if now < self._until:
                connection.post(self._request(), now)
            else:
                connection.close()

        every = [await self._connect(answered) for _ in range(connections)]
        start = time.perf_counter()
        self._until = start + seconds
        for one in every:
            one.post(self._request(), time.perf_counter())
        await self._done.wait()
        return time.perf_counter() - start

    async def paced(self, rate: float, seconds: float) -> float:
        """Post at fixed times; connections are added when none is free."""

        def answered(connection: Connection, status: int) -> None:
            self._note(connection, status, time.perf_counter())
            if self._sending:
                self._free.append(connection)
            else:
                connection.close()

        self._free = [await self._connect(answered) for _ in range(8)]
        start, wall = time.perf_counter(), time.time()
        for n in range(int(rate * seconds)):
            at = n / rate
            await asyncio.sleep(max(0.0, start + at - time.perf_counter()))
            connection = self._free.pop() if self._free else await self._connect(answered)
            self.due[self._next] = wall + at
            connection.post(self._request(), start + at)
        self._sending = False
        for one in self._free:
            one.close()
        await self._done.wait()
        return time.perf_counter() - start

    def summary(self, seconds: float) -> dict[str, object]:
        """What was sent, what came back, and how fast; latencies in milliseconds."""
        ordered = sorted(self._latencies)
        accepted = self._statuses[202]
        return {
            "seconds": seconds,
            "accepted": accepted,
            "per_second": accepted / seconds,
            "answers": dict(self._statuses),
            "broken": self._broken,
            "ms": {name: 1000 * ordered[int(share * (len(ordered) - 1))] for name, share in _SHARES.items()}
            if ordered
            else {},
        }

    def _request(self) -> bytes:
        number, self._next = self._next, self._next + 1
        return request(self._host, number)

    def _note(self, connection: Connection, status: int, now: float) -> None:
        self._statuses[status] += 1
        self._latencies.append(now - connection.since)

    async def _connect(self, answered: Callable[[Connection, int], None]) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(answered, self._lost), self._host, self._port
        )
        self._open += 1
        return connection

    def _lost(self, connection: Connection) -> None:
        self._open -= 1
        self._broken += connection.busy
        if connection in self._free:
            self._free.remove(connection)
        if not self._open:
            self._done.set()


async def _main(given: argparse.Namespace) -> None:
    load = Load(given.host, given.port, given.first)
    if given.how == "full":
        seconds = await load.full(given.connections, given.seconds)
    else:
        seconds = await load.paced(given.rate, given.seconds)
    told = load.summary(seconds) | {"due": {str(n): at for n, at in load.due.items()}}
    print(json.dumps(told))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("how", choices=("full", "paced"))
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--first", type=int, default=1, help="number of the first form")
    parser.add_argument("--core", type=int, help="the only core to run on")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    if arguments.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {arguments.core})
    uvloop.run(_main(arguments))
