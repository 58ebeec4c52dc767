"""Applies the retention settings: what was kept long enough goes, in small transactions, counted and buried.

Rows are sought on a reading connection, so that the writer is only busy with what really goes; the writer
looks again before it deletes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    delete,
    exists,
    false,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from store import archive, balance, calls, flush, idempotency, leases, mergers, surges, tickets
from store.care_tables import follow_up, pause
from store.conditions import DELIVERIES_AT_WORK, ENVELOPES_AT_WORK, one_of
from store.desk_tables import draft, presence
from store.erasure import tombstone
from store.escalation_tables import escalation
from store.report_tables import conclusion
from store.review_tables import review
from store.schema import (
    assignment,
    attachment,
    attempt,
    delivery,
    envelope,
    errand,
    event,
    opening,
    record,
    sighting,
    thread_key,
)
from store.schema import tombstone as grave
from store.settings import RetentionSettings
from store.store import Store
from store.surge_tables import surge_record
from store.units import Count

#: Who counts in the tally.
_WRITER = "purge"
#: After this the lease of a process that died is of no use even to read about.
_DEAD_PROCESS = timedelta(days=1)

_FINISHED = ("delivered", "cancelled", "dead", "expired")


@dataclass(frozen=True, slots=True)
class Purge:
    """What one run of a purge, or of an erasure, goes by."""

    settings: RetentionSettings
    secret: bytes
    now: datetime

    def before(self, kept: timedelta) -> datetime:
        return self.now - kept


async def purge(store: Store, settings: RetentionSettings) -> dict[str, int]:
    """Apply the settings once; how many of each went. One process at a time is enough: take a lease."""
    job = Purge(settings, store.secret, store.now())
    store.expect_graves()
    done: Counter[str] = Counter()
    for name, (find, go) in _STEPS.items():
        query = find(job)
        if query is not None:
            done[name] = await _all(store, query.limit(settings.batch), go, job, name)
    while n := await store.run(lambda c: idempotency.purge(c, job.now, settings.batch), "purge.answers"):
        done["answers"] += n
    if n := await store.run(lambda c: calls.purge(c, job.before(settings.calls)), "purge.calls"):
        done["calls"] += n
    if n := await store.run(lambda c: tickets.purge(c, job.before(settings.tombstones)), "purge.returned"):
        done["returned"] += n
    await store.run(lambda c: leases.forget_dead(c, job.now - _DEAD_PROCESS), "purge.leases")
    return dict(done)


Find = Callable[[Purge], Select[Any] | None]
Go = Callable[[Connection, Purge, Select[Any]], int]


async def _all(store: Store, query: Select[Any], go: Go, job: Purge, name: str) -> int:
    """Find and delete batch by batch until there is no more."""
    total = 0
    while True:
        found = await store.read(_keys(query))
        went = await store.run(_again(go, job, query, found), f"purge.{name}") if found else 0
        total += went
        if went == 0 or len(found) < job.settings.batch:
            return total


def _keys(query: Select[Any]) -> Callable[[Connection], list[Any]]:
    single = len(query.selected_columns) == 1

    def read(connection: Connection) -> list[Any]:
        return [row[0] if single else tuple(row) for row in connection.execute(query)]

    return read


def _again(go: Go, job: Purge, query: Select[Any], found: list[Any]) -> Callable[[Connection], int]:
    """The deletion of what was found, as far as the query still holds for it: rows may have changed since."""
    columns = list(query.selected_columns)
    still = query.where(columns[0].in_(found) if len(columns) == 1 else one_of(columns, found))
    return lambda connection: go(connection, job, still)


# ---- records, with everything that hangs on them


def _old_records(job: Purge) -> Select[Any] | None:
    r, channels = record.c, job.settings.channels
    old: list[ColumnElement[bool]] = [
        and_(r.channel == channel, r.updated_at < job.before(kept)) for channel, kept in channels.items()
    ]
    if job.settings.records is not None:
        rest = r.updated_at < job.before(job.settings.records)
        old.append(and_(r.channel.not_in(list(channels)), rest))
    if not old:
        return None
    at_work = or_(
        exists().where(delivery.c.record == r.id, delivery.c.state.in_(DELIVERIES_AT_WORK)),
        exists().where(envelope.c.record == r.id, envelope.c.state.in_(ENVELOPES_AT_WORK)),
    )
    return select(r.id).where(r.state == "closed", or_(false(), *old), ~at_work).order_by(r.id)


def _purge_records(connection: Connection, job: Purge, query: Select[Any]) -> int:
    return delete_records(connection, job, connection.scalars(_lock(connection, query)).all())


def delete_records(connection: Connection, job: Purge, ids: Sequence[str]) -> int:
    """Delete records with all that hangs on them: counted in the tally, a tombstone for each message."""
    e, d = envelope.c, delivery.c
    bury(connection, job, connection.execute(select(envelope).where(e.record.in_(ids))).all())
    sent = connection.scalars(select(d.id).where(d.record.in_(ids))).all()
    delete_deliveries(connection, sent)
    for table in (
        assignment,
        attachment,
        conclusion,
        draft,
        errand,
        escalation,
        event,
        follow_up,
        pause,
        presence,
        review,
        surge_record,
        thread_key,
        tickets.ticket,
    ):
        connection.execute(delete(table).where(table.c.record.in_(ids)))
    archive.forget(connection, ids)
    surges.forget_empty(connection)
    mergers.forget(connection, ids)
    connection.execute(delete(record).where(record.c.id.in_(ids)))
    return len(ids)


def delete_deliveries(connection: Connection, ids: Sequence[str]) -> None:
    """Delete deliveries with their attempts."""
    connection.execute(delete(attempt).where(attempt.c.delivery.in_(ids)))
    connection.execute(delete(delivery).where(delivery.c.id.in_(ids)))


def bury(connection: Connection, job: Purge, rows: Sequence[Row[Any]]) -> None:
    """Delete envelopes and their sightings: into the tally, and a tombstone where each stood."""
    if not rows:
        return
    ids = [row.id for row in rows]
    repeats = connection.execute(select(sighting).where(sighting.c.envelope.in_(ids))).all()
    counts = [
        Count(f"{row.received_at:%Y-%m-%d}", row.channel, balance.CHILD if row.parent else row.state)
        for row in rows
    ]
    _forget_sightings(connection, repeats)
    flush.count_all(connection, counts, _WRITER)
    until = job.now + job.settings.tombstones
    graves = {tombstone(job.secret, row.account, row.source_id, row.fingerprint) for row in rows}
    module = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Any = module.insert(grave)
    statement = statement.on_conflict_do_update(
        index_elements=[grave.c.hash], set_={"until": statement.excluded.until}
    )
    connection.execute(statement, [{"hash": one, "until": until} for one in sorted(graves)])
    connection.execute(delete(envelope).where(envelope.c.id.in_(ids)))


def _forget_sightings(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    counts = [Count(f"{row.at:%Y-%m-%d}", row.channel, "duplicate") for row in rows]
    flush.count_all(connection, counts, _WRITER)
    connection.execute(delete(sighting).where(sighting.c.id.in_([row.id for row in rows])))


def _lock(connection: Connection, query: Select[Any]) -> Select[Any]:
    return query if connection.dialect.name == "sqlite" else query.with_for_update(skip_locked=True)


# ---- envelopes without a record of their own


def _old_envelopes(job: Purge) -> Select[Any]:
    e, parents = envelope.c, envelope.alias("child")
    empty = e.id.not_in(select(parents.c.parent).where(parents.c.parent.is_not(None)))
    gone = or_(e.state.in_(("ignored", "duplicate")), and_(e.state == "split", empty))
    cut = job.before(job.settings.ignored)
    return select(e.id).where(e.received_at < cut, e.updated_at < cut, gone).order_by(e.id)


def _purge_envelopes(connection: Connection, job: Purge, query: Select[Any]) -> int:
    ids = connection.scalars(_lock(connection, query)).all()
    d = delivery.c
    own = select(d.id).where(d.record.is_(None), d.envelope.in_(ids), d.state.in_(_FINISHED))
    delete_deliveries(connection, connection.scalars(own).all())
    bury(connection, job, connection.execute(select(envelope).where(envelope.c.id.in_(ids))).all())
    return len(ids)


def _lost_sightings(job: Purge) -> Select[Any]:
    """Repeats that came while their envelope was being purged."""
    s = sighting.c
    gone = ~exists().where(envelope.c.id == s.envelope)
    return select(s.id).where(s.at < job.before(job.settings.ignored), gone).order_by(s.id)


def _purge_sightings(connection: Connection, _job: Purge, query: Select[Any]) -> int:
    ids = connection.scalars(query).all()
    rows = connection.execute(select(sighting).where(sighting.c.id.in_(ids))).all()
    _forget_sightings(connection, rows)
    return len(rows)


def _old_raw(job: Purge) -> Select[Any] | None:
    if job.settings.raw is None:
        return None
    e, cut = envelope.c, job.before(job.settings.raw)
    kept = and_(e.blob != "", e.state.in_(("registered", "joined")))
    return select(e.id).where(e.received_at < cut, e.updated_at < cut, kept).order_by(e.id)


def _purge_raw(connection: Connection, _job: Purge, query: Select[Any]) -> int:
    """The envelope stays and names no bytes any more; the sweep deletes them when nobody else does."""
    ids = connection.scalars(_lock(connection, query)).all()
    connection.execute(update(envelope).where(envelope.c.id.in_(ids)).values(blob=""))
    return len(ids)


# ---- the rest


def _old_attempts(job: Purge) -> Select[Any]:
    """All but what proves the end: the delivered one, and the last."""
    a, later, d = attempt.c, attempt.alias("later"), delivery.c
    proof = or_(
        and_(a.outcome.is_not(None), a.outcome == "delivered"),
        ~exists().where(later.c.delivery == a.delivery, later.c.n > a.n),
    )
    cut = job.before(job.settings.settled_attempts)
    return (
        select(a.delivery, a.n)
        .join_from(attempt, delivery, d.id == a.delivery)
        .where(d.state.in_(_FINISHED), d.settled_at < cut, ~proof)
        .order_by(a.delivery, a.n)
    )


def _purge_attempts(connection: Connection, _job: Purge, query: Select[Any]) -> int:
    keys = [tuple(row) for row in connection.execute(query)]
    connection.execute(delete(attempt).where(one_of((attempt.c.delivery, attempt.c.n), keys)))
    return len(keys)


def _old_events(job: Purge) -> Select[Any] | None:
    if job.settings.events is None:
        return None
    # Positions and times grow together, so the oldest stand at the head of the table.
    return (
        select(event.c.position)
        .where(event.c.at < job.before(job.settings.events))
        .order_by(event.c.position)
    )


def _purge_events(connection: Connection, _job: Purge, query: Select[Any]) -> int:
    positions = connection.scalars(query).all()
    connection.execute(delete(event).where(event.c.position.in_(positions)))
    return len(positions)


def _old_graves(job: Purge) -> Select[Any]:
    return select(grave.c.hash).where(grave.c.until < job.now).order_by(grave.c.until)


def _purge_graves(connection: Connection, _job: Purge, query: Select[Any]) -> int:
    hashes = connection.scalars(query).all()
    connection.execute(delete(grave).where(grave.c.hash.in_(hashes)))
    return len(hashes)


def _old_openings(job: Purge) -> Select[Any]:
    o = opening.c
    cut = job.before(job.settings.ignored)
    return select(o.conversation, o.envelope).where(o.until < cut).order_by(o.until)


def _purge_openings(connection: Connection, _job: Purge, query: Select[Any]) -> int:
    keys = [tuple(row) for row in connection.execute(query)]
    o = opening.c
    connection.execute(delete(opening).where(one_of((o.conversation, o.envelope), keys)))
    return len(keys)


_STEPS: dict[str, tuple[Find, Go]] = {
    "records": (_old_records, _purge_records),
    "envelopes": (_old_envelopes, _purge_envelopes),
    "sightings": (_lost_sightings, _purge_sightings),
    "raw": (_old_raw, _purge_raw),
    "attempts": (_old_attempts, _purge_attempts),
    "events": (_old_events, _purge_events),
    "tombstones": (_old_graves, _purge_graves),
    "openings": (_old_openings, _purge_openings),
}
