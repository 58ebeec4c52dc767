"""A bot at a server of the Bot API: what comes, what goes, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.contract import Answer, Fetcher, Receiver
from connectors.telegram import SPEC
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
from model.tools import Spooled
from tests.rigs import telegram as rig
from tests.rigs.http import Drop, Refuse
from tests.rigs.tools import Workbench

Make = Callable[..., Any]


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as opened:
        yield opened


@pytest.fixture
async def far() -> AsyncIterator[rig.BotApi]:
    async with rig.BotApi() as opened:
        yield opened


@pytest.fixture
def make(bench: Workbench, far: rig.BotApi) -> Make:
    def build(**more: Any) -> Any:
        values = rig.hooked(far) if more.get("receive") == "webhook" else rig.settings(far)
        return SPEC.build(SPEC.settings.model_validate({**values, **more}), bench.tools("telegram"))

    return build


def answer(text: str = "We come.", **more: Any) -> Message:
    thread = more.pop("thread", {"chat": rig.chat(1), "message": 11})
    return Message(
        key="k1", purpose=Purpose.REPLY, reference="FB-1", to=Identity("telegram", str(rig.chat(1))),
        text=text, thread=thread, **more,
    )  # fmt: skip


def file(size: int = 6, media_type: str = "image/png", name: str = "plan.png") -> OutgoingFile:
    return OutgoingFile(name, media_type, size, "sha", b"pixels")


async def refusal(sending: Any) -> Any:
    with pytest.raises(Failure) as caught:
        await sending
    assert rig.TOKEN not in str(caught.value) + repr(caught.value), "the token stands in every address"
    return caught.value


# ---- settings


def test_settings_say_what_is_missing() -> None:
    validate = SPEC.settings.model_validate
    with pytest.raises(ValidationError, match="BotFather"):
        validate({"token": "a password"})
    with pytest.raises(ValidationError, match="secret"):
        validate({"token": rig.TOKEN, "receive": "webhook"})
    with pytest.raises(ValidationError, match="A-Z a-z 0-9"):
        validate({"token": rig.TOKEN, "receive": "webhook", "secret": "ein Wort"})
    settings = validate({"token": rig.TOKEN, "receive": "webhook", "secret": rig.SECRET})
    assert rig.TOKEN not in repr(settings) and rig.SECRET not in repr(settings)


def test_a_bot_has_the_way_in_that_its_settings_choose(make: Make) -> None:
    polls, hooked = make(), make(receive="webhook")
    assert isinstance(polls, Fetcher) and not isinstance(polls, Receiver)
    assert isinstance(hooked, Receiver) and not isinstance(hooked, Fetcher)


# ---- long polling


async def test_an_update_waits_at_telegram_until_the_cursor_that_holds_it_is_stored(
    make: Make, far: rig.BotApi
) -> None:
    bot = make()
    far.say(1, "电梯坏了")
    far.say(2, "灯坏了")
    first = await bot.fetch(None, timedelta())
    again = await bot.fetch(None, timedelta())  # we died before the commit
    assert [one.source_id for one in first.envelopes] == [one.source_id for one in again.envelopes]
    assert [one.fingerprint for one in first.envelopes] == [one.fingerprint for one in again.envelopes]
    assert len(far.updates) == 2
    assert not (await bot.fetch(first.cursor, timedelta())).envelopes
    assert far.updates == [], "asking from there on confirms them"
    (one, two) = first.envelopes
    assert (one.account, one.order_key) == ("7654321", f"telegram:{rig.chat(1)}")
    assert json.loads(one.raw)["message"]["text"] == "电梯坏了"
    assert one.sent_at is not None and two.source_id != one.source_id


async def test_it_waits_at_telegram_for_as_long_as_it_may(make: Make, far: rig.BotApi) -> None:
    bot = make()
    waiting = asyncio.create_task(bot.fetch(None, timedelta(minutes=10)))
    await far.polled.wait()
    far.say(1, "电梯坏了")
    assert len((await waiting).envelopes) == 1
    assert far.polls[0]["timeout"] == 50
    assert set(far.polls[0]["allowed_updates"]) >= {"edited_message", "my_chat_member", "callback_query"}


async def test_after_a_silent_week_numbers_may_begin_anew(
    make: Make, far: rig.BotApi, bench: Workbench
) -> None:
    bot = make()
    far.say(1, "first")
    cursor = (await bot.fetch(None, timedelta())).cursor
    await bot.fetch(cursor, timedelta())
    bench.clock.advance(8 * 86_400)
    far._number = 3
    far.say(1, "after the holidays")
    (found,) = (await bot.fetch(cursor, timedelta())).envelopes
    assert json.loads(found.raw)["message"]["text"] == "after the holidays"


async def test_a_second_poller_and_a_web_hook_are_told_apart(make: Make, far: rig.BotApi) -> None:
    bot = make()
    waiting = asyncio.create_task(bot.fetch(None, timedelta(seconds=30)))
    await far.polled.wait()
    await make().fetch(None, timedelta())
    failure = await refusal(waiting)
    assert isinstance(failure, TemporaryFailure) and failure.reason is Reason.CONFIG
    assert "other program" in failure.repair
    far.hook["url"] = "https://elsewhere.example/"
    assert "receive: webhook" in (await refusal(bot.fetch(None, timedelta()))).repair


async def test_a_button_is_answered_once_it_is_stored(make: Make, far: rig.BotApi) -> None:
    bot = make()
    for name in ("b1", "old"):
        far.update(
            callback_query={"id": name, "from": rig.person(1), "message": rig.message(1, 5), "data": "yes"}
        )
    batch = await bot.fetch(None, timedelta())
    assert far.buttons == []
    await bot.confirm(batch.handles)
    assert far.buttons == ["b1"], "one that is too old has stopped turning by itself"


async def test_an_update_that_nobody_can_read_does_not_hold_up_the_others(
    make: Make, far: rig.BotApi
) -> None:
    far.updates.append({"strange": 1})
    far.say(1, "电梯坏了")
    batch = await make().fetch(None, timedelta())
    assert len(batch.envelopes) == 2 and batch.cursor is not None


@pytest.mark.parametrize(
    ("more", "taken"),
    [
        ({}, ["private"]),
        ({"chats": ["private", "group"]}, ["private", "supergroup"]),
        ({"chats": ["group", "channel"]}, ["supergroup", "channel"]),
        ({"chats": ["private", "group"], "only": [-100]}, ["supergroup"]),
    ],
)
async def test_only_the_chats_that_were_chosen_are_taken(
    make: Make, far: rig.BotApi, more: Any, taken: list[str]
) -> None:
    far.say(1, "alone")
    far.say(1, "in the group", chat={"id": -100, "type": "supergroup", "title": "House 7"})
    far.update(
        channel_post={"message_id": 3, "date": 1, "chat": {"id": -200, "type": "channel"}, "text": "news"}
    )
    batch = await make(**more).fetch(None, timedelta())
    found = [next(iter(json.loads(one.raw).values())) for one in batch.envelopes]
    kinds = [
        (update.get("message") or update.get("channel_post"))["chat"]["type"]
        for update in (json.loads(one.raw) for one in batch.envelopes)
    ]
    assert kinds == taken and len(found) == len(taken)
    assert batch.cursor is not None, "what is not taken is passed over"


# ---- web hook


def test_only_telegram_knows_the_word(make: Make) -> None:
    bot = make(receive="webhook")
    request = rig.request(1)
    bot.verify(request)
    for given in ("", "a word", rig.SECRET + "x", rig.SECRET.upper()):
        with pytest.raises(Unverified):
            bot.verify(replace(request, headers={"x-telegram-bot-api-secret-token": given}))
    with pytest.raises(Unverified):
        bot.verify(replace(request, headers={}))


async def test_an_update_is_the_same_by_either_way(make: Make, far: rig.BotApi) -> None:
    far.updates.append(json.loads(rig.request(1).body))
    (polled,) = (await make().fetch(None, timedelta())).envelopes
    (posted,) = make(receive="webhook").receive(rig.request(1)).envelopes
    assert (polled.account, polled.source_id, polled.fingerprint) == (
        posted.account,
        posted.source_id,
        posted.fingerprint,
    )


def test_the_answer_to_a_button_stops_it_turning(make: Make) -> None:
    bot = make(receive="webhook")
    update = {"update_id": 5, "callback_query": {"id": "b1", "from": rig.person(1), "data": "yes"}}
    pressed = replace(rig.request(1), body=json.dumps(update).encode())
    (envelope,) = bot.receive(pressed).envelopes
    assert envelope.source_id == "update:5"
    told = bot.answer(pressed, [Answer(reference="FB-1", status_url=None, repeat=False)])
    assert json.loads(told.body) == {"method": "answerCallbackQuery", "callback_query_id": "b1"}
    assert bot.answer(rig.request(1), []).body == b""
    with pytest.raises(Malformed):
        bot.receive(replace(rig.request(1), body=b'{"message": "cut o'))


async def test_probing_enters_our_door_and_leaves_that_of_others(make: Make, far: rig.BotApi) -> None:
    address = "https://office.example/in/telegram"
    bot = make(receive="webhook", address=address)
    assert (await bot.probe()).ok
    assert (far.hook["url"], far.hook["secret"]) == (address, rig.SECRET)
    assert (await bot.probe()).ok
    far.hook |= {"pending_update_count": 3, "last_error_message": "Wrong response from the webhook: 503"}
    told = await bot.probe()
    assert not told.ok and "503" in told.detail and told.repair
    far.hook["url"] = "https://elsewhere.example/"
    told = await bot.probe()
    assert not told.ok and told.repair and far.hook["url"] == "https://elsewhere.example/"
    assert not (await make().probe()).ok, "it cannot be polled beside a web hook"
    far.hook["url"] = ""
    assert (await make().probe()).ok
    wrong = await make(token="1:wrong-token").probe()
    assert not wrong.ok and "BotFather" in wrong.repair


# ---- sending


async def test_an_answer_quotes_the_message_it_answers(make: Make, far: rig.BotApi) -> None:
    receipt = await make().send(
        answer("We come. 我们来。", thread={"chat": rig.chat(1), "message": 11, "topic": 4})
    )
    (sent,) = far.sent
    assert (sent.chat, sent.text) == (rig.chat(1), "We come. 我们来。")
    assert sent.values["reply_parameters"] == {"message_id": 11, "allow_sending_without_reply": True}
    assert sent.values["message_thread_id"] == 4
    assert receipt.remote_id == f"7654321:{rig.chat(1)}:{sent.number}"
    await make().send(answer(thread={}))
    assert far.sent[1].chat == rig.chat(1), "without a thread, into the person's own chat"


async def test_long_texts_go_in_pieces_counted_as_telegram_counts(make: Make, far: rig.BotApi) -> None:
    bot = make()
    message = answer("😀" * 5_000)
    pieces = bot.parts(message)
    assert len(pieces) == 3
    for piece in pieces:
        await bot.send(piece)
    assert [one.text[:6] for one in far.sent] == ["(1/3) ", "(2/3) ", "(3/3) "]
    assert sum(one.text.count("😀") for one in far.sent) == 5_000


async def test_a_file_carries_the_text_that_fits_under_it(make: Make, far: rig.BotApi) -> None:
    bot = make()
    for message in bot.parts(answer("The plan", files=(file(),))):
        await bot.send(message)
    for message in bot.parts(
        answer("x" * 1_025, files=(file(media_type="application/pdf", name='a"\r\n.pdf'),))
    ):
        await bot.send(message)
    photo, text, document = far.sent
    assert (photo.method, photo.text, photo.files["photo"]) == (
        "sendPhoto",
        "The plan",
        ("plan.png", "image/png", b"pixels"),
    )
    assert (text.method, len(text.text)) == ("sendMessage", 1_025)
    assert (document.method, document.text, document.files["document"][2]) == ("sendDocument", "", b"pixels")
    await bot.send(answer("", files=(file(size=10_000_001),)))
    assert far.sent[-1].method == "sendDocument", "too large for a photo"
    failure = await refusal(bot.send(answer("", files=(file(size=50_000_001),))))
    assert isinstance(failure, PermanentFailure) and failure.reason is Reason.REQUEST


async def test_a_person_who_blocked_the_bot_is_unreachable(make: Make, far: rig.BotApi) -> None:
    far.blocked.add(rig.chat(1))
    failure = await refusal(make().send(answer()))
    assert isinstance(failure, PermanentFailure) and failure.reason is Reason.RECIPIENT


async def test_a_chat_that_is_flooded_waits_alone(make: Make, far: rig.BotApi) -> None:
    far.flooded[rig.chat(1)] = 7
    failure = await refusal(make().send(answer()))
    assert isinstance(failure, TemporaryFailure) and failure.reason is Reason.THROTTLED
    assert failure.retry_after == timedelta(seconds=7)
    assert failure.only_recipient


async def test_a_group_that_got_another_number_is_found_there(make: Make, far: rig.BotApi) -> None:
    far.moved[-5] = -1_000_000_000_005
    bot = make()
    message = answer(thread={"chat": -5, "message": 1})
    assert isinstance(await refusal(bot.send(message)), TemporaryFailure)
    await bot.send(message)
    assert far.sent[0].chat == -1_000_000_000_005


def refused(status: int, said: str) -> Refuse:
    return Refuse(status, body=json.dumps({"ok": False, "error_code": status, "description": said}))


@pytest.mark.parametrize(
    ("behaviour", "kind", "reason"),
    [
        (Refuse(500), TemporaryFailure, Reason.SERVER),
        (Refuse(502, body="<html>"), TemporaryFailure, Reason.SERVER),
        (Refuse(504), Uncertain, None),
        (Refuse(200, body="<html>"), Uncertain, None),
        (Refuse(200, body='{"ok":true,"result":true}'), Uncertain, None),
        (refused(401, "Unauthorized"), TemporaryFailure, Reason.AUTH),
        (refused(400, "Bad Request: chat not found"), PermanentFailure, Reason.RECIPIENT),
        (refused(400, "Bad Request: can't parse entities"), PermanentFailure, Reason.REQUEST),
        (refused(400, f"https://api.telegram.org/bot{rig.TOKEN}/"), PermanentFailure, Reason.REQUEST),
        (Drop(), Uncertain, None),
    ],
)
async def test_every_refusal_is_a_failure_of_the_closed_set(
    make: Make, far: rig.BotApi, behaviour: Any, kind: type[Failure], reason: Reason | None
) -> None:
    far.next(behaviour)
    failure = await refusal(make().send(answer("a customer's words")))
    assert type(failure) is kind and getattr(failure, "reason", None) is reason
    assert "customer" not in failure.detail


# ---- files


async def test_files_are_fetched_and_the_address_that_holds_the_token_is_told_to_nobody(
    make: Make, far: rig.BotApi, bench: Workbench
) -> None:
    far.files |= {"small": b"pixels", "large": b"x" * 200_000, "huge": bytes(20_000_001)}
    bot = make()
    assert (await bot.download("small")).raw == b"pixels"
    large = (await bot.download("large")).raw
    assert isinstance(large, Spooled) and large.size == 200_000
    for name in ("huge", "gone"):
        failure = await refusal(bot.download(name))
        assert isinstance(failure, PermanentFailure) and failure.reason is Reason.REQUEST
    assert rig.TOKEN not in repr(bench.log.events)


async def test_a_server_that_is_away_is_told_without_its_address(bench: Workbench, far: rig.BotApi) -> None:
    values = rig.settings(far, api="http://127.0.0.1:9")
    bot: Any = SPEC.build(SPEC.settings.model_validate(values), bench.tools("telegram"))
    for call in (bot.send(answer()), bot.fetch(None, timedelta()), bot.download("F1")):
        assert isinstance(await refusal(call), TemporaryFailure)
    told = await bot.probe()
    assert not told.ok and rig.TOKEN not in repr(told)
