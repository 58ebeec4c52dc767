"""Files fetched through the client: spooled, bounded, and by no redirect to where data must not lead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import addresses
from gateway.http import ClientHttp
from gateway.tools import FileSpool
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure
from model.tools import Spooled
from tests.rigs.far_sides import Handler, head, serving

SECRET = "s3cret-in-the-url"


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[ClientHttp]:
    async with ClientHttp(spool=FileSpool(tmp_path / "spool", 1000)) as client:
        yield client


def file_of(size: int, seen: list[str] | None = None, tell: bool = True) -> Handler:
    """Serves a file, or, for a path `/to/…`, a redirect to what follows."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await head(reader)
        if seen is not None:
            seen.append(asked)
        length = f"Content-Length: {size}\r\n" if tell else ""
        writer.write(
            f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: image/png\r\n{length}\r\n".encode()
        )
        for _ in range(size // 500):
            writer.write(b"x" * 500)
            await writer.drain()
        writer.write(b"x" * (size % 500))

    return handle


def redirecting(*locations: str, seen: list[str] | None = None) -> Handler:
    """Answers each request with the next redirect, the last one for ever."""
    left = list(locations)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await head(reader)
        if seen is not None:
            seen.append(asked)
        to = left.pop(0) if len(left) > 1 else left[0]
        writer.write(
            f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )

    return handle


async def failure(http: ClientHttp, url: str, **more: object) -> SendFailure:
    with pytest.raises(SendFailure) as caught:
        await http.load(url, **more)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value) + repr(caught.value) + caught.value.detail
    assert caught.value.__cause__ is None
    return caught.value


async def test_a_small_file_is_in_memory_and_a_large_one_spooled(http: ClientHttp, tmp_path: Path) -> None:
    async with serving(file_of(900)) as small, serving(file_of(5000)) as large:
        one = await http.load(f"http://127.0.0.1:{small}/")
        two = await http.load(f"http://127.0.0.1:{large}/")
    assert (one.status, one.headers["content-type"], one.raw) == (200, "image/png", b"x" * 900)
    assert isinstance(two.raw, Spooled) and two.raw.size == 5000
    assert two.raw.path.read_bytes() == b"x" * 5000


@pytest.mark.parametrize("tell", [True, False])
async def test_a_file_beyond_the_limit_is_refused_and_leaves_nothing(
    http: ClientHttp, tmp_path: Path, tell: bool
) -> None:
    async with serving(file_of(5000, tell=tell)) as port:
        found = await failure(http, f"http://127.0.0.1:{port}/{SECRET}", limit=4000)
    assert isinstance(found, PermanentFailure) and found.reason is Reason.REQUEST
    assert not list((tmp_path / "spool").glob("*"))


async def test_any_status_is_an_answer(http: ClientHttp) -> None:
    async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\ngone")

    async with serving(gone) as port:
        got = await http.load(f"http://127.0.0.1:{port}/")
    assert (got.status, got.raw) == (410, b"gone")


async def test_redirects_are_followed_and_credentials_stay_at_their_origin(http: ClientHttp) -> None:
    first: list[str] = []
    second: list[str] = []
    async with serving(file_of(3, second)) as port:
        away = f"http://localhost:{port}/b"
        async with serving(redirecting("/again", away, seen=first)) as start:
            got = await http.load(
                f"http://127.0.0.1:{start}/a", headers={"Authorization": SECRET, "X-Kept": "kept"}
            )
    assert got.raw == b"xxx"
    assert [one.split()[1] for one in first] == ["/a", "/again"]
    assert all(SECRET in one for one in first)
    assert "X-Kept: kept" in second[0] and SECRET not in second[0]


async def test_the_sixth_redirect_is_not_followed(http: ClientHttp) -> None:
    seen: list[str] = []
    async with serving(redirecting(f"/{SECRET}", seen=seen)) as port:
        found = await failure(http, f"http://127.0.0.1:{port}/")
    assert isinstance(found, PermanentFailure) and found.reason is Reason.REQUEST
    assert len(seen) == 6


@pytest.mark.parametrize("to", ["ftp://example.org/", "http://", "file:///etc/passwd"])
async def test_a_redirect_to_no_address_does_not_blame_the_settings(http: ClientHttp, to: str) -> None:
    async with serving(redirecting(to)) as port:
        found = await failure(http, f"http://127.0.0.1:{port}/")
    assert isinstance(found, PermanentFailure) and found.reason is Reason.REQUEST


async def test_a_redirect_inside_is_refused_where_data_chose_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda text: text == "127.0.0.1")
    inner: list[str] = []
    async with (
        serving(file_of(3, inner)) as port,
        serving(redirecting(f"http://127.0.0.2:{port}/")) as start,
        ClientHttp() as http,
    ):
        found = await failure(http, f"http://127.0.0.1:{start}/", public_only=True)
    assert isinstance(found, PermanentFailure) and found.reason is Reason.RECIPIENT
    assert inner == []


async def test_a_file_that_breaks_off_is_asked_for_again_later(http: ClientHttp, tmp_path: Path) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 2000)

    async with serving(half) as port:
        found = await failure(http, f"http://127.0.0.1:{port}/{SECRET}")
    assert isinstance(found, TemporaryFailure) and found.reason is Reason.UNREACHABLE
    assert not list((tmp_path / "spool").glob("*"))


async def test_no_answer_in_time_is_a_timeout(http: ClientHttp) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port:
        found = await failure(http, f"http://127.0.0.1:{port}/{SECRET}", timeout=0.2)
    assert isinstance(found, TemporaryFailure) and found.reason is Reason.TIMEOUT
