"""What arrived: an envelope as a connector hands it over, and as the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from model.states import EnvelopeState
from model.tools import Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One thing a customer sent, raw, as a connector hands it over.

    `source_id` is the source's own identity of it, never empty; `fingerprint` the hex SHA-256 of what the
    sender made, without traces of transport. Together with `account`, what the far side calls ours, they
    decide whether it was seen before. Both are computed purely, so that a second arrival gives the same.
    """

    account: str
    source_id: str
    fingerprint: str
    raw: Raw
    media_type: str = "application/octet-stream"
    order_key: str | None = None
    """Envelopes with the same key (chat, openid, thread) are processed one at a time, in order."""
    sent_at: datetime | None = None
    """The provider's time, aware, where it gives one."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """JSON facts of transport that the raw bytes lack: recipient, remote address, part of a list."""
    hold: str | None = None
    """A reason to let a person look before it is processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEnvelope:
    """An envelope as the store keeps it."""

    id: str
    account: str
    channel: str
    kind: str
    source_id: str
    fingerprint: str
    order_key: str | None
    received_at: datetime
    sent_at: datetime | None
    state: EnvelopeState
    reason: str | None
    claim: str | None
    claims: int
    record: str | None
    parent: str | None
    reference: str
    blob: str
    size: int
    media_type: str
    meta: Mapping[str, Any]
    response: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What acceptance gave one envelope: durable when this value exists."""

    id: str
    reference: str
    repeat: bool = False
    """It was here before; the reference is that of the first arrival."""
    response: Mapping[str, Any] | None = None
    """The stored answer at the door that the first arrival got, for a repeat."""
