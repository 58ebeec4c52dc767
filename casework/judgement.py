"""The first judgement of a record with its reasons, and what people made of it. Pure: the timeline in, facts out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model.event import EventType

Row = Mapping[str, Any]
Facts = Mapping[str, Any]

#: What is judged, in the order in which people read it.
FIELDS = ("in_scope", "nature", "urgency", "department")


def tell(record: Row, events: Iterable[Row]) -> list[Facts]:
    """Each judged field: what the rules proposed and why, what it is now, and who overruled it when.

    `proposed` is None where the timeline does not tell (a record of an earlier version). A message that came in
    several parts was judged anew with each: the last proposal counts, until a person spoke.
    """
    proposed: dict[str, Any] = {}
    reasons: list[Facts] = []
    overruled: dict[str, Facts] = {}
    for row in events:
        data = row["data"]
        if row["type"] == EventType.REGISTERED:
            proposed = {name: data.get(name) for name in FIELDS}
            reasons = list(data.get("reasons", ()))
        elif row["type"] == EventType.MESSAGE_JOINED and data.get("judged"):
            proposed = {name: data["judged"].get(name) for name in FIELDS}
            reasons = list(data["judged"].get("reasons", ()))
        elif row["type"] == EventType.DECIDED:
            by = {"by": row["actor"], "at": row["at"], "note": data.get("note") or ""}
            overruled |= {name: by for name in data.get("changed", {}) if name in FIELDS}
    return [
        {
            "field": name,
            "proposed": proposed.get(name),
            "reasons": [_reason(one) for one in reasons if name in one["sets"]],
            "now": record[name],
            "overruled": overruled.get(name) if proposed.get(name) != record[name] else None,
        }
        for name in FIELDS
    ]


def _reason(one: Facts) -> Facts:
    return {"rule": one["rule"], "found": list(one.get("found", ()))}
