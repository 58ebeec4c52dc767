"""Sending: what counts as taken, what as refused, what as unknown, and connections that are kept warm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from model.delivery import Message, OutgoingFile, Purpose
from model.draft import Identity
from model.failures import PermanentFailure, Reason, TemporaryFailure, Uncertain
from model.health import HealthState
from tests.rigs.email import ADDRESS, Drop, Refuse, Sink, Stall, settings
from tests.rigs.oauth import TokenServer
from tests.rigs.tools import Workbench

LARGE = OutgoingFile("large.bin", "application/octet-stream", 16_000_000, "", bytes(16_000_000))
Make = Callable[[dict[str, Any]], Any]


def message(n: int = 1, **more: Any) -> Message:
    values: dict[str, Any] = {
        "key": f"key-{n}", "purpose": Purpose.REPLY, "reference": "FB-261122-7K3FQ",
        "to": Identity("email", f"customer{n}@example.com"), "text": "Thank you.\n.dot\n",
    }  # fmt: skip
    return Message(**{**values, **more})


async def test_a_mail_is_taken_once_with_its_fixed_id(make: Make) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        receipt = await connector.send(message())
        assert [one.id for one in sink.accepted] == [receipt.remote_id]
        assert sink.accepted[0].sender == ADDRESS
        assert sink.accepted[0].recipients == ("customer1@example.com",)
        assert b"\r\n.dot\r\n" in sink.accepted[0].data


async def test_a_second_try_bears_the_same_id(make: Make) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        await connector.send(message())
        await connector.send(message())
        first, second = (one.id for one in sink.accepted)
        assert first == second


async def test_connections_are_used_again_and_no_more_are_open_than_allowed(make: Make) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        for n in range(5):
            await connector.send(message(n))
        assert sink.sessions == 1
        await asyncio.gather(*(connector.send(message(n)) for n in range(5, 15)))
        assert sink.sessions <= 2
        assert len(sink.accepted) == 15


async def test_a_connection_that_the_server_gave_up_costs_no_mail(make: Make) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        await connector.send(message(1))
        sink.hang_up()
        await connector.send(message(2))
        sink.next(Drop("mail"))
        await connector.send(message(3))
        assert len(sink.accepted) == 3


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail", "rcpt", "data", "body"])
async def test_lost_before_the_final_dot_is_a_definite_failure(make: Make, stage: Any) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        sink.next(Drop(stage))
        with pytest.raises(TemporaryFailure) as failed:
            # More than the sockets between us hold, so that the end cannot have been written.
            await connector.send(message(files=(LARGE,) if stage == "body" else ()))
        assert failed.value.reason is Reason.UNREACHABLE
        assert sink.accepted == []
        await connector.send(message())
        assert len(sink.accepted) == 1


@pytest.mark.parametrize("plan", [Drop("dot"), Drop("dot", takes=False)])
async def test_lost_after_the_final_dot_is_uncertain(make: Make, plan: Drop) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        sink.next(plan)
        with pytest.raises(Uncertain):
            await connector.send(message())
        await connector.send(message())
        assert len({one.id for one in sink.accepted}) == 1


def short(sink: Sink, **more: Any) -> dict[str, Any]:
    made = settings(sink)
    made["outgoing"] |= {"timeout": 0.2, "final_timeout": 0.2, **more}
    return made


@pytest.mark.parametrize("stage", ["greeting", "mail", "rcpt", "data"])
async def test_silence_before_the_mail_is_a_timeout(make: Make, stage: Any) -> None:
    async with Sink() as sink, make(short(sink)) as connector:
        sink.next(Stall(stage))
        with pytest.raises(TemporaryFailure) as failed:
            await connector.send(message())
        assert failed.value.reason is Reason.TIMEOUT


async def test_silence_after_the_final_dot_is_uncertain(make: Make) -> None:
    async with Sink() as sink, make(short(sink)) as connector:
        sink.next(Stall("dot"))
        with pytest.raises(Uncertain):
            await connector.send(message())


@pytest.mark.parametrize(
    ("plan", "failure", "reason"),
    [
        (Refuse("greeting", 554, "5.7.1 go away"), TemporaryFailure, Reason.CONFIG),
        (Refuse("greeting", 421, "4.7.0 too many connections"), TemporaryFailure, Reason.THROTTLED),
        (Refuse("mail", 550, "5.1.0 sender rejected"), TemporaryFailure, Reason.CONFIG),
        (Refuse("mail", 530, "5.7.0 must authenticate"), TemporaryFailure, Reason.CONFIG),
        (Refuse("rcpt", 550, "5.1.1 no such user"), PermanentFailure, Reason.RECIPIENT),
        (Refuse("rcpt", 550, "no such user"), PermanentFailure, Reason.RECIPIENT),
        (Refuse("rcpt", 552, "5.2.2 mailbox full"), TemporaryFailure, Reason.RECIPIENT),
        (Refuse("rcpt", 450, "4.7.1 greylisted"), TemporaryFailure, Reason.SERVER),
        (Refuse("rcpt", 550, "5.7.1 relaying denied"), TemporaryFailure, Reason.CONFIG),
        (Refuse("rcpt", 421, "4.3.2 closing"), TemporaryFailure, Reason.SERVER),
        (Refuse("data", 451, "4.3.0 try later"), TemporaryFailure, Reason.SERVER),
        (Refuse("dot", 554, "5.6.0 bad content"), PermanentFailure, Reason.REQUEST),
        (Refuse("dot", 550, "5.7.1 looks like spam"), PermanentFailure, Reason.REQUEST),
        (Refuse("dot", 550, "5.7.26 DMARC"), TemporaryFailure, Reason.CONFIG),
        (Refuse("dot", 552, "5.3.4 too big"), PermanentFailure, Reason.REQUEST),
        (Refuse("dot", 451, "4.7.1 rate limit exceeded"), TemporaryFailure, Reason.THROTTLED),
    ],
)
async def test_refusals_become_reasons(
    make: Make, plan: Refuse, failure: type[Exception], reason: Reason
) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        sink.next(plan)
        with pytest.raises(failure) as failed:
            await connector.send(message())
        assert failed.value.reason is reason  # type: ignore[attr-defined]
        assert str(plan.code) in failed.value.detail  # type: ignore[attr-defined]
        assert sink.accepted == []
        await connector.send(message(2))
        assert len(sink.accepted) == 1


async def test_a_bad_copy_does_not_keep_the_mail_from_the_others(make: Make) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        sink.next(Refuse("rcpt", 550, "5.1.1 unknown", only="gone@example.com"))
        receipt = await connector.send(message(cc=("gone@example.com", "wang@example.com")))
        assert sink.accepted[0].recipients == ("customer1@example.com", "wang@example.com")
        assert receipt.data["refused"] == {"gone@example.com": "550 5.1.1 unknown"}


async def test_a_copy_that_is_put_off_is_told_apart_from_one_that_is_refused(make: Make) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        sink.next(Refuse("rcpt", 450, "4.2.0 greylisted", only="wang@example.com"))
        sent = message(cc=("wang@example.com", "zhao@example.com"))
        receipt = await connector.send(sent)
        assert sink.accepted[0].recipients == ("customer1@example.com", "zhao@example.com")
        assert list(receipt.put_off) == ["wang@example.com"]
        assert receipt.put_off["wang@example.com"].retry_after is not None
        await connector.send(replace(sent, copy_to="wang@example.com"))
        assert sink.accepted[1].recipients == ("wang@example.com",)
        assert sink.accepted[0].id == sink.accepted[1].id


async def test_a_server_that_takes_no_empty_return_path_is_given_our_address(make: Make) -> None:
    automatic = {"purpose": Purpose.ACKNOWLEDGEMENT}
    async with Sink() as sink, make(settings(sink)) as connector:
        sink.next(Refuse("mail", 550, "5.1.0 <> not allowed"))
        for n in range(2):
            await connector.send(message(n, **automatic))
        assert [one.sender for one in sink.accepted] == [ADDRESS, ADDRESS]
        assert sink.tries == 3
        assert b"Auto-Submitted: auto-generated" in sink.accepted[0].data


async def test_an_address_beyond_ascii_needs_a_server_that_speaks_it(make: Make) -> None:
    to = Identity("email", "李雷@example.com")
    async with Sink(utf8=True) as sink, make(settings(sink)) as connector:
        await connector.send(message(to=to))
        await connector.send(message(2))
        assert sink.accepted[0].recipients == ("李雷@example.com",)
        assert ["SMTPUTF8" in one for one in sink.commands if one.startswith("MAIL")] == [True, False]
    async with Sink() as sink, make(settings(sink)) as connector:
        with pytest.raises(PermanentFailure) as failed:
            await connector.send(message(to=to))
        assert failed.value.reason is Reason.RECIPIENT
        receipt = await connector.send(message(cc=("王@example.com", "zhao@example.com")))
        assert sink.accepted[0].recipients == ("customer1@example.com", "zhao@example.com")
        assert receipt.data["refused"] == {"王@example.com": "needs SMTPUTF8"}
        assert sink.accepted[0].data.isascii()


async def test_a_connection_carries_no_more_mails_than_set(make: Make) -> None:
    async with Sink() as sink, make(short(sink, mails_per_connection=2)) as connector:
        for n in range(4):
            await connector.send(message(n))
        assert sink.sessions == 2
        assert sink.commands.count("QUIT") == 2


async def test_a_goodbye_that_was_waiting_costs_no_mail(make: Make) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        await connector.send(message(1))
        sink.next(Refuse("mail", 421, "4.4.2 idle too long"))
        await connector.send(message(2))
        assert len(sink.accepted) == 2


async def test_a_refused_token_is_renewed_once(make: Make) -> None:
    async with TokenServer() as tokens, Sink(tokens=frozenset({"access-2"})) as sink:
        async with make(short(sink, user=ADDRESS) | {"oauth": tokens.settings()}) as connector:
            await connector.send(message())
        assert len(sink.accepted) == 1
        assert tokens.given == ["access-1", "access-2"]


async def test_a_token_that_stays_refused_pauses_and_tells_how_to_mend_it(make: Make) -> None:
    async with TokenServer() as tokens, Sink(tokens=frozenset({"none"})) as sink:
        async with make(short(sink, user=ADDRESS) | {"oauth": tokens.settings()}) as connector:
            with pytest.raises(TemporaryFailure) as failed:
                await connector.send(message())
        assert failed.value.reason is Reason.AUTH
        assert failed.value.repair
        assert "access-" not in failed.value.detail


async def test_tokens_are_not_sent_where_none_are_taken(make: Make) -> None:
    async with TokenServer() as tokens, Sink() as sink:
        async with make(short(sink, user=ADDRESS) | {"oauth": tokens.settings()}) as connector:
            with pytest.raises(TemporaryFailure) as failed:
                await connector.send(message())
        assert failed.value.reason is Reason.CONFIG
        assert not [one for one in sink.commands if one.startswith("AUTH")]


async def test_a_mail_larger_than_the_server_takes_is_not_begun(make: Make) -> None:
    async with Sink(size=1000) as sink, make(settings(sink)) as connector:
        with pytest.raises(PermanentFailure) as failed:
            await connector.send(message(text="x" * 2000))
        assert failed.value.reason is Reason.REQUEST
        assert sink.tries == 0


async def test_a_refused_login_pauses_the_channel_and_tells_no_password(make: Make) -> None:
    refusal = Refuse("auth", 535, "5.7.8 Error: authentication failed")
    login = {"user": "u", "password": "wrong-secret"}
    async with Sink(password="right") as sink, make(short(sink, **login)) as connector:
        sink.next(refusal, refusal)
        with pytest.raises(TemporaryFailure) as failed:
            await connector.send(message())
        assert failed.value.reason is Reason.AUTH
        assert "wrong-secret" not in failed.value.detail
        found = await connector.outgoing.probe()
        assert found.state is HealthState.FAILING
        assert "password" in found.repair


async def test_starttls_is_never_left_out(make: Make) -> None:
    async with Sink() as sink, make(short(sink, security="starttls")) as connector:
        with pytest.raises(TemporaryFailure) as failed:
            await connector.send(message())
        assert failed.value.reason is Reason.CONFIG
        assert sink.tries == 0


async def test_cancelling_leaves_the_connector_usable(make: Make) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        sink.next(Stall("dot", takes=False))
        sending = asyncio.create_task(connector.send(message()))
        await sink.stalled.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await connector.send(message(2))
        assert len(sink.accepted) == 1


async def test_the_probe_is_a_round_trip(make: Make) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        assert (await connector.outgoing.probe()).ok
        assert "NOOP" in sink.commands
        made = settings(sink)
    async with make(made) as connector:
        assert (await connector.outgoing.probe()).state is HealthState.FAILING


async def test_nothing_sent_is_logged(make: Make, bench: Workbench) -> None:
    async with Sink() as sink, make(settings(sink)) as connector:
        await connector.send(message())
    assert bench.log.events == []
