"""The daemon at its edges: stopping, tokens, holds, and what answers to whom."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from config.load import load
from gateway import server
from gateway.services import admin_token
from store import facts, leases
from tests.rigs.daemon import House
from tests.rigs.http import Hang
from tests.rigs.office import TOKEN, Office
from tests.rigs.ways import Hook


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with Office() as office:
        yield office


async def test_a_stopping_daemon_holds_its_lease_until_what_it_sends_has_ended(
    office: Office, tmp_path: Path
) -> None:
    """Else replicas take what is under way for a dead process's, and send it once more."""
    config = office.config(
        tmp_path / "data", leases={"ttl": 1.5, "renew": 0.1}, outbox={"attempt_timeout": 3}
    )
    house = House(config, tmp_path)
    async with house:
        office.chat.next(Hang())
        await Hook().bring(house, 1, office=office)
        await house.until(lambda: office.chat.requests)
        stopping = asyncio.create_task(house.daemon.stop())
        owner, seen = house.store.owner, []
        while not stopping.done():
            seen.append(owner in await house.store.read(lambda c: leases.living(c, house.store.now())))
            await asyncio.sleep(0.1)
        await stopping
        assert len(seen) > 8 and all(seen[:-1])
        assert owner not in await house.store.read(lambda c: leases.living(c, house.store.now()))
        house.audits = False


async def test_a_stop_does_not_wait_long_for_who_holds_a_request_open(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_FINISH", 0.2)
    house = House(office.config(tmp_path / "data"), tmp_path)
    async with house:
        house.audits = False
        headers = {"Authorization": f"Bearer {TOKEN}"}
        asked = asyncio.create_task(
            house.session.get(f"{house.url}/v1/events?after=99999&wait=60", headers=headers)
        )
        await asyncio.sleep(0.2)
        async with asyncio.timeout(8):
            await house.daemon.stop()
        asked.cancel()
        with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
            await asked


async def test_an_empty_token_file_lets_nobody_in(office: Office, tmp_path: Path) -> None:
    config = office.config(tmp_path / "data", api={"admin_token": None})
    house = House(config, tmp_path)
    loaded = load(house.path)
    data = tmp_path / "data"
    data.mkdir()
    (data / "admin-token").write_text("")
    token, new = admin_token(loaded, data)
    assert new and len(token) > 20
    assert admin_token(loaded, data) == (token, False)
    assert (data / "admin-token").stat().st_mode & 0o777 == 0o600


async def test_a_hold_that_was_released_elsewhere_ends_here_too(office: Office, tmp_path: Path) -> None:
    """Replicas share one database: none may wait, with a poller's lease in hand, for its own restart."""
    async with House(office.config(tmp_path / "data"), tmp_path) as house:
        await house.store.run(lambda c: facts.put(c, "hold", "restored"))
        house.store.on_hold = True
        await asyncio.sleep(0.7)
        assert house.store.on_hold
        await house.store.run(facts.release)
        await house.until(lambda: not house.store.on_hold)


async def test_an_embedded_store_waits_for_no_lease_of_a_dead_process(office: Office, tmp_path: Path) -> None:
    """After a crash and a clock set back, a polled account would have no owner for hours."""
    house = House(office.config(tmp_path / "data"), tmp_path)
    await house.start_store()
    now, day = house.store.now(), timedelta(days=1)
    assert await house.store.run(lambda c: leases.take(c, "poll:box", "dead", day, now)) == 1
    assert await house.store.run(lambda c: leases.take(c, "poll:box", "me", day, now)) is None
    await house.store.close()
    await house.start_store()
    assert await house.store.run(lambda c: leases.take(c, "poll:box", "me", day, now)) == 2
    await house.store.close()


#: Who needs no token, and why: pages for customers, doors that verify for themselves, probes.
_OPEN = {
    "/", "/form", "/form.js", "/form/{channel}", "/status", "/status/{address}", "/language/{tag}",
    "/chat.js", "/chat/{channel}", "/chat/{channel}/live",  # whose first frame says who it is
    "/static/{name}", "/robots.txt", "/files/{address}", "/q/{address}", "/v1/schema/record", "/v1/openapi.json",
    "/desk/login",
    "/healthz", "/readyz", "/in/{channel}", "/in/{channel}/{rest}",
    "/back/{destination}",  # which proves itself like a door
}  # fmt: skip


#: What stands for a part of an address that takes only some words.
_NAMES = {"box": "inbox", "channel": "chat", "verb": "link", "n": "1"}


async def test_every_other_address_wants_to_know_who_asks(office: Office, tmp_path: Path) -> None:
    config = office.config(tmp_path / "data", metrics={"allow": []})
    async with House(config, tmp_path) as house:
        runner: Any = house.daemon.server._runner
        routes = {(route.method, route.resource.canonical) for route in runner.app.router.routes()}
        assert {path for _, path in routes} >= _OPEN
        asked = 0
        for method, path in sorted(routes):
            if path in _OPEN:
                continue
            url = house.url + re.sub(r"{(\w+)}", lambda found: _NAMES.get(found[1], found[1]), path)
            for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer \xff\xfe"}):
                async with house.session.request(
                    method if method != "*" else "POST", url, headers=headers, allow_redirects=False, json={}
                ) as answer:
                    to_login = answer.status == 303 and answer.headers["Location"].startswith("/desk/login")
                    assert answer.status in (401, 403) or to_login, (method, path, headers, answer.status)
                    asked += 1
        assert asked > 60


async def test_an_address_that_a_proxy_passes_on_unread_is_no_error(office: Office, tmp_path: Path) -> None:
    config = office.config(tmp_path / "data", trusted_proxies=["127.0.0.0/8"], metrics={"allow": []})
    async with House(config, tmp_path) as house:
        odd = {"X-Forwarded-For": "nobody knows"}
        async with house.session.get(house.url + "/metrics", headers=odd) as answer:
            assert answer.status == 403
