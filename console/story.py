"""Tells a record as one story: what the customer wrote, what we sent, and what happened, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from model.delivery import DOWNSTREAM
from model.event import EventType

Row = Mapping[str, Any]

#: Told by the messages themselves.
_TOLD = frozenset({EventType.REPLY_QUEUED, EventType.DELIVERY_DELIVERED})
_FROM_CUSTOMER = frozenset({EventType.MESSAGE_JOINED, EventType.AUTOMATIC_JOINED})
#: Where the words of an event may stand in its data.
_WORDS = ("reason", "detail", "note", "text", "state", "to", "target")


@dataclass(frozen=True, slots=True)
class Chapter:
    """One entry of the story."""

    side: Literal["customer", "office", "house"]
    """Who speaks: the customer, the office to the customer, or the house about itself."""
    at: datetime
    what: str
    """An event's type, or a delivery's purpose."""
    who: str = ""
    text: str = ""
    delivery: Row | None = field(default=None, compare=False)


def tell(record: Row, events: Iterable[Row], deliveries: Iterable[Row]) -> list[Chapter]:
    """The chapters of a record, oldest first."""
    chapters = [
        Chapter("customer", record["received_at"], "message", text=record["text"] or record["full_text"])
    ]
    chapters += [_delivery(row) for row in deliveries]
    chapters += [_event(row) for row in events if row["type"] not in _TOLD]
    return sorted(chapters, key=lambda chapter: chapter.at)


def _delivery(row: Row) -> Chapter:
    side: Literal["office", "house"] = "house" if row["purpose"] in DOWNSTREAM else "office"
    text = row["body"].get("text", "") if side == "office" else ""
    return Chapter(side, row["created_at"], row["purpose"], who=row["target"], text=text, delivery=row)


def _event(row: Row) -> Chapter:
    data = row["data"]
    if row["type"] in _FROM_CUSTOMER and data.get("text"):
        return Chapter("customer", row["at"], row["type"], text=str(data["text"]))
    words = next((str(data[name]) for name in _WORDS if data.get(name)), "")
    return Chapter("house", row["at"], row["type"], who=row["actor"], text=words)
