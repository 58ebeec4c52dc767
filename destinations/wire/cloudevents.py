"""Hand-overs as CloudEvents 1.0 in structured mode. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from destinations.contract import HandOver

#: Before our event types, so that they are unique among a consumer's other sources (CloudEvents §3.1.1 `type`).
TYPE_PREFIX = "forebay."
MEDIA_TYPE = "application/cloudevents+json; charset=utf-8"


def event(hand_over: HandOver, source: str) -> dict[str, Any]:
    """The hand-over as a CloudEvent (CloudEvents 1.0.2, JSON event format §3)."""
    data: dict[str, Any] = {"record": hand_over.record, "update": hand_over.update}
    if hand_over.remote_id is not None:
        data["remote_id"] = hand_over.remote_id
    return {
        "specversion": "1.0",
        "id": hand_over.key,
        "source": source,
        "type": TYPE_PREFIX + hand_over.type,
        "subject": hand_over.reference,
        "time": hand_over.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }


def written(found: Mapping[str, Any]) -> bytes:
    """A CloudEvent as JSON."""
    return json.dumps(found, ensure_ascii=False, default=_json).encode("utf-8", "replace")


def _json(value: Any) -> Any:
    """What JSON lacks: moments, and mappings that are not dictionaries."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a hand-over")
