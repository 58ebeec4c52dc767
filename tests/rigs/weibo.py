"""Rig of the kind `weibo`: a fake of the fans service's API, and what Weibo posts to our door.

async with Weibo(clock.now) as far:
    connector = SPEC.build(SPEC.settings.model_validate(settings(far)), bench.tools("weibo"))
    connector.receive(signed(push(1, "text", "你好")))
    far.wrote(uid(1))

Built from Weibo's wiki pages "消息推送服务", "Send Customer Service Message" and "Error code". The
signature is made here in the words of that page, so that it is nobody's code but the test's.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote

from aiohttp import web

from connectors.contract import Request
from tests.rigs.http import Drop, Refuse
from tests.rigs.tools import NOW

KIND = "weibo"
SECRET, TOKEN, ACCOUNT = "xyz123xyz", "2.00the-access-token", 1_902_538_057
NONCE = "57155157"


def uid(n: int) -> int:
    """The n-th person."""
    return 2_489_518_000 + n


def settings(far: Weibo | None = None, **more: Any) -> dict[str, Any]:
    """With a far side, its API."""
    api: dict[str, Any] = {}
    if far is not None:
        api = {
            "access_token": TOKEN,
            "send_url": f"{far.url}/2/messages/reply.json",
            "media_url": f"{far.url}/2/mss/msget",
            "people_url": f"{far.url}/2/eps/user/info.json",
            "timeout": 5,
        }
    return {"kind": KIND, "app_secret": SECRET, **api, **more}


def push(n: int, kind: str, text: str = "", at: datetime = NOW, **data: Any) -> str:
    """What the n-th person says or does, as JSON."""
    there = at.astimezone(timezone(timedelta(hours=8)))
    return json.dumps(
        {
            "type": kind,
            "receiver_id": ACCOUNT,
            "sender_id": uid(n),
            "created_at": there.strftime("%a %b %d %H:%M:%S +0800 %Y"),
            "text": text,
            "data": data,
        },
        ensure_ascii=False,
    )


def signed(body: str | bytes, at: datetime = NOW, nonce: str = NONCE, **query: str) -> Request:
    """A push under a good signature."""
    timestamp = str(int(at.timestamp() * 1_000))
    signature = hashlib.sha1("".join(sorted((SECRET, timestamp, nonce))).encode()).hexdigest()
    return Request(
        method="POST",
        path="/in/weibo",
        query={"signature": signature, "timestamp": timestamp, "nonce": nonce, **query},
        headers={"content-type": "application/json"},
        body=body.encode() if isinstance(body, str) else body,
        received_at=at,
    )


def passive(answer: bytes) -> dict[str, Any]:
    """The passive answer, its text decoded."""
    found: dict[str, Any] = json.loads(answer)
    found["data"] = json.loads(unquote(found["data"]))
    return found


class Weibo:
    """The API: a token, windows of 48 hours, texts of fewer than 300 characters, errors with HTTP 400."""

    def __init__(self, now: Callable[[], datetime] = lambda: NOW) -> None:
        self._now = now
        self._runner: web.AppRunner | None = None
        self._next: deque[int | Refuse | Drop] = deque()
        self.url = ""
        self.always_open = False
        self.longest = 299
        self.windows: dict[str, datetime] = {}
        self.got: defaultdict[str, list[str]] = defaultdict(list)
        self.forms: list[dict[str, str]] = []
        self.media: dict[str, bytes] = {}
        self.people: dict[str, dict[str, Any]] = {}

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def next(self, *behaviours: int | Refuse | Drop) -> None:
        """What to do with the next calls: a number is an error code."""
        self._next.extend(behaviours)

    def wrote(self, who: int) -> None:
        self.windows[str(who)] = self._now() + timedelta(hours=48)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
        given = {**request.query, **form}
        behaviour = self._next.popleft() if self._next else None
        if isinstance(behaviour, Refuse):
            return web.Response(status=behaviour.status, text=behaviour.body)
        if isinstance(behaviour, int):
            return _error(behaviour)
        if given.get("access_token") != TOKEN:
            return _error(21332)
        answer = self._take(request.path, given)
        if isinstance(behaviour, Drop) and request.transport is not None:
            request.transport.abort()
        return answer

    def _take(self, path: str, given: dict[str, str]) -> web.Response:
        if path.endswith("msget"):
            if given["fid"] not in self.media:
                return _error(20403)
            return web.Response(body=self.media[given["fid"]], content_type="image/jpeg")
        if path.endswith("info.json"):
            found = self.people.get(given["uid"])
            return web.json_response(found) if found else _error(20003)
        self.forms.append(given)
        text = json.loads(given["data"])["text"]
        who = given["receiver_id"]
        if len(text) > self.longest:
            return _error(20012)
        if not self.always_open and self._now() > self.windows.get(who, self._now() - timedelta(1)):
            return _error(21399, "the quota of messages to this user is used up")
        self.got[who].append(text)
        return web.json_response({"result": True, "id": 3_500_000 + len(self.forms)})


def _error(code: int, words: str = "error words") -> web.Response:
    return web.json_response({"error": words, "error_code": code, "request": "/2/x"}, status=400)
