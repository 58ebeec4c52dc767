"""WeCom: callbacks of an app, and customer service that is fetched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.contract import Fetcher
from connectors.wecom import SPEC
from connectors.wecom.causes import CAUSES
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
from model.health import HealthState
from tests.rigs import wecom
from tests.rigs.errcode import Code
from tests.rigs.http import Drop
from tests.rigs.tools import NOW, Workbench
from tests.rigs.wecom import Wecom

WHO = wecom.customer(1)
NOTHING = timedelta()


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as bench:
        yield bench


@pytest.fixture
async def far(bench: Workbench) -> AsyncIterator[Wecom]:
    async with Wecom(bench.clock.now) as far:
        yield far


def made(bench: Workbench, far: Wecom | None = None, **more: Any) -> Any:
    return SPEC.build(SPEC.settings.model_validate(wecom.settings(far, **more)), bench.tools("wecom"))


def answer(text: str = "修好了。", **more: Any) -> Message:
    one = Message(
        key="reply:1",
        purpose=Purpose.REPLY,
        reference="FB-1",
        to=None,
        text=text,
        thread={"open_kfid": wecom.ACCOUNT, "external_userid": WHO},
    )
    return replace(one, **more)


# ---- callbacks


async def test_the_consoles_check_is_answered_with_the_decrypted_text(bench: Workbench) -> None:
    echo = "Q3stYC6hdFzMh9T8HCvyDJWp4ruXtl7nLIkEKzDJOesBt7qaRXhgewwWR3rFwZziIq08qU1qiJZMmfVMjW2U8A=="
    request = replace(
        wecom.sealed("x"),
        method="GET",
        body=b"",
        query={
            "msg_signature": "aac80b0c29fc8af672a75fa7d36244d4c0e5f7e9",
            "timestamp": "1795305600",
            "nonce": "847201935",
            "echostr": echo,
        },
    )
    connector = made(bench)
    connector.verify(request)
    assert connector.receive(request).response.body == b"4861203947562019384"
    for change in ({"msg_signature": "0" * 40}, {"echostr": echo[:-4] + "AA=="}, {"nonce": "1"}):
        with pytest.raises(Unverified):
            connector.verify(replace(request, query={**request.query, **change}))


@pytest.mark.parametrize("form", ["xml", "json"])
async def test_a_members_message_comes_in_either_form(bench: Workbench, form: str) -> None:
    connector = made(bench)
    request = wecom.sealed(wecom.member(1, Content="打印机坏了", MsgId=77), form=form)
    connector.verify(request)
    (envelope,) = connector.receive(request).envelopes
    assert (envelope.source_id, envelope.account) == ("77:member1", wecom.CORP)
    assert envelope.sent_at == NOW and envelope.order_key == "wecom:member1"


async def test_what_wecom_did_not_sign_is_refused(bench: Workbench) -> None:
    connector = made(bench)
    good = wecom.sealed(wecom.member(1, Content="x", MsgId=1))
    for bad in (
        replace(good, body=good.body.replace(b"<Encrypt><![CDATA[", b"<Encrypt><![CDATA[A")),
        replace(good, body=b"<xml><Content>x</Content></xml>"),
        replace(good, body=b"{}"),
        replace(good, body=b"["),
        replace(good, query={}),
        wecom.sealed(wecom.member(1), NOW - timedelta(seconds=601)),
    ):
        with pytest.raises(Unverified):
            connector.verify(bad)


async def test_a_message_for_another_corporation_is_not_read(bench: Workbench) -> None:
    connector = made(bench, corp_id="ww0000000000000000")
    request = wecom.sealed(wecom.member(1, Content="x", MsgId=1))
    with pytest.raises(Malformed, match="CorpID"):
        connector.receive(request)


async def test_a_member_is_answered_on_the_callback(bench: Workbench) -> None:
    request = wecom.sealed(wecom.member(1, Content="x", MsgId=1))
    reply = made(bench).respond(request, answer("已收到 FB-1"))
    told = wecom.opened(reply.body)
    assert (told["ToUserName"], told["FromUserName"], told["Content"]) == (
        "member1",
        wecom.CORP,
        "已收到 FB-1",
    )
    assert made(bench).answer(request, []).body == b""


# ---- customer service: in


async def test_the_callback_only_wakes_and_its_token_fetches(bench: Workbench, far: Wecom) -> None:
    connector = made(bench, far)
    assert isinstance(connector, Fetcher)
    far.says(WHO, "你好")
    batch = connector.receive(wecom.hint("SYNC"))
    assert batch.wake and not batch.envelopes and batch.response.status == 200
    batch = await connector.fetch(None, NOTHING)
    (envelope,) = batch.envelopes
    assert envelope.source_id == "item0001" and batch.cursor[wecom.ACCOUNT] == "1"
    assert envelope.order_key == f"wecom:{wecom.ACCOUNT}:{WHO}"
    assert far.looks == [(wecom.ACCOUNT, "SYNC")]
    # The token was used, and it is too soon to look without one.
    assert not (await connector.fetch(batch.cursor, NOTHING)).envelopes and len(far.looks) == 1
    bench.clock.advance(61)
    far.says(WHO, "还在吗")
    (envelope,) = (await connector.fetch(batch.cursor, NOTHING)).envelopes
    assert envelope.source_id == "item0002" and far.looks[-1] == (wecom.ACCOUNT, "")


async def test_pages_are_read_while_there_is_more_however_short(bench: Workbench, far: Wecom) -> None:
    connector = made(bench, far)
    far.page = 2
    for n in range(5):
        far.says(WHO, f"第{n}条")
    connector.receive(wecom.hint())
    cursor, found = None, []
    for _ in range(5):
        batch = await connector.fetch(cursor, NOTHING)
        cursor = batch.cursor or cursor
        found += [one.source_id for one in batch.envelopes]
    assert found == [f"item{n:04d}" for n in range(1, 6)] and len(far.looks) == 3


async def test_after_a_crash_before_the_commit_the_same_items_come_again(
    bench: Workbench, far: Wecom
) -> None:
    far.says(WHO, "你好")
    first = await made(bench, far).fetch(None, NOTHING)
    again = await made(bench, far).fetch(None, NOTHING)
    assert [(one.source_id, one.fingerprint) for one in first.envelopes] == [
        (one.source_id, one.fingerprint) for one in again.envelopes
    ]


async def test_what_came_before_the_channel_was_set_up_is_marked(bench: Workbench, far: Wecom) -> None:
    far.page = 1
    far.says(WHO, "昨天")
    far.says(WHO, "也是昨天")
    bench.clock.advance(86_400)
    far.says(WHO, "今天")
    connector = made(bench, far)
    cursor, marks = None, []
    for _ in range(3):
        batch = await connector.fetch(cursor, NOTHING)
        cursor = batch.cursor
        marks += [dict(one.meta) for one in batch.envelopes]
    assert marks == [{"history": True}, {"history": True}, {}]
    # Afterwards, what waited while we were down is a message like any other.
    far.says(WHO, "later")
    bench.clock.advance(7_200)
    (one,) = (await connector.fetch(cursor, NOTHING)).envelopes
    assert one.meta == {}


async def test_accounts_are_found_when_none_is_named(bench: Workbench, far: Wecom) -> None:
    far.puts({"external_userid": WHO, "origin": 3, "msgtype": "text", "text": {"content": "x"}}, "wkOTHER")
    connector = made(bench, far, customer_service={})
    batch = await connector.fetch(None, NOTHING)
    assert len(batch.envelopes) == 1 and {wecom.ACCOUNT, "wkOTHER"} <= set(batch.cursor)
    assert not isinstance(made(bench, far, customer_service=None), Fetcher)


# ---- out


async def test_a_customer_is_answered_under_a_number_of_ours(bench: Workbench, far: Wecom) -> None:
    far.says(WHO, "你好")
    receipt = await made(bench, far).send(answer("好 😀"))
    assert far.got[WHO] == ["好 😀"] and list(far.numbers) == [receipt.remote_id]


async def test_a_second_try_of_the_same_message_is_known_at_wecom(bench: Workbench, far: Wecom) -> None:
    connector = made(bench, far)
    far.says(WHO, "你好")
    far.next(Drop())
    with pytest.raises(Uncertain):
        await connector.send(answer())
    receipt = await connector.send(answer())
    assert far.got[WHO] == ["修好了。"] and far.numbers[receipt.remote_id] == 2


async def test_five_messages_and_48_hours(bench: Workbench, far: Wecom) -> None:
    connector = made(bench, far)
    far.says(WHO, "你好")
    for n in range(5):
        await connector.send(answer(key=f"k{n}"))
    with pytest.raises(PermanentFailure, match="95001") as caught:
        await connector.send(answer(key="k5"))
    assert caught.value.reason is Reason.WINDOW
    far.says(WHO, "在吗")
    far.in_hand.add(WHO)
    with pytest.raises(PermanentFailure, match="95018") as caught:
        await connector.send(answer(key="k6"))
    assert caught.value.reason is Reason.WINDOW


async def test_a_member_is_written_to_and_a_repeat_dropped(bench: Workbench, far: Wecom) -> None:
    connector = made(bench, far)
    letter = answer(thread={"userid": "member1"})
    far.next(Drop())
    with pytest.raises(Uncertain):
        await connector.send(letter)
    await connector.send(letter)
    assert far.got["member1"] == ["修好了。"]
    await connector.send(answer(thread={}, to=Identity("wecom_userid", f"{wecom.CORP}/member2")))
    assert far.got["member2"]


async def test_a_member_who_is_none_is_told_though_the_code_is_zero(bench: Workbench, far: Wecom) -> None:
    with pytest.raises(PermanentFailure) as caught:
        await made(bench, far).send(answer(thread={"userid": "nobody"}))
    assert caught.value.reason is Reason.RECIPIENT


async def test_long_texts_and_files_go_one_by_one(bench: Workbench, far: Wecom) -> None:
    connector = made(bench, far)
    far.says(WHO, "你好")
    file = OutgoingFile("合同.pdf", "application/pdf", 4, "0" * 64, b"%PDF")
    for n, part in enumerate(connector.parts(answer("好。" * 400, files=(file,)))):
        await connector.send(replace(part, key=f"k{n}"))
    assert [len(text.encode()) <= 2_048 for text in far.got[WHO]] == [True] * 3 and far.got[WHO][
        2
    ] == "[file]"


@pytest.mark.parametrize("code", [*CAUSES, 12345])
async def test_every_code_is_a_failure_without_a_secret(bench: Workbench, far: Wecom, code: int) -> None:
    far.next(Code(code, "words of a customer, from ip: 203.0.113.7, hint: [17_61]"))
    with pytest.raises(SendFailure) as caught:
        await made(bench, far).send(answer())
    assert (
        str(code) in str(caught.value)
        and "words" not in str(caught.value)
        and "corp-token" not in str(caught.value)
    )


async def test_a_token_that_ended_is_replaced_once(bench: Workbench, far: Wecom) -> None:
    connector = made(bench, far)
    far.says(WHO, "你好")
    await connector.probe()
    far.tokens = []
    await connector.send(answer())
    assert len(far.token_calls) == 2 and far.got[WHO]
    far.next(Code(40014), Code(40014))
    with pytest.raises(TemporaryFailure) as caught:
        await connector.send(answer(key="k2"))
    assert caught.value.reason is Reason.AUTH


async def test_the_probe_tells_the_repair(bench: Workbench, far: Wecom) -> None:
    assert (await made(bench, far).probe()).ok and (await made(bench, far, customer_service=None).probe()).ok
    far.next(Code(60020, "not allow to access from your ip, hint: [17_61], from ip: 203.0.113.7"))
    health = await made(bench, far).probe()
    assert (
        health.state is HealthState.FAILING
        and "203.0.113.7" in health.detail
        and "企业可信IP" in health.repair
    )
    health = await made(bench, far, secret="a wrong secret").probe()
    assert "40001" in health.detail and "a wrong secret" not in str(health)


async def test_files_and_people(bench: Workbench, far: Wecom) -> None:
    connector = made(bench, far)
    far.media["m1"] = ("image/png", b"\x89PNG")
    assert (await connector.download("m1")).raw == b"\x89PNG"
    far.people[WHO] = {"external_userid": WHO, "nickname": "小李", "unionid": "uN1"}
    profile = await connector.profile(Identity("external_userid", WHO))
    assert profile.name == "小李" and profile.identities == (Identity("unionid", "uN1"),)
    assert (await connector.profile(Identity("external_userid", "wmNOBODY"))).name == ""
    assert (await connector.profile(Identity("wecom_userid", f"{wecom.CORP}/member1"))).name == "王工"
