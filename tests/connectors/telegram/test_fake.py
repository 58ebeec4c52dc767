"""The rig speaks the Bot API: python-telegram-bot, which shares no code with ours, works with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from telegram import Bot, InputFile, ReplyParameters, Update
from telegram.error import BadRequest, Conflict, Forbidden, RetryAfter
from telegram.request import HTTPXRequest

from tests.rigs import telegram as rig


@pytest.fixture
async def far() -> AsyncIterator[rig.BotApi]:
    async with rig.BotApi() as opened:
        yield opened


@pytest.fixture
async def bot(far: rig.BotApi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bot]:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    addresses = {"base_url": f"{far.url}/bot", "base_file_url": f"{far.url}/file/bot"}
    async with Bot(rig.TOKEN, **addresses, get_updates_request=HTTPXRequest(2)) as opened:  # type: ignore[arg-type]
        yield opened


async def test_an_independent_client_sends_and_fetches(far: rig.BotApi, bot: Bot) -> None:
    reply = ReplyParameters(7, allow_sending_without_reply=True)
    sent = await bot.send_message(rig.chat(1), "123", reply_parameters=reply)
    await bot.send_document(rig.chat(1), InputFile(b"%PDF", filename="plan.pdf"), caption="The plan")
    first, second = far.sent
    assert (first.text, first.number) == ("123", sent.message_id)
    assert first.values["reply_parameters"] == {"message_id": 7, "allow_sending_without_reply": True}
    assert second.text == "The plan" and second.files["document"][0] == "plan.pdf"
    far.files["F1"] = b"pixels"
    file = await bot.get_file("F1")
    assert bytes(await file.download_as_bytearray()) == b"pixels"


async def test_an_independent_client_reads_the_updates_and_confirms_by_the_offset(
    far: rig.BotApi, bot: Bot
) -> None:
    far.say(1, "电梯坏了")
    far.update(callback_query={"id": "b1", "from": rig.person(1), "chat_instance": "1", "data": "yes"})
    first, second = await bot.get_updates()
    assert isinstance(first, Update) and first.message is not None and first.message.text == "电梯坏了"
    assert second.callback_query is not None and second.callback_query.data == "yes"
    assert await bot.get_updates(offset=second.update_id + 1) == ()
    assert far.updates == []


async def test_an_independent_client_meets_the_limits_and_refusals(far: rig.BotApi, bot: Bot) -> None:
    with pytest.raises(BadRequest, match="too long"):
        await bot.send_message(rig.chat(1), "😀" * 2_049)
    await bot.send_message(rig.chat(1), "😀" * 2_048)
    far.blocked.add(rig.chat(2))
    with pytest.raises(Forbidden):
        await bot.send_message(rig.chat(2), "x")
    far.flooded[rig.chat(3)] = 7
    with pytest.raises(RetryAfter):
        await bot.send_message(rig.chat(3), "x")
    first = asyncio.create_task(bot.get_updates(timeout=10))
    await far.polled.wait()
    second = asyncio.create_task(bot.get_updates(timeout=1))
    with pytest.raises(Conflict, match="only one bot instance"):
        await first
    assert await second == ()
    await bot.set_webhook("https://office.example/in/telegram", secret_token=rig.SECRET)
    with pytest.raises(Conflict, match="webhook is active"):
        await bot.get_updates()
    assert (await bot.get_webhook_info()).url == "https://office.example/in/telegram"
