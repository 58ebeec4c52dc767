"""Mail through the channel's proxy: which target is asked for, what stays private, and what refusals mean."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.email import EmailSettings
from connectors.email.tunnel import Tunnel
from model.failures import Reason, TemporaryFailure
from tests.connectors.email.test_outgoing import message
from tests.connectors.email.test_tls import mailbox, way_out
from tests.rigs import far_sides
from tests.rigs.email import Sink, mail, settings
from tests.rigs.far_sides import Handler, head, serving
from tests.rigs.imap import FakeImap

Make = Callable[[dict[str, Any]], Any]
AT_ONCE = timedelta()
HOST = "mail.example"
SECRET = "s3cret-of-the-proxy"
PLAIN = {"security": "none", "allow_plaintext": True}


@asynccontextmanager
async def proxy(scheme: str, asked: list[Any], far: int) -> AsyncIterator[str]:
    """A proxy of that scheme; its address."""
    handler = (far_sides.socks if scheme == "socks5" else far_sides.connecting)(asked, far)
    async with serving(handler) as port:
        yield f"{scheme}://127.0.0.1:{port}"


def target(scheme: str, port: int) -> Any:
    """How the proxies of far_sides note a target."""
    return (HOST, port) if scheme == "socks5" else f"CONNECT {HOST}:{port} HTTP/1.1"


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_mailbox_is_read_through_the_proxy_which_gets_the_name_while_tls_stays_ours(
    make: Make, tmp_path: Path, scheme: str, security: str
) -> None:
    ca, tls = far_sides.authority(tmp_path, HOST)
    asked: list[Any] = []
    async with (
        FakeImap(tls, starttls=security == "starttls") as server,
        proxy(scheme, asked, server.port) as url,
    ):
        server.put("INBOX", mail(1))
        async with make(mailbox(server, security, HOST, ca_file=str(ca), proxy=url)) as connector:
            assert len((await connector.fetch(None, AT_ONCE)).envelopes) == 1
            assert (await connector.probe()).ok
        assert asked == [target(scheme, server.port)] * 2  # the probe has a connection of its own


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_mail_is_sent_through_the_proxy_which_gets_the_name_while_tls_stays_ours(
    make: Make, tmp_path: Path, scheme: str, security: str
) -> None:
    ca, tls = far_sides.authority(tmp_path, HOST)
    asked: list[Any] = []
    async with (
        Sink(password="x", tls=tls, starttls=security == "starttls") as sink,
        proxy(scheme, asked, sink.port) as url,
    ):
        async with make(way_out(sink, security, HOST, ca_file=str(ca), proxy=url)) as connector:
            await connector.send(message(1))
            await connector.send(message(2))
        assert asked == [target(scheme, sink.port)]  # the second went over the warm connection
        assert len(sink.accepted) == 2


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_through_a_proxy_too_the_certificate_must_be_the_servers(
    make: Make, tmp_path: Path, security: str
) -> None:
    ca, tls = far_sides.authority(tmp_path, "another.example")
    starttls = security == "starttls"
    async with (
        FakeImap(tls, starttls=starttls) as server,
        Sink(password="x", tls=tls, starttls=starttls) as sink,
        proxy("http", [], server.port) as to_server,
        proxy("socks5", [], sink.port) as to_sink,
    ):
        async with make(mailbox(server, security, HOST, ca_file=str(ca), proxy=to_server)) as connector:
            with pytest.raises(TemporaryFailure, match="TLS") as failed:
                await connector.fetch(None, AT_ONCE)
            assert failed.value.reason is Reason.CONFIG
        async with make(way_out(sink, security, HOST, ca_file=str(ca), proxy=to_sink)) as connector:
            with pytest.raises(TemporaryFailure, match="TLS") as failed:
                await connector.send(message())
            assert failed.value.reason is Reason.CONFIG
        assert not any("LOGIN" in line for line in server.log)
        assert sink.tries == 0


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_without_tls_the_proxy_is_used_as_well(make: Make, scheme: str) -> None:
    async with FakeImap() as server, Sink() as sink:
        server.put("INBOX", mail(1))
        async with proxy(scheme, [], server.port) as url:
            made = mailbox(server, "none", HOST, proxy=url)
            async with make(made) as connector:
                assert len((await connector.fetch(None, AT_ONCE)).envelopes) == 1
        async with proxy(scheme, [], sink.port) as url:
            made = settings(sink, door=None, proxy=url)
            made["outgoing"] |= {"host": HOST}
            async with make(made) as connector:
                await connector.send(message())
        assert len(sink.accepted) == 1


async def test_a_greeting_in_one_piece_with_the_proxys_answer_is_not_lost(make: Make) -> None:
    async with Sink() as sink:

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            there, back = await asyncio.open_connection("127.0.0.1", sink.port)
            greeting = await there.readline()
            writer.write(b"HTTP/1.0 200 Connection established\r\nVia: 1.1 squid\r\n\r\n" + greeting)
            await asyncio.gather(far_sides.pipe(reader, back), far_sides.pipe(there, writer))

        async with serving(handle) as port:
            made = settings(sink, door=None, proxy=f"http://127.0.0.1:{port}")
            async with make(made) as connector:
                await connector.send(message())
        assert len(sink.accepted) == 1


async def test_the_proxy_gets_user_and_password_as_they_are_meant() -> None:
    heads: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await head(reader))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async with serving(handle) as port:
        (await Tunnel(f"http://us%40er:p%3Aw%C3%B6@127.0.0.1:{port}").connect("2001:db8::1", 993, 5)).close()
    login = base64.b64encode("us@er:p:wö".encode()).decode()
    assert heads == [
        "CONNECT [2001:db8::1]:993 HTTP/1.1\r\nHost: [2001:db8::1]:993\r\n"
        f"Proxy-Authorization: Basic {login}\r\n\r\n"
    ]
    asked: list[tuple[str, int]] = []
    async with (
        serving(far_sides.connecting([], 9)) as nowhere,
        serving(far_sides.socks(asked, nowhere, login=("us@er", "p:w"))) as port,
    ):
        (await Tunnel(f"socks5://us%40er:p%3Aw@127.0.0.1:{port}").connect(HOST, 993, 5)).close()
    assert asked == [(HOST, 993)]


def answering(answer: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(answer)

    return handle


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("scheme", "handler", "reason", "words"),
    [
        ("http", answering(b"HTTP/1.1 407 No\r\n\r\n"), Reason.AUTH, "check `proxy`"),
        ("http", answering(b"HTTP/1.1 403 Forbidden\r\n\r\n"), Reason.UNREACHABLE, "HTTP 403"),
        ("http", answering(b"220 no proxy at all\r\n\r\n"), Reason.UNREACHABLE, "no HTTP"),
        ("http", answering(b"HTTP/1.1 2"), Reason.UNREACHABLE, "broke off"),
        ("http", answering(b"HTTP/1.1 200 OK\r\nA: b"), Reason.UNREACHABLE, "broke off"),
        ("http", answering(b"HTTP/1.1 200 " + b"x" * 100_000), Reason.UNREACHABLE, "broke off"),
        ("http", silent, Reason.TIMEOUT, "in time"),
        ("socks5", silent, Reason.TIMEOUT, "in time"),
        ("socks5", far_sides.socks([], 0, refuse=5), Reason.UNREACHABLE, HOST),
        ("socks5", far_sides.socks([], 0, login=("u", "another")), Reason.AUTH, "check `proxy`"),
    ],
)
async def test_what_a_proxy_says_or_does_not_say(
    scheme: str, handler: Handler, reason: Reason, words: str
) -> None:
    async with serving(handler) as port:
        tunnel = Tunnel(f"{scheme}://u:{SECRET}@127.0.0.1:{port}")
        with pytest.raises(TemporaryFailure, match=words) as failed:
            await tunnel.connect(HOST, 993, 0.3)
    assert failed.value.reason is reason
    assert SECRET not in failed.value.detail


async def test_a_socks_proxy_that_wants_a_login_and_gets_none() -> None:
    async with serving(far_sides.socks([], 0, login=("u", "p"))) as port:
        with pytest.raises(TemporaryFailure) as failed:
            await Tunnel(f"socks5://127.0.0.1:{port}").connect(HOST, 993, 5)
    assert failed.value.reason is Reason.AUTH


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_out_of_reach_is_named_without_its_password(make: Make, scheme: str) -> None:
    async with serving(silent) as port:
        pass
    async with Sink() as sink:
        made = settings(sink, door=None, proxy=f"{scheme}://u:{SECRET}@127.0.0.1:{port}")
        async with make(made) as connector:
            with pytest.raises(TemporaryFailure, match="proxy") as failed:
                await connector.send(message())
            found = await connector.probe()
    assert failed.value.reason is Reason.UNREACHABLE
    assert SECRET not in failed.value.detail + found.detail + found.repair


def test_the_library_for_socks_is_asked_for_when_the_channel_is_built(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    base = {"kind": "email", "address": "a@office.example"}
    out = {"outgoing": {"transport": "smtp", "host": HOST}}
    with pytest.raises(ImportError, match=r"pip install 'forebay\[socks\]'"):
        make({**base, **out, "proxy": "socks5://127.0.0.1:1080"})
    make({**base, **out, "proxy": "http://127.0.0.1:3128"})


def test_an_https_proxy_is_refused_with_what_would_be_right() -> None:
    door = {"kind": "email", "address": "a@office.example", "door": {"port": 0}}
    with pytest.raises(ValueError, match=r"must be http://HOST:PORT or socks5://HOST:PORT") as refused:
        EmailSettings.model_validate({**door, "proxy": f"https://u:{SECRET}@proxy.example:3128"})
    assert SECRET not in str(refused.value)


def test_without_a_socks_proxy_its_library_is_not_loaded() -> None:
    code = "import sys, connectors.email.connector as c; sys.exit('python_socks' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
