"""The shapes of events, deliveries and messages as the API shows them: additive only, like the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

_EVENT = ("position", "id", "type", "reference", "record", "at", "actor", "data")
_DELIVERY = (
    "id",
    "purpose",
    "target",
    "state",
    "certainty",
    "address",
    "attempts",
    "created_at",
    "next_at",
    "expires_at",
    "settled_at",
    "reason",
    "detail",
    "remote_id",
)
_ATTEMPT = ("n", "phase", "outcome", "code", "detail", "started_at", "ended_at")
_MESSAGE = (
    "id",
    "reference",
    "channel",
    "kind",
    "state",
    "reason",
    "sent_at",
    "received_at",
    "size",
    "media_type",
)


def _pick(row: Row, columns: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in columns}


def event(row: Row) -> dict[str, Any]:
    """One line of the timeline or the feed."""
    return _pick(row, _EVENT)


def delivery(row: Row) -> dict[str, Any]:
    """One delivery with its certainty (delivered, failed, unknown or pending) and its attempts."""
    return _pick(row, _DELIVERY) | {
        "part": part(row),
        "tries": [_pick(attempt, _ATTEMPT) for attempt in row["tries"]],
    }


def part(row: Row) -> dict[str, Any] | None:
    """Which part of which answer a delivery is; None for a message that goes as one."""
    found = row["body"].get("part")
    return {name: found[name] for name in ("n", "of", "answer")} if found else None


def message(row: Row) -> dict[str, Any]:
    """One message of the customer, as it arrived."""
    return _pick(row, _MESSAGE)
