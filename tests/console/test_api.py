"""The API under /v1 at its HTTP boundary."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from model.record import Record
from tests.console.house import ADMIN, READER, WRITER, House

Client = TestClient[Any, Any]


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


@pytest.fixture
async def client(house: House, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    return await aiohttp_client(house.app())


async def problem(response: Any, status: int) -> dict[str, Any]:
    """The problem document of an answer (RFC 9457)."""
    assert response.status == status
    assert response.headers["Content-Type"].startswith("application/problem+json")
    body: dict[str, Any] = await response.json(content_type=None)
    assert (
        body["status"] == status and body["title"] and body["request_id"] == response.headers["X-Request-ID"]
    )
    return body


async def test_records_come_newest_first_in_pages_without_gaps(house: House, client: Client) -> None:
    for n in range(5):
        await house.record(
            f"FB-261122-2222{n}", subject=str(n), name="Ann", identities={"email": f"ann{n}@x.example"}
        )
    seen, cursor = [], ""
    for _ in range(3):
        query = f"?limit=2{cursor}"
        body = await (await client.get(f"/v1/records{query}", headers=bearer(READER))).json()
        seen += [one["subject"] for one in body["records"]]
        cursor = f"&cursor={body['next']}"
    assert seen == ["4", "3", "2", "1", "0"] and body["next"] is None
    assert body["records"][0]["contact"]["identities"] == [{"kind": "email", "value": "ann0@x.example"}]
    for one in body["records"]:
        Record.model_validate(one)


async def test_records_are_filtered(house: House, client: Client) -> None:
    await house.record("FB-261122-22223", channel="mail", state="closed", text="the invoice is wrong")
    await house.record(
        "FB-261122-22224", channel="form", state="closed", identities={"phone": "+8613800138000"}
    )
    await house.record("FB-261122-22225", channel="mail", state="taken")

    async def found(query: str) -> list[str]:
        body = await (await client.get(f"/v1/records?{query}", headers=bearer(READER))).json()
        return [one["reference"][-1] for one in body["records"]]

    assert await found("channel=mail") == ["5", "3"]
    assert await found("state=closed") == ["4", "3"]
    assert await found("channel=mail&state=closed") == ["3"]
    assert await found("q=INVOICE") == ["3"]
    assert await found("q=%25") == []
    assert await found("q=fb-261122-22225") == ["5"]
    assert await found("q=%2B8613800138000") == ["4"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("limit=%E0%A5%A7", "limit"), ("cursor=nonsense", "cursor")],
)
async def test_a_wrong_query_names_the_field(client: Client, query: str, field: str) -> None:
    body = await problem(await client.get(f"/v1/records?{query}", headers=bearer(READER)), 422)
    assert body["errors"][0]["field"] == field


async def test_a_record_is_found_by_its_aliases_and_known_by_its_tag(house: House, client: Client) -> None:
    id_ = await house.record("FB-261122-3HNVK", text="hello")
    await house.envelope("FB-261122-99999", state="joined", record=id_)
    response = await client.get("/v1/records/fb-261122-99999", headers=bearer(READER))
    assert response.status == 200 and (await response.json())["reference"] == "FB-261122-3HNVK"
    tag = response.headers["ETag"]
    again = await client.get("/v1/records/FB-261122-3HNVK", headers=bearer(READER, **{"If-None-Match": tag}))
    assert again.status == 304 and again.headers["ETag"] == tag and await again.read() == b""
    await problem(await client.get("/v1/records/FB-261122-NONE2", headers=bearer(READER)), 404)


async def test_an_envelope_without_record_is_not_found_yet(house: House, client: Client) -> None:
    await house.envelope("FB-261122-44444", state="waiting")
    await problem(await client.get("/v1/records/FB-261122-44444", headers=bearer(READER)), 404)


async def test_relations_are_told_by_reference_and_files_by_links_that_work(
    house: House, client: Client
) -> None:
    first = await house.record("FB-261122-AAAA2")
    second = await house.record("FB-261122-AAAA3", raw=b"the mail", repeat_of=first)
    await house.attachment(second, 0, "a.txt", b"attached", "text/plain")
    body = await (await client.get("/v1/records/FB-261122-AAAA3", headers=bearer(READER))).json()
    assert body["repeat_of"] == "FB-261122-AAAA2"
    for link, data in ((body["attachments"][0]["url"], b"attached"), (body["raw"]["url"], b"the mail")):
        assert link.startswith("http://feedback.example/files/")
        assert await (await client.get(link.removeprefix("http://feedback.example"))).read() == data


async def test_the_timeline_tells_events_messages_and_deliveries_with_certainty(
    house: House, client: Client
) -> None:
    id_ = await house.record("FB-261122-AAAA2")
    await house.event(id_, "FB-261122-AAAA2", "record.registered", channel="form")
    await house.event(id_, "FB-261122-AAAA2", "note.added", note="x")
    doubtful = await house.delivery(id_, state="cancelled")
    await house.attempt(doubtful, 1, "uncertain")
    for state in ("delivered", "uncertain", "dead", "waiting"):
        await house.delivery(id_, state=state)
    url = "/v1/records/FB-261122-AAAA2/timeline"
    body = await (await client.get(url, headers=bearer(READER))).json()
    assert [one["type"] for one in body["events"]] == ["record.registered", "note.added"]
    certain = [one["certainty"] for one in body["deliveries"]]
    assert certain == ["unknown", "delivered", "unknown", "failed", "pending"]
    assert body["deliveries"][0]["tries"][0]["outcome"] == "uncertain"
    assert len(body["messages"]) == 1 and body["next"] is None
    page = await (await client.get(f"{url}?limit=1", headers=bearer(READER))).json()
    rest = await (await client.get(f"{url}?limit=9&after={page['next']}", headers=bearer(READER))).json()
    assert [one["type"] for one in rest["events"]] == ["note.added"]


# ---- tokens


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eDp5"}, bearer("wrong"), bearer("€")])
async def test_without_a_known_token_nothing_is_told(
    house: House, client: Client, headers: dict[str, str]
) -> None:
    await house.record("FB-261122-AAAA2")
    response = await client.get("/v1/records/FB-261122-AAAA2", headers=headers)
    await problem(response, 401)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "path", "token"),
    [
        ("GET", "/v1/records", WRITER),
        ("GET", "/v1/events", WRITER),
        ("POST", "/v1/records/FB-261122-AAAA2/replies", READER),
        ("GET", "/v1/inbox", READER),
        ("POST", "/v1/outbox/cancel", WRITER),
        ("POST", "/v1/admin/release", READER),
    ],
)
async def test_a_token_opens_only_what_its_scopes_name(
    client: Client, method: str, path: str, token: str
) -> None:
    body = await problem(await client.request(method, path, headers=bearer(token)), 403)
    assert "scope" in body["detail"]


async def test_the_schema_is_open_and_the_server_tells_no_name(client: Client) -> None:
    response = await client.get("/v1/schema/record")
    assert (await response.json())["$id"] == "forebay.record/1"
    assert "Server" not in response.headers


# ---- answers


REPLY = "/v1/records/FB-261122-AAAA2/replies"


async def test_an_answer_reaches_the_outbox_whole(house: House, client: Client) -> None:
    body = {
        "text": "We looked.",
        "html": "<p>We looked.</p>",
        "attachments": [{"filename": "a.pdf", "media_type": "application/pdf", "data": "cGRm"}],
        "cc": ["boss@x.example"],
        "channel": "mail",
        "expects_answer": True,
    }  # fmt: skip
    response = await client.post(REPLY, json=body, headers=bearer(WRITER))
    assert response.status == 202 and (await response.json())["state"] == "waiting"
    [(verb, given)] = house.outbox.calls
    assert verb == "reply" and given["reference"] == "FB-261122-AAAA2" and given["actor"] == "crm"
    assert given["files"] == [{"filename": "a.pdf", "media_type": "application/pdf", "data": b"pdf"}]
    assert given["cc"] == ["boss@x.example"] and given["channel"] == "mail" and given["expects_answer"]


async def test_the_same_key_answers_once_and_tells_the_same(house: House, client: Client) -> None:
    headers = bearer(WRITER, **{"Idempotency-Key": "k-1"})
    first = await client.post(REPLY, json={"text": "Hello"}, headers=headers)
    second = await client.post(REPLY, json={"text": "Hello"}, headers=headers)
    assert await first.json() == await second.json() and second.status == 202
    assert "Idempotency-Replayed" not in first.headers and second.headers["Idempotency-Replayed"] == "true"
    assert len(house.outbox.calls) == 1
    body = await problem(await client.post(REPLY, json={"text": "Other"}, headers=headers), 422)
    assert body["errors"][0]["field"] == "Idempotency-Key"


async def test_a_key_is_each_token_s_own(house: House, client: Client) -> None:
    for token in (WRITER, ADMIN):
        await client.post(REPLY, json={"text": "Hi"}, headers=bearer(token, **{"Idempotency-Key": "k"}))
    assert [given["key"] for _, given in house.outbox.calls] == ["api:crm:k", "api:admin:k"]


async def test_a_key_at_work_asks_for_patience_and_is_free_after_a_failure(
    house: House, client: Client
) -> None:
    headers = bearer(WRITER, **{"Idempotency-Key": "k-1"})
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await go_on.wait()

    house.outbox.wait = wait
    house.outbox.refuse = ValueError("the customer left no address")
    first = asyncio.create_task(client.post(REPLY, json={"text": "Hi"}, headers=headers))
    await begun.wait()
    await problem(await client.post(REPLY, json={"text": "Hi"}, headers=headers), 409)
    go_on.set()
    assert "no address" in (await problem(await first, 422))["detail"]
    house.outbox.refuse = None
    assert (await client.post(REPLY, json={"text": "Hi"}, headers=headers)).status == 202


async def test_a_claim_of_a_dead_daemon_is_free_after_a_while(house: House, client: Client) -> None:
    headers = bearer(WRITER, **{"Idempotency-Key": "k-1"})
    expires = house.clock.now()
    await house.put(
        "idempotency", scope="replies:crm", key="k-1", request_hash="of another life", expires_at=expires
    )
    house.clock.advance(1)
    assert (await client.post(REPLY, json={"text": "Hi"}, headers=headers)).status == 202


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b'{"text": "cut', 400, None),
        (b"[]", 422, "body"),
        (b"{}", 422, "text"),
        (b'{"text": "  "}', 422, "text"),
        (b'{"text": "x", "colour": 1}', 422, "colour"),
        (b'{"text": "x", "cc": ["a@b\\r\\nBcc: c@d"]}', 422, "cc.0"),
        (b'{"text": "x", "attachments": [{"filename": "a", "data": "%%"}]}', 422, "attachments.0.data"),
        (b'{"text": "x", "attachments": [{"filename": "a", "media_type": "a/b\\r\\nX: y", "data": ""}]}', 422,
         "attachments.0.media_type"),
        (b'{"text": "' + b"x" * 200_000 + b'"}', 413, None),
        (b"\xff\xfe", 400, None),
    ],
)  # fmt: skip
async def test_a_wrong_answer_names_the_field_and_sends_nothing(
    house: House, client: Client, body: bytes, status: int, field: str | None
) -> None:
    told = await problem(await client.post(REPLY, data=body, headers=bearer(WRITER)), status)
    if field:
        assert told["errors"][0]["field"] == field
    assert house.outbox.calls == []


async def test_an_unknown_record_is_told_in_the_verb_s_words(house: House, client: Client) -> None:
    house.outbox.refuse = LookupError("there is no record FB-261122-AAAA2")
    body = await problem(await client.post(REPLY, json={"text": "Hi"}, headers=bearer(WRITER)), 404)
    assert body["detail"] == "there is no record FB-261122-AAAA2"


async def test_a_bug_tells_nothing_and_is_logged(house: House, client: Client) -> None:
    house.outbox.refuse = KeyError("a secret")
    body = await problem(await client.post(REPLY, json={"text": "Hi"}, headers=bearer(WRITER)), 500)
    assert "secret" not in str(body)
    assert house.log.events[-1][1] == "request failed"


# ---- the feed


async def test_the_feed_goes_on_where_it_was_left(house: House, client: Client) -> None:
    for n in range(3):
        await house.event("r", "FB-261122-AAAA2", "note.added", note=str(n))
    first = await (await client.get("/v1/events?after=0&limit=2", headers=bearer(READER))).json()
    rest = await (await client.get(f"/v1/events?after={first['next']}", headers=bearer(READER))).json()
    told = [one["data"]["note"] for one in first["events"] + rest["events"]]
    assert told == ["0", "1", "2"]
    end = await (await client.get(f"/v1/events?after={rest['next']}", headers=bearer(READER))).json()
    assert end == {"events": [], "next": rest["next"]} and house.waited == []


async def test_the_feed_waits_until_something_comes(house: House, client: Client) -> None:
    async def later() -> None:
        house.clock.advance(1)
        if len(house.waited) == 2:
            await house.event("r", "FB-261122-AAAA2", "note.added", note="at last")

    house.on_wait = later
    body = await (await client.get("/v1/events?after=0&wait=30", headers=bearer(READER))).json()
    assert body["events"][0]["data"] == {"note": "at last"}
    assert house.waited == [(0, 30.0), (0, 29.0)]


async def test_the_feed_s_wait_ends(house: House, client: Client) -> None:
    async def later() -> None:
        house.clock.advance(20)

    house.on_wait = later
    body = await (await client.get("/v1/events?wait=30", headers=bearer(READER))).json()
    assert body["events"] == [] and len(house.waited) == 2


# ---- operators


async def test_operators_verbs_reach_their_boxes(house: House, client: Client) -> None:
    admin = bearer(ADMIN)
    posts = [
        ("/v1/inbox/replay", {"ids": ["e1"], "dry_run": True}),
        ("/v1/inbox/release", {"ids": ["e1"]}),
        ("/v1/inbox/ignore", {"ids": ["e1"], "reason": "advertising"}),
        ("/v1/outbox/redrive", {"ids": ["d1"]}),
        ("/v1/outbox/cancel", {"ids": ["d1"]}),
        ("/v1/outbox/hold", {"ids": ["d1"]}),
        ("/v1/outbox/release", {"ids": ["d1"]}),
        ("/v1/outbox/resolve", {"ids": ["d1"], "delivered": False}),
        ("/v1/channels/mail/pause", {}),
        ("/v1/channels/mail/resume", {}),
        ("/v1/channels/mail/probe", {}),
        ("/v1/admin/audit", {"day": "2026-11-22"}),
    ]
    for path, body in posts:
        assert (await client.post(path, json=body, headers=admin)).status == 200, path
    assert [name for name, _ in house.inbox.calls] == ["replay", "release", "ignore"]
    assert house.inbox.calls[0][1] == {"ids": ["e1"], "dry_run": True, "actor": "admin"}
    assert [name for name, _ in house.outbox.calls] == ["redrive", "cancel", "hold", "release", "resolve"]
    assert house.outbox.calls[-1][1]["delivered"] is False
    assert [name for name, _ in house.channels.calls] == ["pause", "resume", "probe"]
    assert house.administered == [("audit", {"day": "2026-11-22"}, "admin")]


async def test_operators_lists_take_their_filters(house: House, client: Client) -> None:
    admin = bearer(ADMIN)
    query = "state=held&state=quarantined&channel=mail&since=2026-11-22T08:00:00Z&limit=5"
    assert (await client.get(f"/v1/inbox?{query}", headers=admin)).status == 200
    _, given = house.inbox.calls[-1]
    assert given["states"] == ["held", "quarantined"] and given["limit"] == 5 and given["since"].hour == 8
    assert (await client.get("/v1/outbox?state=dead&suppressed=1", headers=admin)).status == 200
    assert house.outbox.calls[-1][1]["suppressed"] is True
    for path in ("/v1/inbox/e1", "/v1/outbox/d1", "/v1/channels", "/v1/health"):
        assert (await client.get(path, headers=admin)).status == 200
    for path in ("/v1/inbox?state=purple", "/v1/inbox?since=2026-11-22", "/v1/outbox?state=joined"):
        await problem(await client.get(path, headers=admin), 422)


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/v1/inbox/ignore", {"ids": ["e"]}, 422, "reason"),
        ("/v1/outbox/resolve", {"ids": ["d"]}, 422, "delivered"),
        ("/v1/outbox/redrive", {"ids": []}, 422, "ids"),
        ("/v1/outbox/explode", {"ids": ["d"]}, 404, None),
        ("/v1/inbox/cancel", {"ids": ["d"]}, 404, None),
    ],
)
async def test_verbs_say_what_they_lack(
    house: House, client: Client, path: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    told = await problem(await client.post(path, json=body, headers=bearer(ADMIN)), status)
    assert not field or told["errors"][0]["field"] == field
    assert house.inbox.calls == house.outbox.calls == []


async def test_unknown_addresses_and_methods_are_problems_too(client: Client) -> None:
    await problem(await client.get("/v1/nothing", headers=bearer(ADMIN)), 404)
    response = await client.delete("/v1/records", headers=bearer(ADMIN))
    await problem(response, 405)
    assert "GET" in response.headers["Allow"]


async def test_records_are_sought_by_words_days_and_what_they_are(house: House, client: Client) -> None:
    await house.record("FB-261122-BBBB2", text="要投诉你们的服务", nature=["service"], urgency="urgent")

    async def found(**query: str) -> list[str]:
        answer = await client.get("/v1/records", params=query, headers=bearer(READER))
        assert answer.status == 200, await answer.text()
        return [one["reference"] for one in (await answer.json())["records"]]

    assert (
        await found(q="投诉 服务") == ["FB-261122-BBBB2"] == await found(nature="service", urgency="urgent")
    )
    assert await found(q="投诉", since="2026-11-22", until="2026-11-22") == ["FB-261122-BBBB2"]
    assert (
        await found(q="投诉", until="2026-11-21")
        == []
        == await found(q="投诉", since="2026-11-23T00:00:00+08:00")
    )
    assert await found(q="\x00") != [] and await found(q="no\x00body") == []
    refused = await client.get("/v1/records", params={"since": "yesterday"}, headers=bearer(READER))
    assert refused.status == 422 and (await refused.json())["errors"][0]["field"] == "since"
