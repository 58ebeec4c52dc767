"""A kind for tests of the house: a chat with everything that a platform may bring, and its far side in memory.

    far = talk.Far("one")                                    # what the platform knows and took
    talk.install(monkeypatch)                                # the kind `talk` is in the catalogues
    House(office.config(…, channels={"talk": talk.settings(far, windows=…)}), …, connectors=talk.CONNECTORS)
    await talk.post(house, talk.event(1, text="…"))          # somebody writes

The kind states facts only; windows, parts, reports, errands and links are the house's to do.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, TracebackType
from typing import Any, Self

import pytest
from pydantic import Field

import config.check
import config.load
import config.schema
from connectors.catalog import CATALOG
from connectors.contract import (
    Batch,
    ChannelSettings,
    Connector,
    ConnectorSpec,
    Media,
    Profile,
    Request,
    Response,
)
from gateway import house as house_room
from gateway import openings
from inbox import worker
from model.delivery import Message, OnUncertain, Receipt
from model.draft import Draft, Fate, Identity, Part, Report, Thread
from model.envelope import Envelope
from model.failures import Malformed, PermanentFailure, Reason, SendFailure
from model.health import OK, Health
from model.tools import Tools
from normalizer.catalog import CATALOG as READERS
from normalizer.contract import ReaderSpec, Source

KIND = "talk"


@dataclass
class Far:
    """The platform: what it took, and what it is told to do with the next messages and questions."""

    name: str
    taken: list[Message] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)
    fails: deque[SendFailure | None] = field(default_factory=deque)
    """How the next sends end; None takes one. Afterwards everything is taken."""
    files: dict[str, Media | Exception] = field(default_factory=dict)
    people: dict[str, Profile | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Files and people that were asked for, in order."""
    keeps: bool = False
    """It only has in hand what it takes, and tells later what became of it."""
    waiting: list[dict[str, Any]] = field(default_factory=list)
    """Events that a fetch brings."""
    looks: int = 0

    def __post_init__(self) -> None:
        FARS[self.name] = self

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.taken]


FARS: dict[str, Far] = {}


class TalkSettings(ChannelSettings):
    """Settings of the kind `talk`."""

    far: str = Field(description="Name of the far side.")
    polls: bool = Field(default=False, description="Whether it is fetched from.")
    responds: bool = Field(default=False, description="Whether an acknowledgement can ride on the answer.")
    longest: int | None = Field(default=None, description="Characters of one message; longer ones are cut.")
    outside: bool = Field(default=False, description="Whether it can send when the window is closed.")
    dear: bool = Field(default=False, description="Whether it is too dear for acknowledgements.")
    deaf: str = Field(default="", description="Why nobody can be reached by it.")

    def outside_window(self) -> bool:
        return self.outside

    def acknowledges(self) -> bool:
        return not self.dear

    def cannot_reach(self, to: Identity | None) -> str:
        return self.deaf


class TalkConnector:
    """Receiver, Sender, Downloader and Profiler; the other roles come from the settings."""

    def __init__(self, settings: TalkSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._far = FARS[settings.far]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        return OK

    def verify(self, request: Request) -> None:
        return None

    def receive(self, request: Request) -> Batch:
        try:
            told = json.loads(request.body)
        except ValueError:
            raise Malformed("no JSON") from None
        if told == "wake":
            return Batch(wake=True)
        events = told if isinstance(told, list) else [told]
        return Batch(envelopes=[self._envelope(one) for one in events])

    def _envelope(self, event: dict[str, Any]) -> Envelope:
        raw = json.dumps(event, ensure_ascii=False, sort_keys=True).encode()
        return Envelope(
            account=self._tools.name,
            source_id=event["id"],
            fingerprint=hashlib.sha256(raw).hexdigest(),
            raw=raw,
            media_type="application/json",
            order_key=f"{self._tools.name}:{event['chat']}",
            sent_at=datetime.fromisoformat(event["at"]) if event.get("at") else None,
        )

    async def send(self, message: Message) -> Receipt:
        failure = self._far.fails.popleft() if self._far.fails else None
        self._far.tries[message.key] += 1
        if failure is not None:
            raise failure
        self._far.taken.append(message)
        return Receipt(f"m:{message.key}", self._tools.clock.now(), final=not self._far.keeps)

    async def download(self, reference: str) -> Media:
        self._far.asked.append(reference)
        found = self._far.files.get(reference)
        if found is None:
            raise PermanentFailure(Reason.REQUEST, "the file is gone")
        if isinstance(found, Exception):
            raise found
        return found

    async def profile(self, identity: Identity) -> Profile:
        self._far.asked.append(f"{identity.kind}:{identity.value}")
        found = self._far.people.get(identity.value, Profile())
        if isinstance(found, Exception):
            raise found
        return found


class Polls:
    """Fetcher, of a source that does not let anybody wait."""

    _far: Far

    async def fetch(self, cursor: Mapping[str, Any] | None, wait: timedelta) -> Batch:
        self._far.looks += 1
        events, self._far.waiting = self._far.waiting, []
        if not events:
            return Batch()
        return Batch(envelopes=[self._envelope(one) for one in events], cursor={"n": self._far.looks})  # type: ignore[attr-defined]

    async def confirm(self, handles: Sequence[Any]) -> None:
        return None


class Responds:
    """Responder: the acknowledgement rides on the answer."""

    def respond(self, request: Request, message: Message) -> Response:
        return Response(body=json.dumps({"say": message.text}).encode())


class Splits:
    """Splitter: so many characters a message, each file by itself."""

    _settings: TalkSettings

    def parts(self, message: Message) -> Sequence[Message]:
        n = self._settings.longest or 1
        texts = [message.text[i : i + n] for i in range(0, len(message.text), n)] or [""]
        if message.outside_window:
            texts = texts[:1]
        cut = [replace(message, text=one, files=()) for one in texts]
        return [*cut, *(replace(message, text="", files=(one,)) for one in message.files)]


def build(settings: TalkSettings, tools: Tools) -> Connector:
    roles: list[tuple[Any, type[Any]]] = [
        (settings.polls, Polls),
        (settings.responds, Responds),
        (settings.longest, Splits),
    ]
    bases = (*(role for chosen, role in roles if chosen), TalkConnector)
    made: Connector = type("TalkConnector", bases, {})(settings, tools)
    return made


def read(source: Source) -> Draft:
    """What an event says."""
    event = json.loads(source.raw)
    identities = [Identity("talk", event["from"])] if event.get("from") else []
    identities += [Identity(**one) for one in event.get("identities", ())]
    return Draft(
        text=event.get("text", ""),
        full_text=event.get("text", ""),
        sent_at=source.sent_at,
        name=event.get("name", ""),
        identities=tuple(identities),
        reply_to=tuple(identities[:1]),
        conversation=event["chat"],
        thread=Thread(ids=(event["id"],), replies_to=tuple(event.get("replies_to", ()))),
        parts=tuple(
            Part(one.get("name", "file"), one.get("type", "image/jpeg"), None, reference=one["ref"])
            for one in event.get("files", ())
        ),
        signal=event.get("signal"),
        opens=event.get("opens", "message"),
        reports=tuple(_report(one) for one in event.get("reports", ())),
        envelope_to={"chat": event["chat"]},
    )


def _report(told: dict[str, Any]) -> Report:
    return Report(
        fate=Fate(told["fate"]),
        remote_id=told.get("remote_id"),
        key=told.get("key"),
        token=told.get("token"),
        to=Identity(**told["to"]) if told.get("to") else None,
        reason=Reason(told["reason"]) if told.get("reason") else None,
        detail=told.get("detail", ""),
    )


SPEC = ConnectorSpec(
    kind=KIND,
    settings=TalkSettings,
    build=build,
    on_uncertain=OnUncertain.HOLD,
    summary="A chat of the tests.",
)
CONNECTORS: Mapping[str, ConnectorSpec] = MappingProxyType({**CATALOG, KIND: SPEC})
_READERS = MappingProxyType({**READERS, KIND: ReaderSpec(KIND, lambda: read)})


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the kind into the catalogues, for one test."""
    for room in (config.load, config.check, config.schema, openings):
        monkeypatch.setattr(room, "CONNECTORS", CONNECTORS)
    monkeypatch.setattr(house_room, "READERS", _READERS)
    monkeypatch.setattr(worker, "CATALOG", _READERS)


def settings(far: Far, **more: Any) -> dict[str, Any]:
    """Settings of a channel at a far side."""
    return {"kind": KIND, "far": far.name, **more}


def event(n: int = 1, **more: Any) -> dict[str, Any]:
    """Something that happened in the first customer's chat, unless told otherwise; the n-th thing there."""
    return {"id": f"e{n}", "chat": "chat-1", "from": "person-1", **more}


def at(moment: datetime) -> str:
    """The platform's time of an event."""
    return moment.astimezone(UTC).isoformat()


async def post(house: Any, *events: Any, channel: str = "talk") -> dict[str, Any]:
    """The platform tells; what the door answers."""
    body = json.dumps(list(events) if len(events) != 1 else events[0])
    async with house.session.post(f"{house.url}/in/{channel}", data=body) as answer:
        raw = await answer.read()
        assert answer.status < 300, (answer.status, raw)
        told: dict[str, Any] = json.loads(raw) if raw else {}
        return told


async def told(house: Any, reference: str, type_: str) -> list[Any]:
    """The data of a record's events of a type."""
    timeline = await house.ask("GET", f"/v1/records/{reference}/timeline")
    return [one["data"] for one in timeline["events"] if one["type"] == type_]
