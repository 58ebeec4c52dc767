"""Private messages on Weibo."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import xmltodict

from connectors.contract import Sender
from connectors.weibo import SPEC
from model.delivery import Message, OutgoingFile, Purpose
from model.draft import Identity
from model.failures import (
    Malformed,
    PermanentFailure,
    Reason,
    SendFailure,
    TemporaryFailure,
    Uncertain,
    Unverified,
)
from tests.rigs import wechat, weibo
from tests.rigs.http import Drop, Refuse
from tests.rigs.tools import NOW, Workbench
from tests.rigs.weibo import Weibo

WHO = str(weibo.uid(1))


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as bench:
        yield bench


@pytest.fixture
async def far(bench: Workbench) -> AsyncIterator[Weibo]:
    async with Weibo(bench.clock.now) as far:
        far.wrote(weibo.uid(1))
        yield far


def made(bench: Workbench, far: Weibo | None = None, **more: Any) -> Any:
    return SPEC.build(SPEC.settings.model_validate(weibo.settings(far, **more)), bench.tools("weibo"))


def answer(text: str = "修好了。", **more: Any) -> Message:
    one = Message(key="k", purpose=Purpose.REPLY, reference="FB-1", to=None, text=text, thread={"uid": WHO})
    return replace(one, **more)


async def test_the_consoles_check_is_answered_with_its_text(bench: Workbench) -> None:
    request = replace(weibo.signed(b"", echostr="4861203947"), method="GET")
    connector = made(bench)
    connector.verify(request)
    assert connector.receive(request).response.body == b"4861203947"


async def test_a_message_is_known_by_sender_time_and_type(bench: Workbench) -> None:
    connector = made(bench)
    request = weibo.signed(weibo.push(1, "text", "你好"))
    connector.verify(request)
    (envelope,) = connector.receive(request).envelopes
    assert envelope.source_id == f"{WHO}:Sun Nov 22 08:00:00 +0800 2026:text"
    assert (envelope.account, envelope.sent_at) == (str(weibo.ACCOUNT), NOW)
    later = weibo.signed(weibo.push(1, "text", "你好"), NOW + timedelta(seconds=5), nonce="2")
    assert connector.receive(later).envelopes[0] == envelope
    (other,) = connector.receive(weibo.signed(weibo.push(1, "text", "再见"))).envelopes
    assert other.fingerprint != envelope.fingerprint


async def test_wechats_xml_is_taken_as_well_and_answered_in_it(bench: Workbench) -> None:
    connector = made(bench)
    xml = wechat.xml(
        ToUserName=weibo.ACCOUNT,
        FromUserName=weibo.uid(1),
        CreateTime=1795305600,
        MsgType="text",
        Content="你好",
    )
    request = weibo.signed(xml)
    connector.verify(request)
    (envelope,) = connector.receive(request).envelopes
    assert envelope.source_id == f"{WHO}:1795305600:text" and envelope.media_type == "text/xml"
    told = xmltodict.parse(connector.respond(request, answer("已收到")).body)["xml"]
    assert (told["ToUserName"], told["Content"]) == (WHO, "已收到")


async def test_the_acknowledgement_rides_in_weibos_own_form(bench: Workbench) -> None:
    connector = made(bench)
    request = weibo.signed(weibo.push(1, "text", "你好"))
    told = weibo.passive(connector.respond(request, answer("已收到 & 谢谢")).body)
    assert told == {
        "result": True,
        "sender_id": weibo.ACCOUNT,
        "receiver_id": weibo.uid(1),
        "type": "text",
        "data": {"text": "已收到 & 谢谢"},
    }
    assert connector.answer(request, []).body == b""
    with pytest.raises(PermanentFailure):
        connector.respond(request, answer("字" * 300))


async def test_what_weibo_did_not_sign_is_refused(bench: Workbench) -> None:
    connector = made(bench)
    good = weibo.signed(weibo.push(1, "text", "你好"))
    connector.verify(good)
    connector.verify(good)
    for bad in (
        replace(good, body=b"{}"),
        replace(good, query={**good.query, "nonce": "1"}),
        replace(good, query={}),
        weibo.signed(b"{}", NOW - timedelta(seconds=601)),
    ):
        with pytest.raises(Unverified):
            connector.verify(bad)
    for unreadable in (b"[1]", b"{", b"<xml>"):
        with pytest.raises(Malformed):
            connector.receive(replace(good, body=unreadable))


async def test_an_answer_arrives_and_the_token_stands_in_no_address(bench: Workbench, far: Weibo) -> None:
    receipt = await made(bench, far).send(answer("好 😀 & + %"))
    assert far.got[WHO] == ["好 😀 & + %"] and receipt.remote_id == "3500001"
    assert far.forms[0]["save_sender_box"] == "1"
    await made(bench, far, sent_box=False).send(answer(thread={}, to=Identity("weibo", WHO)))
    assert far.forms[1]["save_sender_box"] == "0"
    assert not isinstance(made(bench), Sender)


async def test_a_long_answer_is_cut(bench: Workbench, far: Weibo) -> None:
    one = made(bench, far)
    for part in one.parts(answer("电梯修好了。" * 100)):
        await one.send(part)
    assert len(far.got[WHO]) == 3 and all(len(text) < 300 for text in far.got[WHO])


async def test_a_closed_window_is_known_by_weibos_words_or_a_code_of_the_settings(
    bench: Workbench, far: Weibo
) -> None:
    bench.clock.advance(48 * 3_600 + 1)
    with pytest.raises(PermanentFailure) as caught:
        await made(bench, far).send(answer())
    assert caught.value.reason is Reason.WINDOW
    far.next(20999)
    with pytest.raises(PermanentFailure) as caught:
        await made(bench, far, window_codes=[20999]).send(answer())
    assert caught.value.reason is Reason.WINDOW


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (21327, Reason.AUTH),
        (21332, Reason.AUTH),
        (10014, Reason.CONFIG),
        (10023, Reason.THROTTLED),
        (20003, Reason.RECIPIENT),
        (20012, Reason.REQUEST),
        (10001, Reason.SERVER),
        (77777, Reason.REQUEST),
    ],
)
async def test_codes_say_who_can_mend_it(bench: Workbench, far: Weibo, code: int, reason: Reason) -> None:
    far.next(code)
    with pytest.raises(SendFailure) as caught:
        await made(bench, far).send(answer())
    assert caught.value.reason is reason  # type: ignore[attr-defined]
    assert weibo.TOKEN not in str(caught.value) and "error words" not in str(caught.value)


async def test_what_may_have_arrived_is_uncertain(bench: Workbench, far: Weibo) -> None:
    for behaviour, kind in (
        (Drop(), Uncertain),
        (Refuse(502), TemporaryFailure),
        (Refuse(200, {}, "?"), Uncertain),
    ):
        far.next(behaviour)  # type: ignore[arg-type]
        with pytest.raises(kind):
            await made(bench, far).send(answer())


async def test_files_people_and_the_probe(bench: Workbench, far: Weibo) -> None:
    one = made(bench, far)
    far.media["123"] = b"\xff\xd8"
    assert (await one.download("123")).raw == b"\xff\xd8"
    with pytest.raises(PermanentFailure):
        await one.download("404")
    far.people[WHO] = {"id": weibo.uid(1), "nickname": "小李", "language": "zh-cn"}
    assert (await one.profile(Identity("weibo", WHO))).name == "小李"
    assert (await one.probe()).ok
    health = await made(bench, far, access_token="another secret").probe()
    assert "21332" in health.detail and "开发者模式" in health.repair and "another secret" not in str(health)
    file = OutgoingFile("a.png", "image/png", 1, "0" * 64, b"x")
    with pytest.raises(PermanentFailure):
        await one.send(answer(files=(file,)))
