"""The desk at its HTTP boundary: who gets in, what is shown, and what a button does."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient

from tests.console import scenes
from tests.console.house import ADMIN, READER, House

Client = TestClient[Any, Any]
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"


@pytest.fixture
async def client(house: House, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    return await aiohttp_client(house.app())


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, f"the page has no field {name}"
    return found[1]


async def enter(client: Client, token: str = ADMIN, back: str = "", **headers: str) -> aiohttp.ClientResponse:
    """Log in as a browser does."""
    page = await (await client.get("/desk/login")).text()
    form = {"token": token, "csrf": hidden(page, "csrf"), "next": back}
    response: aiohttp.ClientResponse = await client.post(
        "/desk/login", data=form, headers=headers, allow_redirects=False
    )
    return response


@pytest.fixture
async def clerk(client: Client) -> Client:
    assert (await enter(client)).status == 303
    return client


# ---- log-in


@pytest.mark.parametrize(
    "path",
    ["/desk", "/desk/records", "/desk/records/FB-261122-AAAA2", "/desk/records/FB-261122-AAAA2/html", "/desk/mend",
     "/desk/channels"],
)  # fmt: skip
async def test_strangers_are_sent_to_the_log_in(client: Client, path: str) -> None:
    response = await client.get(path, allow_redirects=False)
    assert response.status == 303 and response.headers["Location"].startswith("/desk/login?next=/desk")


@pytest.mark.parametrize(
    "path",
    ["/desk/records/FB-261122-AAAA2/replies", "/desk/mend/inbox", "/desk/mend/outbox", "/desk/channels/mail",
     "/desk/logout"],
)  # fmt: skip
async def test_posts_need_a_session_and_its_token(
    house: House, clerk: Client, client: Client, path: str
) -> None:
    for form in ({"verb": "pause", "text": "x"}, {"verb": "pause", "text": "x", "csrf": "guessed"}):
        assert (await clerk.post(path, data=form)).status == 403
    client.session.cookie_jar.clear()
    assert (await client.post(path, data=form, allow_redirects=False)).status == 303
    assert house.outbox.calls == house.inbox.calls == house.channels.calls == []


async def test_the_admin_token_opens_the_desk_and_log_out_closes_it(client: Client) -> None:
    response = await enter(client, back="/desk/mend")
    assert response.headers["Location"] == "/desk/mend"
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/desk" in cookie
    assert "Secure" not in cookie and ADMIN not in cookie
    page = await (await client.get("/desk/records")).text()
    await client.post("/desk/logout", data={"csrf": hidden(page, "csrf")})
    assert (await client.get("/desk/records", allow_redirects=False)).status == 303


async def test_over_https_the_cookie_is_secure(
    house: House, aiohttp_client: Callable[..., Awaitable[Client]]
) -> None:
    client = await aiohttp_client(house.app(public_url="https://feedback.example"))
    assert "Secure" in (await client.get("/desk/login")).headers["Set-Cookie"]


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/desk/\r\nX: y", "/form"])
async def test_the_log_in_leads_to_the_desk_only(client: Client, back: str) -> None:
    assert (await enter(client, back=back)).headers["Location"] == "/desk/records"


@pytest.mark.parametrize("token", ["wrong", "", READER, "é"])
async def test_other_tokens_do_not_open_it(client: Client, token: str) -> None:
    assert (await enter(client, token)).status == 403
    assert (await client.get("/desk/records", allow_redirects=False)).status == 303


async def test_the_log_in_page_s_own_session_opens_nothing(client: Client) -> None:
    await client.get("/desk/login")
    assert (await client.get("/desk/records", allow_redirects=False)).status == 303


async def test_guessing_is_slowed_down_by_address(house: House, client: Client) -> None:
    for _ in range(3):
        assert (await enter(client, "wrong")).status == 403
    slowed = await enter(client)
    assert slowed.status == 429 and int(slowed.headers["Retry-After"]) > 0
    assert (await enter(client, **{"X-Test-Remote": "203.0.113.9"})).status == 303
    house.clock.advance(901)
    assert (await enter(client)).status == 303


async def test_sessions_end_and_cannot_be_forged(house: House, clerk: Client) -> None:
    jar = clerk.session.cookie_jar
    value = next(cookie.value for cookie in jar if cookie.key == "forebay_desk")
    name, nonce, expires, version, sign = value.split(".")
    for forged in (
        f"{name}.{nonce}.{int(expires) + 9}.{version}.{sign}",
        f"{b'root'.hex()}.{nonce}.{expires}.{version}.{sign}",
        f"{name}.{nonce}.{expires}.1.{sign}",
        "....",
        "x",
    ):
        headers = {"Cookie": f"forebay_desk={forged}"}
        async with aiohttp.ClientSession() as session:
            url = clerk.make_url("/desk/records")
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                assert response.status == 303
    house.clock.advance(10 * 3600 + 1)
    assert (await clerk.get("/desk/records", allow_redirects=False)).status == 303


# ---- records


async def test_the_list_pages_back_without_gaps(house: House, clerk: Client) -> None:
    for n in range(52):
        await house.record(f"FB-261122-{n:05}", subject=f"s{n:02}")
    first = await (await clerk.get("/desk/records")).text()
    older = re.search(r'href="(/desk/records\?before=[^"]+)"', first)
    assert older
    second = await (await clerk.get(older[1])).text()
    shown = [re.findall(r">(s\d\d)<", page) for page in (first, second)]
    assert shown[0] == [f"s{n:02}" for n in range(51, 1, -1)] and shown[1] == ["s01", "s00"]


async def test_markup_in_every_field_is_shown_as_words(house: House, clerk: Client) -> None:
    id_ = await house.record(
        "FB-261122-EV222", subject=EVIL, text=EVIL, full_text=EVIL + "!", name=EVIL, company=EVIL, html=EVIL,
        identities={"email": EVIL}, nature=[EVIL], department=EVIL, missing=[EVIL], rules=[EVIL], language=EVIL,
        extra={EVIL: EVIL}, omissions=[EVIL], channel=EVIL, urgency=EVIL, state=EVIL,
    )  # fmt: skip
    await house.attachment(id_, 0, EVIL, b"x", EVIL)
    await house.event(id_, "FB-261122-EV222", "message.joined", text=EVIL, name=EVIL)
    await house.event(id_, "FB-261122-EV222", EVIL, note=EVIL, actor=EVIL)
    for state in ("uncertain", "dead", "held", "expired", "cancelled"):
        delivery = await house.delivery(
            id_, state=state, target=EVIL, address=EVIL, detail=EVIL, reason=EVIL, body={"text": EVIL}
        )
        await house.attempt(delivery, 1, EVIL, code=EVIL, detail=EVIL)
    for state in ("held", "quarantined"):
        await house.envelope(EVIL + state, state=state, reason=EVIL, channel=EVIL)
    house.health.append(
        {"name": EVIL, "role": "channel", "kind": EVIL, "state": EVIL, "detail": EVIL, "repair": EVIL}
    )
    pages = (
        "/desk/records",
        f"/desk/records?q={EVIL}",
        "/desk/records/FB-261122-EV222",
        "/desk/mend",
        "/desk/channels",
    )
    for path in pages:
        response = await clerk.get(path)
        html = await response.text()
        assert response.status == 200, path
        assert (
            not re.search(r"<script(?! src=\"/static/)", html)
            and "<img" not in html
            and "onerror=alert" not in html.replace("&lt;img src=x onerror=alert", "")
        ), path
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]


async def test_pictures_of_the_same_mail_are_shown_and_none_from_elsewhere(
    house: House, clerk: Client
) -> None:
    html = (
        '<img src="cid:a%40b" alt="ours"><img src="https://tracker.example/x.png"><img src="cid:gone">'
        '<img src="cid:page"><a href="cid:a@b">x</a>'
    )
    id_ = await house.record("FB-261122-AAAA2", html=html)
    await house.attachment(id_, 0, "a.png", b"PNG", "image/png", "a@b")
    await house.attachment(id_, 1, "b.html", b"<script>", "text/html", "page")
    body = await (await clerk.get("/desk/records/FB-261122-AAAA2/html")).text()
    assert 'src="data:image/png;base64,UE5H"' in body
    assert "tracker" not in body and "cid:" not in body and body.count("src=") == 1


async def test_the_customer_s_html_is_caged(house: House, clerk: Client) -> None:
    html = (
        "<p onclick=alert(1)>Hi <b>there</b></p><script>alert(2)</script><iframe src=//evil.example></iframe>"
    )
    await house.record("FB-261122-AAAA2", html=html)
    await house.record("FB-261122-AAAA3")
    response = await clerk.get("/desk/records/FB-261122-AAAA2/html")
    body = await response.text()
    assert "<b>there</b>" in body
    assert not re.search(r"script|onclick|iframe", body)
    rules = response.headers["Content-Security-Policy"]
    assert rules.startswith("sandbox;") and "default-src 'none'" in rules and "script-src" not in rules
    assert 'sandbox=""' in await (await clerk.get("/desk/records/FB-261122-AAAA2")).text()
    assert (await clerk.get("/desk/records/FB-261122-AAAA3/html")).status == 404


async def test_the_story_tells_who_said_what_and_how_surely_it_arrived(house: House, clerk: Client) -> None:
    reference = await scenes.fill(house)
    html = await (await clerk.get(f"/desk/records/{reference}")).text()
    said = ["您好，我们公司", "您的反馈已收到", "合同编号是 QH", "我们已核对后台日志"]
    places = [html.index(words) for words in said]
    assert places == sorted(places)
    for certain in ("delivered", "perhaps delivered", "not delivered", "held"):
        assert f">{certain}</span>" in html
    assert "对账表.xlsx" in html and "no answer within 60 s" in html


async def test_an_acknowledgement_that_was_not_sent_says_why(house: House, clerk: Client) -> None:
    id_ = await house.record("FB-261122-AAAA2")
    await house.delivery(
        id_, "acknowledgement", state="cancelled", attempts=0, reason="mailing list", body={}
    )
    html = await (await clerk.get("/desk/records/FB-261122-AAAA2")).text()
    assert "No acknowledgement: mailing list" in html


# ---- answers


async def answer(clerk: Client, **changes: str) -> tuple[aiohttp.ClientResponse, dict[str, str]]:
    """Load the record's page and send its answer box."""
    page = await (await clerk.get("/desk/records/FB-261122-AAAA2")).text()
    form = {"csrf": hidden(page, "csrf"), "key": hidden(page, "key"), "text": "We looked.", **changes}
    url = "/desk/records/FB-261122-AAAA2/replies"
    response: aiohttp.ClientResponse = await clerk.post(url, data=form, allow_redirects=False)
    return response, form


async def test_the_answer_box_fills_the_outbox_and_twice_has_one_key(house: House, clerk: Client) -> None:
    await house.record("FB-261122-AAAA2")
    response, form = await answer(clerk, cc="a@x.example; b@x.example", expects_answer="yes")
    assert (
        response.status == 303
        and response.headers["Location"] == "/desk/records/FB-261122-AAAA2?sent=delivery-1#answer"
    )
    await clerk.post("/desk/records/FB-261122-AAAA2/replies", data=form)
    keys = [given["key"] for _, given in house.outbox.calls]
    assert len(keys) == 2 and keys[0] == keys[1]
    _, given = house.outbox.calls[0]
    assert (
        given["cc"] == ["a@x.example", "b@x.example"]
        and given["expects_answer"]
        and given["actor"] == "admin"
    )


async def test_files_go_with_an_answer(house: House, clerk: Client) -> None:
    await house.record("FB-261122-AAAA2")
    page = await (await clerk.get("/desk/records/FB-261122-AAAA2")).text()
    form = aiohttp.FormData()
    form.add_field("csrf", hidden(page, "csrf"))
    form.add_field("text", "See the file.")
    form.add_field("files", b"%PDF", filename="plan.pdf", content_type="application/pdf")
    form.add_field("files", b"", filename="", content_type="application/octet-stream")
    assert (await clerk.post("/desk/records/FB-261122-AAAA2/replies", data=form)).status == 200
    files = house.outbox.calls[0][1]["files"]
    assert files == [{"filename": "plan.pdf", "media_type": "application/pdf", "data": b"%PDF"}]


async def test_a_refused_answer_keeps_what_was_written(house: House, clerk: Client) -> None:
    await house.record("FB-261122-AAAA2")
    house.outbox.refuse = ValueError("the customer left no address")
    response, _ = await answer(clerk, text="A long <answer>")
    html = await response.text()
    assert (
        response.status == 422 and "the customer left no address" in html and "A long &lt;answer&gt;" in html
    )
    house.outbox.refuse = None
    response, _ = await answer(clerk, text="Fine", cc="not an address")
    assert response.status == 422 and "cc" in await response.text()


async def test_an_answer_over_the_limit_is_refused(house: House, clerk: Client) -> None:
    await house.record("FB-261122-AAAA2")
    response, _ = await answer(clerk, text="x" * 150_000)
    assert response.status == 413 and house.outbox.calls == []


# ---- mending


async def mend(clerk: Client, box: str, **form: str | list[str]) -> aiohttp.ClientResponse:
    page = await (await clerk.get("/desk/mend")).text()
    fields = [("csrf", hidden(page, "csrf"))]
    for name, value in form.items():
        fields += [(name, one) for one in ([value] if isinstance(value, str) else value)]
    response: aiohttp.ClientResponse = await clerk.post(
        f"/desk/mend/{box}", data=fields, allow_redirects=False
    )
    return response


async def test_what_waits_for_a_person_is_counted_and_shown(house: House, clerk: Client) -> None:
    assert "Nothing waits for you" in await (await clerk.get("/desk/mend")).text()
    await scenes.fill(house)
    html = await (await clerk.get("/desk/mend")).text()
    assert '<span class="count">6</span>' in html
    for words in ("perhaps a robot", "multipart without a boundary", "the connection broke", "5.1.1 mailbox",
                  "older than 30 minutes", "Deaths of the daemon: 1"):  # fmt: skip
        assert words in html


@pytest.mark.parametrize(
    ("box", "button", "verb", "given"),
    [
        ("inbox", "replay", "replay", {"dry_run": False}),
        ("inbox", "release", "release", {}),
        ("inbox", "ignore", "ignore", {"reason": "advertising"}),
        ("outbox", "redrive", "redrive", {}),
        ("outbox", "cancel", "cancel", {}),
        ("outbox", "release", "release", {}),
        ("outbox", "delivered", "resolve", {"delivered": True}),
        ("outbox", "not_delivered", "resolve", {"delivered": False}),
    ],
)
async def test_every_button_does_its_verb(
    house: House, clerk: Client, box: str, button: str, verb: str, given: dict[str, Any]
) -> None:
    await scenes.fill(house)
    response = await mend(clerk, box, verb=button, ids=["a", "b"], reason="advertising")
    assert response.status == 303 and response.headers["Location"] == f"/desk/mend?done={button}"
    called = (house.inbox if box == "inbox" else house.outbox).calls
    assert called == [(verb, {"ids": ["a", "b"], "actor": "admin", **given})]


async def test_a_trial_shows_what_would_change(house: House, clerk: Client) -> None:
    response = await mend(clerk, "inbox", verb="try", ids="a")
    assert response.status == 200 and "replay" in await response.text()
    assert house.inbox.calls[0][1]["dry_run"] is True


@pytest.mark.parametrize(
    "form", [{"verb": "release"}, {"verb": "explode", "ids": "a"}, {"ids": "a"}, {"verb": "ignore", "ids": "a"},
             {"verb": "redrive", "ids": "a"}]
)  # fmt: skip
async def test_half_filled_forms_do_nothing(house: House, clerk: Client, form: dict[str, str]) -> None:
    assert (await mend(clerk, "inbox", **form)).status == 422
    assert house.inbox.calls == house.outbox.calls == []


async def test_channels_are_paused_resumed_and_tested(house: House, clerk: Client) -> None:
    page = await (await clerk.get("/desk/channels")).text()
    assert "log-in refused" in page and "give the mailbox a new password" in page and "paused" in page
    for verb in ("pause", "resume", "probe"):
        form = {"csrf": hidden(page, "csrf"), "verb": verb}
        response = await clerk.post("/desk/channels/mail", data=form, allow_redirects=False)
        assert response.status == 303
    assert [name for name, _ in house.channels.calls] == ["pause", "resume", "probe"]
    assert (await clerk.post("/desk/channels/mail", data={"csrf": hidden(page, "csrf")})).status == 422
