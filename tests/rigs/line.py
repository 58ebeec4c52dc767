"""Rig of the kind `line`: LINE's Messaging API on loopback, after https://developers.line.biz/en/reference/messaging-api/.

    async with MessagingApi() as far:
        connector = SPEC.build(SPEC.settings.model_validate(settings(far)), bench.tools("line"))
        batch = connector.receive(request(event(1, "电梯坏了")))
        assert far.sent == [...]

Reply tokens work once; retry keys are remembered and answered with 409; a month's quota counts what is pushed.
Its requests are signed as line-bot-sdk's validator wants them (tests/connectors/line).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from connectors.contract import Request
from tests.rigs.platform import Platform, takes
from tests.rigs.tools import NOW

KIND = "line"
SECRET = "line_channel_secret_marked_by_tests"
TOKEN = "marked-by-tests-line-token/1O/w1cDnyilFU="
ACCOUNT = "U" + "a" * 32
_AT = int(NOW.timestamp() * 1_000)


@dataclass(frozen=True)
class Sent:
    """What one call of the account sent to a customer."""

    way: str
    to: str
    texts: tuple[str, ...]
    retry_key: str = ""


class MessagingApi(Platform):
    """LINE, as one account sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Sent] = []
        self.tokens: dict[str, str] = {}
        """Reply tokens that were given and not used, with whom they reach."""
        self.files: dict[str, tuple[str, bytes]] = {}
        self.preparing: set[str] = set()
        self.people: dict[str, dict[str, str]] = {}
        self.quota: int | None = None
        self.hooked = True
        self._taken: dict[str, str] = {}
        self._number = 0

    def event(self, n: int, text: str | None = None, **more: Any) -> dict[str, Any]:
        """The n-th customer's next event, whose reply token works."""
        self._number += 1
        made = event(n, self._number, text, **more)
        self.people.setdefault(
            person(n), {"displayName": f"顾客 {n}", "userId": person(n), "language": "zh-CN"}
        )
        if "replyToken" in made:
            self.tokens[made["replyToken"]] = person(n)
        return made

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error(401, "Authentication failed. Confirm that the access token is valid.")
        path = request.path
        if path in ("/v2/bot/message/reply", "/v2/bot/message/push"):
            got, behaviour = await self._told(request)
            way = path.rpartition("/")[2]
            answer = (
                self._send(way, got.json(), got.headers.get("x-line-retry-key", ""))
                if takes(behaviour)
                else None
            )
            return await self._after(request, behaviour, answer or _error(500, "Internal"))
        if path == "/v2/bot/info":
            return web.json_response({"userId": ACCOUNT, "basicId": "@office", "displayName": "Office"})
        if path == "/v2/bot/channel/webhook/endpoint":
            return web.json_response({"endpoint": "https://office.example/in/line", "active": self.hooked})
        if path.startswith("/v2/bot/profile/"):
            known = self.people.get(path.rpartition("/")[2])
            return web.json_response(known) if known else _error(404, "Not found")
        if path.endswith("/content"):
            return self._content(path.split("/")[-2])
        return _error(404, "Not found")

    def _content(self, number: str) -> web.Response:
        if number in self.preparing:
            return web.Response(status=202)
        if number not in self.files:
            return _error(404, "Not found")
        media_type, content = self.files[number]
        return web.Response(body=content, content_type=media_type)

    def _send(self, way: str, told: dict[str, Any], key: str) -> web.Response:
        texts = tuple(one["text"] for one in told["messages"])
        if not 1 <= len(texts) <= 5 or any(
            not 0 < len(one.encode("utf-16-le")) // 2 <= 5_000 for one in texts
        ):
            return _error(400, "The request body has 1 error(s)")
        if way == "reply":
            if key:
                return _error(400, "The retry key is not supported by this endpoint")
            to = self.tokens.pop(told["replyToken"], None)
            if to is None:
                return _error(400, "Invalid reply token")
        else:
            to = told["to"]
            if not isinstance(to, str) or len(to) != 33:
                return _error(400, "The property, 'to', in the request body is invalid (line: -, column: -)")
            if key in self._taken:
                headers = {"x-line-accepted-request-id": self._taken[key]}
                return _error(409, "The retry key is already accepted", headers)
            if self.quota is not None and self.quota <= 0:
                return _error(429, "You have reached your monthly limit.")
            if self.quota is not None:
                self.quota -= 1
        self._number += 1
        if key:
            self._taken[key] = f"request-{self._number}"
        self.sent.append(Sent(way, to, texts, key))
        numbers = [{"id": f"{self._number}{n}", "quoteToken": "q"} for n in range(len(texts))]
        return web.json_response(
            {"sentMessages": numbers}, headers={"x-line-request-id": f"request-{self._number}"}
        )


def person(n: int) -> str:
    return f"U{n:032x}"


def event(n: int, number: int, text: str | None = None, **more: Any) -> dict[str, Any]:
    """An event of the n-th customer; a message when it has a text, and what else it has in `more`."""
    said = (
        {"message": {"type": "text", "id": str(4_000 + number), "quoteToken": "q", "text": text}}
        if text
        else {}
    )
    return {
        "type": "message",
        "mode": "active",
        "timestamp": _AT,
        "source": {"type": "user", "userId": person(n)},
        "webhookEventId": f"01FZ74A0TDDPYRVKNK77{number:06d}",
        "deliveryContext": {"isRedelivery": False},
        "replyToken": f"reply-{number}",
        **said,
        **more,
    }


def settings(far: MessagingApi, **more: Any) -> dict[str, Any]:
    """Settings of the account."""
    return {
        "kind": KIND, "secrets": [SECRET], "token": TOKEN, "api": far.url, "data": far.url, "timeout": 5, **more,
    }  # fmt: skip


def request(*events: dict[str, Any], secret: str = SECRET) -> Request:
    """Events as LINE posts them."""
    body = json.dumps({"destination": ACCOUNT, "events": list(events)}, ensure_ascii=False).encode()
    return signed(body, secret)


def signed(body: bytes, secret: str = SECRET) -> Request:
    """Any body, signed."""
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return Request(
        method="POST",
        path="/in/line",
        headers={"content-type": "application/json; charset=utf-8", "x-line-signature": signature},
        body=body,
        remote="147.92.150.192",
        received_at=NOW,
    )


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"message": message}, status=status, headers=headers)
