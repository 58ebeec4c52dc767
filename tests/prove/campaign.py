"""Mixed messages by every kind, answers by the API, and lives of the daemon that end at once.

The clients behave as real sources do: they bring a message with the same identity until somebody says that
it was taken. What customers and ticket stores got is counted by the far sides, not by the house.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from tests.rigs import form
from tests.rigs.office import TOKEN, Office
from tests.rigs.process import Process
from tests.rigs.ways import WAYS, Form, Hook, Told, Way

#: Clients at the same time.
CLIENTS = 6
#: The words that a rule holds for a person.
HOLD = "please hold this"


class Ask(Hook):
    """A web hook whose acknowledgement rides on the answer."""

    channel = "ask"


@dataclass
class Sent:
    """One message as its source sees it."""

    way: Way
    n: int
    id: str
    text: str
    told: Told | None = None


@dataclass
class Campaign:
    """One run over one data folder."""

    process: Process
    office: Office
    mail_port: int
    chance: random.Random
    sent: list[Sent] = field(default_factory=list)
    replied: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Idempotency key of the client to reference and text."""
    troubles: Counter[str] = field(default_factory=Counter)
    _count: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _ending: bool = False

    # What a way asks of a house.

    @property
    def url(self) -> str:
        return self.process.url

    def port(self, channel: str) -> int:
        return self.mail_port

    def now(self) -> datetime:
        return datetime.now(UTC)

    # ---- life

    async def begin(self) -> None:
        """Start the clients; they wait for a house to come."""
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True), timeout=aiohttp.ClientTimeout(total=8)
        )
        self._ending = False
        self._tasks = [asyncio.create_task(self._client()) for _ in range(CLIENTS)]
        self._tasks += [asyncio.create_task(self._clerk()), asyncio.create_task(self._operator())]

    async def finish(self) -> None:
        """Let every client bring what it has begun, and end."""
        self._ending = True
        _, late = await asyncio.wait(self._tasks, timeout=60)
        open_ = [f"{one.way} {one.id}" for one in self.sent if one.told is None]
        assert not late, f"{len(late)} clients are not done: {open_}; {self.troubles}; {self.process.tail()}"
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """End the clients at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.session.close()

    async def _client(self) -> None:
        while not self._ending:
            one = self._next()
            self.sent.append(one)
            one.told = await self._until_taken(lambda one=one: self._bring(one))  # type: ignore[misc]
            await asyncio.sleep(0.02)

    def _next(self) -> Sent:
        self._count += 1
        n = self._count
        way: Way = self.chance.choice([*(one for one in WAYS if one.counted), Ask()])
        text = f"Matter {n} of {way.channel}: the lift stands still."
        kind = n % 12
        if kind == 3:
            text += f" {HOLD}"
        if kind == 5:
            text += " " + "long " * 16_000  # more than is kept in a row
        return Sent(way, n, f"id-{n}", text)

    async def _bring(self, one: Sent) -> Told:
        way, n = one.way, one.n
        if isinstance(way, Form) and n % 5 == 0:
            fields = {**form.fields(n), "message": one.text}
            body = form.multipart(fields.items(), [("photo", f"photo-{n}.txt", b"pixels %d" % n)])
            media = f"multipart/form-data; boundary={form.BOUNDARY}"
            return await way.post(self, body, id=one.id, content_type=media)  # type: ignore[arg-type]
        if type(way) is Hook and n % 3 == 0:
            # Three customers talk on and on: their messages join.
            event = way.event(n, one.text, conversation=f"talk-{n % 2}")
            return await way.post(self, event, one.id)  # type: ignore[arg-type]
        return await way.bring(self, n, id=one.id, text=one.text, office=self.office)  # type: ignore[arg-type]

    async def _until_taken(self, bring: Callable[[], Awaitable[Told]]) -> Told:
        while True:
            try:
                told = await bring()
            except (
                aiohttp.ClientError,
                OSError,
                TimeoutError,
                asyncio.IncompleteReadError,
                ValueError,
            ) as error:
                self.troubles[type(error).__name__] += 1
            else:
                if told.taken is not False:
                    return told
                self.troubles[f"status {told.status}"] += 1
            await asyncio.sleep(0.05)

    # ---- answers and the operator

    async def _clerk(self) -> None:
        """Answers every third record, and asks again with the same key when the house died meanwhile."""
        seen: set[str] = set()
        while not self._ending:
            told = await self._api("GET", "/v1/records?limit=50")
            fresh = [r["reference"] for r in (told or {}).get("records", ()) if r["reference"] not in seen]
            for reference in fresh[:5]:
                seen.add(reference)
                if len(seen) % 3:
                    continue
                key, text = f"answer-{reference}", f"Answer to {reference}."
                self.replied[key] = (reference, text)
                path = f"/v1/records/{reference}/replies"
                await self._until_answered(path, text, key)
            await asyncio.sleep(0.1)

    async def _until_answered(self, path: str, text: str, key: str) -> None:
        """Ask again, with the same key, until somebody says that the answer is on its way."""
        answer = None
        while answer is None:
            answer = await self._api("POST", path, {"text": text}, {"Idempotency-Key": key})
            await asyncio.sleep(0.05)

    async def _operator(self) -> None:
        """Brings unreadable forms, and puts what is held or unreadable back into the line."""
        turn = 0
        while not self._ending:
            turn += 1
            cut = b'{"message": "cut off %d' % turn
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                await Form().post(self, cut)  # type: ignore[arg-type]
            for state, verb in (("held", "release"), ("quarantined", "replay")):
                told = await self._api("GET", f"/v1/inbox?state={state}&limit=20")
                ids = [one["id"] for one in (told or {}).get("envelopes", ())]
                if ids:
                    await self._api("POST", f"/v1/inbox/{verb}", {"ids": ids[:3]})
            for verb in ("pause", "resume"):
                await self._api("POST", f"/v1/channels/tickets/{verb}")
            await asyncio.sleep(0.2)

    async def _api(self, method: str, path: str, body: Any = None, more: dict[str, str] | None = None) -> Any:
        """JSON of an answer; None when there was none, or no good one."""
        headers = {"Authorization": f"Bearer {TOKEN}", **(more or {})}
        try:
            async with self.session.request(method, self.url + path, json=body, headers=headers) as answer:
                raw = await answer.read()
                if answer.status >= 300:
                    self.troubles[f"{method} {path.partition('?')[0]}: {answer.status} {raw[:200]!r}"] += 1
                    return None
                return json.loads(raw)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None

    # ---- the end

    async def settle(self) -> None:
        """With nobody killing any more: release what is held, and wait until nothing is open."""
        end = asyncio.get_running_loop().time() + 90
        await self._api("POST", "/v1/channels/tickets/resume")
        while True:
            held = await self._api("GET", "/v1/inbox?state=held&limit=1000")
            if held and held["envelopes"]:
                await self._api(
                    "POST", "/v1/inbox/release", {"ids": [one["id"] for one in held["envelopes"]]}
                )
            opened = await self._api("GET", "/v1/inbox?state=waiting&state=claimed&limit=1")
            owed = await self._api("GET", "/v1/outbox?state=waiting&state=claimed&state=uncertain&limit=1")
            done = all(told is not None for told in (held, opened, owed))
            if done and not (held["envelopes"] or opened["envelopes"] or owed["deliveries"]):
                return
            assert asyncio.get_running_loop().time() < end, (held, opened, owed, self.process.tail())
            await asyncio.sleep(0.1)

    async def everything(self, path: str, name: str) -> list[Any]:
        """All pages of a list."""
        found: list[Any] = []
        cursor = ""
        while True:
            told = await self._api("GET", f"{path}{cursor}")
            assert told is not None
            found += told[name]
            if not told.get("next"):
                return found
            cursor = f"&cursor={told['next']}"

    async def audit(self) -> Any:
        """What `forebay audit` says."""
        return await self._api("POST", "/v1/admin/audit", {})


def by_text(found: list[Any]) -> dict[int, list[Any]]:
    """Records by the number of the matter that their text begins with."""
    numbered: dict[int, list[Any]] = defaultdict(list)
    for one in found:
        words = one["text"].split()
        if words[:1] == ["Matter"]:
            numbered[int(words[1])].append(one)
    return numbered
