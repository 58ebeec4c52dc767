"""Twilio: signatures over address and fields, messages out, reports, STOP, look-up of what is in doubt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from connectors.contract import Request
from connectors.sms import SPEC
from model.delivery import Message, OutgoingFile, Purpose
from model.draft import Draft, Fate, Identity
from model.failures import (
    Malformed,
    PermanentFailure,
    Reason,
    TemporaryFailure,
    Uncertain,
    Unverified,
)
from model.health import HealthState
from normalizer.contract import Source
from normalizer.readers.sms import read
from tests.rigs import sms
from tests.rigs.http import Drop, Hang, Refuse
from tests.rigs.tools import NOW, Workbench

PERSON = Identity("phone", sms.number(1))


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as bench:
        yield bench


@pytest.fixture
async def far(bench: Workbench) -> AsyncIterator[sms.Twilio]:
    async with sms.Twilio(bench.clock.now) as far:
        yield far


def connector(bench: Workbench, far: sms.Twilio, **more: Any) -> Any:
    return SPEC.build(SPEC.settings.model_validate(sms.settings(far, **more)), bench.tools("sms"))


def answer(text: str = "We mended it.", **more: Any) -> Message:
    made = Message(key="reply:1", purpose=Purpose.REPLY, reference="FB-261122-7K3FQ", to=PERSON, text=text)
    return replace(made, **more)


def reading(one: Any, request: Request, far: sms.Twilio) -> Draft:
    settings = SPEC.settings.model_validate(sms.settings(far))
    (envelope,) = one.receive(request).envelopes
    return read(
        Source(
            raw=envelope.raw,
            media_type=envelope.media_type,
            received_at=NOW,
            options=settings.reading(),
        )
    )


# ---- in


async def test_the_signature_is_the_one_of_an_independent_library(bench: Workbench, far: sms.Twilio) -> None:
    """The vector was made with the vendor's `twilio.request_validator.RequestValidator`."""
    own = {"auth_tokens": ["12345"], "address": "https://gw.example.org/in/twilio"}
    one = connector(bench, far, provider=own)
    fields = {
        "Body": "你好 hi",
        "From": "+8613800138000",
        "MessageSid": "SM0123456789abcdef0123456789abcdef",
        "NumMedia": "0",
        "To": "+14155550100",
    }
    request = sms.signed(fields, "https://gw.example.org/in/twilio?tenant=a", token="12345")
    assert request.headers["x-twilio-signature"] == "GGGBlApItEivfbBbVWLk3UPq4zI="
    one.verify(request)
    for changed in (
        replace(request, query_string="tenant=b"),
        replace(request, body=request.body.replace(b"hi", b"ho")),
        replace(request, headers={**request.headers, "x-twilio-signature": ""}),
    ):
        with pytest.raises(Unverified):
            one.verify(changed)


async def test_both_tokens_hold_while_one_takes_the_place_of_the_other(
    bench: Workbench, far: sms.Twilio
) -> None:
    one = connector(bench, far, provider={"auth_tokens": ["the next one", sms.AUTH_TOKEN]})
    one.verify(sms.signed(sms.message(1, "hi")))


async def test_a_message_with_a_picture_is_read_and_the_picture_fetched(
    bench: Workbench, far: sms.Twilio
) -> None:
    one = connector(bench, far)
    path = f"/2010-04-01/Accounts/{sms.ACCOUNT}/Messages/MM1/Media/ME1"
    far.files[path] = ("image/jpeg", b"\xff\xd8")
    media = {"NumMedia": "1", "MediaUrl0": far.url + path, "MediaContentType0": "image/jpeg"}
    draft = reading(one, sms.signed(sms.message(1, "电梯坏了", **media)), far)
    assert (draft.text, draft.identities) == ("电梯坏了", (PERSON,))
    (part,) = draft.parts
    assert part.reference is not None
    assert (await one.download(part.reference)).raw == b"\xff\xd8"
    for elsewhere in ("https://evil.example/x", "https://twilio.com.evil.example/x", "http://twilio.com/x"):
        with pytest.raises(PermanentFailure):
            await one.download(elsewhere)
    with pytest.raises(PermanentFailure):
        await one.download(far.url + path + "-gone")


async def test_stop_is_known_by_the_word_and_by_twilios_own(bench: Workbench, far: sms.Twilio) -> None:
    one = connector(bench, far)
    assert reading(one, sms.signed(sms.message(1, "Stop.")), far).signal == "stopped"
    # Words of the customer's own language that only Twilio knows.
    named = sms.message(1, "PARE", OptOutType="STOP")
    assert reading(one, sms.signed(named), far).signal == "stopped"
    assert reading(one, sms.signed(sms.message(1, "START", OptOutType="START")), far).signal == "started"
    assert reading(one, sms.signed(sms.message(1, "Stop the noise")), far).signal is None


async def test_a_repeat_is_known_and_a_second_message_is_another(bench: Workbench, far: sms.Twilio) -> None:
    one = connector(bench, far)

    def known(**more: str) -> tuple[str, str]:
        (envelope,) = one.receive(sms.signed(sms.message(1, "hi", **more))).envelopes
        return envelope.source_id, envelope.fingerprint

    assert known() == known()
    first, second = known(), known(MessageSid="SM" + "f" * 32)
    assert first[0] != second[0] and first[1] == second[1]


# ---- out


async def test_an_answer_is_one_message_that_asks_for_its_report(bench: Workbench, far: sms.Twilio) -> None:
    receipt = await connector(bench, far).send(answer())
    (sent,) = far.sent
    assert (sent.to, sent.text, sent.id) == (sms.number(1), "We mended it.", receipt.remote_id)
    assert (sent.more["from"], sent.key) == (sms.SENDER, "reply:1")


async def test_a_report_is_signed_over_the_address_with_our_key(bench: Workbench, far: sms.Twilio) -> None:
    one = connector(bench, far)
    await one.send(answer(key="reply:a/b & 回复"))
    for status, error, fate, reason in (
        ("sent", "", Fate.SENT, None),
        ("delivered", "", Fate.DELIVERED, None),
        ("undelivered", "30005", Fate.FAILED, Reason.RECIPIENT),
        ("undelivered", "30003", Fate.FAILED, Reason.UNREACHABLE),
        ("failed", "99999", Fate.FAILED, Reason.SERVER),
    ):
        request = far.report(far.sent[0], status, error)
        one.verify(request)
        (report,) = reading(one, request, far).reports
        assert (report.fate, report.reason) == (fate, reason)
        assert (report.key, report.remote_id) == ("reply:a/b & 回复", far.sent[0].id)
    assert one.receive(far.report(far.sent[0], "queued")).response is not None, "nothing new"


async def test_a_messaging_service_or_the_number_that_was_written_to_sends(
    bench: Workbench, far: sms.Twilio
) -> None:
    one = connector(bench, far, provider={"sender": "MG" + "0" * 32})
    await one.send(answer())
    assert "MessagingServiceSid" in far.requests[-1].body.decode()
    await connector(bench, far, provider={"sender": "Office"}).send(answer(thread={"ours": sms.SENDER}))
    assert far.sent[-1].more["from"] == sms.SENDER


async def test_long_texts_are_counted_before_and_parted(bench: Workbench, far: sms.Twilio) -> None:
    one = connector(bench, far)
    told = one.preview(answer("中" * 71))
    assert (told.messages, told.size, told.unit, told.refused) == (2, 71, "UCS-2, 70 (67 in several)", "")
    assert one.preview(answer("a" * 160)).messages == 1
    parts = one.parts(answer("Word. " * 400))
    assert len(parts) == 2 and all(len(part.text) <= 1_600 for part in parts)
    for part in parts:
        await one.send(part)
    assert len(far.sent) == 2


@pytest.mark.parametrize(
    ("to", "text", "reason"),
    [("+1", "x", Reason.REQUEST), ("+123456", "x", Reason.RECIPIENT), (sms.number(1), " ", Reason.REQUEST)],
)
async def test_what_no_try_will_get_past(
    bench: Workbench, far: sms.Twilio, to: str, text: str, reason: Reason
) -> None:
    with pytest.raises(PermanentFailure) as failed:
        await connector(bench, far).send(answer(text, to=Identity("phone", to)))
    assert failed.value.reason is reason and to not in failed.value.detail


async def test_whom_twilio_knows_to_have_stopped_is_the_recipients_word(
    bench: Workbench, far: sms.Twilio
) -> None:
    far.stopped.add(sms.number(1))
    with pytest.raises(PermanentFailure) as failed:
        await connector(bench, far).send(answer())
    assert failed.value.reason is Reason.RECIPIENT and "STOP" in failed.value.repair
    with pytest.raises(PermanentFailure):
        file = OutgoingFile("a.pdf", "application/pdf", 1, "0" * 64, b"x")
        await connector(bench, far).send(answer(files=(file,)))


async def test_throttled_and_refused_logins(bench: Workbench, far: sms.Twilio) -> None:
    far.next(Refuse(429, {"retry-after": "7"}, '{"code": 20429, "message": "Too Many Requests"}'))
    with pytest.raises(TemporaryFailure) as failed:
        await connector(bench, far).send(answer())
    assert failed.value.reason is Reason.THROTTLED
    assert failed.value.retry_after is not None and failed.value.retry_after.total_seconds() == 7
    wrong = connector(bench, far, provider={"auth_tokens": ["wrong"]})
    with pytest.raises(TemporaryFailure) as refused:
        await wrong.send(answer())
    assert refused.value.reason is Reason.AUTH
    assert (await wrong.probe()).state is HealthState.FAILING
    assert (await connector(bench, far).probe()).state is HealthState.OK
    far.status = "suspended"
    assert (await connector(bench, far).probe()).state is HealthState.FAILING


@pytest.mark.parametrize("behaviour", [Drop(), Hang(), Refuse(500), Refuse(504)])
async def test_no_answer_leaves_it_in_doubt(bench: Workbench, far: sms.Twilio, behaviour: Any) -> None:
    far.next(behaviour)
    with pytest.raises(Uncertain):
        await connector(bench, far, timeout=0.3).send(answer())


async def test_what_is_in_doubt_is_looked_for_among_what_was_sent(bench: Workbench, far: sms.Twilio) -> None:
    one = connector(bench, far)
    await one.send(answer(key="reply:0"))  # the same words, an hour before
    bench.clock.advance(3_600)
    far.next(Drop(takes=False))
    with pytest.raises(Uncertain):
        await one.send(answer())
    with pytest.raises(TemporaryFailure):  # the earlier one is not taken for it
        await one.resolve(answer())
    bench.clock.advance(61)
    assert await one.resolve(answer()) is None
    far.next(Drop())
    with pytest.raises(Uncertain):
        await one.send(answer())
    found = await one.resolve(answer())
    assert found is not None and found.remote_id == far.sent[-1].id
    # After a start only words that hold the reference are believed.
    anew = connector(bench, far)
    with pytest.raises(Uncertain):
        await anew.resolve(answer())
    named = answer("About FB-261122-7K3FQ: done.")
    await one.send(named)
    assert await anew.resolve(named) is not None


async def test_what_is_no_message_is_malformed(bench: Workbench, far: sms.Twilio) -> None:
    with pytest.raises(Malformed):
        connector(bench, far).receive(sms.signed({"Hello": "x"}))
