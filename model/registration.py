"""A registration: everything known about one envelope at the moment it becomes, or joins, a record.

The inbox makes it; the outbox plans the acknowledgement and the hand-overs from it, so that they are
committed together with the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from model.decision import Decision
from model.draft import Draft


@dataclass(frozen=True, slots=True)
class Sent:
    """How many automatic messages went out lately."""

    address_hour: int = 0
    address_day: int = 0
    domain_hour: int = 0
    total_hour: int = 0
    matter: tuple[datetime, ...] = ()
    """When the address got automatic messages about the same matter (`model.subject`) in the last day, oldest first."""
    domain_loops: int = 0
    """Automatic messages that its domain did not get in the last hour, as rounds of a loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One envelope about to be registered or joined."""

    envelope: str
    channel: str
    kind: str
    record: str
    """Id of the record that it makes or joins."""
    reference: str
    """Reference of that record."""
    conversation: str | None
    contact: str | None
    draft: Draft
    decision: Decision
    at: datetime
    joined: bool = False
    """It joins a record that exists."""
    acknowledged_before: bool = False
    repeat_recent: bool = False
    """The same content from the same sender was registered within the quiet time."""
    burst: bool = False
    """It is a further part of the same message: what was decided is decided anew, over all of it."""
    party_to: tuple[str, ...] = ()
    """Destinations that have the record already and are to learn of this."""
    sent: Sent = field(default_factory=Sent)


@dataclass(frozen=True, slots=True)
class Planned:
    """Rows of the delivery table to be committed with the record; those born claimed are sent at once."""

    rows: tuple[Mapping[str, Any], ...] = ()
    wake: bool = False
    """Something that was held goes on with it."""
