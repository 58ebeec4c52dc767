"""Takes LINE's events at our door; replies while the token is fresh, pushes after; fetches files and names."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from connectors.contract import Answer, Batch, Media, Profile, Request, Response
from connectors.line import LineSettings
from connectors.line.api import Api, Taken, TokenSpent, file_failure
from connectors.wire import splitting
from connectors.wire.splitting import Unit
from model import signing, strict_json
from model.delivery import Message, Receipt
from model.draft import Identity
from model.envelope import Envelope
from model.failures import (
    Malformed,
    PermanentFailure,
    Reason,
    SendFailure,
    TemporaryFailure,
    Uncertain,
    Unverified,
)
from model.health import Health, HealthState
from model.signing import Algorithm, Encoding
from model.tools import Tools

#: Members of an event that a second delivery of it may have otherwise.
_TRANSPORT = frozenset({"deliveryContext", "replyToken"})
#: Makes LINE's retry key, a UUID, from a message's key.
_KEYS = uuid.UUID("6f3d3b1e-6a55-5e0e-9d6b-3a5a1f0c7c11")
_OK = Response(headers={"content-type": "application/json"}, body=b"{}")


class LineConnector:
    """Receiver, Answerer, Sender, Splitter, Downloader and Profiler."""

    def __init__(self, settings: LineSettings, tools: Tools) -> None:
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
        """Asks who the account is, and whether LINE posts to somebody."""
        try:
            _, me = await self._api.get("/v2/bot/info")
            status, hook = await self._api.get("/v2/bot/channel/webhook/endpoint")
        except SendFailure as failure:
            repair = failure.repair or "check the network and the proxy"
            return Health(HealthState.FAILING, failure.detail, repair)
        except TokenSpent:
            return Health(HealthState.FAILING, "LINE did not understand a question")
        name = str(_object(me).get("basicId", ""))
        if status == 404 or not _object(hook).get("active"):
            step = "enter our address in the LINE Developers Console, and switch *Use webhook* on"
            return Health(HealthState.FAILING, f"{name}: LINE posts to nobody", step)
        return Health(HealthState.OK, name)

    # ---- in

    def verify(self, request: Request) -> None:
        """`x-line-signature`: HMAC-SHA256 of the raw body with the channel secret, in base64."""
        given = request.headers.get("x-line-signature", "")
        expected = [
            signing.mac(secret.get_secret_value().encode(), request.body, Algorithm.SHA256, Encoding.BASE64)
            for secret in self._settings.secrets
        ]
        if not signing.any_same(given, expected):
            raise Unverified("X-Line-Signature does not hold")

    def receive(self, request: Request) -> Batch:
        """Each event an envelope; none are in what the console's *Verify* sends."""
        told = strict_json.load(request.body)
        events = told.get("events") if isinstance(told, dict) else None
        if not isinstance(events, list) or not all(isinstance(one, dict) for one in events):
            raise Malformed("not a web hook of LINE")
        account = str(told.get("destination") or self._tools.name)
        meta = {"remote": request.remote} if request.remote else {}
        taken = [one for one in events if self._taken(one)]
        if not taken:
            return Batch(response=_OK)
        return Batch(envelopes=[self._envelope(account, event, meta) for event in taken])

    def _taken(self, event: Mapping[str, Any]) -> bool:
        kind = _object(event.get("source")).get("type", "user")
        # A kind that is new to us is taken: better looked at than lost.
        return kind in self._settings.chats or kind not in ("user", "group", "room")

    def _envelope(self, account: str, event: dict[str, Any], meta: Mapping[str, Any]) -> Envelope:
        said = {name: value for name, value in event.items() if name not in _TRANSPORT}
        fingerprint = hashlib.sha256(strict_json.canonical(said)).hexdigest()
        number = event.get("webhookEventId")
        return Envelope(
            account=account,
            source_id=number if isinstance(number, str) and 0 < len(number) <= 200 else fingerprint,
            fingerprint=fingerprint,
            raw=strict_json.canonical(event),
            media_type="application/json",
            order_key=f"{self._tools.name}:{_place(event)}",
            sent_at=_moment(event.get("timestamp")),
            meta=meta,
        )

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        return _OK

    # ---- out

    def parts(self, message: Message) -> Sequence[Message]:
        """One call carries several messages and counts once: a text is parted only when it needs more of them."""
        limits = self._settings.limits
        fits = len(self._pieces(message)) <= limits.messages
        if fits and not message.files:
            return [message]
        # Files are refused by `send`, in words; the text goes all the same.
        longest = limits.text * limits.messages if fits else limits.text
        return splitting.parts(message, longest, Unit.UTF16, numbered=self._settings.numbered)

    def _pieces(self, message: Message) -> Sequence[str]:
        return splitting.pieces(
            message.text, self._settings.limits.text, Unit.UTF16, numbered=self._settings.numbered
        )

    async def send(self, message: Message) -> Receipt:
        """A reply while its token is fresh, else a pushed message under the message's own key."""
        if message.files:
            raise PermanentFailure(Reason.REQUEST, "LINE takes no files from us: put a link in the text")
        messages = [{"type": "text", "text": piece} for piece in self._pieces(message)]
        thread = message.thread
        token = thread.get("reply_token")
        if isinstance(token, str) and token and self._fresh(thread.get("at")):
            try:
                told, _ = await self._api.post(
                    "/v2/bot/message/reply", {"replyToken": token, "messages": messages}
                )
                return self._receipt(told, "")
            except TokenSpent:
                pass  # an earlier message used it: LINE took nothing, so this is still the first try
        return await self._push(message, messages)

    async def _push(self, message: Message, messages: list[dict[str, str]]) -> Receipt:
        to = message.thread.get("to") or (
            message.to.value if message.to and message.to.kind == "line" else None
        )
        if not isinstance(to, str):
            raise PermanentFailure(Reason.RECIPIENT, "no chat of LINE is known")
        key = str(uuid.uuid5(_KEYS, message.key))
        try:
            told, answer = await self._api.post("/v2/bot/message/push", {"to": to, "messages": messages}, key)
        except Taken as taken:
            return self._receipt(None, taken.request or key)
        except Uncertain as doubt:
            # The key makes a second try safe for 24 hours, which is longer than we try.
            raise TemporaryFailure(Reason.SERVER, doubt.detail) from None
        except TokenSpent:
            raise PermanentFailure(
                Reason.REQUEST, "LINE speaks of a reply token, which was not sent"
            ) from None
        return self._receipt(told, answer.headers.get("x-line-request-id", "") or key)

    def _fresh(self, at: Any) -> bool:
        moment = _moment(at)
        return moment is not None and self._tools.clock.now() - moment < self._settings.reply_within

    def _receipt(self, told: Any, otherwise: str) -> Receipt:
        sent = _object(told).get("sentMessages")
        number = _object(sent[0]).get("id") if isinstance(sent, list) and sent else None
        if number is None and not otherwise:
            raise Uncertain("LINE took the reply, but its answer names no message")
        return Receipt(str(number or otherwise), self._tools.clock.now())

    # ---- errands

    async def download(self, reference: str) -> Media:
        """A file by the number of its message; LINE keeps it for a while that it does not name."""
        loaded = await self._api.file(f"/v2/bot/message/{quote(reference, safe='')}/content")
        if loaded.status != 200:
            raise file_failure(loaded.status)
        media_type = loaded.headers.get("content-type", "").partition(";")[0].strip()
        return Media(raw=loaded.raw, media_type=media_type or None)

    async def profile(self, identity: Identity) -> Profile:
        """The name that somebody shows; LINE tells it of those who follow the account."""
        if identity.kind != "line":
            return Profile()
        try:
            status, told = await self._api.get(f"/v2/bot/profile/{quote(identity.value, safe='')}")
        except TokenSpent:
            return Profile()
        if status == 404:
            return Profile()
        person = _object(told)
        language = person.get("language")
        return Profile(
            name=str(person.get("displayName") or "")[:200],
            language=language if isinstance(language, str) and language else None,
        )


def _place(event: Mapping[str, Any]) -> str:
    """The chat: a group, a room, or a person's own."""
    source = _object(event.get("source"))
    return str(source.get("groupId") or source.get("roomId") or source.get("userId") or "")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(milliseconds: Any) -> datetime | None:
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool) or not 0 < milliseconds < 1 << 50:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1_000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
