"""Sends an answer back into the source by HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.webhook import HmacSignature, Reply, StandardSignature, WebhookSettings
from connectors.wire import templates
from model import http, signing, strict_json
from model.delivery import Message, Receipt
from model.expression import scalar, search
from model.failures import Malformed, PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.health import UNKNOWN, Health
from model.tools import HttpAnswer, Tools


class Sends:
    """Sender of the kind `webhook`, where the settings have `reply`."""

    _settings: WebhookSettings
    _tools: Tools

    async def send(self, message: Message) -> Receipt:
        """One request; the receipt holds the far side's number where the settings say it stands."""
        reply = self._reply
        context = templates.context(message)
        url, from_data = _address(reply, context)
        content = templates.content("reply.body", reply.body, reply.media_type)(context)
        headers = {
            "content-type": reply.media_type,
            **_own_headers(reply, context),
            **({reply.idempotency_header: message.key} if reply.idempotency_header else {}),
            **self._signature(message.key, content),
        }
        answer = await self._tools.http.request(
            reply.method,
            url,
            headers=headers,
            body=content,
            timeout=reply.timeout,
            public_only=from_data and urlsplit(url).hostname not in reply.allow_hosts,
        )
        now = self._tools.clock.now()
        failure = http.failure_for(answer.status, answer.headers, now, address_from_data=from_data)
        if failure is not None:
            raise failure
        return Receipt(remote_id=_told(reply, answer) or message.key, accepted_at=now)

    async def probe(self) -> Health:
        if self._reply.probe_url is None:
            return UNKNOWN
        try:
            answer = await self._tools.http.request(
                "HEAD", self._reply.probe_url, timeout=self._reply.timeout
            )
        except SendFailure as failure:
            return http.health_of(failure)
        return http.health_for(answer.status)

    @property
    def _reply(self) -> Reply:
        reply = self._settings.reply
        assert reply is not None, "made only with `reply`"
        return reply

    def _signature(self, key: str, content: bytes) -> Mapping[str, str]:
        match self._reply.signature:
            case StandardSignature(secret=secret):
                standard = signing.standard_key(secret.get_secret_value())
                return signing.sign_standard(standard, key, self._tools.clock.now(), content)
            case HmacSignature() as one:
                secret_key = one.secret.get_secret_value().encode()
                return {
                    one.header: one.prefix + signing.mac(secret_key, content, one.algorithm, one.encoding)
                }
        return {}


def _address(reply: Reply, context: Mapping[str, Any]) -> tuple[str, bool]:
    """The address, and whether anything of the event takes part in it."""
    url = templates.text("reply.url", reply.url, "url")(context).strip()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PermanentFailure(Reason.REQUEST, "reply.url: what came out is no http or https address")
    return url, templates.takes_data(reply.url)


def _own_headers(reply: Reply, context: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        name: http.header_value(templates.text(f"reply.headers.{name}", value.get_secret_value())(context))
        for name, value in reply.headers.items()
    }


def _told(reply: Reply, answer: HttpAnswer) -> str | None:
    """The far side's number; raises when a 2xx answer says, in its own words, that it took nothing."""
    if reply.success is None and reply.remote_id is None:
        return None
    try:
        told = strict_json.load(answer.body)
    except Malformed:
        if reply.success is not None:
            raise Uncertain(f"HTTP {answer.status}, but its answer cannot be read") from None
        return None
    if reply.success is not None and search(reply.success, told) is not True:
        raise TemporaryFailure(
            Reason.SERVER, f"HTTP {answer.status}, but `success` does not hold of its answer"
        )
    return scalar(reply.remote_id, told) if reply.remote_id else None
