"""What the kinds share whose messages a colleague takes down and answers by word of mouth: calls and visits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from pydantic import Field, field_validator

from connectors.contract import Answer, Batch, ChannelSettings, Request, Response
from connectors.wire import keys, posted
from connectors.wire.keys import Key, Keys
from connectors.wire.posted import FileLimits, Rate, Strict
from model import body, strict_json
from model.delivery import Message, Receipt
from model.envelope import Envelope
from model.failures import Malformed
from model.health import Health, HealthState
from model.tools import Tools

#: Fields and files of one note.
_MOST = 100
#: How an answer may be wished; what a note may say under `answer_by`.
WISHES = ("call_back", "sms", "email", "letter", "none", "")


class CallBack(Strict):
    """How an answer is given by word of mouth."""

    within: timedelta = Field(
        default=timedelta(hours=4), gt=timedelta(0), description="How soon a call-back is due."
    )
    again_after: timedelta = Field(
        default=timedelta(hours=2),
        gt=timedelta(0),
        description="When it is due anew after a call that reached nobody.",
    )
    tries: int = Field(
        default=3, ge=1, le=50, description="Calls that reached nobody, after which it has failed."
    )


class NoteSettings(ChannelSettings):
    """Settings that the kinds of notes share."""

    title: Mapping[str, str] = Field(default={}, description="Name of the channel at the desk, by language.")
    keys: Mapping[str, Key | tuple[Key, ...]] = Field(
        default_factory=dict,
        description="Bearer keys of the programs that may post notes to the door, by name: one, or several that are "
        "valid at the same time while one is being changed.",
    )
    rate: Rate | None = Field(
        default_factory=lambda: Rate(per_minute=120, burst=60),
        description="Rate limit of one key; null: none.",
    )
    required: tuple[str, ...] = Field(default=("text",), description="Fields that a note must have.")
    max_characters: int = Field(default=20_000, gt=0, description="Longest text in one field, characters.")
    files: FileLimits = Field(default_factory=FileLimits, description="Limits of files.")
    places: tuple[str, ...] = Field(default=(), description="Places that the desk's form suggests.")
    call_back: CallBack = Field(default_factory=CallBack, description="Answers by word of mouth.")
    region: str = Field(
        default="CN",
        pattern="^[A-Z]{2}$",
        description="Country (ISO 3166) of telephone numbers that are written without one.",
    )

    @field_validator("keys")
    @classmethod
    def _each_is_one_program(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if name := next(keys.repeated(_listed(value)), None):
            raise ValueError(f"{name}: somebody else has this key too; each program needs its own")
        return value

    def reading(self) -> Mapping[str, Any]:
        return {"region": self.region}

    def acknowledges(self) -> bool:
        """Nobody is called to hear a number: it is read out while they are there."""
        return False


def _listed(given: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    return {name: one if isinstance(one, tuple) else (one,) for name, one in given.items()}


class NoteConnector:
    """Receiver, Answerer, Noter and Sender of the kinds of notes."""

    def __init__(self, settings: NoteSettings, tools: Tools) -> None:
        self._notes = settings
        self._tools = tools
        self._keys = Keys(_listed(settings.keys), settings.rate)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        return Health(HealthState.OK, "colleagues are its far side: it works while the desk answers")

    # ---- the door

    def verify(self, request: Request) -> None:
        """A note by a program bears one of the channel's keys."""
        if request.method == "POST":
            self._keys.of(request)

    def receive(self, request: Request) -> Batch:
        """A note as one envelope; TemporaryFailure (throttled) when its key comes too often."""
        if request.method != "POST":
            return Batch(response=Response(status=405, headers={"allow": "POST"}))
        holder = self._keys.of(request)
        self._keys.take(holder, self._tools.clock.monotonic())
        content_type = request.headers.get("content-type", "")
        form = body.load_form(content_type, request.body, most=_MOST)
        return self._batch(form, posted.source_id(request, form), holder, request.body, content_type)

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        one = accepted[0]
        told = {"reference": one.reference, "status_url": one.status_url, "repeat": one.repeat}
        return Response(
            status=202, headers={"content-type": "application/json"}, body=strict_json.canonical(told)
        )

    # ---- the desk

    def noted(self, note: Mapping[str, str], *, key: str | None, by: str) -> Batch:
        form = body.Form(tuple(note.items()))
        name = posted.named(key) if key else None
        return self._batch(form, name, by, strict_json.canonical(dict(note)), "application/json")

    def _batch(self, form: body.Form, key: str | None, by: str, raw: bytes, media_type: str) -> Batch:
        self._check(form)
        call = form.first("call").strip()[:200]
        envelope = Envelope(
            account=self._tools.name,
            # One clerk's key says nothing about another's note.
            source_id=f"{by}:{key}" if key else self._tools.ids.new(),
            fingerprint=posted.fingerprint(form),
            raw=raw,
            media_type=media_type,
            order_key=f"{self._tools.name}:{call}" if call else None,
            meta={"by": by},
        )
        return Batch(envelopes=(envelope,))

    def _check(self, form: body.Form) -> None:
        """Malformed, in words for whoever typed it, when a note is outside our limits."""
        for name in self._notes.required:
            if not form.first(name):
                raise Malformed(f"the field {name} is empty")
        if form.first("answer_by").strip() not in WISHES:
            raise Malformed(f"answer_by must be one of {', '.join(filter(None, WISHES))}")
        if form.first("urgency").strip() not in ("", "urgent", "important", "normal"):
            raise Malformed("urgency must be urgent, important or normal")
        posted.check(form, self._notes.files, self._notes.max_characters)

    # ---- the way back

    async def send(self, message: Message) -> Receipt:
        """A colleague is to say it: it stands on their list, and they tell what became of it."""
        now = self._tools.clock.now()
        return Receipt(
            remote_id=message.key, accepted_at=now, final=False, due=now + self._notes.call_back.within
        )
