"""The desk's page for held letters, and the same in the API."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient

from tests.console import scenes
from tests.console.house import ADMIN, READER, House
from tests.console.test_desk import enter

Client = TestClient[Any, Any]

BEARER = {"Authorization": f"Bearer {ADMIN}"}


@pytest.fixture
async def client(house: House, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    return await aiohttp_client(house.app())


@pytest.fixture
async def clerk(client: Client) -> Client:
    assert (await enter(client)).status == 303
    return client


async def _page(clerk: Client, id_: str) -> str:
    response: aiohttp.ClientResponse = await clerk.get(f"/desk/held/{id_}")
    assert response.status == 200
    return await response.text()


async def _post(clerk: Client, id_: str, **form: str) -> aiohttp.ClientResponse:
    found = re.search(r'name="csrf" value="([^"]+)"', await _page(clerk, id_))
    assert found
    response: aiohttp.ClientResponse = await clerk.post(
        f"/desk/held/{id_}", data={"csrf": found[1], **form}, allow_redirects=False
    )
    return response


async def test_the_page_stands_beside_what_was_read_of_it(house: House, clerk: Client) -> None:
    id_ = await scenes.hold_letter(house)
    assert f'href="/desk/held/{id_}"' in await (await clerk.get("/desk/mend")).text()
    html = await _page(clerk, id_)
    for words in (
        "Not sure about: Name of the sender",
        "冯立新",
        "62 % sure",
        "not found",
        f"/desk/held/{id_}/pages/2",
    ):
        assert words in html
    picture = await clerk.get(f"/desk/held/{id_}/pages/1")
    assert (picture.content_type, await picture.read()) == ("image/jpeg", house.inbox.page)
    assert picture.headers["Cache-Control"] == "no-store"
    assert (await clerk.get(f"/desk/held/{id_}/pages/9")).status == 404


async def test_what_a_clerk_puts_right_goes_on(house: House, clerk: Client) -> None:
    id_ = await scenes.hold_letter(house)
    house.inbox.calls.clear()
    told = await _post(clerk, id_, verb="correct", name=" 冯立欣 ", text="one\r\ntwo", other="x")
    assert (told.status, told.headers["Location"]) == (303, "/desk/mend?done=release")
    (call,) = [given for verb, given in house.inbox.calls if verb == "correct"]
    assert call == {"id": id_, "values": {"name": "冯立欣", "text": "one\ntwo"}, "actor": "admin"}


async def test_what_is_no_letter_is_ignored_with_a_reason(house: House, clerk: Client) -> None:
    id_ = await scenes.hold_letter(house)
    assert (await _post(clerk, id_, verb="ignore")).status == 422
    assert (await _post(clerk, id_, verb="ignore", reason="an advertisement")).status == 303
    assert [given["reason"] for verb, given in house.inbox.calls if verb == "ignore"] == ["an advertisement"]


async def test_what_is_held_no_longer_has_no_page(house: House, clerk: Client) -> None:
    id_ = await scenes.hold_letter(house)
    assert house.inbox.held is not None
    house.inbox.held = {**house.inbox.held, "state": "registered"}
    assert (await clerk.get(f"/desk/held/{id_}")).status == 404


async def test_programs_correct_with_the_administrators_token_only(house: House, client: Client) -> None:
    id_ = await scenes.hold_letter(house)
    path, body = f"/v1/inbox/{id_}/correct", {"values": {"name": "冯立欣"}}
    reader = {"Authorization": f"Bearer {READER}"}
    assert (await client.post(path, json=body, headers=reader)).status == 403
    told = await client.post(path, json=body, headers=BEARER)
    assert (told.status, await told.json()) == (200, {"corrected": True, "changes": ["name"]})
    assert (await client.post(path, json={"valves": {}}, headers=BEARER)).status == 422
    assert (await client.get(f"/v1/inbox/{id_}/pages/1", headers=BEARER)).status == 200
