"""What WeCom posts to our door: always encrypted, in XML or JSON. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from connectors.contract import Answer, Batch, Request, Response
from connectors.wecom import WecomSettings
from connectors.wire import callbacks, pushed, sealed
from model import message_xml, strict_json
from model.delivery import Message
from model.envelope import Envelope
from model.failures import Malformed, PermanentFailure, Reason, Unverified
from model.message_xml import text
from model.tools import Tools

#: The callback that only says that customer service has something to fetch.
_HINT = "kf_msg_or_event"


class Incoming:
    """Receiver, Answerer and Responder of the kind `wecom`."""

    def __init__(self, settings: WecomSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._token = settings.token.get_secret_value()
        keys = [sealed.aes_key(one.get_secret_value()) for one in settings.aes_keys]
        self._box = sealed.Box(keys, settings.corp_id)
        self._hints: dict[str, str] = {}
        """Tokens for fetching, by the customer-service account that they are for: valid for ten minutes."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def verify(self, request: Request) -> None:
        """The signature over the encrypted message, or over the encrypted text of the console's check."""
        covered = request.query.get("echostr", "") if request.method == "GET" else _encrypted(request.body)
        callbacks.check_signature(request, self._token, name="msg_signature", more=covered)
        callbacks.check_age(request, self._tools.clock.now(), self._settings.tolerance)

    def receive(self, request: Request) -> Batch:
        """One envelope; nothing but a wish to fetch when customer service has something."""
        if request.method == "GET":
            # Decrypted and without anything around it, or the console refuses the address.
            echo, _ = self._box.open(request.query.get("echostr", ""))
            return Batch(response=callbacks.text_response(echo.decode("utf-8", "replace")[:1_000]))
        if request.method != "POST":
            return Batch(response=Response(status=405, headers={"allow": "GET, POST"}))
        raw, _ = self._opened(request)
        if raw.lstrip()[:1] == b"{":
            told = strict_json.load(raw)
            if not isinstance(told, dict):
                raise Malformed("the JSON is no message")
            return Batch(envelopes=(item_envelope(told, self._settings, self._tools),))
        tree = message_xml.load(raw)
        if text(tree, "Event") == _HINT:
            account, token = text(tree, "OpenKfId"), text(tree, "Token")
            if account and self._settings.customer_service is not None:
                self._hints[account] = token
            return Batch(response=Response(), wake=True)
        sender = text(tree, "FromUserName")
        envelope = Envelope(
            account=self._settings.corp_id,
            source_id=pushed.source_id(tree),
            fingerprint=pushed.fingerprint(tree),
            raw=raw,
            media_type="text/xml",
            order_key=f"{self._tools.name}:{callbacks.short(sender)}" if sender else None,
            sent_at=pushed.sent_at(tree),
        )
        return Batch(envelopes=(envelope,))

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        """An empty 200 ends WeCom's tries."""
        return Response()

    def respond(self, request: Request, message: Message) -> Response:
        """The passive reply to a member, sealed with the key that opened the message."""
        if len(message.text.encode("utf-8", "replace")) > self._settings.text_bytes or message.files:
            raise PermanentFailure(Reason.REQUEST, "too long for a passive reply")
        raw, key = self._opened(request)
        if raw.lstrip()[:1] == b"{":
            raise PermanentFailure(Reason.REQUEST, "a message in JSON takes no passive reply")
        now = str(int(self._tools.clock.now().timestamp()))
        reply = sealed.reply(
            self._box,
            key,
            self._token,
            pushed.text_reply(message_xml.load(raw), message.text, now),
            timestamp=now,
            nonce=self._tools.ids.draw(8).hex(),
            random=self._tools.ids.draw(16),
        )
        return Response(headers={"content-type": "text/xml; charset=utf-8"}, body=reply.encode())

    def _opened(self, request: Request) -> tuple[bytes, int]:
        """The decrypted message; what is not encrypted has been verified by nobody, and comes from a file."""
        outer = _outer(request.body)
        inner = outer.get("Encrypt") or outer.get("encrypt")
        return self._box.open(inner) if isinstance(inner, str) else (request.body, 0)


def item_envelope(
    item: Mapping[str, Any], settings: WecomSettings, tools: Tools, *, meta: Mapping[str, Any] | None = None
) -> Envelope:
    """One message or event of customer service, or of an app that is pushed JSON."""
    event: Any = item.get("event") or {}
    inside = event if isinstance(event, dict) else {}
    person: Any = item.get("from") or {}
    who = (
        item.get("external_userid")
        or inside.get("external_userid")
        or (person.get("userid") if isinstance(person, dict) else None)
        or ""
    )
    account = item.get("open_kfid") or inside.get("open_kfid") or ""
    made = {name: value for name, value in item.items() if name not in ("msgid", "send_time", "response_url")}
    digest = hashlib.sha256(strict_json.canonical(made)).hexdigest()
    number, when = item.get("msgid"), item.get("send_time", item.get("create_time"))
    return Envelope(
        account=settings.corp_id,
        source_id=callbacks.short(str(number)) if number else f"sha256:{digest}:{when}",
        fingerprint=digest,
        raw=strict_json.canonical(item),
        media_type="application/json",
        order_key=f"{tools.name}:{callbacks.short(f'{account}:{who}')}" if who else None,
        sent_at=datetime.fromtimestamp(when, UTC) if isinstance(when, int) and 0 < when < 1e11 else None,
        meta=meta or {},
    )


def _outer(body: bytes) -> Mapping[str, Any]:
    if body.lstrip()[:1] != b"{":
        return message_xml.load(body)
    told = strict_json.load(body)
    return told if isinstance(told, dict) else {}


def _encrypted(body: bytes) -> str:
    try:
        outer = _outer(body)
    except Malformed as error:
        raise Unverified(f"nothing in it is signed: {error.detail}") from None
    inner = outer.get("Encrypt") or outer.get("encrypt")
    if not isinstance(inner, str):
        raise Unverified("nothing in it is encrypted")
    return inner
