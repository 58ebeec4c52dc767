"""What WeChat posts to our door: checked, opened, and made into an envelope. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from connectors.contract import Answer, Batch, Request, Response
from connectors.wechat import WechatSettings
from connectors.wire import callbacks, pushed, sealed
from model import message_xml
from model.delivery import Message
from model.envelope import Envelope
from model.failures import Malformed, PermanentFailure, Reason, Unverified
from model.health import Health, HealthState
from model.message_xml import Tree, text
from model.tools import Tools


class Incoming:
    """Receiver, Answerer and Responder of the kind `wechat`; the API's roles come from `connector.make`."""

    def __init__(self, settings: WechatSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._token = settings.token.get_secret_value()
        keys = [sealed.aes_key(one.get_secret_value()) for one in settings.aes_keys]
        self._box = sealed.Box(keys, settings.app_id)
        self._nonces = callbacks.Nonces(settings.tolerance)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        return Health(HealthState.UNKNOWN, "only WeChat can reach this door; see when something last came")

    def verify(self, request: Request) -> None:
        """The signature, its age, and, unless the mode is plain, the signature over the encrypted message."""
        callbacks.check_signature(request, self._token)
        callbacks.check_age(request, self._tools.clock.now(), self._settings.tolerance)
        if request.method == "GET":
            return
        if _encrypted(request):
            outer = _outer(request)
            callbacks.check_signature(request, self._token, name="msg_signature", more=text(outer, "Encrypt"))
        elif self._settings.mode != "plain":
            raise Unverified(f"an unencrypted message, although the mode is {self._settings.mode}")
        else:
            self._nonces.check(request, self._tools.clock.monotonic())

    def receive(self, request: Request) -> Batch:
        """One envelope with the decrypted XML, or the answer to the console's check of the address."""
        if request.method in ("GET", "HEAD"):
            return Batch(response=callbacks.text_response(request.query.get("echostr", "")[:1_000]))
        if request.method != "POST":
            return Batch(response=Response(status=405, headers={"allow": "GET, POST"}))
        raw, _ = self._opened(request)
        return Batch(envelopes=(self._envelope(raw, message_xml.load(raw)),))

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        """What ends WeChat's tries; anything that it cannot read would be shown to the customer as a fault."""
        return callbacks.text_response("success")

    def respond(self, request: Request, message: Message) -> Response:
        """The passive reply [被动回复], sealed with the key that opened the message.

        PermanentFailure when it is longer than WeChat shows: it would be dropped without a word.
        """
        if len(message.text.encode("utf-8", "replace")) > self._settings.text_bytes or message.files:
            raise PermanentFailure(Reason.REQUEST, "too long for a passive reply")
        raw, key = self._opened(request)
        now = str(int(self._tools.clock.now().timestamp()))
        reply = pushed.text_reply(message_xml.load(raw), message.text, now)
        if _encrypted(request):
            nonce, random = self._tools.ids.draw(8).hex(), self._tools.ids.draw(16)
            reply = sealed.reply(
                self._box, key, self._token, reply, timestamp=now, nonce=nonce, random=random
            )
        return Response(headers={"content-type": "text/xml; charset=utf-8"}, body=reply.encode())

    def _opened(self, request: Request) -> tuple[bytes, int]:
        """The message's XML and the key that opened it; of a compatible body only the encrypted part counts."""
        if not _encrypted(request):
            return request.body, 0
        return self._box.open(text(message_xml.load(request.body), "Encrypt"))

    def _envelope(self, raw: bytes, told: Tree) -> Envelope:
        sender = text(told, "FromUserName")
        return Envelope(
            account=self._settings.app_id,
            source_id=pushed.source_id(told),
            fingerprint=pushed.fingerprint(told),
            raw=raw,
            media_type="text/xml",
            order_key=f"{self._tools.name}:{callbacks.short(sender)}" if sender else None,
            sent_at=pushed.sent_at(told),
        )


def _encrypted(request: Request) -> bool:
    return request.query.get("encrypt_type", "raw") == "aes"


def _outer(request: Request) -> Tree:
    try:
        return message_xml.load(request.body)
    except Malformed as error:
        raise Unverified(f"nothing in it is signed: {error.detail}") from None
