"""The states of envelopes, deliveries and records, with their transition tables.

Everything that may change a state is named here, and the diagrams in the documentation are drawn
from these tables. A terminal state is left only by an operator's verb, which the table says too.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar


class EnvelopeState(StrEnum):
    """Where an envelope stands on its way to a record."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    HELD = "held"
    REGISTERED = "registered"
    JOINED = "joined"
    SPLIT = "split"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"


class DeliveryState(StrEnum):
    """Where the intent to send one message to one target stands."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    ENTRUSTED = "entrusted"
    DELIVERED = "delivered"
    UNCERTAIN = "uncertain"
    DEAD = "dead"
    EXPIRED = "expired"
    HELD = "held"
    CANCELLED = "cancelled"


class RecordState(StrEnum):
    """Where a registered record stands in the office."""

    REGISTERED = "registered"
    HANDED_OVER = "handed_over"
    TAKEN = "taken"
    RETURNED = "returned"
    RESOLVED = "resolved"
    ANSWERED = "answered"
    FOLLOWED_UP = "followed_up"
    CLOSED = "closed"
    OUT_OF_SCOPE = "out_of_scope"
    REOPENED = "reopened"


E, D, R = EnvelopeState, DeliveryState, RecordState

ENVELOPE_TRANSITIONS: Mapping[EnvelopeState, frozenset[EnvelopeState]] = {
    E.WAITING: frozenset({E.CLAIMED, E.HELD}),
    E.CLAIMED: frozenset(
        {E.WAITING, E.REGISTERED, E.JOINED, E.SPLIT, E.HELD, E.DUPLICATE, E.IGNORED, E.QUARANTINED}
    ),
    E.HELD: frozenset({E.WAITING, E.IGNORED}),
    # Replay by an operator: read it again.
    E.QUARANTINED: frozenset({E.WAITING, E.IGNORED}),
    E.IGNORED: frozenset({E.WAITING}),
    E.REGISTERED: frozenset(),
    E.JOINED: frozenset(),
    E.SPLIT: frozenset(),
    E.DUPLICATE: frozenset(),
}

DELIVERY_TRANSITIONS: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    # Dead: the part of the message before it could not be delivered.
    # Delivered: a try counted as failed, and then the far side tells that it has the message.
    D.WAITING: frozenset({D.CLAIMED, D.HELD, D.CANCELLED, D.EXPIRED, D.DELIVERED, D.DEAD}),
    D.CLAIMED: frozenset(
        {D.DELIVERED, D.ENTRUSTED, D.WAITING, D.UNCERTAIN, D.DEAD, D.EXPIRED, D.HELD, D.CANCELLED}
    ),
    # Somebody has it in hand (a printed letter, a call to be made) and will tell what became of it.
    D.ENTRUSTED: frozenset({D.DELIVERED, D.DEAD, D.CANCELLED}),
    # Resolved by look-up, echo or the channel's policy, or by an operator.
    D.UNCERTAIN: frozenset({D.WAITING, D.DELIVERED, D.ENTRUSTED, D.HELD, D.CANCELLED, D.DEAD}),
    # One that may have been delivered is held for a person, who may find out.
    D.HELD: frozenset({D.WAITING, D.CANCELLED, D.EXPIRED, D.DELIVERED}),
    # Redrive by an operator; a bounce that names a delivered message turns it dead.
    D.DEAD: frozenset({D.WAITING, D.CANCELLED}),
    D.EXPIRED: frozenset({D.WAITING}),
    D.DELIVERED: frozenset({D.DEAD}),
    D.CANCELLED: frozenset(),
}

RECORD_TRANSITIONS: Mapping[RecordState, frozenset[RecordState]] = {
    R.REGISTERED: frozenset({R.HANDED_OVER, R.TAKEN, R.RESOLVED, R.ANSWERED, R.OUT_OF_SCOPE, R.CLOSED}),
    R.HANDED_OVER: frozenset({R.TAKEN, R.RETURNED, R.RESOLVED, R.ANSWERED, R.OUT_OF_SCOPE, R.CLOSED}),
    R.TAKEN: frozenset({R.HANDED_OVER, R.RETURNED, R.RESOLVED, R.ANSWERED, R.OUT_OF_SCOPE, R.CLOSED}),
    R.RETURNED: frozenset({R.HANDED_OVER, R.TAKEN, R.RESOLVED, R.ANSWERED, R.OUT_OF_SCOPE, R.CLOSED}),
    R.RESOLVED: frozenset({R.ANSWERED, R.REOPENED, R.CLOSED}),
    R.ANSWERED: frozenset({R.FOLLOWED_UP, R.REOPENED, R.CLOSED}),
    R.FOLLOWED_UP: frozenset({R.CLOSED, R.REOPENED}),
    R.CLOSED: frozenset({R.REOPENED}),
    R.OUT_OF_SCOPE: frozenset({R.REOPENED, R.CLOSED, R.ANSWERED}),
    # Followed up: the customer's mark came as a message, which reopened it.
    R.REOPENED: frozenset(
        {R.FOLLOWED_UP, R.HANDED_OVER, R.TAKEN, R.RESOLVED, R.ANSWERED, R.OUT_OF_SCOPE, R.CLOSED}
    ),
}

S = TypeVar("S", bound=StrEnum)


def may(table: Mapping[S, frozenset[S]], old: S, new: S) -> bool:
    """Whether the table lets a thing go from `old` to `new`."""
    return new in table[old]


def sources(table: Mapping[S, frozenset[S]], new: S) -> frozenset[S]:
    """The states from which `new` can be reached in one step."""
    return frozenset(old for old, nexts in table.items() if new in nexts)
