"""Tells a record as one story: what the customer wrote, what we sent, and what happened, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from model.delivery import AUTOMATIC, DOWNSTREAM, Purpose
from model.event import EventType, here
from model.states import DeliveryState

Row = Mapping[str, Any]

#: The house itself, as an actor; its settling of deliveries is told by the deliveries.
_HOUSE = "forebay"
#: Where the words of an event may stand in its data.
_WORDS = ("reason", "detail", "note", "to", "text", "target", "into", "from", "reference")
#: At the same moment the customer comes first, then what happened, then what we sent.
_RANK = {"customer": 0, "house": 1, "office": 2}


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
    parts: int = 1
    """Deliveries that the answer went in."""
    refers: str = ""
    """Reference of another record that it speaks of."""
    alias: str = ""
    """The message's own reference, by which it can be moved."""
    changed: Mapping[str, Row] = field(default_factory=dict, compare=False)
    """What a person judged otherwise: from what, to what."""


def tell(record: Row, events: Iterable[Row], deliveries: Iterable[Row]) -> list[Chapter]:
    """The chapters of a record, oldest first."""
    first = record["text"] or record["full_text"]
    chapters = [Chapter("customer", record["received_at"], "message", text=first)]
    chapters += [_event(row) for row in here(list(events)) if not _told_elsewhere(row)]
    chapters += [_answer(rows) for rows in _together(deliveries)]
    return sorted(chapters, key=lambda chapter: (chapter.at, _RANK[chapter.side]))


def _told_elsewhere(row: Row) -> bool:
    """Whether a delivery tells it: answers that were queued, and how the house's tries went."""
    by_house: bool = row["type"].startswith("delivery.") and row["actor"] == _HOUSE
    return by_house or bool(row["type"] == EventType.REPLY_QUEUED)


def _together(deliveries: Iterable[Row]) -> list[list[Row]]:
    """The deliveries of each message: those of one that went in parts stand together, in order."""
    found: dict[str, list[Row]] = {}
    for row in deliveries:
        part = row["body"].get("part")
        found.setdefault(part["answer"] if part else row["id"], []).append(row)
    return [
        sorted(rows, key=lambda row: (row["body"].get("part") or {}).get("n", 0)) for rows in found.values()
    ]


def _answer(rows: list[Row]) -> Chapter:
    """One message, however many parts it went in; it stands as the part that is furthest from delivered does."""
    chapter = _delivery(rows[0])
    if len(rows) == 1:
        return chapter
    lagging = next((row for row in rows if row["state"] != DeliveryState.DELIVERED), rows[-1])
    files = [file for row in rows for file in row["body"].get("files", ())]
    text = "".join(row["body"].get("text", "") for row in rows)
    shown = {**lagging, "body": {**lagging["body"], "files": files if lagging is rows[0] else []}}
    return replace(chapter, text=text, delivery=shown, parts=len(rows))


def _delivery(row: Row) -> Chapter:
    if row["purpose"] in DOWNSTREAM:
        return Chapter("house", row["created_at"], row["purpose"], who=row["target"], delivery=row)
    if row["purpose"] in AUTOMATIC and row["state"] == DeliveryState.CANCELLED and not row["attempts"]:
        why = ": ".join(one for one in (row["reason"], row["detail"]) if one)
        notice = row["purpose"] == Purpose.NOTICE
        what = EventType.NOTICE_REFUSED if notice else EventType.ACKNOWLEDGEMENT_REFUSED
        return Chapter("house", row["created_at"], what, text=why)
    text = row["body"].get("text", "")
    return Chapter("office", row["created_at"], row["purpose"], who=row["target"], text=text, delivery=row)


def _event(row: Row) -> Chapter:
    data = row["data"]
    if row["type"] in (EventType.MESSAGE_JOINED, EventType.AUTOMATIC_JOINED):
        text = str(data.get("text") or data.get("full_text") or "")
        if text:
            own = str(data.get("alias") or "") if row["type"] == EventType.MESSAGE_JOINED else ""
            name = str(data.get("name", ""))
            return Chapter("customer", row["at"], row["type"], who=name, text=text, alias=own)
    if row["type"] == EventType.MERGED_IN:
        return Chapter(
            "customer", row["at"], row["type"], text=str(data["text"]), refers=str(data["reference"])
        )
    if row["type"] == EventType.CORRECTED:
        text = "\n".join(
            f"{name}: {old or '–'} → {new or '–'}" for name, (old, new) in data["changes"].items()
        )
        return Chapter("house", row["at"], row["type"], who=row["actor"], text=text)
    words = next((str(data[name]) for name in _WORDS if data.get(name)), "")
    changed = {name: one for name, one in data.get("changed", {}).items() if isinstance(one, Mapping)}
    return Chapter("house", row["at"], row["type"], who=row["actor"], text=words, changed=changed)
