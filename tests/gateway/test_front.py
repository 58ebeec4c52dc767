"""The short way to a door: what is read there, what goes to aiohttp unread, and how connections end."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from connectors import form
from connectors.channel import Channel
from connectors.contract import Request, Response
from gateway.front import Front
from gateway.logs import channel_log
from gateway.tools import SystemClock

BODY = b'{"message":"hello"}'


def post(path: str = "/in/form", body: bytes = BODY, more: str = "", size: int | None = None) -> bytes:
    length = len(body) if size is None else size
    head = (
        f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    )
    return f"{head}{more}\r\n".encode() + body


class House:
    """A door that remembers what it was asked and answers when it may, and what stands for aiohttp."""

    def __init__(self) -> None:
        settings = form.FormSettings(limits=form.FormLimits(body_bytes=1_000))
        connector = cast(Any, form.SPEC.build(settings, cast(Any, None)))
        self.channel = Channel(name="form", spec=form.SPEC, settings=settings, connector=connector)
        self.asked: list[Request] = []
        self.answer: Callable[[Request], Response] = lambda request: Response(status=202, body=b"taken")
        self.came = asyncio.Event()
        self.may = asyncio.Event()
        self.may.set()
        self.elsewhere = bytearray()
        self.timed: list[str] = []

    def quick(self, name: str) -> Channel | None:
        return self.channel if name == "form" else None

    async def take(self, channel: Channel, request: Request) -> Response:
        self.asked.append(request)
        self.came.set()
        await self.may.wait()
        return self.answer(request)

    def other(self) -> asyncio.Protocol:
        house = self

        class Other(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = cast(asyncio.Transport, transport)

            def data_received(self, data: bytes) -> None:
                house.elsewhere += data
                self.transport.write(b"other")

        return Other()


@asynccontextmanager
async def front(house: House, keepalive: float = 75.0, **more: Any) -> AsyncIterator[tuple[Front, int]]:
    made = Front(
        house,
        house.other,
        clock=SystemClock(),
        log=channel_log("", "gateway"),
        seconds=lambda channel, seconds: house.timed.append(channel),
        largest_head=4_096,
        keepalive=keepalive,
        **more,
    )
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    try:
        yield made, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await made.close(1.0)


async def answer(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return status, headers, await reader.readexactly(int(headers.get("content-length", "0")))


async def test_a_whole_post_is_taken_by_the_door_and_the_connection_goes_on() -> None:
    house = House()
    async with front(house) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for n in range(3):
            writer.write(post(more=f"X-Number: {n}\r\n"))
            status, headers, body = await answer(reader)
            assert (status, body) == ("HTTP/1.1 202 Accepted", b"taken")
            assert headers["content-type"] == "application/octet-stream" and headers["date"].endswith("GMT")
        writer.close()
    assert [one.headers["x-number"] for one in house.asked] == ["0", "1", "2"]
    (first, *_) = house.asked
    assert (first.method, first.path, first.body, first.remote) == ("POST", "/in/form", BODY, "127.0.0.1")
    assert house.timed == ["form"] * 3 and not house.elsewhere


async def test_path_and_query_are_as_they_were_asked() -> None:
    house = House()
    async with front(house) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post("/in/form/some/place?a=1%202&b=x+y&c="))
        await answer(reader)
        writer.close()
    assert house.asked[0].path == "/in/form/some/place"
    assert house.asked[0].query == {"a": "1 2", "b": "x y", "c": ""}


ELSEWHERE = {
    "another address": b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "another method": b"GET /in/form HTTP/1.1\r\nHost: h\r\n\r\n",
    "no such door": post("/in/nobody"),
    "a path with escapes": post("/in/form/%2e%2e/x"),
    "a path with dots": post("/in/form/../x"),
    "a body that is still to come": post(size=len(BODY) + 1),
    "more than the body": post(size=len(BODY) - 1),
    "a second length": post(more="content-length: 3\r\n"),
    "a length with a sign": post().replace(b"Length: ", b"Length: +"),
    "no length": post().replace(b"Content-Length", b"Content-Longth"),
    "pieces": post(more="Transfer-Encoding: chunked\r\n"),
    "a coding": post(more="Content-Encoding: gzip\r\n"),
    "an expectation": post(more="Expect: 100-continue\r\n"),
    "an end": post(more="Connection: close\r\n"),
    "a folded line": post(more="X-A: b\r\n c\r\n"),
    "a name with a space": post(more="X-A : b\r\n"),
    "a bare line feed": post().replace(b"Host: h\r\n", b"Host: h\n"),
    "a control character": post(more="X-A: \x01\r\n"),
    "letters beyond ASCII": post(more="X-A: \u4e2d\r\n"),
    "an older protocol": post().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a head beyond measure": post(more=f"X-A: {'a' * 5_000}\r\n"),
    "too many lines": post(more="A: b\r\n" * 200),
    "a body over the channel's limit": post(body=b"x" * 1_001),
    "half a head": b"POST /in/form HT",
    "an empty line first": b"\r\n" + post(),
}


@pytest.mark.parametrize("data", ELSEWHERE.values(), ids=ELSEWHERE.keys())
async def test_whatever_is_not_plain_goes_unread_to_the_other_way_with_its_connection(data: bytes) -> None:
    house = House()
    async with front(house) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        assert await reader.readexactly(5) == b"other"
        writer.write(post())
        assert await reader.readexactly(5) == b"other"
        writer.close()
    assert bytes(house.elsewhere) == data + post() and not house.asked


async def test_a_request_sent_before_the_answer_to_another_waits_for_it() -> None:
    house = House()
    house.answer = lambda request: Response(status=200, body=request.body)
    house.may.clear()
    async with front(house) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(body=b"1"))
        await house.came.wait()
        writer.write(post(body=b"2"))
        await writer.drain()
        house.may.set()
        assert [(await answer(reader))[2] for _ in range(2)] == [b"1", b"2"]
        writer.close()
    assert len(house.asked) == 2


async def test_what_is_under_way_is_answered_before_the_end_and_idle_connections_close() -> None:
    house = House()
    house.may.clear()
    async with front(house) as (made, port):
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post())
        await house.came.wait()
        closing = asyncio.create_task(made.close(30.0))
        assert await idle.read() == b""
        assert not closing.done()
        house.may.set()
        status, headers, _ = await answer(reader)
        assert status.endswith("202 Accepted") and headers["connection"] == "close"
        assert await reader.read() == b""
        await closing
        for one in (idle_writer, writer):
            one.close()


async def test_a_request_that_never_ends_is_cut_off_in_the_end() -> None:
    house = House()
    house.may.clear()
    async with front(house) as (made, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post())
        await house.came.wait()
        await made.close(0.01)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


async def test_a_failure_of_ours_is_500_without_its_words() -> None:
    house = House()

    def fail(request: Request) -> Response:
        raise RuntimeError("a secret")

    async with front(house) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        house.answer = fail
        writer.write(post())
        status, _, body = await answer(reader)
        assert status == "HTTP/1.1 500 Internal Server Error" and body == b""
        house.answer = lambda request: Response(headers={"location": "/x\r\nSet-Cookie: a=b"})
        writer.write(post())
        status, headers, _ = await answer(reader)
        assert status == "HTTP/1.1 500 Internal Server Error" and "set-cookie" not in headers
        writer.close()


async def test_the_clients_address_is_the_one_behind_our_proxies() -> None:
    house = House()
    ours = [ipaddress.ip_network("127.0.0.0/8")]
    async with front(house, proxies=ours) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(more="X-Forwarded-For: 10.0.0.1, 203.0.113.7\r\n"))
        await answer(reader)
        writer.close()
    assert house.asked[0].remote == "203.0.113.7"


async def test_a_connection_without_requests_is_closed_after_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.front._LOOK", 0.01)
    house = House()
    async with front(house, keepalive=0.05) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post())
        await answer(reader)
        assert await reader.read() == b""
        writer.close()
