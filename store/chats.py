"""What a visitor of our own chat sees: their messages and ours, in the order in which they were said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from model.delivery import Purpose
from model.event import EventType
from model.states import DeliveryState
from store import views
from store.schema import attachment, delivery, event, record
from store.views import Row

_SAID = (Purpose.ACKNOWLEDGEMENT, Purpose.REPLY, Purpose.NOTICE)
#: Records of one conversation that are looked at, the newest: a conversation may go on for years.
_RECORDS = 20


def talk(connection: Connection, channel: str, conversation: str, limit: int = 200) -> list[Row]:
    """The newest `limit` messages of a conversation, oldest first."""
    columns = (record.c.id, record.c.envelope, record.c.text, record.c.received_at)
    query = select(*columns).where(record.c.conversation == conversation)
    matters = views.rows(connection, query.order_by(record.c.id.desc()).limit(_RECORDS))
    records = [one["id"] for one in matters]
    if not records:
        return []
    told = [_theirs(one["envelope"], one["text"], one["received_at"]) for one in matters]
    told += _joined(connection, records)
    files = _files(connection, records)
    for one in told:
        one["files"] = files.get(one["id"], [])
    # A message that was moved between records, or made one of its own, was said once.
    said = {(one["id"], one["text"]): one for one in sorted(told, key=lambda one: one["at"], reverse=True)}
    every = [*said.values(), *_ours(connection, channel, records)]
    return sorted(every, key=lambda one: (one["at"], one["id"]))[-limit:]


def news(
    connection: Connection, channels: Sequence[str], after: int, limit: int = 500
) -> tuple[int, list[Row]]:
    """Messages of ours that became visible in chats since a position of the feed, and the position now."""
    e = event.c
    query = select(e.position, e.type, e.data).where(e.position > after).order_by(e.position).limit(limit)
    found = views.rows(connection, query)
    ids = [
        one["data"]["delivery"]
        for one in found
        if one["type"] == EventType.DELIVERY_DELIVERED and one["data"].get("target") in channels
    ]
    position = found[-1]["position"] if found else after
    if not ids:
        return position, []
    query = (
        select(delivery, record.c.conversation)
        .join(record, record.c.id == delivery.c.record)
        .where(delivery.c.id.in_(ids), delivery.c.purpose.in_(_SAID), record.c.conversation.is_not(None))
        .order_by(delivery.c.created_at, delivery.c.id)
    )
    rows = views.rows(connection, query)
    return position, [_said(row) | {"conversation": row["conversation"]} for row in rows]


def latest(connection: Connection) -> int:
    """The newest position of the feed."""
    return int(connection.scalar(select(event.c.position).order_by(event.c.position.desc()).limit(1)) or 0)


def _joined(connection: Connection, records: Sequence[str]) -> list[Row]:
    e = event.c
    query = select(e.data, e.at).where(e.record.in_(records), e.type == EventType.MESSAGE_JOINED)
    return [
        _theirs(one["data"]["envelope"], one["data"]["text"], one["at"])
        for one in views.rows(connection, query)
        if "text" in one["data"]  # the same message by another channel says nothing new
    ]


def _files(connection: Connection, records: Sequence[str]) -> dict[str, list[Row]]:
    a = attachment.c
    query = select(a.envelope, a.n, a.filename, a.size).where(a.record.in_(records), a.sha256.is_not(None))
    found: dict[str, list[Row]] = {}
    for one in views.rows(connection, query.order_by(a.envelope, a.n)):
        found.setdefault(one["envelope"], []).append(one)
    return found


def _ours(connection: Connection, channel: str, records: Sequence[str]) -> list[Row]:
    d = delivery.c
    query = select(delivery).where(
        d.record.in_(records),
        d.target == channel,
        d.purpose.in_(_SAID),
        d.state == DeliveryState.DELIVERED.value,
    )
    return [_said(row) for row in views.rows(connection, query)]


def _theirs(envelope: str, text: str, at: Any) -> Row:
    return {"id": envelope, "key": envelope, "from": "visitor", "text": text, "at": at}


def _said(row: Row) -> Row:
    return {
        "id": row["id"],
        "key": row["key"],
        "from": "office",
        "text": row["body"].get("text", ""),
        "at": row["created_at"],
        "files": row["body"].get("files", []),
    }
