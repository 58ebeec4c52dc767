"""Takes what is said to a bot, by long polling or at our door; sends by `outgoing`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from connectors.contract import Answer, Batch, Connector, Request, Response
from connectors.telegram import TelegramSettings
from connectors.telegram.api import Api, Migrated, listed
from connectors.telegram.outgoing import Sends
from model import signing, strict_json
from model.envelope import Envelope
from model.failures import Malformed, PermanentFailure, Reason, SendFailure, TemporaryFailure, Unverified
from model.health import Health, HealthState
from model.tools import Tools

#: What we ask for. Telegram keeps the last list, so it is said every time.
UPDATES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "callback_query",
    "my_chat_member",
)
#: Where an update holds the chat: in its own object, or in the message that a button hangs on.
_POSTS = ("message", "edited_message", "channel_post", "edited_channel_post")
_CHATS: Mapping[str, str] = {
    "private": "private",
    "group": "group",
    "supergroup": "group",
    "channel": "channel",
}
#: Telegram holds a request open for at most 50 seconds, whatever is asked for.
_LONGEST_WAIT = 50
#: After a week of silence the numbers of updates begin anew at random
#: (https://core.telegram.org/bots/api#update), perhaps below our place.
_NUMBERS_HOLD = timedelta(days=6)
#: Bytes of one answer to getUpdates: 100 updates of a few kilobytes.
_UPDATES_BYTES = 16_777_216


class TelegramConnector(Sends):
    """Life, health, envelopes; and Sender, Splitter and Downloader by inheriting."""

    def __init__(self, settings: TelegramSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._api = Api(settings, tools)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        """Asks who the bot is, and whether its messages come our way; enters our door at Telegram if need be."""
        try:
            me = await self._api.call("getMe")
            hook = await self._api.call("getWebhookInfo")
            return await self._way_in(_text(me, "username"), hook)
        except SendFailure as failure:
            return Health(HealthState.FAILING, failure.detail, failure.repair or _NETWORK)

    async def _way_in(self, name: str, hook: Any) -> Health:
        entered = _text(hook, "url")
        if self._settings.receive == "poll":
            if entered:
                return Health(HealthState.FAILING, f"@{name} has a web hook, so it cannot be polled", _HOOKED)
            return Health(HealthState.OK, f"@{name}, polled")
        if self._settings.address and not entered:
            await self._enter(self._settings.address)
            return Health(HealthState.OK, f"@{name}, our door was entered at Telegram")
        if self._settings.address and entered != self._settings.address:
            return Health(HealthState.FAILING, f"@{name} posts to another address than `address`", _ELSEWHERE)
        if not entered:
            return Health(HealthState.FAILING, f"@{name} has no web hook", "set `address`, and probe again")
        waiting = hook.get("pending_update_count") if isinstance(hook, dict) else None
        # Telegram's own words on our door hold no customer's: "Wrong response from the webhook: 503 …".
        trouble = _text(hook, "last_error_message")
        if trouble and waiting:
            return Health(
                HealthState.FAILING, f"@{name}: {waiting} messages wait; {trouble[:200]}", _OUR_DOOR
            )
        return Health(HealthState.OK, f"@{name}, by web hook")

    async def _enter(self, address: str) -> None:
        assert self._settings.secret is not None, "checked with the settings"
        await self._api.call(
            "setWebhook",
            {
                "url": address,
                "secret_token": self._settings.secret.get_secret_value(),
                "allowed_updates": list(UPDATES),
            },
        )

    def _envelope(self, update: dict[str, Any], remote: str = "") -> Envelope | None:
        """One update as an envelope; None when it is of a chat that is not taken in."""
        kind, content = _content(update)
        post = content if kind in (*_POSTS, "my_chat_member") else content.get("message")
        chat = post.get("chat") if isinstance(post, dict) else None
        chat = chat if isinstance(chat, dict) else {}
        # Of a private chat the number is the person's: a button without its message is still theirs.
        number = chat.get("id", _inside(content, "from", "id"))
        if not self._taken(str(chat.get("type", "private")), number):
            return None
        return Envelope(
            account=self._settings.bot,
            source_id=_source_id(update, kind, content, number),
            fingerprint=hashlib.sha256(
                strict_json.canonical({name: value for name, value in update.items() if name != "update_id"})
            ).hexdigest(),
            raw=strict_json.canonical(update),
            media_type="application/json",
            order_key=f"{self._tools.name}:{number}",
            sent_at=_moment(content.get("edit_date") or content.get("date")),
            meta={"remote": remote} if remote else {},
        )

    def _taken(self, kind: str, number: Any) -> bool:
        if self._settings.only and number not in self._settings.only:
            return False
        # A kind that is new to us is taken: better looked at than lost.
        return _CHATS.get(kind, kind) in self._settings.chats or kind not in _CHATS


_NETWORK = "check the network and the proxy"
_HOOKED = "set `receive: webhook`; or, if the web hook is out of use, remove it: https://core.telegram.org/bots/api#deletewebhook"
_ELSEWHERE = "another program uses this bot: give us a bot of our own, or remove its web hook"
_OUR_DOOR = "check that `address` leads to this door, with a certificate that everybody trusts"


class Polls(TelegramConnector):
    """Fetcher: asks for what came, and confirms by asking from the next number on."""

    async def fetch(self, cursor: Mapping[str, Any] | None, wait: timedelta) -> Batch:
        """Up to 100 updates after the cursor, which Telegram forgets once a later number is asked for."""
        seconds = max(0, min(int(wait.total_seconds()), _LONGEST_WAIT))
        values: dict[str, Any] = {"timeout": seconds, "limit": 100, "allowed_updates": list(UPDATES)}
        now = self._tools.clock.now()
        if cursor and now - datetime.fromisoformat(cursor["at"]) < _NUMBERS_HOLD:
            values["offset"] = cursor["offset"]
        try:
            told = await self._api.call(
                "getUpdates", values, timeout=seconds + self._settings.timeout, limit=_UPDATES_BYTES
            )
        except PermanentFailure as failure:
            # Nothing that is asked for here is a customer's: what Telegram does not like is ours to mend.
            raise TemporaryFailure(Reason.CONFIG, failure.detail) from None
        updates = listed(told)
        if not updates:
            return Batch()
        made = [self._envelope(one) for one in updates]
        numbers = [number for one in updates if isinstance(number := one.get("update_id"), int)]
        return Batch(
            envelopes=[one for one in made if one is not None],
            cursor={"offset": max(numbers) + 1, "at": now.isoformat()} if numbers else None,
            handles=_buttons(updates),
        )

    async def confirm(self, handles: Sequence[Any]) -> None:
        """Tell Telegram that buttons were heard; else they go on turning on the customer's screen."""
        for handle in handles:
            try:
                await self._api.call("answerCallbackQuery", {"callback_query_id": handle})
            except (PermanentFailure, Migrated):
                continue  # too old: it has stopped turning by itself


class Hooked(TelegramConnector):
    """Receiver and Answerer: Telegram posts each update to our door."""

    def verify(self, request: Request) -> None:
        """The word that we gave with `setWebhook`, in a header; nothing is signed."""
        assert self._settings.secret is not None, "checked with the settings"
        given = request.headers.get("x-telegram-bot-api-secret-token", "")
        if not signing.same(given, self._settings.secret.get_secret_value()):
            raise Unverified("the header X-Telegram-Bot-Api-Secret-Token does not hold our secret")

    def receive(self, request: Request) -> Batch:
        update = strict_json.load(request.body)
        if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
            raise Malformed("not an update of Telegram")
        envelope = self._envelope(update, request.remote)
        return Batch(envelopes=[envelope]) if envelope is not None else Batch(response=Response())

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        """Nothing; or, for a button, a call that Telegram takes from the answer itself."""
        buttons = _buttons([strict_json.load(request.body)])
        if not buttons:
            return Response()
        call = {"method": "answerCallbackQuery", "callback_query_id": buttons[0]}
        return Response(headers={"content-type": "application/json"}, body=strict_json.canonical(call))


def make(settings: TelegramSettings, tools: Tools) -> Connector:
    """A connector with the way in that the settings choose: a class has a role by having its methods."""
    return Polls(settings, tools) if settings.receive == "poll" else Hooked(settings, tools)


def _content(update: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Which of its members an update has, and that."""
    found = [(name, value) for name, value in update.items() if isinstance(value, dict)]
    known = [one for one in found if one[0] in UPDATES]
    return (known or found or [("", {})])[0]


def _source_id(update: Mapping[str, Any], kind: str, content: Mapping[str, Any], chat: Any) -> str:
    """A message is known by chat and number whatever number its update has; others by that."""
    message = content.get("message_id")
    if kind in _POSTS and isinstance(message, int):
        edit = f":{content.get('edit_date')}" if kind.startswith("edited") else ""
        return f"{chat}:{message}{edit}"
    return f"update:{update.get('update_id')}"


def _buttons(updates: Sequence[Any]) -> list[str]:
    found = [_inside(one, "callback_query", "id") for one in updates]
    return [one for one in found if isinstance(one, str)]


def _inside(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any, name: str) -> str:
    return str(_inside(value, name) or "")


def _moment(seconds: Any) -> datetime | None:
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds < 1 << 40:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
