"""The door where not everybody is a friend: TLS, log-in, senders that drip, flood, guess and lie; a slow store."""

from __future__ import annotations

import asyncio
import contextlib
import random
import smtplib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from connectors.contract import Busy
from connectors.email import SPEC, EmailSettings
from model.failures import PermanentFailure
from model.tools import Spooled
from tests.connectors.email.test_door import Store, door
from tests.rigs import far_sides
from tests.rigs.email import ADDRESS, bring, mail, port
from tests.rigs.tools import Workbench

Make = Callable[[dict[str, Any]], Any]
USERS = [{"name": "postfix", "password": "door-word"}]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, dict[str, str]]:
    """What a client trusts, and the files of the door."""
    ca, _ = far_sides.authority(tmp_path, "localhost")
    chain = str(tmp_path / "chain.pem")
    return ssl.create_default_context(cafile=str(ca)), {"cert_file": chain, "key_file": chain}


def deliver(where: int, trust: ssl.SSLContext, *, implicit: bool, login: tuple[str, str] | None) -> Any:
    """What Python's own client does, which shares no code with our server."""
    made = (
        smtplib.SMTP_SSL("localhost", where, context=trust, timeout=10)
        if implicit
        else smtplib.SMTP("localhost", where, timeout=10)
    )
    with made as client:
        if not implicit:
            client.starttls(context=trust)
        if login:
            client.login(*login)
        return client.sendmail("customer@example.com", [ADDRESS], mail(1))


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_comes_over_tls_after_log_in_on_either_loop(
    certificate: tuple[ssl.SSLContext, dict[str, str]], security: str, loop: Any
) -> None:
    trust, files = certificate
    store = Store()

    async def house() -> None:
        settings = door(security=security, users=USERS, host="localhost", **files)
        async with Workbench() as bench:
            connector = SPEC.build(EmailSettings.model_validate(settings), bench.tools("mail"))
            made: Any = connector
            async with connector:
                await made.listen(store.accept)
                assert (await connector.probe()).ok
                for login in (("postfix", "door-word"), ("postfix", "wrong"), None):
                    with contextlib.ExitStack() as expected:
                        if login is None:
                            expected.enter_context(
                                pytest.raises(smtplib.SMTPSenderRefused, match="log in first")
                            )
                        elif login[1] == "wrong":
                            expected.enter_context(pytest.raises(smtplib.SMTPAuthenticationError))
                        await asyncio.to_thread(
                            deliver, port(connector), trust, implicit=security == "tls", login=login
                        )

    def run() -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(house())

    await asyncio.to_thread(run)
    assert len(store.batches) == 1


async def say(where: int, *lines: bytes, until: bytes = b"") -> bytes:
    """Speak to the door; all it said until it hung up, or until these words."""
    said = b""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", where)
        writer.write(b"".join(lines))
        while chunk := await reader.read(65_536):
            said += chunk
            if until and until in said:
                break
        writer.close()
    return said


async def test_nothing_is_taken_in_the_clear_where_tls_is_required(
    make: Make, certificate: tuple[ssl.SSLContext, dict[str, str]]
) -> None:
    store = Store()
    async with make(door(security="starttls", require_tls=True, **certificate[1])) as connector:
        await connector.listen(store.accept)
        said = await say(port(connector), b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nQUIT\r\n")
        assert b"530 " in said and b"AUTH" not in said
        # What was sent ahead in the clear is forgotten with STARTTLS.
        said = await say(
            port(connector), b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<evil@x.example>\r\n", until=b"220 2.0.0"
        )
        assert b"250 2.1.0" not in said


async def test_networks_need_no_log_in_and_strangers_do(make: Make) -> None:
    store = Store()
    users: dict[str, Any] = {"users": USERS, "auth_without_tls": True}
    async with make(door(networks=["127.0.0.0/8"], **users)) as connector:
        await connector.listen(store.accept)
        assert (await bring(port(connector), mail(1))).startswith("250")
    async with make(door(networks=["192.0.2.0/24"], **users)) as connector:
        await connector.listen(store.accept)
        assert (await bring(port(connector), mail(1))).startswith("530 5.7.0")


async def test_who_guesses_passwords_is_shown_out(make: Make) -> None:
    async with make(door(users=USERS, auth_without_tls=True)) as connector:
        await connector.listen(Store().accept)
        said = await say(port(connector), b"EHLO x\r\n", b"AUTH PLAIN AHBvc3RmaXgAd3Jvbmc=\r\n" * 9)
        assert said.count(b"535") == 3


async def test_who_tries_names_is_shown_out(make: Make) -> None:
    async with make(door(max_refused=3)) as connector:
        await connector.listen(Store().accept)
        tries = [b"RCPT TO:<name%d@office.example>\r\n" % n for n in range(9)]
        said = await say(port(connector), b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n", *tries)
        assert said.count(b"550 5.1.1") == 2 and said.count(b"421") == 1


async def test_one_client_cannot_take_all_the_places(make: Make) -> None:
    async with make(door(max_sessions_per_client=1)) as connector:
        await connector.listen(Store().accept)
        first, held = await asyncio.open_connection("127.0.0.1", port(connector))
        await first.readline()
        assert b"421 4.7.0" in await say(port(connector))
        held.close()
        await held.wait_closed()
        async with asyncio.timeout(5):
            while not (await bring(port(connector), mail(1))).startswith("250"):
                pass


async def test_a_sender_that_drips_is_shown_out(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.email.door_session.GRACE", 0.05)
    async with make(door(min_rate=1e9)) as connector:
        await connector.listen(Store().accept)
        reader, writer = await asyncio.open_connection("127.0.0.1", port(connector))
        writer.write(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % ADDRESS.encode())
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(b"x")
                    await reader.read(1000) if reader._buffer else await asyncio.sleep(0.01)  # type: ignore[attr-defined]
        writer.close()


async def test_no_connection_lives_for_ever(make: Make) -> None:
    async with make(door(max_session_seconds=0.2)) as connector:
        await connector.listen(Store().accept)
        assert b"220" in await say(port(connector), b"EHLO x\r\nNOOP\r\n")


async def test_a_header_without_an_end_is_refused_and_the_next_mail_taken(make: Make) -> None:
    store = Store()
    async with make(door(max_header_bytes=5000)) as connector:
        await connector.listen(store.accept)
        endless = b"Subject: x\r\n" + b"X-More: yes\r\n" * 1000
        assert (await bring(port(connector), endless)).startswith("552 5.3.4 the header")
        long = b"Subject: x\r\n" + b"X-More: yes\r\n" * 400 + b"\r\nhello\r\n"
        assert (await bring(port(connector), long)).startswith("552 5.3.4 the header")
        assert (await bring(port(connector), mail(1) + b"x\r\n" * 9000)).startswith("250")
    assert len(store.batches) == 1


async def test_a_line_without_an_end_is_refused_without_being_kept(make: Make) -> None:
    store = Store()
    async with make(door(max_line=10_000)) as connector:
        await connector.listen(store.accept)
        assert (await bring(port(connector), mail(1) + b"x" * 3_000_000)).startswith("500 5.6.0")
        assert (await bring(port(connector), mail(1) + b"x" * 9_000)).startswith("250")


async def test_a_large_mail_goes_through_the_spool_as_it_was(make: Make) -> None:
    store = Store()
    chance = random.Random(1)
    body = b"\r\n".join(b"." * chance.randrange(4) + b"x" * chance.randrange(90) for _ in range(60_000))
    whole = mail(1).replace(b"\n", b"\r\n") + body + b"\r\n"
    async with make(door()) as connector:
        await connector.listen(store.accept)
        assert (await bring(port(connector), whole)).startswith("250")
        (envelope,) = store.batches[0].envelopes
        assert isinstance(envelope.raw, Spooled) and envelope.raw.size == len(whole)
        assert envelope.raw.path.read_bytes() == whole
        assert envelope.source_id == "<matter-1@example.com>"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_a_mail_is_the_same_in_whatever_pieces_it_comes_with_commands_after_it(
    make: Make, size: int
) -> None:
    store = Store()
    said = (
        b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<%b>\r\n"
        b"DATA\r\n..one\r\nSubject: x\r\n\r\n...\r\n.x\r\n\r\n.\r\n"
        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<%b>\r\nDATA\r\n.\r\nQUIT\r\n"
    ) % (ADDRESS.encode(), ADDRESS.encode())
    async with make(door()) as connector:
        await connector.listen(store.accept)
        reader, writer = await asyncio.open_connection("127.0.0.1", port(connector))
        for at in range(0, len(said), size):
            writer.write(said[at : at + size])
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert (await reader.read(1_000_000)).count(b"250 2.0.0 stored") < 3
            await reader.read()
        writer.close()
    assert [one.raw for batch in store.batches for one in batch.envelopes] == [
        b".one\r\nSubject: x\r\n\r\n..\r\nx\r\n\r\n", b"",
    ]  # fmt: skip


async def test_a_slow_store_makes_the_sender_come_again_and_what_is_stored_late_is_stored(make: Make) -> None:
    store = Store()
    store.release.clear()
    async with make(door(patience=0.05)) as connector:
        await connector.listen(store.accept)
        assert (await bring(port(connector), mail(1))).startswith("451 4.3.2")
        store.release.set()
    assert len(store.batches) == 1


async def test_lmtp_says_for_each_recipient_that_the_mail_is_too_large(make: Make) -> None:
    async with make({**door(protocol="lmtp", recipients=["*"]), "limits": {"body_bytes": 5000}}) as connector:
        await connector.listen(Store().accept)
        two = ("a@x.example", "b@x.example")
        answers = await bring(port(connector), mail(1) + b"x\r\n" * 3000, recipients=two, hello="LHLO")
        assert [one[:9] for one in answers.split("\n")] == ["552 5.3.4", "552 5.3.4"]


async def test_a_certificate_that_cannot_be_used_is_told_with_the_remedy(make: Make, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nonsense")
    for name in ("bad.pem", "missing.pem"):
        files = {"cert_file": str(tmp_path / name), "key_file": str(tmp_path / name)}
        async with make(door(security="tls", **files)) as connector:
            with pytest.raises(PermanentFailure, match="certificate") as failed:
                await connector.listen(Store().accept)
            assert "door.cert_file" in failed.value.repair


async def test_a_renewed_certificate_is_shown_without_a_restart(make: Make, tmp_path: Path) -> None:
    ca, _ = far_sides.authority(tmp_path, "localhost")
    chain = str(tmp_path / "chain.pem")
    store = Store()
    async with make(
        door(security="starttls", host="localhost", cert_file=chain, key_file=chain)
    ) as connector:
        await connector.listen(store.accept)
        ca, _ = far_sides.authority(tmp_path, "localhost")
        trust = ssl.create_default_context(cafile=str(ca))
        await asyncio.to_thread(deliver, port(connector), trust, implicit=False, login=None)
    assert len(store.batches) == 1


async def test_while_the_house_is_busy_no_large_mail_is_carried_for_nothing(
    make: Make, bench: Workbench
) -> None:
    store = Store()
    store.failure = Busy("full")
    large, small = (
        b"EHLO x\r\nMAIL FROM:<a@b.example> SIZE=%d\r\nQUIT\r\n" % size for size in (9_000_000, 900)
    )
    async with make(door()) as connector:
        await connector.listen(store.accept)
        assert b"250 2.1.0" in await say(port(connector), large)
        assert (await bring(port(connector), mail(1))).startswith("452")
        assert b"452 4.3.1" in await say(port(connector), large)
        assert b"250 2.1.0" in await say(port(connector), small)
        bench.clock.advance(5)
        assert b"250 2.1.0" in await say(port(connector), large)
