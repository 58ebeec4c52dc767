"""The timeline of a record, which is also the feed that downstream systems read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """What happened to a record. Additive only: consumers read these names."""

    REGISTERED = "record.registered"
    CORRECTED = "record.corrected"
    MESSAGE_JOINED = "message.joined"
    AUTOMATIC_JOINED = "message.automatic"
    BOUNCED = "message.bounced"
    SIGNAL = "message.signal"
    DECIDED = "record.decided"
    STATE_CHANGED = "record.state_changed"
    LINKED = "record.linked"
    UNLINKED = "record.unlinked"
    REVIEW_ASKED = "review.asked"
    REVIEW_APPROVED = "review.approved"
    REVIEW_RETURNED = "review.returned"
    MERGED = "record.merged"
    MERGED_IN = "record.merged_in"
    UNMERGED = "record.unmerged"
    UNMERGED_IN = "record.unmerged_in"
    MESSAGE_MOVED = "message.moved"
    SURGE_JOINED = "surge.joined"
    SURGE_LEFT = "surge.left"
    REPLY_QUEUED = "reply.queued"
    DELIVERY_ENTRUSTED = "delivery.entrusted"
    DELIVERY_DELIVERED = "delivery.delivered"
    DELIVERY_UNCERTAIN = "delivery.uncertain"
    DELIVERY_DEAD = "delivery.dead"
    DELIVERY_EXPIRED = "delivery.expired"
    DELIVERY_HELD = "delivery.held"
    DELIVERY_CANCELLED = "delivery.cancelled"
    DELIVERY_REPORTED = "delivery.reported"
    DELIVERY_REROUTED = "delivery.rerouted"
    DELIVERY_RELEASED = "delivery.released"
    WINDOW_CLOSES = "window.closes"
    FILE_FETCHED = "file.fetched"
    FILE_GIVEN_UP = "file.given_up"
    CONTACT_LINKED = "contact.linked"
    CONTACT_UNLINKED = "contact.unlinked"
    CONTACT_PROPOSED = "contact.proposed"
    ACKNOWLEDGEMENT_REFUSED = "acknowledgement.refused"
    NOTICE_REFUSED = "notice.refused"
    READ_AGAIN = "record.read_again"
    NOTE_ADDED = "note.added"
    REPLY_NOT_SENT = "reply.not_sent"
    TICKET_ANSWERED = "ticket.answered"
    TICKET_CHANGED = "ticket.changed"
    TICKET_MERGED = "ticket.merged"
    TICKET_SPLIT = "ticket.split"
    TICKET_DELETED = "ticket.deleted"
    ASSIGNED = "record.assigned"
    TAKEN = "record.taken"
    RETURNED = "record.returned"
    SOLVED = "record.solved"
    DUE_MOVED = "record.due_moved"
    ASKED = "customer.asked"
    REMINDED = "customer.reminded"
    RESUMED = "record.resumed"
    PROGRESS = "customer.told"
    EXTENDED = "record.extended"
    ESCALATED = "record.escalated"
    MARKED = "customer.marked"


def here(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Lines of a record's timeline (`type` and `data`), in order, without the messages that were moved to another.

    One that was moved away and back stands where it first came.
    """
    joined: Counter[str] = Counter()
    for row in rows:
        if row["type"] == EventType.MESSAGE_JOINED:
            joined[row["data"].get("envelope", "")] += 1
        elif row["type"] == EventType.MESSAGE_MOVED:
            joined[row["data"]["envelope"]] -= 1
    found, told = [], set()
    for row in rows:
        if row["type"] == EventType.MESSAGE_JOINED and (envelope := row["data"].get("envelope")):
            if envelope in told or joined[envelope] <= 0:
                continue
            told.add(envelope)
        found.append(row)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a record's timeline. `position` grows in the order of commit and never skips back."""

    position: int
    id: str
    type: str
    record: str | None
    reference: str | None
    at: datetime
    actor: str
    data: Mapping[str, Any]
