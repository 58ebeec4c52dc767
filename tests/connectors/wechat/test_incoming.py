"""What WeChat posts to the door of an official account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.contract import Responder, Sender
from connectors.wechat import SPEC
from model.delivery import Message, Purpose
from model.failures import Malformed, PermanentFailure, Unverified
from tests.rigs import wechat
from tests.rigs.tools import NOW, Workbench


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as bench:
        yield bench


def door(bench: Workbench, **more: Any) -> Any:
    return SPEC.build(SPEC.settings.model_validate(wechat.settings(**more)), bench.tools("wechat"))


def plain(bench: Workbench, **more: Any) -> Any:
    return door(bench, mode="plain", aes_keys=[], **more)


def acknowledgement(text: str) -> Message:
    return Message(key="k", purpose=Purpose.ACKNOWLEDGEMENT, reference="FB-1", to=None, text=text)


def taken(connector: Any, request: Any) -> Any:
    connector.verify(request)
    (envelope,) = connector.receive(request).envelopes
    return envelope


async def test_the_consoles_check_of_the_address_is_answered_with_exactly_its_text(bench: Workbench) -> None:
    request = replace(wechat.signed(b"", echostr="5836258904312345678"), method="GET")
    connector = door(bench)
    connector.verify(request)
    batch = connector.receive(request)
    assert not batch.envelopes and batch.response.status == 200
    assert batch.response.body == b"5836258904312345678"
    with pytest.raises(Unverified):
        connector.verify(replace(request, query={**request.query, "signature": "0" * 40}))


async def test_a_sealed_message_is_verified_opened_and_known(bench: Workbench) -> None:
    xml = wechat.text(1, "你好", id=24567890123456789)
    envelope = taken(door(bench), wechat.sealed(xml))
    assert envelope.raw == xml.encode() and envelope.account == wechat.APP_ID
    assert envelope.source_id == f"24567890123456789:{wechat.openid(1)}"
    assert envelope.order_key == f"wechat:{wechat.openid(1)}" and envelope.sent_at == NOW


async def test_every_mode_gives_the_same_envelope(bench: Workbench) -> None:
    xml = wechat.text(1, "你好")
    safe = taken(door(bench), wechat.sealed(xml))
    both = taken(
        door(bench, mode="compatible"), wechat.sealed(xml, plain=wechat.xml(Content="forged, readable")[5:-6])
    )
    clear = taken(plain(bench), wechat.signed(xml))
    assert safe == both == clear


async def test_a_redelivery_under_another_nonce_is_the_same_message(bench: Workbench) -> None:
    connector = door(bench)
    xml = wechat.text(1, "你好")
    later = NOW + timedelta(seconds=5)
    first, again = (
        taken(connector, wechat.sealed(xml)),
        taken(connector, wechat.sealed(xml, later, nonce="9")),
    )
    assert first == again


async def test_events_are_known_by_sender_time_and_name(bench: Workbench) -> None:
    connector = door(bench)
    one = taken(connector, wechat.sealed(wechat.event(1, "CLICK", EventKey="A")))
    assert one.source_id == f"{wechat.openid(1)}:1795305600:CLICK"
    other = taken(connector, wechat.sealed(wechat.event(1, "CLICK", EventKey="B")))
    assert one.source_id == other.source_id and one.fingerprint != other.fingerprint


def _changed(request: Any, **query: str | None) -> Any:
    merged = {**request.query, **query}
    return replace(request, query={name: value for name, value in merged.items() if value is not None})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda one: _changed(one, signature="0" * 40), "signature is wrong"),
        (lambda one: _changed(one, signature=None), "lacks signature"),
        (lambda one: _changed(one, nonce="other"), "signature is wrong"),
        (lambda one: _changed(one, msg_signature="0" * 40), "msg_signature is wrong"),
        (lambda one: _changed(one, msg_signature=None), "lacks msg_signature"),
        (lambda one: _changed(one, encrypt_type=None), "unencrypted message"),
        (lambda one: _changed(one, encrypt_type="raw"), "unencrypted message"),
        (
            lambda one: replace(one, body=one.body.replace(b"<Encrypt><![CDATA[", b"<Encrypt><![CDATA[A")),
            "msg_signature is wrong",
        ),
        (lambda one: replace(one, body=b"<xml>"), "nothing in it is signed"),
    ],
)
async def test_whatever_is_not_signed_by_wechat_is_refused_before_it_is_opened(
    bench: Workbench, change: Any, why: str
) -> None:
    request = wechat.sealed(wechat.text(1, "你好"))
    door(bench).verify(request)
    with pytest.raises(Unverified, match=why):
        door(bench).verify(change(request))


async def test_an_old_signature_is_refused(bench: Workbench) -> None:
    connector = door(bench)
    for seconds in (-601, 601):
        with pytest.raises(Unverified, match="timestamp"):
            connector.verify(wechat.sealed(wechat.text(1, "x"), NOW + timedelta(seconds=seconds)))
    connector.verify(wechat.sealed(wechat.text(1, "x"), NOW - timedelta(seconds=599)))


async def test_in_plain_mode_a_seen_address_carries_no_other_body(bench: Workbench) -> None:
    connector = plain(bench)
    request = wechat.signed(wechat.text(1, "你好"))
    connector.verify(request)
    connector.verify(request)  # a redelivery
    with pytest.raises(Unverified, match="used before"):
        connector.verify(replace(request, body=wechat.text(1, "forged", id=1).encode()))


async def test_the_key_before_a_rotation_opens_and_seals_the_answer(bench: Workbench) -> None:
    connector = door(bench, aes_keys=[wechat.AES_KEY, wechat.OLD_KEY])
    request = wechat.sealed(wechat.text(1, "你好"), key=wechat.OLD_KEY)
    assert taken(connector, request)
    answer = connector.respond(request, acknowledgement("已收到"))
    assert wechat.opened(answer.body, wechat.OLD_KEY)["Content"] == "已收到"


async def test_a_message_sealed_with_a_strange_key_is_kept_unread(bench: Workbench) -> None:
    request = wechat.sealed(wechat.text(1, "你好"), key=wechat.OLD_KEY)
    connector = door(bench)
    connector.verify(request)
    with pytest.raises(Malformed, match="EncodingAESKey"):
        connector.receive(request)


@pytest.mark.parametrize("mode", ["safe", "plain"])
async def test_the_passive_reply_goes_back_to_who_wrote(bench: Workbench, mode: str) -> None:
    connector = door(bench) if mode == "safe" else plain(bench)
    xml = wechat.text(1, "你好")
    request = wechat.sealed(xml) if mode == "safe" else wechat.signed(xml)
    assert isinstance(connector, Responder)
    answer = connector.respond(request, acknowledgement("已收到 ]]></Content> FB-1"))
    assert (mode == "plain") is (b"FB-1" in answer.body)
    assert wechat.opened(answer.body) == {
        "ToUserName": wechat.openid(1),
        "FromUserName": wechat.ACCOUNT,
        "CreateTime": "1795305600",
        "MsgType": "text",
        "Content": "已收到 ]]></Content> FB-1",
    }


async def test_a_passive_reply_that_wechat_would_drop_goes_another_way(bench: Workbench) -> None:
    with pytest.raises(PermanentFailure):
        door(bench).respond(wechat.sealed(wechat.text(1, "x")), acknowledgement("字" * 683))


async def test_the_door_answers_with_what_ends_wechats_tries(bench: Workbench) -> None:
    connector = door(bench)
    assert connector.answer(wechat.sealed(wechat.text(1, "x")), []).body == b"success"


async def test_without_the_appsecret_it_can_only_answer(bench: Workbench) -> None:
    assert not isinstance(door(bench), Sender)
    assert isinstance(door(bench, secret="x"), Sender)


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"aes_keys": []}, "aes_keys"),
        ({"aes_keys": ["too short"]}, "EncodingAESKey"),
        ({"answer_within": 5}, "answer_within"),
        ({"template": {"id": "tpl", "data": {}}}, "template"),
        (
            {"secret": "x", "template": {"id": "t", "data": {}}, "subscription": {"id": "t", "data": {}}},
            "either",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_and_name_the_field(more: dict[str, Any], where: str) -> None:
    with pytest.raises(ValueError, match=where):
        SPEC.settings.model_validate(wechat.settings(**more))
