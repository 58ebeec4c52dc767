"""A day of an office: a customer writes by each kind of conversation, is acknowledged and answered, writes again,
and is answered once more when the reply window is closed. The daemon is killed twice meanwhile.

The far sides are those of `tests.rigs`, which speak the platforms' own protocols and count what they took.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from sqlalchemy import Connection

from store import engine
from tests.rigs.office import TOKEN, Office
from tests.rigs.process import Process, free_port
from tests.rigs.ways import WAYS, Chat, Told, Way, mails

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]

T = TypeVar("T")

#: How long a reply window is open here, seconds; the platforms' own are of hours.
WINDOW = 100
TALKS: tuple[Way, ...] = tuple(way for way in WAYS if way.converses)


class Day:
    """A daemon in a process of its own, and what sources and clerks ask of it, again and again until it lives."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process = process
        self._folder = folder
        self.trouble = ""
        """The last answer that was none of the good ones."""
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True), timeout=aiohttp.ClientTimeout(total=8)
        )

    @property
    def url(self) -> str:
        return self.process.url

    def now(self) -> datetime:
        return datetime.now(UTC)

    def look(self, query: Callable[[Connection], T]) -> T:
        """What a query finds in the store, from outside the process."""
        write, read = engine.open_engines(engine.sqlite_url(self._folder / "data"), writers=1, readers=1)
        try:
            with read.connect() as connection:
                return query(connection)
        finally:
            read.dispose()
            write.dispose()

    async def until(self, do: Callable[[], Awaitable[T]], what: str, seconds: float = 90) -> T:
        """Ask again until there is something, as a patient source does whose far side died."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
                if found := await do():
                    return found
            assert asyncio.get_running_loop().time() < end, (
                f"{what}: not in {seconds:g} s; {self.trouble}; {self.process.tail()}"
            )
            await asyncio.sleep(0.1)

    async def api(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """JSON of an answer; None when it was none of the good ones."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {TOKEN}"
        async with self.session.request(method, self.url + path, json=body, headers=named) as answer:
            raw = await answer.read()
            if answer.status >= 300:
                self.trouble = f"{method} {path}: {answer.status} {raw[:300]!r}"
                return None
            return json.loads(raw)

    async def kill(self) -> None:
        """A power cut, and the next life."""
        await self.process.kill()
        assert await self.process.start(), self.process.tail()


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with Office() as office:
        yield office


@pytest.fixture
async def day(office: Office, tmp_path: Path) -> AsyncIterator[Day]:
    talks = {way.channel: _talking(office.channels()[way.channel], way) for way in TALKS}
    config = office.config(
        tmp_path / "data",
        listen={"port": free_port()},
        log={"format": "json", "level": "warning"},
        channels=talks,
    )
    process = Process(config, tmp_path)
    assert await process.start(), process.tail()
    day = Day(process, tmp_path)
    office.house = day
    try:
        yield day
    finally:
        await day.session.close()
        if not process.dead:
            await process.kill()


def _talking(settings: Mapping[str, Any], way: Way) -> dict[str, Any]:
    """A channel whose window closes soon, where it has one, and whose answers go by mail then."""
    closes = {} if isinstance(way, Chat) else {"windows": {"message": {"lasts": WINDOW}}}
    unseen = {"unseen_after": 5} if isinstance(way, Chat) else {}
    return {**settings, "fallback": ["mail"], **closes, **unseen}


async def test_a_day_over_every_kind_of_conversation(day: Day, office: Office) -> None:
    customers = {way: n for n, way in enumerate(TALKS, 1)}

    # They write, the daemon dies in the middle of it, and every one of them is in the register once.
    async def write(way: Way, n: int, id: str, text: str) -> Told:
        async def once() -> Told | None:
            told = await way.bring(day, n, id=id, text=text, office=office)  # type: ignore[arg-type]
            return told if told.taken is not False else None

        return await day.until(once, f"{way} writes")

    writing = [asyncio.create_task(write(way, n, f"first-{n}", _first(n))) for way, n in customers.items()]
    await asyncio.sleep(0.3)
    await day.kill()
    await asyncio.gather(*writing)

    references = {}
    for way, n in customers.items():
        record = await day.until(lambda n=n: _record(day, _first(n)), f"{way} is registered")  # type: ignore[misc]
        assert record["channel"]["kind"] == way.kind
        assert {"kind": "email", "value": f"customer{n}@example.com"} in record["contact"]["identities"]
        references[way] = record["reference"]

    # A clerk answers all, and the daemon dies in the middle of it.
    async def answer(way: Way, key: str, text: str) -> Any:
        path = f"/v1/records/{references[way]}/replies"
        return await day.until(
            lambda: day.api("POST", path, {"text": text}, Idempotency_Key=f"{way}-{key}"),
            f"{way} is answered",
        )

    answering = [
        asyncio.create_task(answer(way, "one", f"First answer to {n}.")) for way, n in customers.items()
    ]
    await asyncio.sleep(0.2)
    await day.kill()
    await asyncio.gather(*answering)

    # They got the acknowledgement and the answer by the way they came, unless the deaths left a doubt, which is shown.
    for way, n in customers.items():
        await day.until(lambda way=way: _settled(day, references[way]), f"{way} has its answer")  # type: ignore[misc]
        for purpose, said in (("acknowledgement", references[way]), ("reply", f"First answer to {n}.")):
            heard = [one for one in way.got(office, n) if said in one.text]
            doubts = await _doubts(day, references[way], purpose)
            assert len(heard) == 1 or (len(heard) in (0, 2) and doubts), (way, purpose, len(heard), doubts)

    # They write again, which joins, and the window opens anew; the desk says for how long.
    for way, n in customers.items():
        await write(way, n, f"second-{n}", f"Second words of {n}.")
    for way in customers:
        await day.until(lambda way=way: _joined(day, references[way]), f"{way} goes on")  # type: ignore[misc]

    # The day goes by; the windows close; the answer takes the other way.
    await asyncio.sleep(WINDOW)
    for way, n in customers.items():
        await answer(way, "two", f"Last answer to {n}.")
    for way, n in customers.items():

        async def by_mail(n: int = n) -> bool:
            return any(f"Last answer to {n}." in one.text for one in mails(office, n))

        await day.until(by_mail, f"{way} is answered by mail")
        assert len({one.key for one in mails(office, n) if "Last answer" in one.text}) == 1

    # Every timeline tells the whole of it, in order, and the books balance.
    for way in customers:
        told = await day.until(
            lambda way=way: day.api("GET", f"/v1/records/{references[way]}/timeline"),
            "the timeline",  # type: ignore[misc]
        )
        types = [one["type"] for one in told["events"]]
        assert types[0] == "record.registered"
        assert types.count("message.joined") == 1
        assert types.count("reply.queued") >= 2
        assert types.index("message.joined") < max(n for n, one in enumerate(types) if one == "reply.queued")
    audit = await day.until(lambda: day.api("POST", "/v1/admin/audit", {}), "the audit")
    assert audit["balanced"], audit
    assert await day.process.stop() == 0, day.process.tail()


def _first(n: int) -> str:
    return f"First words of {n}: the lift stands still. My e-mail is customer{n}@example.com."


async def _record(day: Day, text: str) -> Any:
    told = await day.api("GET", "/v1/records?limit=200")
    found = [one for one in (told or {}).get("records", ()) if one["text"].strip() == text]
    assert len(found) <= 1, "one record"
    return found[0] if found else None


async def _deliveries(day: Day, reference: str, purpose: str) -> list[Any]:
    told = await day.api("GET", f"/v1/records/{reference}/timeline")
    return [one for one in (told or {}).get("deliveries", ()) if one["purpose"] == purpose]


async def _settled(day: Day, reference: str) -> bool:
    rows = [
        one for purpose in ("acknowledgement", "reply") for one in await _deliveries(day, reference, purpose)
    ]
    ours = [one for one in rows if one["target"] != "mail"]
    return len(ours) >= 2 and all(one["state"] in ("delivered", "held", "cancelled") for one in ours)


async def _doubts(day: Day, reference: str, purpose: str) -> int:
    """Tries that nobody knows the end of."""
    rows = await _deliveries(day, reference, purpose)
    return sum(one["outcome"] == "uncertain" for row in rows for one in row["tries"])


async def _joined(day: Day, reference: str) -> bool:
    told = await day.api("GET", f"/v1/records/{reference}/timeline")
    return any(one["type"] == "message.joined" for one in (told or {}).get("events", ()))
