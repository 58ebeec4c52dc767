"""What goes out: messages, and the lasting intent to send one to one target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from model.draft import Identity
from model.failures import TemporaryFailure
from model.states import DeliveryState


class Purpose(StrEnum):
    """Why something is sent."""

    ACKNOWLEDGEMENT = "acknowledgement"
    HAND_OVER = "hand_over"
    UPDATE = "update"
    REPLY = "reply"
    NOTICE = "notice"
    LETTER = "letter"
    ALERT = "alert"


#: Purposes that no person wrote: they obey the rules against mail loops and budgets.
AUTOMATIC = frozenset({Purpose.ACKNOWLEDGEMENT, Purpose.NOTICE, Purpose.ALERT})
#: Purposes that go to a destination instead of a customer.
DOWNSTREAM = frozenset({Purpose.HAND_OVER, Purpose.UPDATE})


#: Why automatic messages were withheld as one round of a loop; operators are alerted.
LOOPS = frozenset(
    {
        "two robots",
        "growing subject",
        "thread budget of the day",
        "domain budget of the hour",
        "total budget of the hour",
        "breaker",
    }
)


class Said(StrEnum):
    """How a colleague's try to say something to a customer ended."""

    REACHED = "reached"
    NOT_REACHED = "not_reached"
    WRONG_NUMBER = "wrong_number"
    DECLINED = "declined"


class OnUncertain(StrEnum):
    """What a channel does when it cannot know whether a message was taken."""

    RESEND = "resend"
    HOLD = "hold"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """An attachment of a message; its bytes are in the blob store under `sha256`."""

    filename: str
    media_type: str
    size: int
    sha256: str
    data: bytes = b""
    """Filled in by the outbox just before sending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """What a customer had written, for kinds whose answers quote it."""

    text: str
    name: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one customer through one channel, as a sender gets it.

    `key` is the idempotency key: the same on every try. A sender derives from it whatever identity the
    far side takes (Message-ID, Idempotency-Key), so that a second try can be recognised there.
    """

    key: str
    purpose: Purpose
    reference: str
    to: Identity | None
    """None when the channel itself knows the way (a conversation, a status page)."""
    name: str = ""
    subject: str = ""
    text: str = ""
    html: str | None = None
    language: str | None = None
    files: tuple[OutgoingFile, ...] = ()
    cc: tuple[str, ...] = ()
    thread: Mapping[str, Any] = field(default_factory=dict)
    """What the kind's reader put in `Draft.envelope_to`."""
    token: str = ""
    """Signed token by which an answer to this message finds its record."""
    outside_window: bool = False
    """The customer's reply window is closed: send only what the platform allows then (a template, a tag)."""

    copy_to: str = ""
    """Others have this message already: this is for one address of `cc` alone, which was put off before."""
    quoted: Quoted | None = None

    @property
    def automatic(self) -> bool:
        return self.purpose in AUTOMATIC


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that the far side took a message."""

    remote_id: str
    accepted_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    """What else the far side told, such as its ticket number."""
    put_off: Mapping[str, TemporaryFailure] = field(default_factory=dict)
    """Copies that were put off while others were taken: each is tried again alone (`Message.copy_to`)."""
    final: bool = True
    """False where somebody only has it in hand, and tells later what became of it: a printed letter, a call to be
    made. Until then the delivery is `entrusted`, and moves nothing.
    """
    due: datetime | None = None
    """When they should have done it; only of what is not final."""


class Outcome(StrEnum):
    """How one attempt ended."""

    DELIVERED = "delivered"
    ENTRUSTED = "entrusted"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The lasting intent to send one message to one target."""

    id: str
    key: str
    order_key: str | None
    seq: int
    purpose: Purpose
    target: str
    """Name of the channel or destination."""
    record: str | None
    envelope: str | None
    address: str | None
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_at: datetime
    expires_at: datetime | None
    claim: str | None
    claims: int
    reason: str | None
    detail: str | None
    remote_id: str | None
    body: Mapping[str, Any]


def is_last(body: Mapping[str, Any]) -> bool:
    """Whether the body is that of a whole message, or of the last part of one."""
    part = body.get("part")
    return part is None or part["n"] == part["of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a delivery; written before its I/O."""

    delivery: str
    n: int
    claim: str
    phase: str
    outcome: Outcome | None
    code: str | None
    detail: str | None
    started_at: datetime
    ended_at: datetime | None
