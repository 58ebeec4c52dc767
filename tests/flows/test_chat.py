"""The chat widget through the whole house: said, acknowledged in the chat, answered at once, and copied when unseen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.flows.conftest import Make
from tests.rigs import chat
from tests.rigs.daemon import House, MovedClock
from tests.rigs.office import Office
from tests.rigs.ways import mails

#: Longer than an answer waits to be seen.
PAUSE = timedelta(minutes=5)


@pytest.fixture
async def house(make: Make) -> AsyncIterator[House]:
    async with make(channels={"chat": {"unseen_after": 120}}) as house:
        yield house


async def say(house: House, n: int, text: str, key: str, **fields: str) -> tuple[int, dict[str, Any]]:
    body = json.dumps({"message": text, **fields})
    async with house.session.post(f"{house.url}/in/chat", data=body, headers=chat.headers(n, key)) as answer:
        return answer.status, await answer.json()


async def talk(house: House, n: int) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {chat.secret(n)}"}
    async with house.session.get(f"{house.url}/chat/chat/talk", headers=headers) as answer:
        assert answer.status == 200
        messages: list[dict[str, Any]] = (await answer.json())["messages"]
        return messages


async def open_page(house: House, n: int) -> aiohttp.ClientWebSocketResponse:
    socket = await house.session.ws_connect(f"{house.url}/chat/chat/live")
    await socket.send_json({"visitor": chat.secret(n)})
    return socket


async def told(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await socket.receive_json(timeout=20))["messages"]
    return messages


async def copies(house: House) -> list[dict[str, Any]]:
    return [one for one in await house.deliveries("reply") if one["target"] == "mail"]


async def test_the_acknowledgement_rides_on_the_answer_and_a_repeat_gets_the_same(house: House) -> None:
    status, first = await say(house, 1, "The lift stands still.", "k1")
    again, repeat = await say(house, 1, "The lift stands still.", "k1")
    assert (status, again) == (202, 202)
    assert first["reference"] in first["message"]["text"]
    assert repeat == first
    (record,) = await house.until(house.records)
    assert record["channel"] == {"name": "chat", "kind": "chat"}
    await house.idle()
    said = await talk(house, 1)
    assert [one["from"] for one in said] == ["visitor", "office"]
    # What stands on the page already has the same id in the conversation: it is not shown twice.
    assert said[1]["id"] == first["message"]["id"]


async def test_an_answer_reaches_the_open_page_at_once_and_no_mail_goes(house: House, office: Office) -> None:
    _, first = await say(house, 1, "The lift stands still.", "k1", contact="customer1@example.com")
    await house.idle()
    socket = await open_page(house, 1)
    assert [one["from"] for one in await told(socket)] == ["visitor", "office"]
    assert (await house.reply(first["reference"], "We mended it.", key="r1"))[0] == 202
    (answer,) = await told(socket)
    assert (answer["from"], answer["text"]) == ("office", "We mended it.")
    (copy,) = await copies(house)
    assert copy["state"] == "waiting"
    await socket.send_json({"seen": answer["delivery"]})

    async def cancelled() -> bool:
        return [one["state"] for one in await copies(house)] == ["cancelled"]

    await house.until(cancelled)
    await socket.close()
    assert mails(office, 1) == []


async def test_an_answer_that_nobody_sees_goes_by_the_address_that_was_left(
    house: House, office: Office, moved: MovedClock
) -> None:
    _, first = await say(house, 1, "The lift stands still.", "k1", contact="customer1@example.com")
    await house.idle()
    assert (await house.reply(first["reference"], "We mended it.", key="r1"))[0] == 202
    moved.by += PAUSE
    await house.until(lambda: mails(office, 1))
    (mail,) = mails(office, 1)
    assert mail.text.startswith("We mended it.") and not mail.automatic


async def test_what_follows_joins_and_other_visitors_see_nothing_of_it(house: House) -> None:
    await say(house, 1, "The lift stands still.", "k1")
    _, second = await say(house, 1, "In house 7.", "k2")
    await say(house, 2, "The lift stands still.", "k1")
    await house.idle()
    records = await house.records()
    assert len(records) == 2
    assert [one["text"] for one in await talk(house, 1) if one["from"] == "visitor"] == [
        "The lift stands still.",
        "In house 7.",
    ]
    assert len([one for one in await talk(house, 2) if one["from"] == "visitor"]) == 1
    assert await talk(house, 3) == []
    assert second["reference"]


async def test_who_shows_no_secret_hears_and_says_nothing(house: House) -> None:
    async with house.session.post(f"{house.url}/in/chat", json={"message": "hello"}) as answer:
        assert answer.status == 401
    async with house.session.get(f"{house.url}/chat/chat/talk") as answer:
        assert answer.status == 401
    socket = await house.session.ws_connect(f"{house.url}/chat/chat/live")
    await socket.send_json({"visitor": "short"})
    assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    async with house.session.get(
        f"{house.url}/chat/chat/live", headers={"Origin": "https://elsewhere.example"}
    ) as answer:
        assert answer.status == 403


async def test_the_house_stops_while_pages_wait_for_news(make: Make) -> None:
    async with asyncio.timeout(30):
        async with make() as house:
            socket = await open_page(house, 1)
            await told(socket)
