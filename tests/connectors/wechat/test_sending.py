"""Answers to followers by the account's API, against a fake that keeps WeChat's limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.wechat import SPEC
from connectors.wechat.causes import CAUSES, REFRESH
from model.delivery import Message, OutgoingFile, Purpose
from model.draft import Identity
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.health import HealthState
from tests.rigs import wechat
from tests.rigs.errcode import Code
from tests.rigs.http import Drop, Hang, Refuse
from tests.rigs.tools import Workbench
from tests.rigs.wechat import Weixin

WHO = wechat.openid(1)


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as bench:
        yield bench


@pytest.fixture
async def far(bench: Workbench) -> AsyncIterator[Weixin]:
    async with Weixin(bench.clock.now) as far:
        far.wrote(WHO)
        yield far


def writer(bench: Workbench, far: Weixin, **more: Any) -> Any:
    return SPEC.build(SPEC.settings.model_validate(wechat.settings(far, **more)), bench.tools("wechat"))


def answer(text: str = "我们修好了。", **more: Any) -> Message:
    made = Message(
        key="reply:1",
        purpose=Purpose.REPLY,
        reference="FB-261122-00001",
        to=None,
        text=text,
        thread={"openid": WHO},
    )
    return replace(made, **more)


async def test_an_answer_arrives_in_its_own_characters(bench: Workbench, far: Weixin) -> None:
    receipt = await writer(bench, far).send(answer('你好 😀 "quoted" \\u4f60'))
    assert far.got[WHO] == ['你好 😀 "quoted" \\u4f60']
    assert receipt.remote_id == "reply:1"
    assert far.token_calls == [("/cgi-bin/stable_token", False)]


async def test_whom_the_conversation_does_not_name_the_identity_does(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far)
    await one.send(answer(thread={}, to=Identity("openid", WHO)))
    assert far.got[WHO]
    with pytest.raises(PermanentFailure) as caught:
        await one.send(answer(thread={}, to=Identity("email", "a@example.com")))
    assert caught.value.reason is Reason.RECIPIENT


async def test_a_long_answer_is_cut_within_wechats_limit(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far)
    parts = one.parts(answer("电梯坏了。" * 400))
    assert len(parts) == 3 and parts[0].text.startswith("(1/3) ")
    for part in parts:
        await one.send(part)
    assert all(len(text.encode()) <= 2_048 and text.endswith("。") for text in far.got[WHO])


async def test_the_windows_of_wechat_close_as_they_say(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far)
    for _ in range(5):
        await one.send(answer())
    with pytest.raises(PermanentFailure, match="45047") as caught:
        await one.send(answer())
    assert caught.value.reason is Reason.WINDOW
    far.wrote(WHO)
    bench.clock.advance(48 * 3_600 + 1)
    with pytest.raises(PermanentFailure, match="45015") as caught:
        await one.send(answer())
    assert caught.value.reason is Reason.WINDOW


@pytest.mark.parametrize("code", sorted(REFRESH))
async def test_a_refused_token_is_replaced_once_and_the_message_arrives_once(
    bench: Workbench, far: Weixin, code: int
) -> None:
    one = writer(bench, far)
    await one.send(answer())
    far.bad_token = code
    far.tokens = []  # ended before its time
    await one.send(answer())
    assert len(far.got[WHO]) == 2 and len(far.token_calls) == 2


async def test_a_platform_that_refuses_its_own_tokens_is_asked_twice_and_no_more(
    bench: Workbench, far: Weixin
) -> None:
    one = writer(bench, far)
    far.next(Code(42001), Code(42001), Code(42001))
    with pytest.raises(TemporaryFailure) as caught:
        await one.send(answer())
    assert caught.value.reason is Reason.AUTH and "secret" in caught.value.repair
    assert len(far.calls) == 2
    assert far.token_calls == [
        ("/cgi-bin/stable_token", False),
        ("/cgi-bin/stable_token", False),
        ("/cgi-bin/stable_token", True),
    ]


async def test_a_system_that_takes_our_tokens_is_told_by_the_probe(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far)
    assert (await one.probe()).detail == ""
    far.steal_token()
    await one.send(answer())
    health = await one.probe()
    assert health.state is HealthState.OK and "another system" in health.detail and health.repair
    assert not any(force for _, force in far.token_calls)


async def test_a_wrong_secret_is_the_operators_to_mend(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far, secret="wrong and secret")
    with pytest.raises(TemporaryFailure) as caught:
        await one.send(answer())
    assert caught.value.reason is Reason.CONFIG and "40125" in caught.value.detail
    health = await one.probe()
    assert health.state is HealthState.FAILING and "app_id" in health.repair
    assert "wrong and secret" not in str(health) + str(caught.value)


async def test_an_address_that_is_not_on_the_list_is_named(bench: Workbench, far: Weixin) -> None:
    far.next(Code(40164, "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 61aa-b"))
    health = await writer(bench, far).probe()
    assert "203.0.113.7" in health.detail and "IP白名单" in health.repair and "61aa-b" in health.detail


@pytest.mark.parametrize("code", [*CAUSES, 99999])
async def test_every_code_is_a_failure_of_the_closed_set_without_a_token_in_it(
    bench: Workbench, far: Weixin, code: int
) -> None:
    one = writer(bench, far)
    far.next(Code(code, "the customer's words, and token-1-xxx"))
    with pytest.raises(SendFailure) as caught:
        await one.send(answer())
    assert not isinstance(caught.value, Uncertain)
    assert str(code) in str(caught.value)
    assert "token-1" not in str(caught.value) and "words" not in str(caught.value)
    assert far.got[WHO] == []


async def test_the_calls_of_a_day_come_back_at_midnight_in_beijing(bench: Workbench, far: Weixin) -> None:
    far.next(Code(45009))
    with pytest.raises(TemporaryFailure) as caught:
        await writer(bench, far).send(answer())
    # It is 8 o'clock there.
    assert caught.value.reason is Reason.THROTTLED and caught.value.retry_after == timedelta(hours=16)


@pytest.mark.parametrize(
    ("behaviour", "uncertain"),
    [
        (Drop(), True),
        (Drop(takes=False), True),
        (Hang(), True),
        (Refuse(502), False),
        (Refuse(200, {}, "<html>"), True),
        (Refuse(504), True),
    ],
)
async def test_a_message_is_uncertain_only_where_wechat_may_have_it(
    bench: Workbench, far: Weixin, behaviour: Any, uncertain: bool
) -> None:
    one = writer(bench, far, timeout=0.2)
    await one.probe()
    far.next(behaviour)
    with pytest.raises(Uncertain if uncertain else TemporaryFailure) as caught:
        await one.send(answer())
    assert "access_token" not in str(caught.value) and "token-1" not in str(caught.value)


async def test_a_picture_is_uploaded_and_then_sent_as_one(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far)
    file = OutgoingFile("电梯.png", "image/png", 4, "0" * 64, b"\x89PNG")
    text, picture = one.parts(answer(files=(file,)))
    await one.send(text)
    await one.send(picture)
    assert far.got[WHO] == ["我们修好了。", "[image]"] and far.uploads["image"] == 1
    with pytest.raises(PermanentFailure, match="application/pdf"):
        await one.send(replace(picture, files=(replace(file, media_type="application/pdf"),)))


async def test_an_upload_without_an_answer_sent_nothing(bench: Workbench, far: Weixin) -> None:
    far.next(Drop())
    file = OutgoingFile("a.png", "image/png", 4, "0" * 64, b"\x89PNG")
    with pytest.raises(TemporaryFailure):
        await writer(bench, far).send(answer(text="", files=(file,)))


async def test_outside_the_window_the_template_goes(bench: Workbench, far: Weixin) -> None:
    template = {
        "id": "tpl1",
        "data": {"character_string1": "{reference}", "thing2": "{text}", "thing3": "{subject}"},
        "url": "https://office.example/status",
    }
    one = writer(bench, far, template=template)
    late = answer("字" * 3_000, outside_window=True)
    assert one.parts(late) == [late]
    receipt = await one.send(late)
    (notice,) = far.notices
    assert notice["data"] == {
        "character_string1": {"value": "FB-261122-00001"},
        "thing2": {"value": "字" * 19 + "…"},
        "thing3": {"value": "-"},
    }
    assert receipt.remote_id == "200228333" and len(notice["client_msg_id"]) == 32
    assert one._settings.outside_window() and not writer(bench, far)._settings.outside_window()


async def test_a_subscription_notice_needs_a_consent_each(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far, subscription={"id": "tpl1", "data": {"thing1": "{text}"}})
    await one.send(answer(outside_window=True))
    with pytest.raises(PermanentFailure) as caught:
        await one.send(answer(outside_window=True))
    assert caught.value.reason is Reason.RECIPIENT
    with pytest.raises(PermanentFailure):
        await writer(bench, far).send(answer(outside_window=True))


async def test_files_are_fetched_by_their_media_id(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far, media_bytes=100_000)
    far.media = {
        "m1": ("image/jpeg", b"\xff\xd8picture"),
        "m2": ("video_url", f"{far.url}/film.mp4".encode()),
        "m3": ("audio/amr", b"#!AMR\n" + bytes(70_000)),
        "m4": ("image/jpeg", bytes(100_001)),
    }
    bench.http.public.add(far.url)
    picture, film, sound = [await one.download(name) for name in ("m1", "m2", "m3")]
    assert (picture.raw, picture.media_type, picture.filename) == (
        b"\xff\xd8picture",
        "image/jpeg",
        "m1.jpeg",
    )
    assert film.raw == b"film" and film.media_type == "video/mp4"
    assert sound.raw.size == 70_006 and bench.http.public_only_urls == [f"{far.url}/film.mp4"]
    for gone in ("m4", "no longer there"):
        with pytest.raises(PermanentFailure) as caught:
            await one.download(gone)
        assert caught.value.reason is Reason.REQUEST


async def test_a_file_is_fetched_with_another_token_when_the_first_is_refused(
    bench: Workbench, far: Weixin
) -> None:
    one = writer(bench, far)
    await one.probe()
    far.media["m1"] = ("image/jpeg", b"picture")
    far.tokens = []
    assert (await one.download("m1")).raw == b"picture"


async def test_a_film_elsewhere_than_on_a_public_address_is_not_fetched(
    bench: Workbench, far: Weixin
) -> None:
    far.media["m"] = ("video_url", b"http://127.0.0.1:1/inside")
    with pytest.raises(SendFailure):
        await writer(bench, far).download("m")


async def test_who_somebody_is_as_far_as_wechat_tells(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far)
    far.people[WHO] = {"subscribe": 1, "openid": WHO, "unionid": "uN1", "language": "zh_CN", "nickname": ""}
    profile = await one.profile(Identity("openid", WHO))
    assert profile.identities == (Identity("unionid", "uN1"),) and profile.language == "zh-CN"
    assert profile.name == "", "never `null`"
    stranger = await one.profile(Identity("openid", wechat.openid(2)))
    assert stranger.identities == () and stranger.language is None


async def test_the_classic_token_is_taken_only_when_told(bench: Workbench, far: Weixin) -> None:
    await writer(bench, far, classic_token=True).send(answer())
    assert far.token_calls == [("/cgi-bin/token", False)]


async def test_nothing_that_is_logged_holds_a_token(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far)
    await one.send(answer())
    far.steal_token()
    await one.send(answer())
    assert (
        bench.log.events and "token-1" not in str(bench.log.events) and "stolen" not in str(bench.log.events)
    )


async def test_comments_come_once_and_are_answered_below_their_article(bench: Workbench, far: Weixin) -> None:
    one = writer(bench, far, comments={"articles": {"2247/0": "电梯维修通知"}, "every": 60})
    far.comments[2247, 0] = [
        {
            "user_comment_id": n,
            "openid": WHO,
            "create_time": 1795305600,
            "content": f"第{n}条",
            "comment_type": 0,
        }
        for n in range(120, 0, -1)
    ]
    batch = await one.fetch(None, timedelta())
    assert [env.source_id for env in batch.envelopes][:2] == ["comment:2247/0:1", "comment:2247/0:2"]
    assert len(batch.envelopes) == 120
    assert not (await one.fetch(batch.cursor, timedelta())).envelopes, "not yet time"
    bench.clock.advance(61)
    assert not (await one.fetch(batch.cursor, timedelta())).envelopes, "nothing new"
    bench.clock.advance(61)
    far.comments[2247, 0].insert(0, {"user_comment_id": 121, "create_time": 1795305600, "content": "新"})
    (new,) = (await one.fetch(batch.cursor, timedelta())).envelopes
    assert new.source_id == "comment:2247/0:121"
    await one.send(answer("谢谢", thread={"comment": {"article": "2247/0", "number": 121}}))
    assert far.answered == [{"msg_data_id": 2247, "index": 0, "user_comment_id": 121, "content": "谢谢"}]
