"""Aliyun: signed calls, templates only, what codes mean, look-up of what is in doubt, unsigned pushes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.sms import SPEC
from connectors.sms.aliyun import canonical, signed
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
async def far(bench: Workbench) -> AsyncIterator[sms.Aliyun]:
    async with sms.Aliyun(bench.clock.now) as far:
        yield far


def connector(bench: Workbench, far: sms.Aliyun, **more: Any) -> Any:
    return SPEC.build(SPEC.settings.model_validate(sms.aliyun(far, **more)), bench.tools("sms"))


def answer(text: str = "我们修好了。", **more: Any) -> Message:
    made = Message(
        key="reply:1",
        purpose=Purpose.REPLY,
        reference="FB-261122-7K3FQ",
        to=PERSON,
        text=text,
    )
    return replace(made, **more)


# ---- out


def test_the_signature_is_the_one_of_an_independent_library() -> None:
    """The vector was made with the vendor's `alibabacloud_openapi_util.get_authorization`."""
    query = canonical(
        {
            "PhoneNumbers": "13800138000",
            "SignName": "测试签名",
            "TemplateCode": "SMS_123456789",
            "TemplateParam": '{"name":"张三"}',
            "OutId": "fb-42",
        }
    )
    assert query == (
        "OutId=fb-42&PhoneNumbers=13800138000&SignName=%E6%B5%8B%E8%AF%95%E7%AD%BE%E5%90%8D"
        "&TemplateCode=SMS_123456789&TemplateParam=%7B%22name%22%3A%22%E5%BC%A0%E4%B8%89%22%7D"
    )
    headers = signed(
        "POST",
        "dysmsapi.aliyuncs.com",
        query,
        {
            "x-acs-action": "SendSms",
            "x-acs-version": "2017-05-25",
            "x-acs-date": "2026-11-22T00:00:00Z",
            "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        },
        "LTAI_TEST_KEY",
        "TEST_SECRET",
    )
    assert headers["authorization"].endswith(
        "Signature=0f23104286a66ebae910a14d17f5d74aa01aa4556dbdf235228027f4f6c70e97"
    )


async def test_an_answer_goes_as_the_first_template_that_it_fits(bench: Workbench, far: sms.Aliyun) -> None:
    receipt = await connector(bench, far).send(answer())
    (sent,) = far.sent
    assert (sent.to, sent.text) == ("13800000001", "您的反馈FB-261122-7K3FQ已有回复：我们修好了。")
    assert (receipt.remote_id, sent.key) == (sent.id, "reply:1")


async def test_a_text_that_no_template_takes_is_told_before_and_kept_for_another_way(
    bench: Workbench, far: sms.Aliyun
) -> None:
    one = connector(bench, far)
    for text, why in (("长" * 36, "36 characters, 35 are allowed"), ("见 https://x.cn", "link")):
        told = one.preview(answer(text))
        assert why in told.refused
        with pytest.raises(PermanentFailure) as refused:
            await one.send(answer(text))
        assert refused.value.reason is Reason.WINDOW and refused.value.detail == told.refused
    assert not far.sent
    fits = one.preview(answer("长" * 30))
    assert fits.text.startswith("【测试签名】您的反馈FB-261122-7K3FQ已有回复：长")
    assert (fits.refused, fits.messages, fits.unit) == ("", 1, "characters, 70 (67 in several)")
    # The second one says only that there is an answer, and carries any.
    more = {"templates": [{"code": "SMS_2", "variables": {"id": "{reference}"}}]}
    await connector(bench, far, provider=more).send(answer("长" * 500))
    assert far.sent[-1].text == "您的反馈FB-261122-7K3FQ已有回复，请来电查询。"


async def test_files_and_strangers_are_refused_before_anything_is_called(
    bench: Workbench, far: sms.Aliyun
) -> None:
    one, file = connector(bench, far), OutgoingFile("a.pdf", "application/pdf", 1, "0" * 64, b"x")
    for wrong in (answer(files=(file,)), answer(to=Identity("email", "a@b.cn")), answer(to=None)):
        with pytest.raises(PermanentFailure) as refused:
            await one.send(wrong)
        assert refused.value.reason is Reason.REQUEST
    assert not far.requests
    # To numbers abroad only a template goes that Aliyun approved for them.
    with pytest.raises(PermanentFailure, match="none is for a reply to numbers abroad"):
        await one.send(answer(to=Identity("phone", "+4915112345678")))


@pytest.mark.parametrize(
    ("code", "words", "reason", "wait"),
    [
        ("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1", Reason.THROTTLED, timedelta(minutes=1)),
        ("isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5", Reason.THROTTLED, timedelta(hours=1)),
        ("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10", Reason.THROTTLED, timedelta(days=1)),
        ("isv.AMOUNT_NOT_ENOUGH", "账户余额不足", Reason.CONFIG, None),
        ("isv.OUT_OF_SERVICE", "业务停机", Reason.CONFIG, None),
        ("isp.RAM_PERMISSION_DENY", "RAM权限DENY", Reason.AUTH, None),
        ("isp.SYSTEM_ERROR", "系统错误", Reason.SERVER, None),
        ("Throttling.User", "Request was denied", Reason.THROTTLED, None),
    ],
)
async def test_what_a_later_try_may_get_past(
    bench: Workbench, far: sms.Aliyun, code: str, words: str, reason: Reason, wait: timedelta | None
) -> None:
    far.refusals["13800000001"] = (code, words)
    with pytest.raises(TemporaryFailure) as failed:
        await connector(bench, far).send(answer())
    assert (failed.value.reason, failed.value.retry_after) == (reason, wait)
    assert failed.value.only_recipient is (code == "isv.BUSINESS_LIMIT_CONTROL")
    assert words not in failed.value.detail


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("isv.MOBILE_NUMBER_ILLEGAL", Reason.RECIPIENT),
        ("isv.BLACK_KEY_CONTROL_LIMIT", Reason.REQUEST),
        ("isv.NEW_AND_UNKNOWN", Reason.REQUEST),
    ],
)
async def test_what_none_will_get_past(bench: Workbench, far: sms.Aliyun, code: str, reason: Reason) -> None:
    far.refusals["13800000001"] = (code, "")
    with pytest.raises(PermanentFailure) as failed:
        await connector(bench, far).send(answer())
    assert failed.value.reason is reason


async def test_wrong_keys_and_a_wrong_clock_are_the_operators(bench: Workbench, far: sms.Aliyun) -> None:
    wrong = connector(bench, far, provider={"access_key_secret": "another"})
    with pytest.raises(TemporaryFailure) as failed:
        await wrong.send(answer())
    assert failed.value.reason is Reason.AUTH and "access_key_secret" in failed.value.repair
    assert (await wrong.probe()).state is HealthState.FAILING
    right = connector(bench, far)
    assert (await right.probe()).state is HealthState.OK and not far.sent
    bench.clock.advance(3_600)
    far._clock = lambda: NOW
    with pytest.raises(TemporaryFailure) as late:
        await right.send(answer())
    assert late.value.reason is Reason.CONFIG and "clock" in late.value.repair


@pytest.mark.parametrize("behaviour", [Drop(), Hang(), Refuse(500), Refuse(502), Refuse(504)])
async def test_no_answer_leaves_it_in_doubt(bench: Workbench, far: sms.Aliyun, behaviour: Any) -> None:
    far.next(behaviour)
    with pytest.raises(Uncertain):
        await connector(bench, far, timeout=0.3).send(answer())


async def test_what_is_in_doubt_is_looked_up_by_our_key(bench: Workbench, far: sms.Aliyun) -> None:
    one = connector(bench, far)
    far.next(Drop(), Drop(takes=False))
    for message in (answer(), answer(key="reply:2")):
        with pytest.raises(Uncertain):
            await one.send(message)
    found = await one.resolve(answer())
    assert found is not None and found.remote_id == "reply:1"
    # The other is not there; but the list is late, so that it is looked for again for a while.
    with pytest.raises(TemporaryFailure):
        await one.resolve(answer(key="reply:2"))
    bench.clock.advance(301)
    assert await one.resolve(answer(key="reply:2")) is None
    # Sent before midnight in Beijing, looked for after it.
    bench.clock.advance(24 * 3_600 - 600)
    assert await one.resolve(answer()) is not None


async def test_a_key_that_aliyun_cannot_take_along_is_hashed(bench: Workbench, far: sms.Aliyun) -> None:
    one = connector(bench, far)
    await one.send(answer(key="回复" * 200))
    assert far.sent[0].key.startswith("sha256:")
    assert await one.resolve(answer(key="回复" * 200)) is not None


# ---- in


def reading(bench: Workbench, far: sms.Aliyun, event: dict[str, Any], **more: Any) -> Draft:
    settings = SPEC.settings.model_validate(sms.aliyun(far, **more))
    (envelope,) = connector(bench, far, **more).receive(sms.pushed(event)).envelopes
    return read(
        Source(
            raw=envelope.raw,
            media_type=envelope.media_type,
            received_at=NOW,
            options=json.loads(json.dumps(settings.reading())),
        )
    )


async def test_an_array_is_taken_apart_and_answered_in_aliyuns_words(
    bench: Workbench, far: sms.Aliyun
) -> None:
    one = connector(bench, far)
    request = sms.pushed(sms.up(1, "电梯坏了"), sms.up(2, "灯坏了"))
    one.verify(request)
    batch = one.receive(request)
    assert [e.source_id for e in batch.envelopes] == ["1001:13800000001", "1002:13800000002"]
    assert len({e.order_key for e in batch.envelopes}) == 2
    told = json.loads(one.answer(request, []).body)
    assert told["code"] == 0
    with pytest.raises(Unverified):
        one.verify(sms.pushed(sms.up(1, "x"), word="guessed"))
    for wrong in (b"{}", b'["x"]', b'{"phone_number": true}', b"x"):
        with pytest.raises(Malformed):
            one.receive(replace(request, body=wrong))
    assert one.receive(replace(request, body=b"[]")).response is not None


async def test_a_message_of_a_customer_is_read(bench: Workbench, far: sms.Aliyun) -> None:
    draft = reading(bench, far, sms.up(1, "电梯坏了", at=NOW))
    assert (draft.text, draft.identities, draft.reply_to) == ("电梯坏了", (PERSON,), (PERSON,))
    assert draft.sent_at == NOW, "Aliyun's times are Beijing's"
    assert draft.envelope_to == {"number": sms.number(1), "ours": "10690000123"}
    short = reading(bench, far, {**sms.up(1, "您的验证码"), "phone_number": "10086"})
    assert short.mute == ("no telephone number",) and not short.reply_to


@pytest.mark.parametrize(
    ("word", "signal"),
    [
        ("TD", "stopped"),
        ("t", "stopped"),
        (" 退订！", "stopped"),
        ("ＳＴＯＰ", "stopped"),
        ("stop all", "stopped"),
        ("恢复", "started"),
        ("退订了还收到短信", None),
        ("T恤坏了", None),
        ("!!", None),
    ],
)
async def test_words_that_end_our_messages(
    bench: Workbench, far: sms.Aliyun, word: str, signal: str | None
) -> None:
    draft = reading(bench, far, sms.up(1, word))
    assert draft.signal == signal
    assert bool(draft.text) is (signal is None) and draft.full_text == word.strip()


@pytest.mark.parametrize(
    ("code", "fate", "reason"),
    [
        ("DELIVERED", Fate.DELIVERED, None),
        ("MOBILE_NOT_ON_SERVICE", Fate.FAILED, Reason.RECIPIENT),
        ("CONTENT_KEYWORD", Fate.FAILED, Reason.REQUEST),
        ("UNDELIV", Fate.FAILED, Reason.SERVER),
    ],
)
async def test_a_report_names_its_message_twice(
    bench: Workbench, far: sms.Aliyun, code: str, fate: Fate, reason: Reason | None
) -> None:
    await connector(bench, far).send(answer())
    (report,) = reading(bench, far, far.report(far.sent[0], code)).reports
    assert (report.fate, report.reason) == (fate, reason)
    assert (report.remote_id, report.key) == (far.sent[0].id, "reply:1")


async def test_a_report_of_a_message_abroad_is_read_too(bench: Workbench, far: sms.Aliyun) -> None:
    told = {"To": "4915112345678", "Status": 2, "MessageId": "1^0", "ErrorCode": "INVALID_NUMBER"}
    (report,) = reading(bench, far, told).reports
    assert (report.fate, report.reason, report.remote_id) == (Fate.FAILED, Reason.RECIPIENT, "1^0")
