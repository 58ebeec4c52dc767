"""Tickets of other systems: which of theirs holds a record of ours, and what came back from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Index, String, Table, delete, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from store.metadata import metadata
from store.schema import attachment, delivery, event, record
from store.types import Instant
from store.units import Insert

#: A ticket of a destination that holds a record. One that was merged names the ticket that it went into, in
#: `merged_into`; one that is gone was deleted. The others that a ticket was split into hold the same record, with
#: `main` empty.
ticket = Table(
    "ticket",
    metadata,
    Column("destination", String, primary_key=True),
    Column("remote_id", String, primary_key=True),
    Column("record", String, primary_key=True),
    Column("main", String),  # the record again, at the ticket that its updates go to
    Column("merged_into", String),
    Column("gone_at", Instant),
    Column("since", Instant, nullable=False),
    Index("ix_ticket_record", "record"),
    Index("uq_ticket_main", "destination", "main", unique=True),
    Index(
        "ix_ticket_merged_into",
        "destination",
        "merged_into",
        postgresql_where=text("merged_into IS NOT NULL"),
        sqlite_where=text("merged_into IS NOT NULL"),
    ),
)

#: What came back from a destination, so that nothing is applied twice.
returned = Table(
    "returned",
    metadata,
    Column("destination", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("record", String),
    Column("what", String, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_returned_at", "at"),
)

#: How many merges in a row are followed.
_LONGEST = 20


@dataclass(frozen=True, slots=True)
class Holder:
    """A record that a ticket holds."""

    record: str
    reference: str
    state: str
    contact: str | None
    conversation: str | None


def made(destination: str, remote_id: str, record_id: str, at: datetime) -> Insert:
    """The row of a ticket that was just made."""
    row = {
        "destination": destination,
        "remote_id": remote_id,
        "record": record_id,
        "main": record_id,
        "merged_into": None,
        "gone_at": None,
        "since": at,
    }
    return Insert("ticket", row, ignore=True)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a record stands at a destination."""

    remote_id: str | None = None
    """The ticket that holds it now: merges are followed."""
    gone: bool = False
    """Whether that ticket was deleted."""


def state_of(connection: Connection, destination: str, record_id: str) -> Standing:
    """Which ticket holds a record now; none when none was made, or told of."""
    t = ticket.c
    columns = (t.remote_id, t.merged_into, t.gone_at)
    query = select(*columns).where(t.destination == destination, t.main == record_id)
    row = connection.execute(query).first()
    for _ in range(_LONGEST):
        if row is None:
            return Standing()
        if row.gone_at is not None:
            return Standing(gone=True)
        if row.merged_into is None:
            return Standing(row.remote_id)
        onward = select(*columns).where(t.destination == destination, t.remote_id == row.merged_into)
        found = connection.execute(onward.limit(1)).first()
        if found is None:
            return Standing(row.merged_into)
        row = found
    return Standing()


def holders(connection: Connection, destination: str, remote_id: str) -> list[Holder]:
    """The records that a ticket holds: its own first, then those of the tickets that were merged into it."""
    t, r = ticket.c, record.c
    ids, seen, records = [remote_id], {remote_id}, dict[str, None]()
    while ids and len(seen) < 1_000:
        own = select(t.record).where(t.destination == destination, t.remote_id.in_(ids))
        records |= dict.fromkeys(connection.scalars(own.order_by(t.since, t.record)))
        merged = select(t.remote_id).where(t.destination == destination, t.merged_into.in_(ids))
        ids = [one for one in connection.scalars(merged.order_by(t.since)) if one not in seen]
        seen.update(ids)
    columns = (r.id, r.reference, r.state, r.contact, r.conversation)
    found = {
        row.id: Holder(row.id, row.reference, row.state, row.contact, row.conversation)
        for row in connection.execute(select(*columns).where(r.id.in_(records)))
    }
    return [found[id_] for id_ in records if id_ in found]


def ours(connection: Connection, destination: str, remote_ids: Collection[str]) -> set[str]:
    """Which of these tickets hold records of ours, themselves or because one of ours was merged into them."""
    t, wanted = ticket.c, list(remote_ids)
    own = select(t.remote_id).where(t.destination == destination, t.remote_id.in_(wanted))
    merged = select(t.merged_into).where(t.destination == destination, t.merged_into.in_(wanted))
    return {*connection.scalars(own), *connection.scalars(merged)}


def note(
    connection: Connection, destination: str, source_id: str, record_id: str, what: str, at: datetime
) -> bool:
    """Note that something came back; False when it had before."""
    module = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"destination": destination, "source_id": source_id, "record": record_id, "what": what, "at": at}
    statement: Any = module.insert(returned).values(**row)
    statement = statement.on_conflict_do_nothing().returning(returned.c.source_id)
    return connection.execute(statement).first() is not None


def known(connection: Connection, destination: str, source_ids: Collection[str]) -> set[str]:
    """Which of these came back before."""
    r = returned.c
    query = select(r.source_id).where(r.destination == destination, r.source_id.in_(list(source_ids)))
    return set(connection.scalars(query))


def move(connection: Connection, destination: str, remote_id: str, values: Mapping[str, Any]) -> None:
    """Say what became of a ticket."""
    t = ticket.c
    connection.execute(
        ticket.update().where(t.destination == destination, t.remote_id == remote_id).values(**values)
    )


def again(connection: Connection, destination: str, record_id: str, remote_id: str, at: datetime) -> None:
    """A record has a new ticket in place of the one that is gone."""
    t = ticket.c
    here = (t.destination == destination, t.main == record_id)
    connection.execute(ticket.update().where(*here, t.remote_id != remote_id).values(main=None))
    same = (t.destination == destination, t.remote_id == remote_id, t.record == record_id)
    if connection.execute(select(t.record).where(*same)).first() is None:
        connection.execute(insert(ticket).values(made(destination, remote_id, record_id, at).values))
    else:
        connection.execute(
            ticket.update().where(*same).values(main=record_id, gone_at=None, merged_into=None)
        )


def files(
    connection: Connection, record_id: str, envelope: str | None, n: int | None
) -> list[dict[str, Any]]:
    """The attachments that came with an envelope (all of the record's without one), whose bytes are here."""
    a = attachment.c
    query = select(a.filename, a.media_type, a.size, a.sha256, a.omitted).where(a.record == record_id)
    if envelope is not None:
        query = query.where(a.envelope == envelope)
    if n is not None:
        query = query.where(a.n == n)
    return [dict(row) for row in connection.execute(query.order_by(a.envelope, a.n)).mappings()]


def parties(connection: Connection, record_id: str) -> list[str]:
    """The destinations that a record was given to."""
    d = delivery.c
    names = select(d.target).where(d.record == record_id, d.downstream.is_(True)).distinct()
    return sorted(connection.scalars(names))


def last_event(connection: Connection, record_id: str, type_: str) -> Mapping[str, Any] | None:
    """What the last line of a type in a record's timeline says."""
    e = event.c
    query = select(e.data).where(e.record == record_id, e.type == type_).order_by(e.position.desc()).limit(1)
    found = connection.scalar(query)
    return None if found is None else dict(found)


def purge(connection: Connection, before: datetime) -> int:
    """Forget what came back before a time; how many rows."""
    return int(connection.execute(delete(returned).where(returned.c.at < before)).rowcount)
