"""TLS to mail servers: from the first byte and by STARTTLS, with an authority of the operator's own."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from model.failures import Reason, TemporaryFailure
from tests.connectors.email.test_outgoing import message
from tests.rigs import far_sides, imap
from tests.rigs.email import Sink, mail, settings
from tests.rigs.imap import FakeImap

Make = Callable[[dict[str, Any]], Any]
AT_ONCE = timedelta()
SECURITY = pytest.mark.parametrize("security", ["tls", "starttls"])


@pytest.fixture
def authority(tmp_path: Path) -> tuple[str, ssl.SSLContext]:
    """An authority's file, and a server with a certificate of it for `localhost`."""
    ca, tls = far_sides.authority(tmp_path, "localhost")
    return str(ca), tls


def mailbox(server: FakeImap, security: str, host: str = "localhost", **more: Any) -> dict[str, Any]:
    return imap.settings(server, imap={"security": security, "host": host, "timeout": 5}, **more)


def way_out(sink: Sink, security: str, host: str = "localhost", **more: Any) -> dict[str, Any]:
    made = settings(sink, door=None, **more)
    login = {"user": "feedback", "password": "a password"}
    made["outgoing"] |= {"security": security, "host": host, **login}
    return made


@SECURITY
async def test_a_mailbox_is_read_over_tls(
    make: Make, authority: tuple[str, ssl.SSLContext], security: str
) -> None:
    ca, tls = authority
    async with FakeImap(tls, starttls=security == "starttls") as server:
        server.put("INBOX", mail(1))
        async with make(mailbox(server, security, ca_file=ca)) as connector:
            assert len((await connector.fetch(None, AT_ONCE)).envelopes) == 1
            assert (await connector.probe()).ok
    assert (server.log[:2] == ["CAPABILITY", "STARTTLS"]) is (security == "starttls")


@SECURITY
async def test_mail_is_sent_over_tls(
    make: Make, authority: tuple[str, ssl.SSLContext], security: str
) -> None:
    ca, tls = authority
    async with (
        Sink(password="x", tls=tls, starttls=security == "starttls") as sink,
        make(way_out(sink, security, ca_file=ca)) as connector,
    ):
        await connector.send(message())
        assert (await connector.probe()).ok
    assert len(sink.accepted) == 1
    assert ("STARTTLS" in sink.commands) is (security == "starttls")


@SECURITY
@pytest.mark.parametrize(("host", "trusts"), [("localhost", False), ("127.0.0.1", True)])
async def test_a_mailbox_behind_a_certificate_that_is_not_right_gets_no_password(
    make: Make, authority: tuple[str, ssl.SSLContext], security: str, host: str, trusts: bool
) -> None:
    ca, tls = authority
    async with (
        FakeImap(tls, starttls=security == "starttls") as server,
        make(mailbox(server, security, host, ca_file=ca if trusts else None)) as connector,
    ):
        with pytest.raises(TemporaryFailure, match="TLS") as failed:
            await connector.fetch(None, AT_ONCE)
        assert failed.value.reason is Reason.CONFIG
        assert "ca_file" in (await connector.probe()).repair
    assert not any("LOGIN" in line for line in server.log)


@SECURITY
@pytest.mark.parametrize(("host", "trusts"), [("localhost", False), ("127.0.0.1", True)])
async def test_a_server_whose_certificate_is_not_right_gets_neither_password_nor_mail(
    make: Make, authority: tuple[str, ssl.SSLContext], security: str, host: str, trusts: bool
) -> None:
    ca, tls = authority
    async with (
        Sink(password="x", tls=tls, starttls=security == "starttls") as sink,
        make(way_out(sink, security, host, ca_file=ca if trusts else None)) as connector,
    ):
        with pytest.raises(TemporaryFailure, match="TLS") as failed:
            await connector.send(message())
        assert failed.value.reason is Reason.CONFIG
        assert "ca_file" in (await connector.probe()).repair
    assert sink.accepted == []
    assert not any(line.startswith(("AUTH", "MAIL")) for line in sink.commands)
