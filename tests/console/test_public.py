"""The pages for everybody, at their HTTP boundary."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from console.links import Links
from console.services import FormPage
from tests.console.house import House
from tests.rigs.tools import SECRET

Client = TestClient[Any, Any]
LINKS = Links("", SECRET)


@pytest.fixture
async def client(house: House, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    return await aiohttp_client(house.app())


async def test_every_page_forbids_scripts_and_strangers(client: Client) -> None:
    for path in ("/", "/form", "/status", "/desk/login", "/nowhere", "/files/x", "/status/x"):
        headers = (await client.get(path)).headers
        rules = headers["Content-Security-Policy"]
        assert "default-src 'none'" in rules and "unsafe" not in rules and "frame-ancestors 'none'" in rules
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert "Server" not in headers


async def test_no_page_has_script_or_style_within(client: Client) -> None:
    for path in ("/", "/form", "/status", "/desk/login", "/nowhere"):
        html = await (await client.get(path)).text()
        assert not re.search(r"<script|<style| style=| on\w+=|https?://(?!www\.w3\.org)", html)


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.5", "zh-CN"),
        ("zh-Hant-TW", "zh-CN"),
        ("en-GB,zh;q=0.9", "en"),
        ("de, zh;q=0.2", "zh-CN"),
        ("zh;q=0, en", "en"),
        ("zh;q=nonsense", "en"),
        ("fr", "en"),
        ("", "en"),
    ],
)
async def test_the_browser_s_language_is_spoken(client: Client, wish: str, language: str) -> None:
    response = await client.get("/form", headers={"Accept-Language": wish})
    assert response.headers["Content-Language"] == language
    assert f'lang="{language}"' in await response.text()


async def test_a_chosen_language_stays(client: Client) -> None:
    response = await client.get("/language/zh-CN?back=/form?x=1", allow_redirects=False)
    assert response.status == 303 and response.headers["Location"] == "/form?x=1"
    assert "您的姓名" in await (await client.get("/form", headers={"Accept-Language": "en"})).text()


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "/%0d%0aX: y", "x"]
)
async def test_the_language_switch_leads_nowhere_else(client: Client, back: str) -> None:
    response = await client.get(f"/language/en?back={back}", allow_redirects=False)
    assert response.headers["Location"] == "/"
    assert (await client.get("/language/xx")).status == 404


async def test_the_form_posts_to_its_door_with_a_key_of_each_view(client: Client) -> None:
    def key(html: str) -> str:
        found = re.search(r'name="key" value="([0-9a-f-]{36})"', html)
        assert found
        return found[1]

    first, second = [await (await client.get("/form/form")).text() for _ in range(2)]
    assert 'action="/in/form"' in first and 'enctype="multipart/form-data"' in first
    for name in ("name", "contact", "company", "subject", "message", "files", "website"):
        assert f'name="{name}"' in first
    assert key(first) != key(second)


async def test_a_form_speaks_the_names_and_titles_of_its_settings(
    house: House, aiohttp_client: Callable[..., Awaitable[Client]]
) -> None:
    house.forms["shop"] = FormPage(
        channel="shop", titles={"en": "Shop <b>", "zh": "商店"}, fields={"message": "body"}, required=("body",),
        honeypot=None, max_files=0,
    )  # fmt: skip
    client = await aiohttp_client(house.app())
    html = await (await client.get("/form/shop")).text()
    assert (
        "Shop &lt;b&gt;" in html and 'name="body"' in html and "website" not in html and "files" not in html
    )
    assert "商店" in await (await client.get("/form/shop", headers={"Accept-Language": "zh"})).text()
    choice = await (await client.get("/form")).text()
    assert 'href="/form/form"' in choice and 'href="/form/shop"' in choice
    assert (await client.get("/form/other")).status == 404


async def test_only_named_sites_may_frame_the_form_and_nothing_else(client: Client) -> None:
    framed = await client.get("/form/form?embed")
    assert "frame-ancestors https://shop.example" in framed.headers["Content-Security-Policy"]
    plain = await client.get("/form/form")
    assert "frame-ancestors 'none'" in plain.headers["Content-Security-Policy"]
    snippet = await client.get("/form.js")
    assert snippet.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert '"http://feedback.example"' in await snippet.text()


async def test_the_status_page_works_before_there_is_a_record(house: House, client: Client) -> None:
    await house.envelope("FB-261122-WAIT2", state="waiting")
    response = await client.get(LINKS.status("FB-261122-WAIT2"))
    html = await response.text()
    assert response.status == 200 and "is being registered" in html and "FB-261122-WAIT2" in html
    assert response.headers["Refresh"] == "5"


async def test_the_status_page_shows_what_we_published_and_no_secret(house: House, client: Client) -> None:
    id_ = await house.record(
        "FB-261122-AAAA2", subject="private subject", text="private text", name="Ann", state="taken",
        identities={"email": "ann@x.example"},
    )  # fmt: skip
    sha = await house.blob(b"our file")
    files = [{"filename": "plan.pdf", "media_type": "application/pdf", "size": 8, "sha256": sha}]
    await house.delivery(id_, "acknowledgement", body={"text": "We got it."}, state="waiting")
    await house.delivery(
        id_, "reply", body={"text": "<b>All</b> done.", "files": files}, state="dead", detail="550 no"
    )
    await house.delivery(id_, "reply", body={"text": "a draft"}, state="held")
    await house.delivery(id_, "reply", body={"text": "called back"}, state="cancelled")
    await house.delivery(id_, "hand_over", target="tickets", body={"text": "for the office"})
    html = await (await client.get(LINKS.status("FB-261122-AAAA2"))).text()
    assert "We got it." in html and "&lt;b&gt;All&lt;/b&gt; done." in html
    secrets = (
        "private",
        "Ann",
        "ann@x",
        "a draft",
        "called back",
        "for the office",
        "tickets",
        "550",
        "li@example",
    )
    assert [one for one in secrets if one in html] == []
    link = re.search(r'href="http://feedback\.example(/files/[^"]+)"', html)
    assert link and await (await client.get(link[1])).read() == b"our file"


async def test_an_alias_shows_the_matter_it_joined(house: House, client: Client) -> None:
    id_ = await house.record("FB-261122-AAAA2")
    await house.envelope("FB-261122-BBBB2", state="joined", record=id_)
    html = await (await client.get(LINKS.status("FB-261122-BBBB2"))).text()
    assert "FB-261122-AAAA2" in html and "FB-261122-BBBB2" in html


@pytest.mark.parametrize(
    "address",
    ["FB-261122-AAAA2", "FB-261122-AAAA2.", "FB-261122-AAAA2.aaaa", "FB-261122-AAAA2.é", "%00"],
)
async def test_a_status_page_needs_its_whole_address(house: House, client: Client, address: str) -> None:
    await house.record("FB-261122-AAAA2")
    assert (await client.get(f"/status/{address}")).status == 404


async def test_the_address_of_one_is_not_that_of_another(house: House, client: Client) -> None:
    await house.record("FB-261122-AAAA2")
    await house.record("FB-261122-AAAA3")
    stolen = LINKS.status("FB-261122-AAAA2").replace("AAAA2", "AAAA3")
    assert (await client.get(stolen)).status == 404
    assert (await client.get(LINKS.status("FB-261122-AAAA4"))).status == 404


async def test_static_files_are_cached_by_content(client: Client) -> None:
    html = await (await client.get("/")).text()
    found = re.search(r'href="(/static/app\.css\?v=\w+)"', html)
    assert found
    response = await client.get(found[1])
    assert response.status == 200 and "immutable" in response.headers["Cache-Control"]
    assert (await client.get("/static/..%2fapp.py")).status == 404


async def test_a_request_keeps_a_good_id_and_no_bad_one(client: Client) -> None:
    good = await client.get("/", headers={"X-Request-ID": "abc-12345"})
    assert good.headers["X-Request-ID"] == "abc-12345"
    bad = await client.get("/", headers={"X-Request-ID": "<script>alert(1)</script>"})
    assert "script" not in bad.headers["X-Request-ID"]


async def test_the_doors_are_left_alone(
    house: House, aiohttp_client: Callable[..., Awaitable[Client]]
) -> None:
    from aiohttp import web

    async def door(request: web.Request) -> web.Response:
        return web.Response(text="202")

    app = house.app()
    app.router.add_post("/in/{channel}", door)
    response = await (await aiohttp_client(app)).post("/in/hook")
    assert "Content-Security-Policy" not in response.headers and "Server" not in response.headers
