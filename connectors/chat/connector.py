"""Receives what visitors write in the widget, and publishes answers in their conversation.

A visitor is whoever knows a secret that their browser made. It comes in a header, never in an address or a body, so
that no log and no stored message holds it; what is stored is its digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from connectors.chat import ChatSettings
from connectors.contract import Answer, Batch, Request, Response
from connectors.wire import posted
from connectors.wire.rate import Buckets
from model import body, ids
from model.delivery import Message, Receipt
from model.envelope import Envelope
from model.failures import Malformed, Reason, TemporaryFailure, Unverified
from model.health import Health, HealthState
from model.tools import Tools

#: Fields and files of one message.
_MOST = 60


class ChatConnector:
    """Receiver, Responder, Answerer and Sender of the kind `chat`."""

    def __init__(self, settings: ChatSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        rate = settings.rate
        self._buckets = None if rate is None else Buckets(rate.per_minute, rate.burst)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        return Health(HealthState.OK, "a chat has no far side: it works while this door answers")

    def verify(self, request: Request) -> None:
        """A visitor shows their secret; who has none is not in a conversation."""
        if request.method == "POST" and _visitor(request) is None:
            raise Unverified("no visitor's secret: Authorization: Bearer and 32 to 100 of A-Z a-z 0-9 _ -")

    def receive(self, request: Request) -> Batch:
        """One message as one envelope; TemporaryFailure (throttled) when its address posts too often."""
        visitor = _visitor(request)
        if request.method != "POST" or visitor is None:
            return Batch(response=Response(status=405, headers={"allow": "POST"}))
        if self._buckets is not None:
            wait = self._buckets.take(request.remote, self._tools.clock.monotonic())
            if wait is not None:
                raise TemporaryFailure(
                    Reason.THROTTLED, "too many messages from one address", retry_after=wait
                )
        content_type = request.headers.get("content-type", "")
        form = body.load_form(content_type, request.body, most=_MOST)
        posted.check(form, self._settings.files, self._settings.max_characters)
        if not form.first("message").strip() and not form.files:
            raise Malformed("the message is empty")
        facts = {"visitor": visitor, "accept_language": request.headers.get("accept-language", "")[:100]}
        # One visitor's key says nothing about another's message, and neither do equal words.
        key = posted.source_id(request, form) or self._tools.ids.new()
        made = hashlib.sha256(f"{visitor} {posted.fingerprint(form)}".encode())
        envelope = Envelope(
            account=self._tools.name,
            source_id=f"{visitor}:{key}",
            fingerprint=made.hexdigest(),
            raw=request.body,
            media_type=content_type,
            order_key=f"{self._tools.name}:{visitor}",
            meta={name: fact for name, fact in facts.items() if fact},
        )
        return Batch(envelopes=(envelope,))

    def respond(self, request: Request, message: Message) -> Response:
        """The acknowledgement on the answer to the visitor's own message."""
        return _json({"reference": message.reference, "message": {"id": message.key, "text": message.text}})

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        return _json({"reference": accepted[0].reference, "repeat": accepted[0].repeat})

    async def send(self, message: Message) -> Receipt:
        """The conversation shows every delivered message: it is published by being delivered."""
        return Receipt(remote_id=message.key, accepted_at=self._tools.clock.now())


def _visitor(request: Request) -> str | None:
    return ids.visitor(request.headers.get("authorization", "").removeprefix("Bearer ").strip())


def _json(value: Mapping[str, Any]) -> Response:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return Response(status=202, headers=headers, body=json.dumps(value, ensure_ascii=False).encode())
