"""The real daemon under test: in this process on free ports, with points where a test may look in or wait.

async with House(office.config(tmp_path / "data"), tmp_path, points=points) as house:
    status, told = await house.api("GET", "/v1/records")
    await house.until(lambda: len(office.smtp.accepted) == 1)
    await house.idle()                                  # nothing waits, nothing is under way
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import pytest
from sqlalchemy import Connection, select

from config.load import Loaded, load
from config.settings import LogSettings
from connectors.catalog import CATALOG
from connectors.contract import ConnectorSpec
from gateway.daemon import Daemon
from gateway.logs import set_up
from gateway.tools import SystemClock, SystemIds
from model.delivery import Message
from outbox.slots import Slot
from store.schema import TABLES
from store.store import Store
from tests import databases
from tests.rigs.office import TOKEN
from tests.rigs.waiting import until

T = TypeVar("T")


class MovedClock(SystemClock):
    """The machine's time, moved by a test."""

    def __init__(self) -> None:
        self.by = timedelta()

    def now(self) -> datetime:
        return super().now() + self.by


class Points:
    """A hook of the house: counts the named points, and waits or acts there when told to."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self._gates: dict[str, threading.Event] = {}
        self._reached: dict[str, threading.Event] = {}
        self._acts: dict[str, Callable[[], None]] = {}

    def __call__(self, name: str) -> None:
        self.hits[name] += 1
        act = self._acts.get(name)
        if act is not None:
            act()
        gate = self._gates.get(name)
        if gate is not None:
            self._reached[name].set()
            gate.wait(30)

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[Callable[[], Awaitable[None]]]:
        """Hold whoever comes to a point of the writer; gives a function that waits until somebody has."""
        gate, reached = threading.Event(), threading.Event()
        self._reached[name], self._gates[name] = reached, gate

        async def arrived() -> None:
            assert await asyncio.to_thread(reached.wait, 10), f"nobody came to {name}"

        try:
            yield arrived
        finally:
            del self._gates[name]
            gate.set()

    @contextlib.contextmanager
    def acting(self, name: str, act: Callable[[], None]) -> Iterator[None]:
        """Do something at a point."""
        self._acts[name] = act
        try:
            yield
        finally:
            del self._acts[name]


def doors_wait(monkeypatch: pytest.MonkeyPatch, seconds: float = 120.0) -> float:
    """Let doors wait so long for what rides on their answers, whatever their settings say; gives the seconds."""
    wait = Slot.message

    async def patient(slot: Slot, _: float) -> Message | None:
        return await wait(slot, seconds)

    monkeypatch.setattr(Slot, "message", patient)
    return seconds


class House:
    """One daemon and what a test asks of it; leaving it proves that its books balance (law 4)."""

    def __init__(
        self,
        config: Mapping[str, Any],
        folder: Path,
        *,
        points: Callable[[str], None] | None = None,
        clock: SystemClock | None = None,
        connectors: Mapping[str, ConnectorSpec] = CATALOG,
    ) -> None:
        self.path = folder / "forebay.yaml"
        self.write(config)
        self._points = points
        self._connectors = connectors
        self._clock = clock or SystemClock()
        self.log = io.StringIO()
        self.audits = True
        """Whether the books are looked at in the end; False for a test that breaks them on purpose."""

    def write(self, config: Mapping[str, Any]) -> None:
        """Write the configuration file; JSON is YAML."""
        self.path.write_text(json.dumps(config, ensure_ascii=False, indent=1), encoding="utf-8")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self.audits:
                await self.balanced()
        finally:
            await self.stop()

    async def start_store(self) -> None:
        """Open the store alone."""
        self.loaded: Loaded = load(self.path, connectors=self._connectors)
        settings = self.loaded.settings
        databases.lay_embedded(settings.database, settings.data)
        self.store: Store = await Store(
            settings.database,
            settings.data,
            self._clock,
            SystemIds(),
            on_fatal=databases.fail_test,
            hook=self._points,
        ).open()

    async def start(self) -> None:
        """Start as `gateway.daemon.run` does, without its signal handlers."""
        set_up(LogSettings(format="json", level="debug"), self.log)
        await self.start_store()
        try:
            self.daemon = Daemon(self.loaded, self.store, TOKEN, self._points)
            await self.daemon.start()
        except BaseException:
            await self.store.close()
            raise
        self.url = self.daemon.server.url
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        await self.until(self.doors_open)

    async def stop(self) -> None:
        """End in good order."""
        await self.session.close()
        await self.daemon.stop()
        await self.store.close()

    def doors_open(self) -> bool:
        """Every door of a channel that has one of its own can be knocked at."""
        doors = [
            getattr(one.connector, "door", None) for one in self.daemon.house.channels.values() if one.open
        ]
        return all(door.port is not None for door in doors if door is not None)

    def look(self, query: Callable[[Connection], T]) -> T:
        """What a query function returns, at once: for looking at the store between two awaits."""
        with self.store._read_engine.connect() as connection:
            return query(connection)

    def port(self, channel: str) -> int:
        """Where the channel's own door listens."""
        connector: Any = self.daemon.house.channels[channel].connector
        return int(connector.door.port)

    def now(self) -> datetime:
        """The time as the house sees it."""
        return self._clock.now()

    # ---- the API

    async def api(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of one request with the administrator's token; header names with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, self.url + path, json=body, headers={"Authorization": f"Bearer {TOKEN}", **named}
        ) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a request that must work."""
        status, told = await self.api(method, path, body)
        assert status < 300, (status, told)
        return told

    async def reply(self, reference: str, text: str, key: str | None = None) -> tuple[int, Any]:
        """Answer a customer."""
        more = {"Idempotency_Key": key} if key else {}
        return await self.api("POST", f"/v1/records/{reference}/replies", {"text": text}, **more)

    async def records(self) -> list[Any]:
        """All records, newest first."""
        return list((await self.ask("GET", "/v1/records?limit=200"))["records"])

    async def envelopes(self, *states: str) -> list[Any]:
        """Envelopes in the states (all when none is named), newest first."""
        query = "&".join(["limit=1000", *(f"state={one}" for one in states)])
        return list((await self.ask("GET", f"/v1/inbox?{query}"))["envelopes"])

    async def deliveries(self, purpose: str | None = None, **where: str) -> list[Any]:
        """Deliveries, newest first."""
        query = "".join(f"&{name}={value}" for name, value in where.items())
        chosen = f"&purpose={purpose}" if purpose else ""
        return list((await self.ask("GET", f"/v1/outbox?limit=1000{chosen}{query}"))["deliveries"])

    async def health(self, name: str) -> Any:
        """What the house says about one channel or destination."""
        told = await self.ask("GET", "/v1/health")
        return next((one for one in told["health"] if one["name"] == name), None)

    # ---- waiting

    async def until(self, holds: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Wait for a condition, plain or asynchronous; its value."""
        return await until(holds, seconds, lambda: self.log.getvalue()[-3000:])

    async def idle(self, seconds: float = 30.0) -> None:
        """Wait until nothing is due or under way, neither in nor out."""
        await self.until(self._nothing_open, seconds)

    async def _nothing_open(self) -> bool:
        def count(connection: Connection) -> int:
            return sum(
                connection.execute(
                    select(TABLES[table].c.id).where(TABLES[table].c.state.in_(states)).limit(1)
                ).first()
                is not None
                for table, states in (
                    ("envelope", ("waiting", "claimed")),
                    ("delivery", ("waiting", "claimed", "uncertain")),
                )
            )

        return await self.store.read(count) == 0

    # ---- inside

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, oldest first."""
        t = TABLES[table]
        query = select(t).order_by(*t.primary_key.columns)
        return await self.store.read(lambda c: [dict(row) for row in c.execute(query).mappings()])

    async def balanced(self) -> Any:
        """Prove law 4."""
        told = await self.ask("POST", "/v1/admin/audit", {})
        assert told["balanced"], told
        return told
