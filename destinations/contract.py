"""The contract between the house and a kind of destination; the manner of `connectors.contract`.

Destination   async with, probe() -> Health
              deliver(hand_over) -> Receipt    one try; hand_over.key is the idempotency key
Finder        find(hand_over) -> Receipt | None    whether an uncertain hand-over was taken after all
Returner      returns(cursor, ours) -> Returns what agents did there since: answers, notes, states, merges
              load(reference) -> Raw           a file of an answer
Caller        verify(request), receive(request) -> Sequence[Returned]
              its web hook; with nothing in it, it only says that there is something to fetch

What comes back is applied once by its `source_id`, whichever way it came and however often.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from model.delivery import OnUncertain, Receipt
from model.health import Health
from model.outbound import CaFile, Proxy
from model.tools import Raw, Tools


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes along with a hand-over; its bytes are loaded when they are needed."""

    filename: str
    media_type: str
    size: int
    sha256: str | None
    """None where we do not have it; `omitted` says why."""
    omitted: str | None = None


async def no_bytes(_sha256: str) -> bytes | None:
    """There are none."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """A record, or an update of one, on its way to a destination."""

    key: str
    """The same on every try; the event's id for consumers that deduplicate."""
    type: str
    """Event type, such as `record.registered`."""
    reference: str
    at: datetime
    record: Mapping[str, Any]
    """The canonical record as it is now (`forebay schema record`)."""
    update: Mapping[str, Any] = field(default_factory=dict)
    """What changed, for an update."""
    remote_id: str | None = None
    """The destination's own number for the record, once it told one; merges there have been followed."""
    gone: bool = False
    """Whether its ticket there was deleted."""
    tries: int = 0
    """Tries before this one. Where the far side recognises no repeats, what they may have made is looked for first."""
    files: Sequence[File] = ()
    """The files that came with the message that is handed over."""
    load: Callable[[str], Awaitable[bytes | None]] = no_bytes
    """The bytes of a file by its digest; None when they are gone."""


class Came(StrEnum):
    """What came back from a destination."""

    REPLY = "reply"
    """An agent's answer for the customer."""
    NOTE = "note"
    """What agents say among themselves; it never leaves the house."""
    STATE = "state"
    MERGED = "merged"
    """The ticket went into another, `other`."""
    SPLIT = "split"
    """The ticket `other` was made of a part of this one."""
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ReturnedFile:
    """A file of an answer, at the destination; `reference` is what `Returner.load` takes."""

    reference: str
    filename: str
    media_type: str
    size: int = 0
    data: bytes | None = None
    """Its bytes, where they came along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """One thing that happened at a destination to a ticket of ours."""

    source_id: str
    """The far side's identity of it: the same whenever it is told again."""
    what: Came
    remote_id: str
    """The ticket."""
    reference: str | None = None
    """Our number, where the far side knows it."""
    text: str = ""
    author: str = ""
    """Who did it there, as it calls them."""
    state: str | None = None
    """The far side's own word for the new state; `DestinationSettings.states` puts it into ours."""
    other: str | None = None
    """The other ticket of a merge or a split."""
    at: datetime | None = None
    files: Sequence[ReturnedFile] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """What one look brought."""

    items: Sequence[Returned]
    cursor: Mapping[str, Any]
    """Where the next look begins; stored once all items are."""
    more: bool = False
    """Whether there is more to fetch at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request of a web hook; header names in lower case."""

    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


#: Which of these tickets are known to hold records of ours.
Ours = Callable[[Collection[str]], Awaitable[set[str]]]


@runtime_checkable
class Destination(Protocol):
    """Life, health, and the one verb."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def probe(self) -> Health:
        """The cheapest real round trip to the far side, with the repair step when it fails."""

    async def deliver(self, hand_over: HandOver) -> Receipt:
        """One try. Raises TemporaryFailure, PermanentFailure or Uncertain."""


@runtime_checkable
class Finder(Protocol):
    """A far side that can be asked whether it took something."""

    async def find(self, hand_over: HandOver) -> Receipt | None:
        """The receipt of a hand-over that was taken after all; None when it surely was not."""


@runtime_checkable
class Returner(Protocol):
    """A far side whose agents answer there."""

    async def returns(self, cursor: Mapping[str, Any] | None, ours: Ours) -> Returns:
        """What happened since; without a cursor only where the next look begins, for what is older is not ours.

        `ours` tells which of some tickets hold records; whatever belongs to none of them may be left out, but not
        that which bears our mark: nobody may have told us yet that it was made.
        """

    async def load(self, reference: str) -> Raw:
        """The bytes of a file of an answer."""


@runtime_checkable
class Caller(Protocol):
    """A far side that calls when something happened."""

    def verify(self, call: Call) -> None:
        """Raises Unverified; pure."""

    def receive(self, call: Call) -> Sequence[Returned]:
        """What the call tells; nothing where it only says that there is something to fetch. Pure; Malformed."""


class DestinationSettings(BaseModel):
    """What every kind's settings share."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: str = Field(description="The kind of the destination.")
    enabled: bool = Field(default=True, description="A disabled destination keeps what is due until enabled.")
    on_uncertain: OnUncertain | None = Field(
        default=None, description="What to do when nobody can know whether a hand-over was taken."
    )
    concurrency: int = Field(default=4, gt=0, description="Hand-overs being delivered at the same time.")
    rate: float | None = Field(default=None, gt=0, description="Hand-overs a second at the most.")
    proxy: Proxy | None = Field(default=None, repr=False, description="Outbound proxy, http:// or socks5://.")
    ca_file: CaFile | None = Field(default=None, description="PEM file of further authorities to trust.")
    poll: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(milliseconds=50),
        description="How often it is asked what agents did there, where the kind can be asked.",
    )

    def record_state(self, remote: str) -> str | None:
        """The state of a record that a state over there stands for; None when it stands for none."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSpec:
    """One kind, as the catalogue lists it. `build` imports the kind's libraries; nothing before it may."""

    kind: str
    settings: type[DestinationSettings]
    build: Callable[[Any, Tools], Destination]
    on_uncertain: OnUncertain
    summary: str
    replays: bool = False
    """Whether it may be told the same thing again, with the same key, long after (`forebay feed replay`)."""
    extra: str | None = None
    """The extra of this distribution that brings the kind's libraries, where the plain installation has them not."""
    requires: tuple[str, ...] = ()
    """Top-level modules of that extra which `build` imports; looked for, not imported, before anything starts."""
