"""Strangers' files: only by token, always as downloads, never run by a browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp.test_utils import TestClient

from console.files import disposition, safe_name
from console.links import Links
from store import schema
from tests.console.house import House
from tests.rigs.tools import SECRET

Client = TestClient[Any, Any]
LINKS = Links("", SECRET)


@pytest.fixture
async def client(house: House, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    return await aiohttp_client(house.app())


async def attached(house: House, filename: str, data: bytes, media_type: str) -> str:
    """The address of an attachment."""
    record = await house.record("FB-261122-AAAA2")
    await house.attachment(record, 0, filename, data, media_type)
    row = await house.store.read(lambda c: c.execute(schema.attachment.select()).one())
    return LINKS.file(row.envelope, 0)


@pytest.mark.parametrize(
    ("media_type", "served"),
    [
        ("text/html", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/xhtml+xml; charset=x", "application/octet-stream"),
        ("text/html\r\nSet-Cookie: a=b", "application/octet-stream"),
        ("IMAGE/PNG; name=x", "image/png"),
        ("application/pdf", "application/pdf"),
    ],
)
async def test_nothing_that_could_run_keeps_its_type(
    house: House, client: Client, media_type: str, served: str
) -> None:
    data = b"<script>alert(1)</script>"
    response = await client.get(await attached(house, "page.html", data, media_type))
    assert response.status == 200 and await response.read() == data
    assert response.headers["Content-Type"] == served
    assert response.headers["Content-Disposition"].startswith('attachment; filename="page.html"')
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert response.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in response.headers and "Server" not in response.headers


async def test_large_files_come_whole(house: House, client: Client) -> None:
    data = bytes(range(256)) * 4096
    response = await client.get(await attached(house, "big.bin", data, "application/zip"))
    assert await response.read() == data and response.headers["Content-Length"] == str(len(data))


@pytest.mark.parametrize("change", ["token", "part", "owner"])
async def test_a_changed_address_opens_nothing(house: House, client: Client, change: str) -> None:
    owner, part, token = (await attached(house, "a", b"x", "text/plain")).removeprefix("/files/").split(".")
    wrong = {
        "token": (owner, part, token[:-1] + ("a" if token[-1] != "a" else "b")),
        "part": (owner, "raw", token),
        "owner": (owner[:-1] + ("0" if owner[-1] != "0" else "1"), part, token),
    }[change]
    assert (await client.get("/files/" + ".".join(wrong))).status == 404


async def test_what_is_no_longer_kept_says_so(house: House, client: Client) -> None:
    await house.envelope("FB-261122-AAAA2", state="waiting")
    envelope = await house.store.read(lambda c: c.scalar(schema.envelope.select()))
    for address in (LINKS.file(envelope, 7), LINKS.raw("gone"), LINKS.sent("gone", 0)):
        assert (await client.get(address)).status == 410
    assert (
        (await client.get(LINKS.raw(envelope)))
        .headers["Content-Disposition"]
        .startswith('attachment; filename="FB-261122-AAAA2.txt"')
    )


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\windows\\system.ini", "system.ini"),
        ("a\0b\r\nX: y.txt", "abX: y.txt"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("...", "file"),
        ("", "file"),
        (".htaccess", "htaccess"),
        ("对账表.xlsx", "对账表.xlsx"),
        ("x" * 400 + ".pdf", "x" * 176 + ".pdf"),
    ],
)
def test_names_lose_what_could_hurt(given: str, safe: str) -> None:
    assert safe_name(given) == safe


def test_the_longest_chinese_name_is_cut_between_characters() -> None:
    name = safe_name("表" * 300 + ".pdf")
    assert name.endswith("表.pdf") and len(name.encode()) <= 180


def test_the_header_has_both_names_and_no_way_out_of_them() -> None:
    header = disposition('对账 "表"\r\n; x=y.pdf')
    assert "\r" not in header and "\n" not in header and header.count('"') == 2
    assert unquote(header.partition("filename*=UTF-8''")[2]) == '对账 "表"; x=y.pdf'
