"""Receives what a partner brings in with its key, and tells it of answers and states by its signed web hook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from connectors.contract import Answer, Batch, Request, Response
from connectors.partner import Hook, May, PartnerSettings
from connectors.wire import posted
from connectors.wire.keys import Keys
from model import body, http, signing, strict_json
from model.delivery import Message, Purpose, Receipt
from model.envelope import Envelope
from model.failures import Malformed, SendFailure, Unverified
from model.health import Health, HealthState
from model.tools import Tools

#: Fields and files of one post.
_MOST = 100
#: Longest reference of a partner's own, characters.
_LONGEST = 120
#: What says which message it is, and not what the customer said.
_OURS = frozenset({"text", "reference", "key"})
#: Fields that a partner may bring under a name of their own; every other one counts as `extra`.
_NAMED = frozenset({"name", "phone", "email", "company", "language", "subject", "urgency", "place"})
_TYPES = {Purpose.ACKNOWLEDGEMENT: "record.acknowledged", Purpose.REPLY: "record.answered"}


class PartnerConnector:
    """Receiver and Answerer of the kind `partner`; with a web hook a Sender too."""

    def __init__(self, settings: PartnerSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._keys = Keys({name: one.secrets for name, one in settings.keys.items()}, settings.rate)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        return Health(
            HealthState.UNKNOWN, "only the partner can reach this door; see when something last came"
        )

    # ---- the door

    def verify(self, request: Request) -> None:
        """The request bears a key that is good for bringing in."""
        if May.WRITE not in self._settings.keys[self._keys.of(request)].may:
            raise Unverified("this key may read only")

    def receive(self, request: Request) -> Batch:
        """What a customer of the partner says; TemporaryFailure (throttled) when its key comes too often."""
        if request.method != "POST":
            return Batch(response=Response(status=405, headers={"allow": "POST"}))
        self._keys.take(self._keys.of(request), self._tools.clock.monotonic())
        content_type = request.headers.get("content-type", "")
        form = body.load_form(content_type, request.body, most=_MOST)
        self._check(form)
        own = form.first("reference").strip()
        key = posted.source_id(request, form)
        envelope = Envelope(
            account=self._tools.name,
            source_id=own or key or self._tools.ids.new(),
            fingerprint=posted.fingerprint(form),
            raw=request.body,
            media_type=content_type,
            order_key=f"{self._tools.name}:{own}" if own else None,
            meta={"partner": self._tools.name},
        )
        return Batch(envelopes=(envelope,))

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        one = accepted[0]
        told = {"reference": one.reference, "status_url": one.status_url, "repeat": one.repeat}
        return Response(
            status=202, headers={"content-type": "application/json"}, body=strict_json.canonical(told)
        )

    def _check(self, form: body.Form) -> None:
        """Malformed, in words for the partner, when it is outside of what is agreed."""
        if not form.first("text") and not form.files:
            raise Malformed("the field text is empty")
        own = form.first("reference").strip()
        if len(own) > _LONGEST or not own.isprintable():
            raise Malformed(f"reference must be at most {_LONGEST} printable characters")
        if form.first("urgency").strip() not in ("", "urgent", "important", "normal"):
            raise Malformed("urgency must be urgent, important or normal")
        allowed = self._settings.fields
        for name, value in form.fields:
            if value and name not in _OURS and (name if name in _NAMED else "extra") not in allowed:
                raise Malformed(f"the field {name[:100]!r} is not agreed for this partner")
        if form.files and "files" not in allowed:
            raise Malformed("files are not agreed for this partner")
        posted.check(form, self._settings.files, self._settings.max_characters)

    # ---- reading

    def reader(self, request: Request) -> str:
        """Whose key may ask for the state; Unverified, or TemporaryFailure (throttled)."""
        holder = self._keys.of(request)
        if May.READ not in self._settings.keys[holder].may:
            raise Unverified("this key may write only")
        self._keys.take(holder, self._tools.clock.monotonic())
        return holder


class HookedPartner(PartnerConnector):
    """A partner that hears of answers and states by its web hook."""

    async def send(self, message: Message) -> Receipt:
        """One signed request; the id is the message's key, the same on every try (Standard Webhooks 1.0.0)."""
        hook, now = self._hook, self._tools.clock.now()
        event: dict[str, Any] = {
            "type": _TYPES.get(message.purpose, "record.state_changed"),
            "timestamp": now.isoformat(),
            "data": _data(message),
        }
        content = strict_json.canonical(event)
        key = signing.standard_key(hook.secret.get_secret_value())
        answer = await self._tools.http.request(
            "POST",
            hook.url,
            headers={
                "content-type": "application/json",
                **signing.sign_standard(key, message.key, now, content),
            },
            body=content,
            timeout=hook.timeout,
        )
        failure = http.failure_for(answer.status, answer.headers, now)
        if failure is not None:
            raise failure
        return Receipt(remote_id=message.key, accepted_at=self._tools.clock.now())

    async def probe(self) -> Health:
        try:
            answer = await self._tools.http.request("HEAD", self._hook.url, timeout=self._hook.timeout)
        except SendFailure as failure:
            return http.health_of(failure)
        return http.health_for(answer.status)

    @property
    def _hook(self) -> Hook:
        assert self._settings.hook is not None, "made only with `hook`"
        return self._settings.hook


def _data(message: Message) -> Mapping[str, Any]:
    data: dict[str, Any] = {
        "reference": message.reference,
        "partner_reference": message.thread.get("partner_reference"),
    }
    if message.purpose in _TYPES:
        return data | {"text": message.text, "subject": message.subject}
    return data | {"state": message.text}


def make(settings: PartnerSettings, tools: Tools) -> PartnerConnector:
    """A connector with just the roles that the settings give it."""
    return PartnerConnector(settings, tools) if settings.hook is None else HookedPartner(settings, tools)
