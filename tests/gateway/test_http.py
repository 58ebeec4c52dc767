"""The HTTP client: what each failure means, what is never sent or said, and whom data can make us connect to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import addresses
from gateway.http import ClientHttp
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from tests.rigs import far_sides
from tests.rigs.far_sides import head, serving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Ticket: T-1\r\nSet-Cookie: a=b\r\n\r\nok"
SECRET = "s3cret-in-the-url"


@pytest.fixture
async def http() -> AsyncIterator[ClientHttp]:
    async with ClientHttp() as client:
        yield client


async def answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await head(reader)
        writer.write(OK)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def failure(http: ClientHttp, url: str, **more: object) -> SendFailure:
    with pytest.raises(SendFailure) as caught:
        await http.request("POST", url, body=b"x", **more)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value) + repr(caught.value) + caught.value.detail
    assert caught.value.__cause__ is None
    return caught.value


# ---- answers


async def test_an_answer_has_lower_case_headers_and_its_body(http: ClientHttp) -> None:
    async with serving(answer_ok) as port:
        got = await http.request("GET", f"http://127.0.0.1:{port}/")
    assert (got.status, got.headers["x-ticket"], got.body) == (200, "T-1", b"ok")


async def test_a_redirect_is_an_answer(http: ClientHttp) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")

    async with serving(redirect) as port:
        got = await http.request("GET", f"http://127.0.0.1:{port}/")
    assert (got.status, got.headers["location"]) == (302, "http://127.0.0.1:1/")


async def test_no_cookie_is_kept_and_no_compression_asked_for(http: ClientHttp) -> None:
    seen: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append((await head(reader)).lower())
            writer.write(OK)

    async with serving(note) as port:
        for _ in range(2):
            await http.request("GET", f"http://127.0.0.1:{port}/")
    assert "cookie" not in "".join(seen)
    assert all("accept-encoding: identity" in one for one in seen)


@pytest.mark.parametrize("length", ["Content-Length: 5000000", "Transfer-Encoding: chunked"])
async def test_a_body_beyond_the_limit_is_cut_there(http: ClientHttp, length: str) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode())
        piece = b"x" * 1000 if "Content" in length else b"3e8\r\n" + b"x" * 1000 + b"\r\n"
        while True:
            writer.write(piece)
            await writer.drain()

    async with serving(endless) as port:
        got = await http.request("GET", f"http://127.0.0.1:{port}/", limit=1500)
    assert got.body == b"x" * 1500


# ---- failures before the far side can have the request


async def test_nobody_listening_is_unreachable(http: ClientHttp) -> None:
    found = await failure(http, f"http://user:{SECRET}@127.0.0.1:{free_port()}/{SECRET}?k={SECRET}")
    assert isinstance(found, TemporaryFailure) and found.reason is Reason.UNREACHABLE
    assert "refused" in found.detail.lower()


async def test_a_name_that_is_not_known_is_unreachable(http: ClientHttp) -> None:
    found = await failure(http, f"http://no-such-host.invalid/{SECRET}")
    assert isinstance(found, TemporaryFailure) and found.reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "nonsense", "http://", "http://[::1/", "http://h:99999/"]
)
async def test_an_address_that_is_none_is_the_operators_or_the_recipients_to_mend(
    http: ClientHttp, url: str
) -> None:
    ours = await failure(http, url)
    theirs = await failure(http, url, public_only=True)
    assert isinstance(ours, TemporaryFailure) and ours.reason is Reason.CONFIG
    assert isinstance(theirs, PermanentFailure) and theirs.reason is Reason.RECIPIENT


async def test_a_header_with_a_line_break_is_never_sent(http: ClientHttp) -> None:
    seen: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await head(reader))

    async with serving(note) as port:
        found = await failure(http, f"http://127.0.0.1:{port}/", headers={"X-Name": "a\r\nX-Admin: 1"})
    assert isinstance(found, PermanentFailure) and found.reason is Reason.REQUEST
    assert seen == []


async def test_a_tls_handshake_that_hangs_is_a_timeout_before_the_request(http: ClientHttp) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port:
        found = await failure(http, f"https://127.0.0.1:{port}/", timeout=0.2)
    assert isinstance(found, TemporaryFailure) and found.reason is Reason.TIMEOUT


async def test_a_far_side_without_tls_is_unreachable_by_https(http: ClientHttp) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as port:
        found = await failure(http, f"https://127.0.0.1:{port}/")
    assert isinstance(found, TemporaryFailure) and found.reason is Reason.UNREACHABLE


async def test_a_certificate_of_unknown_authority_is_the_operators_to_mend(
    http: ClientHttp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tls = far_sides.authority(tmp_path, "localhost")
    async with serving(answer_ok, tls) as port:
        found = await failure(http, f"https://localhost:{port}/{SECRET}")
        monkeypatch.setattr(addresses, "is_public", lambda text: True)
        theirs = await failure(http, f"https://localhost:{port}/{SECRET}", public_only=True)
    assert isinstance(found, TemporaryFailure) and found.reason is Reason.CONFIG
    assert "ca_file" in found.detail
    # A stranger's address must not pause the channel.
    assert isinstance(theirs, TemporaryFailure) and theirs.reason is Reason.UNREACHABLE


async def test_the_authority_of_ca_file_is_trusted(tmp_path: Path) -> None:
    ca, tls = far_sides.authority(tmp_path, "localhost")
    async with serving(answer_ok, tls) as port, ClientHttp(ca_file=str(ca)) as http:
        assert (await http.request("GET", f"https://localhost:{port}/")).status == 200
        wrong = await failure(http, f"https://127.0.0.1:{port}/")
    assert isinstance(wrong, TemporaryFailure) and wrong.reason is Reason.CONFIG


# ---- failures after it


async def test_no_answer_in_time_is_uncertain(http: ClientHttp) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port:
        found = await failure(http, f"http://127.0.0.1:{port}/{SECRET}", timeout=0.2)
    assert isinstance(found, Uncertain)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"??"]
)
async def test_a_connection_that_breaks_after_the_request_is_uncertain(http: ClientHttp, said: bytes) -> None:
    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(said)

    async with serving(breaks) as port:
        found = await failure(http, f"http://127.0.0.1:{port}/{SECRET}")
    assert isinstance(found, Uncertain)


async def test_being_cancelled_leaves_the_client_usable(http: ClientHttp) -> None:
    reached = asyncio.Event()

    async def first_hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        if not reached.is_set():
            reached.set()
            await reader.read()
        writer.write(OK)

    async with serving(first_hangs) as port:
        task = asyncio.create_task(http.request("POST", f"http://127.0.0.1:{port}/", body=b"x"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await http.request("GET", f"http://127.0.0.1:{port}/")).status == 200


# ---- whom data can make us connect to


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1", "127.0.0.1", "127.1.2.3", "169.254.169.254", "172.16.5.4", "192.168.1.1", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2002:a00:1::1",
        "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "localhost", "",
    ],
)  # fmt: skip
def test_addresses_inside_are_not_public(text: str) -> None:
    assert not addresses.is_public(text)


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]
)
def test_addresses_of_the_internet_are_public(text: str) -> None:
    assert addresses.is_public(text)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "127.1",
        "2130706433",
        "１２７.0.0.1",
        "0x7f.1",
    ],
)
async def test_an_address_inside_gets_no_connection(host: str) -> None:
    reached: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await head(reader))

    async with serving(note) as port, ClientHttp() as http:
        found = await failure(http, f"http://{host}:{port}/", public_only=True)
    assert isinstance(found, (PermanentFailure, TemporaryFailure))
    assert found.reason in (Reason.RECIPIENT, Reason.UNREACHABLE)
    assert reached == []


def names(**known: list[str]) -> tuple[addresses.Resolve, list[str]]:
    """A resolver that gives, at each look-up of a name, the next of its answers (the last one for ever)."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return known[host.partition(".")[0]]

    return resolve, asked


async def test_a_name_that_stands_for_an_inner_address_is_refused() -> None:
    resolve, asked = names(evil=["10.0.0.5", "::1"])
    async with ClientHttp(resolve=resolve) as http:
        found = await failure(http, f"http://evil.example/{SECRET}", public_only=True)
    assert isinstance(found, PermanentFailure) and found.reason is Reason.RECIPIENT
    assert asked == ["evil.example"]


async def test_the_connection_goes_to_the_vetted_address_with_the_name_as_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda text: text == "127.0.0.1")
    seen: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await head(reader))
        writer.write(OK)

    # A second look-up would give an inner address: there is none.
    resolve, asked = names(rebinds=["10.255.255.1", "127.0.0.1"])
    async with serving(note) as port, ClientHttp(resolve=resolve) as http:
        got = await http.request(
            "GET", f"http://rebinds.example:{port}/a?b=c", headers={"host": "inner"}, public_only=True
        )
    assert got.status == 200
    assert seen[0].startswith("GET /a?b=c HTTP/1.1\r\n")
    assert f"Host: rebinds.example:{port}\r\n" in seen[0]
    assert "inner" not in seen[0]
    assert asked == ["rebinds.example"]


async def test_the_next_address_is_tried_when_one_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda text: True)
    resolve, _ = names(two=["127.0.0.2", "127.0.0.1"])
    async with serving(answer_ok) as port, ClientHttp(resolve=resolve) as http:
        got = await http.request("POST", f"http://two.example:{port}/", body=b"x", public_only=True)
    assert got.status == 200


async def test_tls_to_a_vetted_address_asks_for_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda text: True)
    ca, tls = far_sides.authority(tmp_path, "good.example")
    resolve, _ = names(good=["127.0.0.1"], bad=["127.0.0.1"])
    async with serving(answer_ok, tls) as port, ClientHttp(ca_file=str(ca), resolve=resolve) as http:
        assert (await http.request("GET", f"https://good.example:{port}/", public_only=True)).status == 200
        found = await failure(http, f"https://bad.example:{port}/", public_only=True)
    assert isinstance(found, TemporaryFailure)


# ---- proxies


async def test_a_socks_proxy_gets_the_name_and_tls_stays_ours(tmp_path: Path) -> None:
    ca, tls = far_sides.authority(tmp_path, "far.example")
    asked: list[tuple[str, int]] = []
    async with (
        serving(answer_ok, tls) as far,
        serving(far_sides.socks(asked, far)) as port,
        ClientHttp(proxy=f"socks5://127.0.0.1:{port}", ca_file=str(ca)) as http,
    ):
        got = await http.request("GET", "https://far.example:8443/")
    assert got.status == 200
    assert asked == [("far.example", 8443)]


async def test_through_a_proxy_too_data_reaches_vetted_addresses_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda text: text == "203.0.113.9")
    ca, tls = far_sides.authority(tmp_path, "far.example")
    resolve, _ = names(far=["203.0.113.9"], inner=["10.0.0.1"])
    socks_asked: list[tuple[str, int]] = []
    http_asked: list[str] = []
    async with (
        serving(answer_ok, tls) as far,
        serving(far_sides.socks(socks_asked, far)) as socks,
        serving(far_sides.connecting(http_asked, far)) as proxy,
    ):
        for url in (f"socks5://127.0.0.1:{socks}", f"http://127.0.0.1:{proxy}"):
            async with ClientHttp(proxy=url, ca_file=str(ca), resolve=resolve) as http:
                got = await http.request("GET", "https://far.example:8443/", public_only=True)
                assert got.status == 200
                found = await failure(http, "https://inner.example:8443/", public_only=True)
                assert isinstance(found, PermanentFailure)
    assert socks_asked == [("203.0.113.9", 8443)]
    assert http_asked == ["CONNECT 203.0.113.9:8443 HTTP/1.1"]


async def test_an_http_proxy_that_wants_credentials_is_the_operators_to_mend() -> None:
    asked: list[str] = []
    async with (
        serving(far_sides.connecting(asked, 1, refuse=407)) as port,
        ClientHttp(proxy=f"http://user:{SECRET}@127.0.0.1:{port}") as http,
    ):
        found = await failure(http, f"https://far.example/{SECRET}")
    assert isinstance(found, TemporaryFailure) and found.reason is Reason.AUTH
    assert asked == ["CONNECT far.example:443 HTTP/1.1"]


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_out_of_reach_is_named_without_its_password(scheme: str) -> None:
    async with ClientHttp(proxy=f"{scheme}://user:{SECRET}@127.0.0.1:{free_port()}") as http:
        found = await failure(http, "http://far.example/")
    assert isinstance(found, TemporaryFailure) and found.reason is Reason.UNREACHABLE
    assert "proxy" in found.detail


@pytest.mark.parametrize(
    "proxy", ["ftp://h:1", "socks5://", "nonsense", f"socks9://u:{SECRET}@h:1", "http://h:x"]
)
def test_a_proxy_setting_that_cannot_be_used_says_what_would_be_right(proxy: str) -> None:
    with pytest.raises(ValueError, match=r"proxy: must be http://HOST:PORT") as caught:
        ClientHttp(proxy=proxy)
    assert SECRET not in str(caught.value)


def test_a_ca_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "not.pem").write_text("nothing")
    for name in ("not.pem", "missing.pem"):
        with pytest.raises(ValueError, match=rf"ca_file: .*{name}: "):
            ClientHttp(ca_file=str(tmp_path / name))
