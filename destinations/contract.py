"""The contract between the house and a kind of destination; the manner of `connectors.contract`.

Destination   async with, probe() -> Health
              deliver(hand_over) -> Receipt    one try; hand_over.key is the idempotency key
Returner      what comes back (replies, status) arrives like any envelope: see `Returned`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from model.delivery import OnUncertain, Receipt
from model.health import Health
from model.outbound import CaFile, Proxy
from model.tools import Tools


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
    """The destination's own number for the record, once it told one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a destination sent back about a record: an answer for the customer, or a new state."""

    reference: str
    source_id: str
    text: str | None = None
    state: str | None = None
    remote_id: str | None = None
    files: Sequence[Mapping[str, Any]] = ()


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


class DestinationSettings(BaseModel):
    """What every kind's settings share."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: str = Field(description="The kind of the destination.")
    enabled: bool = Field(default=True, description="A disabled destination keeps what is due until enabled.")
    on_uncertain: OnUncertain | None = Field(
        default=None, description="What to do when nobody can know whether a hand-over was taken."
    )
    concurrency: int = Field(default=4, gt=0, description="Hand-overs being delivered at the same time.")
    rate: float | None = Field(default=None, gt=0, description="Hand-overs a second at the most.")
    proxy: Proxy | None = Field(default=None, repr=False, description="Outbound proxy, http:// or socks5://.")
    ca_file: CaFile | None = Field(default=None, description="PEM file of further authorities to trust.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSpec:
    """One kind, as the catalogue lists it. `build` imports the kind's libraries; nothing before it may."""

    kind: str
    settings: type[DestinationSettings]
    build: Callable[[Any, Tools], Destination]
    on_uncertain: OnUncertain
    summary: str
    extra: str | None = None
    """The extra of this distribution that brings the kind's libraries, where the plain installation has them not."""
    requires: tuple[str, ...] = ()
    """Top-level modules of that extra which `build` imports; looked for, not imported, before anything starts."""
