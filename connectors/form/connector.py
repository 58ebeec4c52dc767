"""Receives posted forms, answers browsers and scripts, and publishes answers on the status page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import orjson

from connectors.contract import Answer, Batch, Request, Response
from connectors.form import FormSettings
from connectors.wire import posted
from connectors.wire.posted import KEY_HEADER
from connectors.wire.rate import Buckets
from model import body, http
from model.delivery import Message, Receipt
from model.envelope import Envelope
from model.failures import Malformed, Reason, TemporaryFailure
from model.health import Health, HealthState
from model.imported import Row
from model.tools import Tools


class FormConnector:
    """Receiver, Answerer, Sender and Publisher of the kind `form`."""

    def __init__(self, settings: FormSettings, tools: Tools) -> None:
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
        return Health(HealthState.OK, "a form has no far side: it works while this door answers")

    def verify(self, request: Request) -> None:
        """Anybody may post a form: nothing proves where one comes from."""

    def receive(self, request: Request) -> Batch:
        """The form as one envelope; TemporaryFailure (throttled) when its address posts too often."""
        if request.method == "OPTIONS":
            return Batch(response=Response(status=204, headers=self._preflight(request)))
        if request.method != "POST":
            return Batch(response=Response(status=405, headers={"allow": "POST, OPTIONS"}))
        if self._buckets is not None:
            wait = self._buckets.take(request.remote, self._tools.clock.monotonic())
            if wait is not None:
                raise TemporaryFailure(Reason.THROTTLED, "too many forms from one address", retry_after=wait)
        content_type = request.headers.get("content-type", "")
        form = body.load_form(content_type, request.body, most=self._settings.max_fields)
        self._check(form)
        return Batch(envelopes=(self._envelope(request, content_type, form),))

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        """A browser goes on to the status page; a script gets the reference as JSON."""
        one = accepted[0]
        if _wants_page(request):
            return _page(one)
        told = {"reference": one.reference, "status_url": one.status_url, "repeat": one.repeat}
        return Response(
            status=202,
            headers={
                "content-type": "application/json",
                **posted.cross_origin(request, self._settings.origins),
            },
            body=orjson.dumps(told),
        )

    def import_row(self, row: Row) -> Envelope:
        """A row as the form that the customer might have filled in; what must not be empty there must not here."""
        names = self._settings.fields.model_dump()
        values = {names[name]: value for name, value in row.fields.items()}
        known = {*names.values(), *posted.HIDDEN, self._settings.honeypot}
        values |= {
            f"{name} (imported)" if name in known else name: value for name, value in row.extra.items()
        }
        form = body.Form(tuple(values.items()))
        if len(values) > self._settings.max_fields:
            raise Malformed(f"the row has more than {self._settings.max_fields} fields")
        self._check(form)
        return Envelope(
            account=self._tools.name,
            source_id=row.source_id,
            fingerprint=row.fingerprint,
            raw=orjson.dumps(values),
            media_type="application/json",
            sent_at=row.sent_at,
        )

    async def send(self, message: Message) -> Receipt:
        """The customer's status page shows every delivered message: it is published by being delivered."""
        return self.published(message.key, self._tools.clock.now())

    def published(self, key: str, at: datetime) -> Receipt:
        return Receipt(remote_id=key, accepted_at=at)

    def _check(self, form: body.Form) -> None:
        """Malformed, in words that may be shown to whoever posted, when the form is outside our limits."""
        for name in self._settings.required:
            if not form.first(name):
                raise Malformed(f"the field {name} is empty")
        posted.check(form, self._settings.files, self._settings.max_characters)

    def _envelope(self, request: Request, content_type: str, form: body.Form) -> Envelope:
        facts = {
            "remote": request.remote,
            "accept_language": request.headers.get("accept-language", "")[:100],
            "place": request.query.get("place", "")[:100],
        }
        trapped = self._settings.honeypot is not None and form.first(self._settings.honeypot)
        return Envelope(
            account=self._tools.name,
            source_id=posted.source_id(request, form) or self._tools.ids.new(),
            fingerprint=posted.fingerprint(form),
            raw=request.body,
            media_type=content_type,
            meta={name: fact for name, fact in facts.items() if fact},
            hold="a field that people do not see was filled: perhaps a robot" if trapped else None,
        )

    def _preflight(self, request: Request) -> Mapping[str, str]:
        allowed = posted.cross_origin(request, self._settings.origins)
        if not allowed:
            return {}
        return {
            **allowed,
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": f"content-type, {KEY_HEADER}",
            "access-control-max-age": "3600",
        }


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "").lower()


def _page(answer: Answer) -> Response:
    if answer.status_url is not None:
        return Response(status=303, headers={"location": http.header_value(answer.status_url)})
    reference = html.escape(answer.reference)
    page = (
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{reference}</title><p>已收到，受理编号：<b>{reference}</b></p>"
        f"<p>Received. Your reference: <b>{reference}</b></p>"
    )
    return Response(status=202, headers={"content-type": "text/html; charset=utf-8"}, body=page.encode())
