"""Meta's web hook: its handshake, its signature, and one envelope for each event of a batch. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from connectors.contract import Answer, Batch, Request, Response
from connectors.wire.meta_settings import MetaSettings
from model import ids, meta_events, signing, strict_json
from model.envelope import Envelope
from model.failures import Unverified
from model.signing import Algorithm, Encoding
from model.tools import Tools

_HEADER, _PREFIX = "x-hub-signature-256", "sha256="
#: Longest challenge that is echoed; Meta's are about ten digits.
_CHALLENGE = 1_000


class MetaDoor:
    """Receiver and Answerer of the three kinds."""

    def __init__(self, settings: MetaSettings, tools: Tools) -> None:
        secrets = (settings.app_secret, settings.earlier_app_secret)
        self._keys = [one.get_secret_value().encode() for one in secrets if one is not None]
        self._verify_token = settings.verify_token.get_secret_value()
        self._tools = tools

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def verify(self, request: Request) -> None:
        """The signature over the raw bytes, or, of the handshake, the token that was entered in the console.

        Meta signs the body as it is sent, with its escapes: a body that was read and written again fails.
        """
        if request.method in ("GET", "HEAD"):
            if "hub.challenge" in request.query and not ids.same_token(
                request.query.get("hub.verify_token", ""), self._verify_token
            ):
                raise Unverified("hub.verify_token is not the verify_token of the settings")
            return
        given = request.headers.get(_HEADER, "").strip()
        if not given.startswith(_PREFIX):
            raise Unverified("the header X-Hub-Signature-256 is missing or of another form")
        expected = [signing.mac(key, request.body, Algorithm.SHA256, Encoding.HEX) for key in self._keys]
        if not signing.any_same(given[len(_PREFIX) :].lower(), expected):
            raise Unverified("the signature does not hold: is app_secret that of the app that posts here?")

    def receive(self, request: Request) -> Batch:
        """The events of a body, each an envelope with the whole body as its raw bytes."""
        if request.method in ("GET", "HEAD"):
            return Batch(response=_handshake(request))
        if request.method != "POST":
            return Batch(response=Response(status=405, headers={"allow": "GET, POST"}))
        found = envelopes(self._tools.name, request.body, remote=request.remote)
        return Batch(envelopes=found) if found else Batch(response=_taken())

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        """What ends Meta's tries; nobody reads it."""
        return _taken()


def envelopes(channel: str, raw: bytes, *, remote: str = "") -> tuple[Envelope, ...]:
    """One envelope for each event, known by its own content: a repeat may come in another company."""
    body = strict_json.load(raw)
    made = []
    for place in meta_events.places(body):
        event = meta_events.event(body, place)
        made.append(
            Envelope(
                account=event.account or channel,
                source_id=event.source_id,
                fingerprint=event.fingerprint,
                raw=raw,
                media_type="application/json",
                order_key=_order(channel, event),
                sent_at=event.sent_at,
                meta={"place": list(place), **({"remote": remote} if remote else {})},
            )
        )
    return tuple(made)


def _order(channel: str, event: meta_events.Event) -> str | None:
    if event.what.startswith(("comment", "post")):
        return f"{channel}:{meta_events.comment_conversation(event.data)}"
    return f"{channel}:{event.person}" if event.person else None


def _handshake(request: Request) -> Response:
    if "hub.challenge" not in request.query:
        return (
            Response() if request.method == "HEAD" else Response(status=405, headers={"allow": "GET, POST"})
        )
    return Response(
        headers={"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"},
        body=request.query["hub.challenge"][:_CHALLENGE].encode("utf-8", "replace"),
    )


def _taken() -> Response:
    return Response(headers={"content-type": "text/plain; charset=utf-8"}, body=b"EVENT_RECEIVED")
