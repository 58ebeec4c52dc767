"""Envelopes: claiming those that wait, and recovering those whose owner died."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, exists, func, or_, select, update

from model.envelope import StoredEnvelope
from model.ids import tidy_reference
from model.states import EnvelopeState
from store.conditions import ENVELOPES_AT_WORK, UNSETTLED_ENVELOPES, among, stands, tried
from store.schema import envelope, record, sighting

#: What the index of unsettled envelopes holds.
_UNSETTLED = among(envelope.c.state, UNSETTLED_ENVELOPES)


def from_row(row: Row[Any]) -> StoredEnvelope:
    """The stored envelope of a row with all columns of the table."""
    return StoredEnvelope(
        id=row.id,
        account=row.account,
        channel=row.channel,
        kind=row.kind,
        source_id=row.source_id,
        fingerprint=row.fingerprint,
        order_key=row.order_key,
        received_at=row.received_at,
        sent_at=row.sent_at,
        state=EnvelopeState(row.state),
        reason=row.reason,
        claim=row.claim,
        claims=row.claims,
        record=row.record,
        parent=row.parent,
        reference=row.reference,
        blob=row.blob,
        size=row.size,
        media_type=row.media_type,
        meta=row.meta,
        response=row.response,
    )


def claim(
    connection: Connection, *, owner: str, token: str, limit: int, recovered: bool, now: datetime
) -> list[StoredEnvelope]:
    """Claim envelopes that wait, oldest first, one for each order key.

    `recovered` chooses those whose earlier owner died with them; they are claimed one at a time, so that
    only the one that kills its owner is counted again.
    """
    e, other = envelope, envelope.alias("other")
    blocked = exists().where(
        other.c.order_key == e.c.order_key,
        among(other.c.state, ENVELOPES_AT_WORK),
        other.c.order_key.is_not(None),
        or_(
            other.c.state == "claimed",
            # One that waits for a time of its own, a report, holds nobody up before that time.
            (other.c.state == "waiting") & (other.c.id < e.c.id) & _may(other.c.not_before, now),
        ),
    )
    chosen = (
        select(e.c.id)
        .where(*_waiting(recovered))
        .where(or_(e.c.order_key.is_(None), ~blocked), _may(e.c.not_before, now))
        .order_by(e.c.id)
        .limit(1 if recovered else limit)
    )
    if connection.dialect.name == "postgresql":
        # Apart from the UPDATE, or a planner could run it again for each row and lock more than the limit.
        chosen = select(chosen.with_for_update(skip_locked=True).cte("chosen").c.id)
    statement = (
        update(e)
        .where(e.c.id.in_(chosen.scalar_subquery()))
        .values(state="claimed", claim=token, owner=owner, updated_at=now)
        .returning(*e.c)
    )
    return sorted((from_row(row) for row in connection.execute(statement)), key=lambda found: found.id)


def _may(not_before: ColumnElement[Any], now: datetime) -> ColumnElement[bool]:
    return or_(not_before.is_(None), not_before <= now)


def _waiting(recovered: bool) -> tuple[ColumnElement[bool], ...]:
    """It waits, and was claimed before or not. Each has an index of its own, which the conditions must name."""
    waits, again = stands(envelope.c.state, "waiting"), tried(envelope.c.claims, recovered)
    return (waits, again) if recovered else (_UNSETTLED, waits, again)


def any_waiting(connection: Connection, recovered: bool, now: datetime) -> bool:
    """Whether it is worth asking the writer for a claim."""
    e = envelope.c
    query = select(e.id).where(
        *_waiting(recovered),
        _may(e.not_before, now),
    )
    return connection.execute(query.limit(1)).first() is not None


def recover(
    connection: Connection,
    *,
    living: Collection[str],
    me: str,
    working: Collection[str],
    max_claims: int,
    now: datetime,
    idle_before: datetime,
) -> list[tuple[str, str]]:
    """Free envelopes whose owner died, or that we own but do not work on. Gives (id, new state).

    The death of an owner counts one claim; at `max_claims` the envelope is quarantined as one that kills.
    """
    e = envelope
    lost = or_(
        e.c.owner.is_(None),
        e.c.owner.not_in(set(living) | {me}),
        (e.c.owner == me) & (e.c.updated_at < idle_before) & e.c.id.not_in(set(working)),
    )
    died = case((e.c.owner == me, e.c.claims), else_=e.c.claims + 1)
    killer = died >= max_claims
    statement = (
        update(e)
        .where(_UNSETTLED, stands(e.c.state, "claimed"), lost)
        .values(
            state=case((killer, "quarantined"), else_="waiting"),
            reason=case((killer, f"the daemon died {max_claims} times while reading it"), else_=None),
            claims=died,
            claim=None,
            owner=None,
            updated_at=now,
        )
        .returning(e.c.id, e.c.state)
    )
    return [(row.id, row.state) for row in connection.execute(statement)]


def release(connection: Connection, owner: str) -> None:
    """Give back what this process claimed: it stops in good order."""
    e = envelope
    mine = update(e).where(e.c.state == "claimed", e.c.owner == owner)
    connection.execute(mine.values(state="waiting", claim=None, owner=None))


def backlog(connection: Connection) -> tuple[int, datetime | None]:
    """How many envelopes are open, and since when the oldest waits."""
    e = envelope.c
    row = connection.execute(
        select(func.count(), func.min(e.received_at)).where(_UNSETTLED, among(e.state, ENVELOPES_AT_WORK))
    ).one()
    return row[0], row[1]


def search(
    connection: Connection,
    states: Collection[str],
    channel: str | None,
    since: datetime | None,
    limit: int,
) -> list[StoredEnvelope]:
    """Envelopes in any of the states (all, when none is named), newest first."""
    e = envelope.c
    query = select(envelope).order_by(e.id.desc()).limit(limit)
    if states:
        query = query.where(e.state.in_(list(states)))
    if channel:
        query = query.where(e.channel == channel)
    if since:
        query = query.where(e.received_at >= since)
    return [from_row(row) for row in connection.execute(query)]


def find(connection: Connection, id_or_reference: str) -> StoredEnvelope | None:
    """One envelope, by its id or by its reference."""
    e = envelope.c
    named = or_(e.id == id_or_reference, e.reference == tidy_reference(id_or_reference))
    row = connection.execute(select(envelope).where(named).limit(1)).first()
    return from_row(row) if row else None


def sightings(connection: Connection, envelope_id: str) -> list[datetime]:
    """When an envelope arrived again."""
    s = sighting.c
    return list(connection.scalars(select(s.at).where(s.envelope == envelope_id).order_by(s.at).limit(100)))


def record_contents(
    connection: Connection, record_ids: Collection[str], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Some columns of records, by id; those that are gone are left out."""
    query = select(record.c.id, *(record.c[name] for name in names)).where(record.c.id.in_(record_ids))
    return {row.id: {name: row._mapping[name] for name in names} for row in connection.execute(query)}


def record_content(connection: Connection, record_id: str, names: Sequence[str]) -> dict[str, Any]:
    """Some columns of a record. LookupError when it is gone."""
    query = select(*(record.c[name] for name in names)).where(record.c.id == record_id)
    row = connection.execute(query).first()
    if row is None:
        raise LookupError("its record is gone")
    return dict(row._mapping)
