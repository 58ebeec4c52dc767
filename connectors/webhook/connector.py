"""Receives verified events; answers them, and sends replies, in the ways that the settings name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import orjson

from connectors.contract import Answer, Batch, Request, Response
from connectors.webhook import Challenge, FixedAnswer, WebhookSettings
from connectors.webhook.reply import Sends
from connectors.wire import proofs, templates
from connectors.wire import verification as schemes
from model import body, strict_json
from model.delivery import Message
from model.envelope import Envelope
from model.expression import as_text, scalar, search
from model.failures import Malformed
from model.health import Health, HealthState
from model.imported import Row
from model.tools import Tools

#: Longer identities are hashed: they go into an index.
_LONGEST_ID = 200
#: Where a provider's own number of an event stands when the settings name no place: a header, or the event.
_ID_HEADERS: Mapping[type[Any], str] = {
    schemes.Standard: "webhook-id",
    schemes.GitHub: "x-github-delivery",
    schemes.Shopify: "x-shopify-webhook-id",
}
_ID_MEMBERS: Mapping[type[Any], str] = {schemes.Stripe: "id"}


class WebhookConnector:
    """Receiver of the kind `webhook`; further roles come from the classes below."""

    def __init__(self, settings: WebhookSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        used = [type(scheme) for scheme in settings.verify]
        self._id_header = settings.identity_header or next(
            (_ID_HEADERS[one] for one in used if one in _ID_HEADERS), None
        )
        self._id_member = next((_ID_MEMBERS[one] for one in used if one in _ID_MEMBERS), None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        return Health(
            HealthState.UNKNOWN, "only the source can reach this door; see when something last came"
        )

    def verify(self, request: Request) -> None:
        """Every scheme of the settings; a question by GET proves itself by its token, since nothing signs it."""
        if request.method in ("GET", "HEAD"):
            challenge = self._settings.challenge
            if challenge is not None and challenge.query is not None and challenge.query in request.query:
                proofs.check_token(challenge.token, request.query.get(challenge.token_query, ""))
            return
        proofs.check_all(self._settings.verify, request, self._tools.clock.now())

    def receive(self, request: Request) -> Batch:
        """The events of a request, each an envelope with the whole body as its raw bytes."""
        challenge = self._settings.challenge
        if request.method in ("GET", "HEAD"):
            return Batch(response=_question(challenge, request))
        settings = self._settings
        content_type = request.headers.get("content-type", "")
        data = body.load_event(content_type, request.body, member=settings.member)
        if challenge is not None and challenge.body is not None:
            echo = scalar(challenge.body, data)
            if echo is not None:
                return Batch(response=_echo(echo))
        events = [data] if settings.events is None else _listed(search(settings.events, data))
        if not events:
            return Batch(response=_fixed(settings.answer or FixedAnswer()))
        return Batch(
            envelopes=tuple(
                self._envelope(request, event, index, len(events)) for index, event in enumerate(events)
            )
        )

    def _envelope(self, request: Request, event: Any, index: int, count: int) -> Envelope:
        order = scalar(self._settings.order, event) if self._settings.order else None
        meta: dict[str, Any] = {"remote": request.remote} if request.remote else {}
        if self._settings.events is not None:
            meta["part"] = index
        return Envelope(
            account=self._settings.account or self._tools.name,
            source_id=self._source_id(request, event, index, count),
            fingerprint=hashlib.sha256(strict_json.canonical(event)).hexdigest(),
            raw=request.body,
            media_type=request.headers.get("content-type", "application/json"),
            order_key=None if order is None else f"{self._tools.name}:{_short(order)}",
            meta=meta,
        )

    def import_row(self, row: Row) -> Envelope:
        """A row as an event: the file's own JSON object, else one with the usual names of its parts."""
        event: Any = {**row.extra, **_usual(row.fields)}
        found = None
        if row.event is not None:
            event = strict_json.load(row.event)
            found = scalar(self._settings.identity, event) if self._settings.identity else None
        own = (
            {} if found is None else {"fingerprint": hashlib.sha256(strict_json.canonical(event)).hexdigest()}
        )
        return Envelope(
            account=self._settings.account or self._tools.name,
            source_id=row.source_id if found is None else _short(found),
            fingerprint=own.get("fingerprint", row.fingerprint),
            raw=orjson.dumps(event) if row.event is None else row.event,
            media_type="application/json",
            sent_at=row.sent_at,
            # How the reader finds its way: `table` by usual names alone, `event` as ever but with no list around it.
            meta={"row": "table" if row.event is None else "event"},
        )

    def _source_id(self, request: Request, event: Any, index: int, count: int) -> str:
        """The settings' expression, else the provider's number, else a fresh one that knows no repeat."""
        for expression in (self._settings.identity, self._id_member):
            found = scalar(expression, event) if expression else None
            if found is not None:
                return _short(found)
        given = request.headers.get(self._id_header.lower(), "") if self._id_header else ""
        if given.strip():
            # One number for several events: their places in the body, which a repeat keeps, tell them apart.
            return _short(given.strip()) if count == 1 else f"{_short(given.strip())}#{index}"
        return self._tools.ids.new()


class Answers:
    """Answerer: the source wants to hear a fixed text."""

    _settings: WebhookSettings

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        return _fixed(self._settings.answer or FixedAnswer())


class Responds:
    """Responder: the acknowledgement rides on the answer to the event."""

    _settings: WebhookSettings

    def respond(self, request: Request, message: Message) -> Response:
        respond = self._settings.respond
        assert respond is not None, "made only with `respond`"
        render = templates.content("respond.body", respond.body, respond.media_type)
        return Response(
            status=respond.status,
            headers={"content-type": respond.media_type},
            body=render(templates.context(message)),
        )


def make(settings: WebhookSettings, tools: Tools) -> WebhookConnector:
    """A connector with just the roles that the settings give it: a class has a role by having its methods."""
    roles: list[tuple[Any, type[Any]]] = [
        (settings.reply, Sends),
        (settings.respond, Responds),
        (settings.answer, Answers),
    ]
    bases = (*(role for chosen, role in roles if chosen is not None), WebhookConnector)
    make_one: Callable[[WebhookSettings, Tools], WebhookConnector] = type("WebhookConnector", bases, {})
    return make_one(settings, tools)


def _usual(fields: Mapping[str, str]) -> dict[str, str]:
    """Our fields by the names under which the reader looks for them."""
    names = {"message": "text"}
    return {names.get(name, name): value for name, value in fields.items()}


def _listed(found: Any) -> list[Any]:
    if found is None:
        raise Malformed("the expression `events` finds nothing in the body")
    return found if isinstance(found, list) else [found]


def _question(challenge: Challenge | None, request: Request) -> Response:
    """The answer to GET or HEAD: an echo where one is agreed on, else a sign that we are here."""
    if challenge is not None and challenge.query is not None and challenge.query in request.query:
        return _echo(as_text(request.query[challenge.query]) or "")
    if request.method == "HEAD":
        return Response()
    return Response(status=405, headers={"allow": "POST, HEAD"})


def _echo(value: str) -> Response:
    """A value of a stranger goes back as text that no browser will run."""
    return Response(
        headers={"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"},
        body=value[:1_000].encode("utf-8", "replace"),
    )


def _fixed(answer: FixedAnswer) -> Response:
    return Response(
        status=answer.status, headers={"content-type": answer.media_type}, body=answer.body.encode()
    )


def _short(identity: str) -> str:
    if len(identity) <= _LONGEST_ID and identity.isprintable():
        return identity
    return "sha256:" + hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
