"""The short way to a door: whole small posts are read here; everything else is aiohttp's.

Of what aiohttp does for a request more than half serves what no door needs: streams, routes, middlewares,
responses that grow. A connection starts here. As long as each request is one plain POST to a door, complete in
what has arrived, it is read, taken by the door and answered without all that. The first that is anything
else (another address, a file in many pieces, an unusual header) goes to aiohttp with its connection, unread,
and the connection stays there. So nothing has to be decided twice, and this module may be strict.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol, cast

from yarl import URL

from connectors.channel import Channel
from connectors.contract import Request, Response
from inbox.door import Network, address_behind, subject
from model.tools import Clock, Log

#: Bytes of a whole request that is read here; what is larger has time for the other way.
_LARGEST = 65_536
#: Header lines of one request, as many as aiohttp takes.
_LINES = 128
#: A request that two readers cannot understand differently (RFC 9112 §3 and §5): a plain path, names that are
#: tokens, values of visible ASCII, no folded lines.
_HEAD = re.compile(
    rb"POST (/in/([A-Za-z0-9_-]+)(?:/[A-Za-z0-9/_~-]*)?)(?:\?([!-~]*))? HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)\r\n"
)
#: Headers that change how a message is to be read, or how its connection goes on.
_OTHER_WAY = frozenset({"transfer-encoding", "content-encoding", "expect", "upgrade", "trailer", "te"})
#: How often connections without a request are looked at, seconds.
_LOOK = 5.0


class Doors(Protocol):
    """What is asked of the doors; `inbox.door.Door` is them."""

    def quick(self, name: str) -> Channel | None:
        """The channel whose door takes requests now; None when there is something else to say, or no such door."""

    async def take(self, channel: Channel, request: Request) -> Response:
        """What the door does with a whole request."""


class Front:
    """All connections that are on the short way."""

    def __init__(
        self,
        door: Doors,
        other: Callable[[], asyncio.Protocol],
        *,
        clock: Clock,
        log: Log,
        seconds: Callable[[str, float], None],
        largest_head: int,
        keepalive: float,
        proxies: Sequence[Network] = (),
    ) -> None:
        self.door = door
        self.other = other
        self.clock = clock
        self.log = log
        self.seconds = seconds
        self.largest_head = largest_head
        self.proxies = proxies
        self.connections: set[Connection] = set()
        self.closing = False
        self._keepalive = keepalive
        self._loop = asyncio.get_running_loop()
        self._empty = asyncio.Event()
        self._timer = self._loop.call_later(_LOOK, self._look)
        self._date = (0, b"")

    def __call__(self) -> asyncio.Protocol:
        """A protocol for one new connection."""
        return Connection(self, self._loop)

    def forget(self, connection: Connection) -> None:
        """The connection is closed, or on the other way."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def close(self, patience: float) -> None:
        """Answer what is under way, for at most so many seconds, and close every connection."""
        self.closing = True
        self._timer.cancel()
        for one in list(self.connections):
            one.end_when_idle()
        self._empty.clear()
        if self.connections:
            try:
                async with asyncio.timeout(patience):
                    await self._empty.wait()
            except TimeoutError:
                for one in list(self.connections):
                    one.cut()

    def date(self) -> bytes:
        """The time as HTTP writes it, made once a second."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = now, formatdate(now, usegmt=True).encode()
        return self._date[1]

    def _look(self) -> None:
        before = self._loop.time() - self._keepalive
        for one in list(self.connections):
            if one.idle_since < before:
                one.end_when_idle()
        self._timer = self._loop.call_later(_LOOK, self._look)


class Connection(asyncio.Protocol):
    """One client's connection, one request at a time."""

    __slots__ = (
        "_data",
        "_front",
        "_loop",
        "_paused",
        "_remote",
        "_subject",
        "_task",
        "_transport",
        "idle_since",
    )

    def __init__(self, front: Front, loop: asyncio.AbstractEventLoop) -> None:
        self._front = front
        self._loop = loop
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None
        self._data = b""
        """What arrived while a request was under way."""
        self._paused = False
        self._remote = ""
        self._subject: str | None = None
        self.idle_since = 0.0
        """When the last request was answered, by the loop's clock."""

    # ---- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        name = transport.get_extra_info("peername")
        self._remote = name[0] if isinstance(name, tuple) else ""
        self._subject = subject(transport.get_extra_info("peercert"))
        line = transport.get_extra_info("socket")
        if line is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.idle_since = self._loop.time()
        self._front.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        # A request under way goes on: what is being stored is not given up because nobody waits any more.
        self._front.forget(self)

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            # The next request before this one is answered: it waits, and the client with it.
            self._data += data
            if not self._paused:
                self._paused = True
                self._transport.pause_reading()
            return
        self._begin(data)

    # ---- one request

    def _begin(self, data: bytes) -> None:
        asked = self._read(data)
        if asked is None:
            self._hand_over(data)
        else:
            self._task = self._loop.create_task(self._serve(*asked))

    def _read(self, data: bytes) -> tuple[Channel, Request] | None:
        """The one request that this is, and its channel; None for all that goes the other way."""
        if len(data) > _LARGEST or self._front.closing:
            return None
        head = _HEAD.match(data)
        if head is None or head.end() > self._front.largest_head:
            return None
        path, name, query, lines = head.groups()
        channel = self._front.door.quick(name.decode())
        if channel is None or lines.count(b"\n") > _LINES:
            return None
        headers: dict[str, str] = {}
        for line in lines.decode().split("\r\n")[:-1]:
            key, _, value = line.partition(":")
            key = key.lower()
            if key == "content-length" and key in headers:
                return None
            headers[key] = value.strip(" \t")
        size = headers.get("content-length", "")
        body = data[head.end() :]
        if not (size.isdigit() and int(size) == len(body) <= channel.settings.limits.body_bytes):
            return None
        if headers.get("connection", "keep-alive").lower() != "keep-alive" or not _OTHER_WAY.isdisjoint(
            headers
        ):
            return None
        front = self._front
        remote = self._remote
        if front.proxies:
            remote = address_behind(remote, headers.get("x-forwarded-for", ""), front.proxies)
        return channel, Request(
            method="POST",
            path=path.decode(),
            query=dict(URL.build(path="/", query_string=query.decode(), encoded=True).query) if query else {},
            headers=headers,
            body=body,
            remote=remote,
            received_at=front.clock.now(),
            peer_subject=self._subject,
        )

    async def _serve(self, channel: Channel, request: Request) -> None:
        front, start = self._front, time.perf_counter()
        try:
            response = await front.door.take(channel, request)
            answer = self._written(response)
        except Exception as error:
            front.log.error(
                "request failed", channel=channel.name, error=type(error).__name__, exc_info=error
            )
            answer = self._written(Response(status=500))
        finally:
            self._task = None
            front.seconds(channel.name, time.perf_counter() - start)
        transport = self._transport
        if transport.is_closing():
            return
        transport.write(answer)
        self.idle_since = self._loop.time()
        if front.closing:
            transport.close()
            return
        if self._paused:
            self._paused = False
            transport.resume_reading()
        if self._data:
            data, self._data = self._data, b""
            self._begin(data)

    def _written(self, response: Response) -> bytes:
        """The answer as it goes out (RFC 9112 §4 and §6)."""
        front, status = self._front, response.status
        lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}"]
        named = False
        for name, value in response.headers.items():
            line = f"{name}: {value}"
            if "\r" in line or "\n" in line or "\0" in line:
                raise ValueError("a header of an answer holds a line break")
            named = named or name.lower() == "content-type"
            lines.append(line)
        bodiless = status in (204, 304)
        if not bodiless:
            if not named:
                lines.append("Content-Type: application/octet-stream")
            lines.append(f"Content-Length: {len(response.body)}")
        if front.closing:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode()
        return b"%s\r\nDate: %s\r\n\r\n%s" % (head, front.date(), b"" if bodiless else response.body)

    # ---- the end, or the other way

    def _hand_over(self, data: bytes) -> None:
        """Let aiohttp go on from here, as if the connection had just been made."""
        self._front.forget(self)
        other, transport = self._front.other(), self._transport
        transport.set_protocol(other)
        other.connection_made(transport)
        other.data_received(data)

    def end_when_idle(self) -> None:
        """Close the connection unless a request is under way."""
        if self._task is None:
            self._transport.close()

    def cut(self) -> None:
        """Close at once, whatever is under way."""
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()


_PHRASES = {one.value: one.phrase for one in HTTPStatus}
