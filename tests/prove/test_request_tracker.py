"""The kind `rt` against the real Request Tracker: through a wire that loses one answer in twenty."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from outbox import send
from tests.rigs import email, form
from tests.rigs.daemon import House, MovedClock
from tests.rigs.office import TIMES, TOKEN, merge
from tests.rigs.request_tracker import RequestTracker, missing
from tests.rigs.ways import Form, mails

WHY_NOT = missing()
pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(600),
    pytest.mark.skipif(WHY_NOT is not None and os.environ.get("REQUIRE_ALL") != "1", reason=WHY_NOT or ""),
]
RECORDS = 20


class Loser:
    """Stands before the tracker, and loses answers after the tracker has acted."""

    def __init__(self, target: str) -> None:
        self._target, self._chance = target, random.Random(5)
        self.share, self.lost, self.url = 0.0, 0, ""

    async def __aenter__(self) -> Loser:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._session = ClientSession()
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "content-length")}
        async with self._session.request(
            request.method, self._target + request.path_qs, headers=headers, data=await request.read()
        ) as answer:
            body = await answer.read()
        changes = request.method != "GET" and not request.path.endswith("/transactions")
        if changes and self._chance.random() < self.share and request.transport is not None:
            self.lost += 1
            request.transport.abort()
        return web.Response(status=answer.status, body=body, content_type=answer.content_type)


@pytest.fixture(scope="module")
def tracker() -> Iterator[RequestTracker]:
    with RequestTracker() as started:
        yield started


@pytest.fixture
async def loser(tracker: RequestTracker) -> AsyncIterator[Loser]:
    async with Loser(tracker.url) as opened:
        yield opened


@pytest.fixture
async def smtp() -> AsyncIterator[email.Sink]:
    async with email.Sink() as sink:
        yield sink


@pytest.fixture
async def house(
    tracker: RequestTracker,
    loser: Loser,
    smtp: email.Sink,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    monkeypatch.setattr(send, "_RESOLVE_EVERY", 0.2)
    config: dict[str, Any] = merge(
        {
            "listen": {"port": 0},
            "data": str(tmp_path / "data"),
            "api": {"admin_token": TOKEN},
            "database": {"min_free_bytes": 0},
            "channels": {
                "form": form.settings(reply_via={"email": "mail"}),
                "mail": email.settings(smtp),
            },
            "destinations": {"desk": tracker.settings(url=loser.url, priority={"normal": "30"})},
            "rules": {"default": {"destinations": ["desk"], "acknowledgement": "acknowledgement"}},
            **TIMES,
        },
        {"outbox": {"hand_over": {"pauses": [0.5]}}},
    )
    async with House(config, tmp_path, clock=MovedClock()) as opened:
        yield opened


async def bring(house: House, n: int, file: tuple[str, bytes] | None = None) -> str:
    fields = form.fields(n)
    body = form.multipart(fields.items(), [("photo", *file)] if file else [])
    told = await Form().post(house, body, content_type=f"multipart/form-data; boundary={form.BOUNDARY}")
    assert told.taken
    return told.reference


async def test_each_record_has_one_ticket_though_answers_are_lost(
    house: House, tracker: RequestTracker, loser: Loser
) -> None:
    loser.share = 0.25
    references = [await bring(house, n, ("照片.txt", f"像素 {n}".encode())) for n in range(RECORDS)]
    await house.idle(300)
    assert loser.lost, "the wire lost nothing, so that nothing was proved"
    for n, reference in enumerate(references):
        (ticket,) = await asyncio.to_thread(tracker.tickets, reference)
        history = await asyncio.to_thread(tracker.history, ticket)
        (words,) = [words for type_, words in history if type_ == "Create"]
        assert f"house {n} " in words and reference in words and "[照片.txt]" in words
    shown = await asyncio.to_thread(tracker.call, "GET", f"/ticket/{ticket}")
    assert [one["id"] for one in shown["Requestor"]] == [f"customer{n}@example.com"]
    assert shown["Priority"] == "30"


async def test_what_agents_do_there_comes_back(
    house: House, tracker: RequestTracker, smtp: email.Sink
) -> None:
    office: Any = type("Office", (), {"smtp": smtp})
    first, second = await bring(house, 101), await bring(house, 102)
    await house.idle(120)
    (one,), (other,) = tracker.tickets(first), tracker.tickets(second)

    def act(path: str, body: Any, method: str = "POST") -> Any:
        return asyncio.to_thread(tracker.call, method, path, body)

    await act(f"/ticket/{one}/comment", {"Content": "内部：不要告诉客户", "ContentType": "text/plain"})
    await act(
        f"/ticket/{one}/correspond", {"Content": "<p>已修好 <b>done</b></p>", "ContentType": "text/html"}
    )
    await house.until(lambda: [m for m in mails(office, 101) if not m.automatic], 60)
    (got,) = [m for m in mails(office, 101) if not m.automatic]
    assert "已修好 done" in got.text
    await house.until(lambda: told(house, first, "note.added"), 60)
    assert "不要告诉客户" not in str([m.text for m in mails(office, 101)])

    await act(f"/ticket/{one}", {"MergeInto": other}, "PUT")
    await house.until(lambda: told(house, first, "ticket.merged"), 60)
    await house.reply(first, "We told you by telephone.")
    await house.idle(120)
    history = await asyncio.to_thread(tracker.history, other)
    assert [words for type_, words in history if type_ == "Comment" and "by telephone" in words]

    await act(f"/ticket/{other}", {"Status": "resolved"}, "PUT")
    await house.until(lambda: told(house, second, "record.state_changed", "closed"), 60)
    await act(f"/ticket/{other}", None, "DELETE")
    await house.until(lambda: told(house, second, "ticket.deleted"), 60)


async def test_a_tracker_that_is_down_gets_everything_when_it_is_back(
    house: House, tracker: RequestTracker
) -> None:
    tracker.stop()
    reference = await bring(house, 201)
    await house.until(lambda: failing(house))
    await asyncio.to_thread(tracker.start)
    await house.idle(120)
    assert len(await asyncio.to_thread(tracker.tickets, reference)) == 1


async def failing(house: House) -> bool:
    found = await house.health("desk")
    return bool(found and found["state"] == "failing")


async def told(house: House, reference: str, type_: str, state: str = "") -> bool:
    found = await house.ask("GET", f"/v1/records/{reference}/timeline")
    return any(
        one["type"] == type_ and (not state or one["data"].get("to") == state) for one in found["events"]
    )
