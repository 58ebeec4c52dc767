"""What stands in the boxes: what waits for a person, what was sent and how surely, what customers may see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, TextClause, exists, func, select, text

from model.delivery import Outcome, Purpose, Said
from model.ids import tidy_reference
from model.states import DeliveryState, EnvelopeState
from store import views
from store.schema import attempt, delivery, envelope
from store.schema import record as register
from store.views import Row

#: States in which an envelope or a delivery waits for a person.
ENVELOPES_TO_MEND = (EnvelopeState.HELD, EnvelopeState.QUARANTINED)
DELIVERIES_TO_MEND = (DeliveryState.UNCERTAIN, DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.HELD)

# The conditions of the partial indexes, word for word: only so can the planners prove that they apply.
_OPEN_ENVELOPES = text("state IN ('waiting','claimed','held','quarantined')")
_OPEN_DELIVERIES = text("state NOT IN ('delivered','cancelled')")

_CERTAINTY: Mapping[str, str] = {
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.UNCERTAIN: "unknown",
    DeliveryState.DEAD: "failed",
    DeliveryState.EXPIRED: "failed",
    DeliveryState.CANCELLED: "failed",
}
#: What a customer may read on the status page. A reply is published even when its mail could not be
#: delivered, because the page itself is a way to deliver it; one that is held or called back is not.
_WITHHELD = (DeliveryState.HELD, DeliveryState.CANCELLED)
_PUBLISHED = (Purpose.ACKNOWLEDGEMENT, Purpose.REPLY, Purpose.NOTICE)


def certainty(state: str, outcomes: Iterable[str | None] = ()) -> str:
    """Whether the far side has a message: delivered, failed, unknown, or pending while it may still go out.

    `outcomes` are those of its attempts: after one that nobody knows the end of, giving up proves nothing,
    and what is held for a person may have been delivered.
    """
    known = _CERTAINTY.get(state, "pending")
    unclear = known == "failed" or state == DeliveryState.HELD
    return "unknown" if unclear and Outcome.UNCERTAIN in tuple(outcomes) else known


def counts(connection: Connection) -> dict[str, dict[str, int]]:
    """How many are not settled, by state: {"envelopes": {…}, "deliveries": {…}}."""
    return {
        "envelopes": _count(connection, envelope, _OPEN_ENVELOPES),
        "deliveries": _count(connection, delivery, _OPEN_DELIVERIES),
    }


def _count(connection: Connection, table: Table, unsettled: TextClause) -> dict[str, int]:
    query = select(table.c.state, func.count().label("n")).where(unsettled).group_by(table.c.state)
    return {row.state: row.n for row in connection.execute(query)}


def to_mend(connection: Connection, *, limit: int = 50) -> dict[str, Any]:
    """What waits for a person, the oldest first, at most `limit` of a state, with the counts of all."""
    found: dict[str, Any] = {
        "counts": counts(connection),
        "envelopes": {state.value: _envelopes(connection, state, limit) for state in ENVELOPES_TO_MEND},
        "deliveries": {state.value: _deliveries(connection, state, limit) for state in DELIVERIES_TO_MEND},
    }
    _part_the_held(connection, found)
    return found


def _part_the_held(connection: Connection, found: dict[str, Any]) -> None:
    """What is held because it may have been delivered stands with the uncertain ones: the same is to be found out."""
    held, uncertain = DeliveryState.HELD.value, DeliveryState.UNCERTAIN.value
    rows, n = found["deliveries"], found["counts"]["deliveries"]
    doubtful = [row for row in rows[held] if row["certainty"] == "unknown"]
    rows[uncertain] += doubtful
    rows[held] = [row for row in rows[held] if row["certainty"] != "unknown"]
    if doubtful:
        tried = exists().where(
            attempt.c.delivery == delivery.c.id, attempt.c.outcome == Outcome.UNCERTAIN.value
        )
        query = select(func.count()).where(_OPEN_DELIVERIES, delivery.c.state == held, tried)
        moved = int(connection.scalar(query) or 0)
        n[uncertain] = n.get(uncertain, 0) + moved
        n[held] = n.get(held, 0) - moved


def _envelopes(connection: Connection, state: str, limit: int) -> list[Row]:
    e = envelope.c
    columns = (
        e.id,
        e.reference,
        e.channel,
        e.kind,
        e.received_at,
        e.state,
        e.reason,
        e.size,
        e.media_type,
        e.claims,
        e.meta,
    )
    query = select(*columns).where(_OPEN_ENVELOPES, e.state == state).order_by(e.id).limit(limit)
    found = views.rows(connection, query)
    # Whether there is something to be put right before it goes on.
    for row in found:
        row["shown"] = bool((row.pop("meta") or {}).get("shown"))
    return found


def _deliveries(connection: Connection, state: str, limit: int) -> list[Row]:
    query = (
        select(delivery, register.c.reference)
        .join_from(delivery, register, register.c.id == delivery.c.record, isouter=True)
        .where(text("delivery.state NOT IN ('delivered','cancelled')"), delivery.c.state == state)
        .order_by(delivery.c.id)
        .limit(limit)
    )
    return with_attempts(connection, views.rows(connection, query))


def deliveries_of(connection: Connection, record_id: str) -> list[Row]:
    """Everything sent or to be sent for a record, oldest first, with attempts and certainty."""
    query = (
        select(delivery).where(delivery.c.record == record_id).order_by(delivery.c.created_at, delivery.c.id)
    )
    return with_attempts(connection, views.rows(connection, query))


def with_attempts(connection: Connection, found: Sequence[Row]) -> list[Row]:
    """Deliveries with `tries` (rows of the attempt table) and `certainty` added."""
    query = (
        select(attempt)
        .where(attempt.c.delivery.in_([row["id"] for row in found]))
        .order_by(attempt.c.delivery, attempt.c.n)
    )
    tries: dict[str, list[Row]] = {}
    for row in views.rows(connection, query) if found else ():
        tries.setdefault(row["delivery"], []).append(row)
    return [
        row
        | {
            "tries": tries.get(row["id"], []),
            "certainty": certainty(row["state"], (t["outcome"] for t in tries.get(row["id"], ()))),
        }
        for row in found
    ]


def call_backs(connection: Connection, targets: Collection[str], limit: int) -> list[Row]:
    """What colleagues are to say to customers, the earliest due first, with the reference of its record."""
    d = delivery.c
    query = (
        select(delivery, register.c.reference)
        .join_from(delivery, register, register.c.id == d.record, isouter=True)
        .where(text("delivery.state NOT IN ('delivered','cancelled')"))
        .where(d.state == DeliveryState.ENTRUSTED, d.target.in_(list(targets)))
        .order_by(d.next_at, d.id)
        .limit(limit)
    )
    return views.rows(connection, query)


def said_before(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    """How often a colleague tried each of these and reached nobody."""
    a = attempt.c
    missed = a.code == Said.NOT_REACHED
    query = select(a.delivery, func.count().label("n")).where(a.delivery.in_(list(ids)), missed)
    return {row.delivery: row.n for row in connection.execute(query.group_by(a.delivery))}


def status(connection: Connection, reference: str) -> Row | None:
    """What the customer behind a reference may know; None when the reference names nothing.

    `state` is the record's, or the envelope's while there is no record; `reference` the record's own, so that
    an alias shows the number that the matter is kept under; `messages` are those we published for them.
    """
    e = envelope.c
    query = select(e.state, e.received_at, e.record, e.reference).where(
        e.reference == tidy_reference(reference)
    )
    arrived = views.first(connection, query)
    if arrived is None:
        return None
    matter = views.first(connection, select(register).where(register.c.id == arrived["record"]))
    if matter is None:
        return {
            "reference": arrived["reference"],
            "registered": False,
            "state": arrived["state"],
            "received_at": arrived["received_at"],
            "messages": [],
        }
    return {
        "reference": matter["reference"],
        "registered": True,
        "state": matter["state"],
        "received_at": arrived["received_at"],
        "messages": _published(connection, matter["id"]),
    }


def _published(connection: Connection, record_id: str) -> list[Row]:
    d = delivery.c
    query = (
        select(d.id, d.purpose, d.body, d.created_at)
        .where(d.record == record_id, d.purpose.in_(_PUBLISHED), d.state.not_in(_WITHHELD))
        .order_by(d.created_at, d.id)
    )
    return [
        {
            "id": row["id"],
            "purpose": row["purpose"],
            "at": row["created_at"],
            "subject": row["body"].get("subject", ""),
            "text": row["body"].get("text", ""),
            "files": row["body"].get("files", []),
        }
        for row in views.rows(connection, query)
    ]


def waiting_for_a_person(found: Mapping[str, Mapping[str, int]]) -> int:
    """How many of the counted envelopes and deliveries only a person can move on."""
    return sum(found["envelopes"].get(state, 0) for state in ENVELOPES_TO_MEND) + sum(
        found["deliveries"].get(state, 0) for state in DELIVERIES_TO_MEND
    )
