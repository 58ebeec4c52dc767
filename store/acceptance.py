"""Law 1 and 2 in SQL: envelopes, cursor and unconfirmed handles in one transaction, insert first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select

from store import flush, imports, sets
from store.blobs import insert_blobs
from store.conditions import ENVELOPES_AT_WORK, among, one_of
from store.schema import envelope, tombstone
from store.units import Count, Guard, Insert


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
    progress: imports.Progress | None = None
    """How far the import comes that the batch is of."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one envelope: new, or a repeat of `id`."""

    id: str
    reference: str
    repeat: bool = False
    claimed: bool = False
    response: Mapping[str, Any] | None = None


#: First character of an order key that is made of the content, for envelopes without an order of their own.
BY_CONTENT = "="
#: An envelope that nobody works on yet.
_IDLE = {"state": "waiting", "claim": None, "owner": None}


def apply(
    connection: Connection, batches: Sequence[Acceptance], writer: str, graves: bool = True
) -> list[list[Stored] | None]:
    """Accept all batches; None for one whose cursor, or import, has another owner by now.

    `graves` is False when there is surely no tombstone to look for.
    """
    fenced = [not _is_ours(connection, batch) for batch in batches]
    rows = [row for batch, lost in zip(batches, fenced, strict=True) if not lost for row in batch.envelopes]
    stored = _insert(connection, rows, writer, graves) if rows else {}
    told: list[list[Stored] | None] = []
    for batch, lost in zip(batches, fenced, strict=True):
        ended = None if lost else [stored[row.values["id"]] for row in batch.envelopes]
        if ended and batch.progress is not None:
            repeats = sum(one.repeat for one in ended)
            imports.count(connection, batch.progress.id, taken=len(ended) - repeats, known=repeats)
        told.append(ended)
    return told


def _is_ours(connection: Connection, batch: Acceptance) -> bool:
    if batch.progress is not None and not imports.advance(connection, batch.progress):
        return False
    return batch.cursor is None or _move(connection, batch.cursor)


def split(connection: Connection, parent: Guard, children: Sequence[NewEnvelope], writer: str) -> bool:
    """Put the children of an envelope beside it and end it, in one transaction; False when its claim was lost.

    A child that is known already, by whatever way it came, stays as it is. Nobody received children by themselves:
    they are counted apart.
    """
    where, values = dict(parent.where), dict(parent.values)
    row = [*where.values(), *values.values()]
    if sets.change(connection, parent.table, tuple(where), tuple(values), [row]) != 1:
        return False
    if children:
        _insert(connection, children, writer, graves=True, received=False)
    return True


def _move(connection: Connection, move: CursorMove) -> bool:
    columns: tuple[str, ...] = ("pending", "last_ok_at")
    row = [move.channel, move.epoch, list(move.pending), move.at]
    if move.value is not None:
        columns, row = (*columns, "value"), [*row, dict(move.value)]
    where = ("channel", "epoch")
    return sets.change(connection, "cursor", where, columns, [row]) == 1


def _insert(
    connection: Connection, rows: Sequence[NewEnvelope], writer: str, graves: bool, received: bool = True
) -> dict[str, Stored]:
    buried = _buried(connection, rows) if graves else set()
    result = _try(connection, rows, _with_state(connection, rows, buried))
    left = [row for row in rows if row.values["id"] not in result]
    if left:
        result |= _repeats(connection, left)
        left = [row for row in left if row.values["id"] not in result]
    if left:
        # Neither new nor seen before: its order key is in flight, or, if that does not help, the reference is taken.
        idle = [v | (_IDLE if v["state"] == "claimed" else {}) for v in _with_state(connection, left, buried)]
        result |= _try(connection, left, idle)
        taken = [(row, v) for row, v in zip(left, idle, strict=True) if v["id"] not in result]
        if taken:
            spare = [v | {"reference": row.spare} for row, v in taken]
            result |= _try(connection, [row for row, _ in taken], spare)
    if not received:
        return result
    sightings = []
    for row in rows:
        v, outcome = row.values, result[row.values["id"]]
        if outcome.repeat:
            seen = {
                "id": row.sighting,
                "envelope": outcome.id,
                "channel": v["channel"],
                "at": v["received_at"],
            }
            sightings.append(Insert("sighting", seen))
    flush.insert_all(connection, sightings)
    arrived = Counter((row.values["received_at"].date(), row.values["channel"]) for row in rows)
    counts = (Count(day.isoformat(), channel, "received", n) for (day, channel), n in arrived.items())
    flush.count_all(connection, counts, writer)
    return result


def _try(
    connection: Connection, rows: Sequence[NewEnvelope], values: Sequence[Mapping[str, Any]]
) -> dict[str, Stored]:
    """Insert what can go in, with its bytes.

    The number of rows tells whether all went in; only when some did not is it asked which. (RETURNING would
    hand over row by row, and a busy interpreter lets the writer wait at each.)
    """
    columns = tuple(values[0])
    inserted = sets.insert(connection, "envelope", columns, map(itemgetter(*columns), values), ignore=True)
    new = {v["id"] for v in values}
    if inserted < len(values):
        new = (
            set(connection.scalars(select(envelope.c.id).where(envelope.c.id.in_(new))))
            if inserted
            else set()
        )
    kept = [row.blob for row, v in zip(rows, values, strict=True) if v["id"] in new and v["blob"]]
    insert_blobs(connection, kept)
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
    """Column values with the state that each may have: one in flight per order key, earlier ones first.

    Envelopes ordered only by their content have no order to keep: the index that allows one in flight does.
    """
    keys = {key for row in rows if (key := row.values["order_key"]) and not key.startswith(BY_CONTENT)}
    taken: set[str] = set()
    if keys:
        busy = select(envelope.c.order_key).where(
            envelope.c.order_key.in_(keys),
            envelope.c.order_key.is_not(None),
            among(envelope.c.state, ENVELOPES_AT_WORK),
        )
        taken = {key for key in connection.scalars(busy) if key}
    result = []
    for row in rows:
        v = dict(row.values)
        key = v["order_key"]
        if row.tombstone in buried:
            # It says nothing any more: what was erased does not come back with its source's next try.
            v |= {"state": "duplicate", "reason": "erased or purged before", "claim": None, "owner": None}
            v |= {"blob": "", "meta": {}}
        elif v["state"] == "claimed" and key in taken:
            v |= _IDLE
        if key and v["state"] in ("waiting", "claimed"):
            taken.add(key)
        result.append(v)
    return result


def _repeats(connection: Connection, rows: Sequence[NewEnvelope]) -> dict[str, Stored]:
    """The first arrivals of rows that did not go in."""
    wanted = {
        r.values["id"]: (r.values["fingerprint"], r.values["source_id"], r.values["account"]) for r in rows
    }
    e = envelope.c
    # Not a chain of ORs: SQLite refuses one of a thousand, and a source may send as many again.
    identity = (e.fingerprint, e.source_id, e.account)
    query = select(*identity, e.id, e.reference, e.response)
    known = connection.execute(query.where(one_of(identity, sorted(set(wanted.values())))))
    first = {tuple(row[:3]): row for row in known}
    return {
        id_: Stored(found.id, found.reference, repeat=True, response=found.response)
        for id_, key in wanted.items()
        if (found := first.get(key))
    }
