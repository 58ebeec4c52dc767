"""Rig of the destination kind `http`, and the sink that also takes the replies of web hooks.

    async with Sink() as sink:
        destination = SPEC.build(SPEC.settings.model_validate(settings(sink)), bench.tools("tickets"))
        sink.next(Refuse(503, {"retry-after": "7"}))      # the next request only
        ...
        assert sink.tickets == {"key-1": "T-1"}           # accepted, by idempotency key
        assert sink.tries["key-1"] == 2                   # every request that reached it

The sink listens on a free loopback port. It signs what it got with the `standardwebhooks` library, which
shares no code with ours, and refuses with 401 what bears another signature.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from standardwebhooks.webhooks import Webhook

from destinations.contract import HandOver
from tests.rigs.tools import NOW

#: The secret that both sides of the rigs know.
SECRET = "whsec_ZmJndy1zdGFuZGFyZC13ZWJob29rcy10ZXN0LWtleSE="


@dataclass(frozen=True)
class Refuse:
    """Answer with a status instead of taking the request."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True)
class Hang:
    """Read the request, take it if `takes`, and never answer."""

    takes: bool = True


@dataclass(frozen=True)
class Drop:
    """Read the request, take it if `takes`, and close the connection without an answer."""

    takes: bool = True


@dataclass(frozen=True)
class Got:
    """One request as it reached the sink."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Sink:
    """A far side on loopback: takes what is signed well, once a key, and counts."""

    def __init__(self, secret: str | None = SECRET) -> None:
        self._webhook = Webhook(secret) if secret else None
        self._next: deque[Refuse | Hang | Drop] = deque()
        self._always: Refuse | Hang | Drop | None = None
        self._runner: web.AppRunner | None = None
        self._released = asyncio.Event()
        self.requests: list[Got] = []
        self.tickets: dict[str, str] = {}
        """What was accepted: idempotency key to the ticket number that was answered."""
        self.tries: Counter[str] = Counter()
        self.forged = 0
        """Requests whose signature did not hold."""
        self.url = ""

    def next(self, *behaviours: Refuse | Hang | Drop) -> None:
        """What to do with the next requests, one each; after them the sink takes everything again."""
        self._next.extend(behaviours)

    def always(self, behaviour: Refuse | Hang | Drop | None) -> None:
        """What to do with every request; None to take them again."""
        self._always = behaviour

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/hook"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        got = Got(request.method, request.path_qs, headers, await request.read())
        self.requests.append(got)
        behaviour = self._next.popleft() if self._next else self._always
        if isinstance(behaviour, Refuse):
            return web.Response(status=behaviour.status, headers=behaviour.headers, text=behaviour.body)
        if request.method in ("HEAD", "OPTIONS", "GET"):
            return web.Response()
        if not self._signed_well(got):
            self.forged += 1
            return web.Response(status=401)
        ticket = self._take(got) if behaviour is None or behaviour.takes else ""
        if isinstance(behaviour, Hang):
            await self._released.wait()
        if isinstance(behaviour, Drop) and request.transport is not None:
            request.transport.abort()
        return web.json_response({"ticket": {"id": ticket}}, status=201)

    def _take(self, got: Got) -> str:
        key = got.headers.get("idempotency-key", "")
        self.tries[key] += 1
        return self.tickets.setdefault(key, f"T-{len(self.tickets) + 1}")

    def _signed_well(self, got: Got) -> bool:
        """By the independent library's own signature; the time is the rig's, so its age is not looked at."""
        if self._webhook is None:
            return True
        message_id, seconds = got.headers.get("webhook-id", ""), got.headers.get("webhook-timestamp", "")
        given = got.headers.get("webhook-signature", "")
        if not (message_id and seconds.isdigit()):
            return False
        at = datetime.fromtimestamp(int(seconds), UTC)
        return hmac.compare_digest(self._webhook.sign(message_id, at, got.body.decode()), given)


def settings(sink: Sink) -> dict[str, Any]:
    """Settings of a destination that hands over to the sink."""
    return {"kind": "http", "url": sink.url, "secret": SECRET, "remote_id": "ticket.id", "timeout": 5}


def hand_over(n: int = 1) -> HandOver:
    """The n-th distinct hand-over; always the same for the same n."""
    record = {"reference": f"FB-261122-{n:05d}", "text": f"第 {n} 封 letter", "received_at": NOW}
    return HandOver(
        key=f"key-{n}", type="record.registered", reference=f"FB-261122-{n:05d}", at=NOW, record=record
    )
