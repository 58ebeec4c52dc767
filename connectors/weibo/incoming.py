"""What Weibo posts to our door: JSON, or XML in WeChat's manner once the account is set to that. Pure.

The signature covers no body, as in WeChat's plain mode. Source: Weibo wiki "消息推送服务", "Receive General Message",
"Receive Event Push".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from connectors.contract import Answer, Batch, Request, Response
from connectors.weibo import WeiboSettings
from connectors.wire import callbacks, pushed
from model import message_xml, strict_json
from model.delivery import Message
from model.envelope import Envelope
from model.failures import Malformed, PermanentFailure, Reason
from model.health import Health, HealthState
from model.message_xml import text
from model.tools import Tools


class Incoming:
    """Receiver, Answerer and Responder of the kind `weibo`; the API's roles come from `connector.make`."""

    def __init__(self, settings: WeiboSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._secret = settings.app_secret.get_secret_value()
        self._nonces = callbacks.Nonces(settings.tolerance)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        return Health(HealthState.UNKNOWN, "only Weibo can reach this door; see when something last came")

    def verify(self, request: Request) -> None:
        """The signature by the AppSecret, its age, and that no other body came under it."""
        callbacks.check_signature(request, self._secret)
        callbacks.check_age(request, self._tools.clock.now(), self._settings.tolerance)
        if request.method != "GET":
            self._nonces.check(request, self._tools.clock.monotonic())

    def receive(self, request: Request) -> Batch:
        """One envelope, or the answer to the console's check of the address."""
        if request.method in ("GET", "HEAD"):
            return Batch(response=callbacks.text_response(request.query.get("echostr", "")[:1_000]))
        if request.method != "POST":
            return Batch(response=Response(status=405, headers={"allow": "GET, POST"}))
        if _is_xml(request.body):
            tree = message_xml.load(request.body)
            receiver, sender = text(tree, "ToUserName"), text(tree, "FromUserName")
            identity, digest, when = pushed.source_id(tree), pushed.fingerprint(tree), pushed.sent_at(tree)
        else:
            told = _json(request.body)
            receiver, sender = str(told.get("receiver_id") or ""), str(told.get("sender_id") or "")
            identity, digest, when = _source_id(told), _fingerprint(told), sent_at(told)
        return Batch(
            envelopes=(
                Envelope(
                    account=callbacks.short(receiver) or self._tools.name,
                    source_id=identity,
                    fingerprint=digest,
                    raw=request.body,
                    media_type="text/xml" if _is_xml(request.body) else "application/json",
                    order_key=f"{self._tools.name}:{callbacks.short(sender)}" if sender else None,
                    sent_at=when,
                ),
            )
        )

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        """A blank text, which ends Weibo's three tries."""
        return callbacks.text_response("")

    def respond(self, request: Request, message: Message) -> Response:
        """The passive answer [被动响应], in the form in which the message came."""
        if len(message.text) > self._settings.text_characters or message.files:
            raise PermanentFailure(Reason.REQUEST, "too long for a passive answer")
        if _is_xml(request.body):
            now = str(int(self._tools.clock.now().timestamp()))
            reply = pushed.text_reply(message_xml.load(request.body), message.text, now)
            return Response(headers={"content-type": "text/xml; charset=utf-8"}, body=reply.encode())
        told = _json(request.body)
        answer = {
            "result": True,
            "sender_id": told.get("receiver_id"),
            "receiver_id": told.get("sender_id"),
            "type": "text",
            "data": quote(json.dumps({"text": message.text}, ensure_ascii=False), safe=""),
        }
        return Response(
            headers={"content-type": "application/json; charset=utf-8"}, body=json.dumps(answer).encode()
        )


def sent_at(told: Mapping[str, Any]) -> datetime | None:
    """`created_at`, such as "Mon Jul 16 18:09:20 +0800 2012"."""
    try:
        return datetime.strptime(str(told.get("created_at")), "%a %b %d %H:%M:%S %z %Y").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _source_id(told: Mapping[str, Any]) -> str:
    """Sender, time and type, as Weibo's page advises, since a push has no number; the fingerprint tells the rest."""
    data = told.get("data")
    subtype = data.get("subtype") if isinstance(data, dict) else None
    what = f"{told.get('type')}.{subtype}" if subtype else str(told.get("type"))
    return callbacks.short(f"{told.get('sender_id')}:{told.get('created_at')}:{what}")


def _fingerprint(told: Mapping[str, Any]) -> str:
    made = {name: value for name, value in told.items() if name != "created_at"}
    return hashlib.sha256(strict_json.canonical(made)).hexdigest()


def _is_xml(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def _json(body: bytes) -> Mapping[str, Any]:
    told = strict_json.load(body)
    if not isinstance(told, dict):
        raise Malformed("the JSON is no message of Weibo")
    return told
