"""Rig of the kind `telegram`: a server of the Bot API on loopback, after https://core.telegram.org/bots/api.

    async with BotApi() as far:
        connector = SPEC.build(SPEC.settings.model_validate(settings(far)), bench.tools("telegram"))
        far.say(1, "电梯坏了")                  # the first customer writes to the bot
        batch = await connector.fetch(None, timedelta())
        assert far.sent == [...]                # what the bot sent

It takes calls as form, multipart or JSON, as Telegram does; keeps updates until a later offset is asked for; lets one
poller in at a time, and none beside a web hook; keeps the limits of texts and captions, counted in UTF-16.
The client of python-telegram-bot works with it (tests/connectors/telegram).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

from connectors.contract import Request
from tests.rigs.platform import Platform, takes
from tests.rigs.tools import NOW

KIND = "telegram"
TOKEN = "7654321:marked-by-tests-AAHdqTcvCH1vGWJxfSeofSAs0K5"
SECRET = "a_word_that_Telegram_shows"
_DATE = int(NOW.timestamp())
_SENDS = ("sendMessage", "sendPhoto", "sendDocument")


@dataclass(frozen=True)
class Sent:
    """A message of the bot."""

    method: str
    chat: int
    text: str
    values: dict[str, Any]
    files: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    number: int = 0


class BotApi(Platform):
    """Telegram, as one bot sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.updates: list[dict[str, Any]] = []
        """What waits for the bot."""
        self.sent: list[Sent] = []
        self.files: dict[str, bytes] = {}
        self.blocked: set[int] = set()
        self.flooded: dict[int, int] = {}
        """Chats that must wait, with the seconds that are told."""
        self.moved: dict[int, int] = {}
        self.buttons: list[str] = []
        """Buttons that were answered."""
        self.hook: dict[str, Any] = {"url": "", "pending_update_count": 0, "has_custom_certificate": False}
        self.polls: list[dict[str, Any]] = []
        self.polled = asyncio.Event()
        """Set when the first poll came."""
        self.calls: list[str] = []
        self._poll: asyncio.Event | None = None
        self._came = asyncio.Event()
        self._number = 1000
        self._message = 10

    # ---- what customers do

    def update(self, **content: Any) -> dict[str, Any]:
        """An update with the next number, waiting for whoever polls."""
        self._number += 1
        made = {"update_id": self._number, **content}
        self.updates.append(made)
        self._came.set()
        return made

    def say(self, n: int, text: str | None = None, **more: Any) -> dict[str, Any]:
        """The n-th customer writes; what else the message has in `more`."""
        self._message += 1
        said = {} if text is None else {"text": text}
        return self.update(message=message(n, self._message, **said, **more))

    async def post(self, url: str, update: dict[str, Any]) -> tuple[int, bytes]:
        """Post an update to a web hook, as Telegram does."""
        headers = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=update, headers=headers) as answer,
        ):
            return answer.status, await answer.read()

    # ---- what the bot does

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/")
        if path.startswith(f"file/bot{TOKEN}/"):
            found = self.files.get(path.rpartition("/")[2])
            return web.Response(body=found) if found is not None else web.Response(status=404)
        token, _, method = path.removeprefix("bot").partition("/")
        if token != TOKEN:
            return _error(404 if ":" not in token else 401, "Unauthorized")
        values, files = await _values(request)
        self.calls.append(method)
        if method in _SENDS:
            _, behaviour = await self._told(request)
            answer = self._send(method, values, files) if takes(behaviour) else _error(500, "Internal")
            return await self._after(request, behaviour, answer)
        known = {
            "getMe": self._get_me, "getUpdates": self._get_updates, "getFile": self._get_file,
            "setWebhook": self._set_webhook, "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": self._get_webhook_info, "answerCallbackQuery": self._answer_button,
        }.get(method)  # fmt: skip
        return _error(404, "Not Found") if known is None else await known(values)

    async def _get_me(self, values: dict[str, Any]) -> web.Response:
        return _ok({"id": 7654321, "is_bot": True, "first_name": "Office", "username": "office_bot"})

    async def _get_updates(self, values: dict[str, Any]) -> web.Response:
        self.polls.append(values)
        self.polled.set()
        if self.hook["url"]:
            return _error(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook "
                          "to delete the webhook first")  # fmt: skip
        if self._poll is not None:
            self._poll.set()
        mine = self._poll = asyncio.Event()
        if "offset" in values:
            self.updates = [one for one in self.updates if one["update_id"] >= values["offset"]]
        loop = asyncio.get_running_loop()
        end = loop.time() + values.get("timeout", 0)
        while not self.updates and not mine.is_set() and (left := end - loop.time()) > 0:
            self._came.clear()
            waiting = [asyncio.create_task(one.wait()) for one in (self._came, mine, self._released)]
            await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            if self._released.is_set():
                break
        if mine.is_set():
            return _error(409, "Conflict: terminated by other getUpdates request; make sure that only one bot "
                          "instance is running")  # fmt: skip
        self._poll = None
        return _ok(self.updates[: values.get("limit", 100)])

    async def _get_file(self, values: dict[str, Any]) -> web.Response:
        name = values.get("file_id")
        if name not in self.files:
            return _error(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(self.files[name]) > 20_000_000:
            return _error(400, "Bad Request: file is too big")
        return _ok({"file_id": name, "file_unique_id": f"u{name}", "file_path": f"documents/{name}"})

    async def _set_webhook(self, values: dict[str, Any]) -> web.Response:
        self.hook |= {"url": values["url"], "secret": values.get("secret_token")}
        return _ok(True)

    async def _delete_webhook(self, values: dict[str, Any]) -> web.Response:
        self.hook["url"] = ""
        return _ok(True)

    async def _get_webhook_info(self, values: dict[str, Any]) -> web.Response:
        return _ok({name: value for name, value in self.hook.items() if name != "secret"})

    async def _answer_button(self, values: dict[str, Any]) -> web.Response:
        if values["callback_query_id"] == "old":
            return _error(
                400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )
        self.buttons.append(values["callback_query_id"])
        return _ok(True)

    def _send(
        self, method: str, values: dict[str, Any], files: dict[str, tuple[str, str, bytes]]
    ) -> web.Response:
        chat = values.get("chat_id")
        text = values.get("text" if method == "sendMessage" else "caption") or ""
        if chat in self.moved:
            return _error(400, "Bad Request: group chat was upgraded to a supergroup chat",
                          {"migrate_to_chat_id": self.moved[chat]})  # fmt: skip
        if not isinstance(chat, int):
            return _error(400, "Bad Request: chat not found")
        if chat in self.blocked:
            return _error(403, "Forbidden: bot was blocked by the user")
        if chat in self.flooded:
            wait = self.flooded[chat]
            return _error(429, f"Too Many Requests: retry after {wait}", {"retry_after": wait})
        if method == "sendMessage" and not text.strip():
            return _error(400, "Bad Request: message text is empty")
        if _utf16(text) > (4096 if method == "sendMessage" else 1024):
            over = "message is too long" if method == "sendMessage" else "message caption is too long"
            return _error(400, f"Bad Request: {over}")
        if method != "sendMessage" and not files:
            return _error(400, "Bad Request: there is no document in the request")
        self._message += 1
        self.sent.append(Sent(method, chat, text, values, files, self._message))
        return _ok({
            "message_id": self._message, "date": _DATE, "chat": {"id": chat, "type": "private"}, "text": text,
        })  # fmt: skip


def message(n: int, number: int, **more: Any) -> dict[str, Any]:
    """A message of the n-th customer in their private chat."""
    return {
        "message_id": number,
        "from": person(n),
        "chat": {"id": chat(n), "type": "private", "first_name": f"顾客 {n}"},
        "date": _DATE,
        **more,
    }


def person(n: int) -> dict[str, Any]:
    return {
        "id": chat(n),
        "is_bot": False,
        "first_name": "顾客",
        "last_name": str(n),
        "language_code": "zh-hans",
    }


def chat(n: int) -> int:
    """The number of the n-th customer and of their private chat: more than 32 bits."""
    return 5_000_000_000 + n


def settings(far: BotApi, **more: Any) -> dict[str, Any]:
    """Settings of a bot at a server; polled unless told otherwise."""
    return {"kind": KIND, "token": TOKEN, "api": far.url, "timeout": 5, **more}


def hooked(far: BotApi, **more: Any) -> dict[str, Any]:
    """Settings of a bot whose updates are posted to our door."""
    return settings(far, receive="webhook", secret=SECRET, **more)


def request(n: int, **more: Any) -> Request:
    """The n-th customer's message as it is posted."""
    update = {"update_id": 500 + n, "message": message(n, n, text=f"电梯 {n} 坏了", **more)}
    return Request(
        method="POST",
        path="/in/telegram",
        headers={"content-type": "application/json", "x-telegram-bot-api-secret-token": SECRET},
        body=json.dumps(update).encode(),
        remote="149.154.167.220",
        received_at=NOW,
    )


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


async def _values(request: web.Request) -> tuple[dict[str, Any], dict[str, tuple[str, str, bytes]]]:
    """The parameters of a call: JSON, a form, or multipart, whose values are texts or JSON texts."""
    files: dict[str, tuple[str, str, bytes]] = {}
    if request.content_type == "application/json":
        return await request.json(), files
    values: dict[str, Any] = {}
    if request.content_type.startswith("multipart/"):
        async for part in await request.multipart():
            assert isinstance(part, aiohttp.BodyPartReader)
            if part.filename is None:
                values[part.name or ""] = _value(part.name or "", await part.text())
            else:
                media_type = part.headers.get("Content-Type", "")
                files[part.name or ""] = (part.filename, media_type, bytes(await part.read()))
        return values, files
    for name, value in parse_qsl((await request.read()).decode(), keep_blank_values=True):
        values[name] = _value(name, value)
    return values, files


def _value(name: str, text: str) -> Any:
    if name in ("text", "caption"):
        return text
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(found, str) else found


def _ok(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _error(code: int, description: str, parameters: dict[str, Any] | None = None) -> web.Response:
    told: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return web.json_response(told | ({"parameters": parameters} if parameters else {}), status=code)
