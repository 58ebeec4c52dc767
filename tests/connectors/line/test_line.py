"""A LINE account: signatures, events, the reply token, pushed messages, files and names."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from linebot.v3.webhook import SignatureValidator, WebhookParser

from connectors.line import SPEC
from model.delivery import Message, OutgoingFile, Purpose
from model.draft import Identity
from model.failures import (
    Failure,
    Malformed,
    PermanentFailure,
    Reason,
    TemporaryFailure,
    Uncertain,
    Unverified,
)
from normalizer.catalog import CATALOG
from normalizer.contract import Source
from tests.rigs import line as rig
from tests.rigs.http import Drop, Refuse
from tests.rigs.tools import NOW, Workbench

Make = Callable[..., Any]
read = CATALOG["line"].load()


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as opened:
        yield opened


@pytest.fixture
async def far() -> AsyncIterator[rig.MessagingApi]:
    async with rig.MessagingApi() as opened:
        yield opened


@pytest.fixture
def make(bench: Workbench, far: rig.MessagingApi) -> Make:
    def build(**more: Any) -> Any:
        return SPEC.build(SPEC.settings.model_validate(rig.settings(far, **more)), bench.tools("line"))

    return build


def answer(
    event: dict[str, Any] | None = None, text: str = "We come.", key: str = "k1", **more: Any
) -> Message:
    thread = draft(event).envelope_to if event is not None else {}
    return Message(
        key=key, purpose=Purpose.REPLY, reference="FB-1", to=Identity("line", rig.person(1)), text=text,
        thread=thread, **more,
    )  # fmt: skip


def draft(event: dict[str, Any]) -> Any:
    raw = json.dumps(event).encode()
    return read(Source(raw=raw, media_type="application/json", received_at=NOW, sent_at=NOW))


async def refusal(sending: Any) -> Any:
    with pytest.raises(Failure) as caught:
        await sending
    assert rig.TOKEN not in str(caught.value)
    return caught.value


# ---- in


def test_the_signature_is_the_one_that_lines_own_library_makes(make: Make) -> None:
    body = b'{"destination":"U0","events":[]}'
    vector = "s1UPZkp1ZGGhqmOxVdPuBqv+ofgIDrbq8JJVbMvBwHQ="
    request = replace(rig.signed(body), headers={"x-line-signature": vector})
    make(secrets=["line_channel_secret_01234567890a"]).verify(request)
    assert SignatureValidator("line_channel_secret_01234567890a").validate(body.decode(), vector)

    posted = rig.request(rig.event(1, 1, "电梯坏了"))
    assert SignatureValidator(rig.SECRET).validate(posted.body.decode(), posted.headers["x-line-signature"])
    make().verify(posted)
    make(secrets=["the new one", rig.SECRET]).verify(posted)
    for broken in (
        replace(posted, body=posted.body + b" "),
        replace(posted, body=posted.body.replace("电梯".encode(), "楼梯".encode())),
        replace(posted, headers={}),
        rig.request(rig.event(1, 1, "x"), secret="another"),
    ):
        with pytest.raises(Unverified):
            make().verify(broken)


def test_events_are_told_apart_by_lines_number_and_a_second_delivery_is_the_same(make: Make) -> None:
    one, other = rig.event(1, 1, "电梯坏了"), rig.event(2, 2, "灯坏了")
    first, second = make().receive(rig.request(one, other)).envelopes
    assert (first.account, first.source_id) == (rig.ACCOUNT, one["webhookEventId"])
    assert first.order_key == f"line:{rig.person(1)}" and first.sent_at == NOW
    assert second.source_id != first.source_id
    again = {**one, "deliveryContext": {"isRedelivery": True}, "replyToken": "another"}
    (repeat,) = make().receive(rig.request(again)).envelopes
    assert (repeat.source_id, repeat.fingerprint) == (first.source_id, first.fingerprint)
    # The rig's events are LINE's, by its own library.
    posted = rig.request(one, other)
    events: Any = WebhookParser(rig.SECRET).parse(posted.body.decode(), posted.headers["x-line-signature"])
    assert [event.message.text for event in events] == ["电梯坏了", "灯坏了"]


def test_what_the_console_sends_to_try_is_answered(make: Make) -> None:
    batch = make().receive(rig.request())
    assert batch.response is not None and batch.response.status == 200 and not batch.envelopes
    with pytest.raises(Malformed):
        make().receive(rig.signed(b'{"events": [1]}'))


def test_only_the_chats_that_were_chosen_are_taken(make: Make) -> None:
    group = rig.event(
        1, 2, "in the group", source={"type": "group", "groupId": "C1", "userId": rig.person(1)}
    )
    posted = rig.request(rig.event(1, 1, "alone"), group)
    assert len(make().receive(posted).envelopes) == 1
    assert len(make(chats=["user", "group"]).receive(posted).envelopes) == 2
    assert draft(group).conversation == f"C1:{rig.person(1)}" and draft(group).envelope_to["to"] == "C1"


@pytest.mark.parametrize(
    ("message", "text", "file"),
    [
        ({"type": "image", "contentProvider": {"type": "line"}}, "", "image-9.jpg"),
        ({"type": "video", "contentProvider": {"type": "line"}, "duration": 1}, "", "video-9.mp4"),
        ({"type": "audio", "contentProvider": {"type": "line"}, "duration": 1}, "", "audio-9.m4a"),
        ({"type": "file", "fileName": "../plan.pdf", "fileSize": 7}, "", "plan.pdf"),
        (
            {"type": "location", "title": "House 7", "latitude": 1.5, "longitude": 2},
            "📍 House 7 1.5, 2",
            None,
        ),
        (
            {"type": "sticker", "packageId": "1", "stickerId": "2", "keywords": ["angry"]},
            "[sticker] angry",
            None,
        ),
        ({"type": "hologram"}, "[hologram]", None),
    ],
)
def test_every_message_is_read(message: dict[str, Any], text: str, file: str | None) -> None:
    found = draft(rig.event(1, 1, message={"id": "9", **message}))
    assert (found.text, found.signal, found.thread.ids) == (text, None, ("9",))
    assert [part.filename for part in found.parts] == ([file] if file else [])
    assert all(part.reference == "9" for part in found.parts)
    assert bool(found.omissions) == (message["type"] == "hologram")


def test_a_file_at_an_address_that_the_sender_chose_is_not_fetched() -> None:
    provider = {"type": "external", "originalContentUrl": "https://evil.example/"}
    found = draft(rig.event(1, 1, message={"id": "9", "type": "image", "contentProvider": provider}))
    assert found.parts[0].reference is None and found.omissions


@pytest.mark.parametrize(
    ("more", "signal"),
    [
        ({"type": "follow", "follow": {"isUnblocked": True}}, "followed"),
        ({"type": "unfollow"}, "unfollowed"),
        ({"type": "join"}, "joined"),
        ({"type": "postback", "postback": {"data": "complain"}}, "menu"),
        ({"type": "unsend", "unsend": {"messageId": "4001"}}, "unsent"),
        ({"type": "somethingNew"}, "somethingNew"),
    ],
)
def test_what_nobody_said_is_a_signal(more: dict[str, Any], signal: str) -> None:
    found = draft(rig.event(1, 1, **more))
    assert (found.signal, found.text) == (signal, "")
    if signal == "menu":
        assert found.extra == {"choice": "complain"}
    if signal == "unsent":
        assert found.thread.replies_to == ("4001",)


# ---- out


async def test_the_reply_token_is_used_first_and_a_pushed_message_after(
    make: Make, far: rig.MessagingApi
) -> None:
    line, event = make(), far.event(1, "电梯坏了")
    first = await line.send(answer(event, "Registered."))
    second = await line.send(answer(event, "We come.", key="k2"))
    assert [(one.way, one.to, one.texts) for one in far.sent] == [
        ("reply", rig.person(1), ("Registered.",)),
        ("push", rig.person(1), ("We come.",)),
    ]
    assert first.remote_id != second.remote_id
    assert far.sent[1].retry_key and not far.sent[0].retry_key


async def test_an_old_token_and_that_of_a_second_delivery_are_not_tried(
    make: Make, far: rig.MessagingApi, bench: Workbench
) -> None:
    line, event = make(), far.event(1, "电梯坏了")
    await line.send(answer({**event, "deliveryContext": {"isRedelivery": True}}))
    bench.clock.advance(51)
    await line.send(answer(event, key="k2"))
    assert [one.way for one in far.sent] == ["push", "push"] and len(far.requests) == 2


async def test_a_pushed_message_is_safe_to_repeat(make: Make, far: rig.MessagingApi) -> None:
    line = make()
    far.next(Drop(), Refuse(500), Refuse(504))
    for _ in range(3):
        failure = await refusal(line.send(answer()))
        assert isinstance(failure, TemporaryFailure) and failure.reason is Reason.SERVER
    receipt = await line.send(answer())
    assert len(far.sent) == 1 and receipt.remote_id.startswith("request-"), "409 is: taken before"
    assert len({one.headers["x-line-retry-key"] for one in far.requests}) == 1


async def test_a_reply_that_may_have_been_taken_is_in_doubt(make: Make, far: rig.MessagingApi) -> None:
    far.next(Drop())
    assert isinstance(await refusal(make().send(answer(far.event(1, "x")))), Uncertain)
    far.next(Refuse(500))
    assert isinstance(await refusal(make().send(answer(far.event(1, "y")))), Uncertain)


async def test_the_quota_of_the_month_closes_pushing_and_leaves_replies(
    make: Make, far: rig.MessagingApi
) -> None:
    far.quota = 0
    failure = await refusal(make().send(answer()))
    assert isinstance(failure, PermanentFailure) and failure.reason is Reason.WINDOW and failure.repair
    await make().send(answer(far.event(1, "电梯坏了")))
    assert far.sent[0].way == "reply"


async def test_a_long_text_is_one_call_of_up_to_five_messages(make: Make, far: rig.MessagingApi) -> None:
    line = make()
    whole = answer(text="😀" * 10_000)
    assert line.parts(whole) == [whole]
    await line.send(whole)
    assert len(far.sent[0].texts) == 5 and sum(one.count("😀") for one in far.sent[0].texts) == 10_000
    pieces = line.parts(answer(text="一" * 26_000))
    assert len(pieces) == 6
    for n, piece in enumerate(pieces):
        await line.send(replace(piece, key=f"p{n}"))
    assert [len(one.texts) for one in far.sent[1:]] == [1] * 6
    file = OutgoingFile("plan.pdf", "application/pdf", 3, "sha", b"pdf")
    text, attached = line.parts(answer(files=(file,)))
    await line.send(text)
    failure = await refusal(line.send(attached))
    assert isinstance(failure, PermanentFailure) and "link" in failure.detail


@pytest.mark.parametrize(
    ("status", "said", "kind", "reason"),
    [
        (401, "Authentication failed", TemporaryFailure, Reason.AUTH),
        (403, "Access to this API is not available for your account", TemporaryFailure, Reason.CONFIG),
        (429, "The API rate limit has been exceeded. Try again later.", TemporaryFailure, Reason.THROTTLED),
        (400, "The property, 'to', in the request body is invalid", PermanentFailure, Reason.RECIPIENT),
        (400, "The request body has 1 error(s)", PermanentFailure, Reason.REQUEST),
        (413, "", PermanentFailure, Reason.REQUEST),
    ],
)
async def test_refusals(
    make: Make, far: rig.MessagingApi, status: int, said: str, kind: type[Failure], reason: Reason
) -> None:
    far.next(Refuse(status, body=json.dumps({"message": said})))
    failure = await refusal(make().send(answer()))
    assert type(failure) is kind and failure.reason is reason


# ---- errands and health


async def test_files_and_names_are_fetched(make: Make, far: rig.MessagingApi) -> None:
    far.event(1, "x")
    far.files["9"] = ("image/png", b"pixels")
    far.preparing.add("10")
    line = make()
    media = await line.download("9")
    assert (media.raw, media.media_type) == (b"pixels", "image/png")
    assert isinstance(await refusal(line.download("10")), TemporaryFailure)
    assert isinstance(await refusal(line.download("11")), PermanentFailure)
    known = await line.profile(Identity("line", rig.person(1)))
    assert (known.name, known.language) == ("顾客 1", "zh-CN")
    assert (await line.profile(Identity("line", rig.person(5)))).name == ""


async def test_the_probe_tells_what_is_missing(make: Make, far: rig.MessagingApi) -> None:
    assert (await make().probe()).ok
    far.hooked = False
    told = await make().probe()
    assert not told.ok and "Use webhook" in told.repair
    told = await make(token="wrong").probe()
    assert not told.ok and "console" in told.repair.lower()
