"""Law 1 and 2 in SQL: envelopes, cursor and unconfirmed handles in one transaction, insert first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from store import flush
from store.conditions import ENVELOPES_AT_WORK, among
from store.schema import blob, envelope, tombstone
from store.sets import encode, insert_set, update_set
from store.units import Count, Insert


@dataclass(frozen=True, slots=True)
class CursorMove:
    """The cursor of a fetched batch. `epoch` fences off a poller that lost its lease."""

    channel: str
    epoch: int
    value: Mapping[str, Any] | None
    pending: Sequence[Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class NewEnvelope:
    """One envelope to store, with its bytes when they live in the row."""

    values: Mapping[str, Any]
    """Columns of the envelope table; `state` is `claimed` when the process has room to work on it at once."""
    blob: Mapping[str, Any]
    tombstone: str
    """Keyed hash of its identity; where one stands, the envelope counts as a duplicate."""
    sighting: str
    """Id of the sighting row, should it be a repeat."""
    spare: str
    """A longer reference, should the first one be taken."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A batch to accept, all or nothing."""

    envelopes: tuple[NewEnvelope, ...]
    cursor: CursorMove | None = None
    label: str = "accept"


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one envelope: new, or a repeat of `id`."""

    id: str
    reference: str
    repeat: bool = False
    claimed: bool = False
    response: Mapping[str, Any] | None = None


#: An envelope that nobody works on yet.
_IDLE = {"state": "waiting", "claim": None, "owner": None}


def apply(connection: Connection, batches: Sequence[Acceptance], writer: str) -> list[list[Stored] | None]:
    """Accept all batches; None for one whose cursor has another owner by now."""
    fenced = [batch.cursor is not None and not _move(connection, batch.cursor) for batch in batches]
    rows = [row for batch, lost in zip(batches, fenced, strict=True) if not lost for row in batch.envelopes]
    stored = _insert(connection, rows, writer) if rows else {}
    return [
        None if lost else [stored[row.values["id"]] for row in batch.envelopes]
        for batch, lost in zip(batches, fenced, strict=True)
    ]


def _move(connection: Connection, move: CursorMove) -> bool:
    columns: tuple[str, ...] = ("pending", "last_ok_at")
    row = [move.channel, move.epoch, list(move.pending), move.at]
    if move.value is not None:
        columns, row = (*columns, "value"), [*row, dict(move.value)]
    where = ("channel", "epoch")
    statement = update_set(connection.dialect.name, "cursor", where, columns, True)
    return (
        connection.execute(statement, {"rows": encode("cursor", where + columns, [row])}).first() is not None
    )


def _insert(connection: Connection, rows: Sequence[NewEnvelope], writer: str) -> dict[str, Stored]:
    buried = _buried(connection, rows)
    result = _try(connection, rows, _with_state(connection, rows, buried))
    left = [row for row in rows if row.values["id"] not in result]
    if left:
        result |= _repeats(connection, left)
        left = [row for row in left if row.values["id"] not in result]
    if left:
        # Neither new nor seen before: the reference was taken, or another writer has its order key in flight.
        again = zip(left, _with_state(connection, left, buried), strict=True)
        spare = [
            v | (_IDLE if v["state"] == "claimed" else {}) | {"reference": row.spare} for row, v in again
        ]
        result |= _try(connection, left, spare)
    counts, sightings = [], []
    for row in rows:
        v, outcome = row.values, result[row.values["id"]]
        day = f"{v['received_at']:%Y-%m-%d}"
        counts.append(Count(day, v["channel"], "received"))
        if outcome.repeat:
            seen = {
                "id": row.sighting,
                "envelope": outcome.id,
                "channel": v["channel"],
                "at": v["received_at"],
            }
            sightings.append(Insert("sighting", seen))
    flush.insert_all(connection, sightings)
    flush.count_all(connection, counts, writer)
    return result


def _try(
    connection: Connection, rows: Sequence[NewEnvelope], values: Sequence[Mapping[str, Any]]
) -> dict[str, Stored]:
    """Insert what can go in, with its bytes."""
    columns = tuple(values[0])
    statement = insert_set(connection.dialect.name, "envelope", columns, True, True)
    payload = encode("envelope", columns, ([row[c] for c in columns] for row in values))
    new = set(connection.scalars(statement, {"rows": payload}))
    _blobs(connection, [row for row in rows if row.values["id"] in new])
    return {
        v["id"]: Stored(v["id"], v["reference"], claimed=v["state"] == "claimed")
        for v in values
        if v["id"] in new
    }


def _buried(connection: Connection, rows: Sequence[NewEnvelope]) -> set[str]:
    hashes = [row.tombstone for row in rows]
    return set(connection.scalars(select(tombstone.c.hash).where(tombstone.c.hash.in_(hashes))))


def _with_state(
    connection: Connection, rows: Sequence[NewEnvelope], buried: set[str]
) -> list[dict[str, Any]]:
    """Column values with the state that each may have: one in flight per order key, earlier ones first."""
    keys = {row.values["order_key"] for row in rows} - {None}
    taken: set[str | None] = set()
    if keys:
        busy = select(envelope.c.order_key).where(
            envelope.c.order_key.in_(keys),
            envelope.c.order_key.is_not(None),
            among(envelope.c.state, ENVELOPES_AT_WORK),
        )
        taken = set(connection.scalars(busy))
    result = []
    for row in rows:
        v = dict(row.values)
        if row.tombstone in buried:
            v |= {"state": "duplicate", "reason": "erased or purged before", "claim": None, "owner": None}
        elif v["state"] == "claimed" and v["order_key"] is not None and v["order_key"] in taken:
            v |= _IDLE
        if v["state"] in ("waiting", "claimed"):
            taken.add(v["order_key"])
        result.append(v)
    return result


def _blobs(connection: Connection, rows: Sequence[NewEnvelope]) -> None:
    if not rows:
        return
    module = sqlite if connection.dialect.name == "sqlite" else postgresql
    unique = {row.blob["sha256"]: dict(row.blob) for row in rows}
    statement: Any = module.insert(blob)
    # Seen again: whatever was about to be deleted as unused is in use.
    statement = statement.on_conflict_do_update(index_elements=[blob.c.sha256], set_={"unused_since": None})
    connection.execute(statement, [unique[sha] for sha in sorted(unique)])


def _repeats(connection: Connection, rows: Sequence[NewEnvelope]) -> dict[str, Stored]:
    """The first arrivals of rows that did not go in."""
    wanted = {
        r.values["id"]: (r.values["account"], r.values["source_id"], r.values["fingerprint"]) for r in rows
    }
    e = envelope.c
    # Not a chain of ORs: SQLite refuses one of a thousand, and a source may send as many again.
    identity = tuple_(e.account, e.source_id, e.fingerprint)
    query = select(e.account, e.source_id, e.fingerprint, e.id, e.reference, e.response)
    known = connection.execute(query.where(identity.in_(sorted(set(wanted.values())))))
    first = {tuple(row[:3]): row for row in known}
    return {
        id_: Stored(found.id, found.reference, repeat=True, response=found.response)
        for id_, key in wanted.items()
        if (found := first.get(key))
    }
