"""What processing must know about many envelopes at once: a handful of queries for a whole batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, func, not_, select

from model.delivery import AUTOMATIC, LOOPS
from model.failures import Reason
from store import calls, mergers
from store.conditions import SETTLED_DELIVERIES, among, any_of, stands
from store.merge_tables import merger
from store.schema import blocked, contact, conversation, delivery, envelope, identity, record, thread_key

_AUTOMATIC = tuple(sorted(purpose.value for purpose in AUTOMATIC))
_LOOPS = tuple(sorted(LOOPS))
#: Automatic messages of the last day whose subjects are looked at, for a whole batch.
_MATTERS = 500


@dataclass(slots=True)
class Questions:
    """Everything that a batch asks."""

    identities: set[tuple[str, str]] = field(default_factory=set)
    thread_keys: set[str] = field(default_factory=set)
    records: set[str] = field(default_factory=set)
    references: set[str] = field(default_factory=set)
    fingerprints: set[str] = field(default_factory=set)
    conversations: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    remote_ids: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    lines: set[str] = field(default_factory=set)
    """Order keys whose deliveries, held for a closed window, go on."""
    bursts: set[str] = field(default_factory=set)
    """Conversations of which the last message's time is wanted."""
    sent_for: set[str] = field(default_factory=set)
    """Records whose messages to customers are wanted."""
    calls: set[tuple[str, str]] = field(default_factory=set)
    """Telephone calls by channel and id."""


@dataclass(frozen=True, slots=True)
class Known:
    """A record that exists."""

    id: str
    reference: str
    state: str
    contact: str | None
    conversation: str | None
    updated_at: datetime
    channel: str


@dataclass(frozen=True, slots=True)
class Twin:
    """An earlier envelope with the same content."""

    id: str
    account: str
    source_id: str
    record: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Out:
    """A message of ours to a customer."""

    id: str
    key: str
    target: str
    record: str | None
    address: str | None
    state: str
    purpose: str
    attempts: int
    remote_id: str | None
    body: Mapping[str, Any]


@dataclass(slots=True)
class Findings:
    """The answers."""

    contacts: dict[tuple[str, str], str] = field(default_factory=dict)
    blocked: set[tuple[str, str]] = field(default_factory=set)
    """Identities of which nothing is heard any more."""
    threads: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Thread key to record, and to the delivery of ours that carries it."""
    records: dict[str, Known] = field(default_factory=dict)
    by_reference: dict[str, str] = field(default_factory=dict)
    by_conversation: dict[str, str] = field(default_factory=dict)
    twins: dict[str, list[Twin]] = field(default_factory=dict)
    destinations: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Record to the destinations that it was handed over to."""
    acknowledged: set[str] = field(default_factory=set)
    address_hour: dict[str, int] = field(default_factory=dict)
    address_day: dict[str, int] = field(default_factory=dict)
    domain_hour: dict[str, int] = field(default_factory=dict)
    domain_loops: dict[str, int] = field(default_factory=dict)
    """Domain to the automatic messages that were withheld from it in the last hour as rounds of a loop."""
    matters: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    """Address to when it got automatic messages in the last day, oldest first, and to which subjects of its own."""
    sent: list[Out] = field(default_factory=list)
    """The messages of ours that reports speak of, oldest first."""
    held: dict[str, list[Out]] = field(default_factory=dict)
    """Order key to what is held in it for a closed window."""
    last_at: dict[str, datetime] = field(default_factory=dict)
    """Conversation to the time of its last message."""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Contact to the name and company that it is known by."""
    calls: dict[tuple[str, str], list[Mapping[str, Any]]] = field(default_factory=dict)
    """What was told of telephone calls, by channel and id."""
    nameless: set[str] = field(default_factory=set)
    """Of the senders' contacts those without a name."""
    unreachable: dict[str, list[str]] = field(default_factory=dict)
    """Contact to the addresses that refused our messages; of the senders, and of the contacts behind `sent`."""


def answer(connection: Connection, asked: Questions, now: datetime) -> Findings:
    """Answer all questions of a batch."""
    found = Findings()
    wanted = set(asked.records)
    if asked.identities:
        _contacts(connection, asked.identities, found)
        b = blocked.c
        values = {value for _, value in asked.identities}
        heard_no_more = select(b.kind, b.value).where(any_of(connection, b.value, values))
        found.blocked = {(one.kind, one.value) for one in connection.execute(heard_no_more)}
    if asked.thread_keys:
        t = thread_key.c
        for row in connection.execute(
            select(t.key, t.record, t.delivery).where(any_of(connection, t.key, asked.thread_keys))
        ):
            found.threads[row.key] = (row.record, row.delivery)
            wanted.add(row.record)
    if asked.references:
        e = envelope.c
        query = select(e.reference, e.record).where(
            any_of(connection, e.reference, asked.references), e.record.is_not(None)
        )
        found.by_reference = {row.reference: row.record for row in connection.execute(query)}
        wanted |= set(found.by_reference.values())
    if asked.fingerprints:
        wanted |= _twins(connection, asked.fingerprints, found)
    if asked.remote_ids or asked.keys or asked.sent_for:
        wanted |= _reported(connection, asked, found)
    if asked.lines:
        _held(connection, asked.lines, found)
    if asked.bursts:
        t = conversation.c
        query = select(t.id, t.last_at).where(t.id.in_(asked.bursts), t.last_at.is_not(None))
        found.last_at = {row.id: row.last_at for row in connection.execute(query)}
    if asked.conversations:
        wanted |= _conversations(connection, asked.conversations, found)
    if wanted:
        _records(connection, wanted, found)
    if asked.addresses:
        _sent(connection, asked, now, found)
    if asked.calls:
        found.calls = calls.of(connection, asked.calls)
    return found


def _contacts(connection: Connection, wanted: Iterable[tuple[str, str]], found: Findings) -> None:
    values = {value for _, value in wanted}
    i = identity.c
    kinds = {kind for kind, _ in wanted}  # named, or the index by kind and value is of no use
    query = (
        select(i.kind, i.value, i.contact, contact.c.unreachable, contact.c.name, contact.c.company)
        .join_from(identity, contact, contact.c.id == i.contact, isouter=True)
        .where(i.kind.in_(kinds), any_of(connection, i.value, values))
    )
    for row in connection.execute(query):
        found.contacts[row.kind, row.value] = row.contact
        if row.name == "":
            found.nameless.add(row.contact)
        found.names[row.contact] = tuple(filter(None, (row.name, row.company)))
        if row.unreachable:
            found.unreachable[row.contact] = list(row.unreachable)


def _twins(connection: Connection, fingerprints: set[str], found: Findings) -> set[str]:
    e = envelope.c
    rows = connection.execute(
        select(e.id, e.account, e.source_id, e.fingerprint, e.record, e.received_at)
        .where(any_of(connection, e.fingerprint, fingerprints), e.record.is_not(None))
        .order_by(e.id)
    ).all()
    for row in rows:
        twin = Twin(row.id, row.account, row.source_id, row.record, row.received_at)
        found.twins.setdefault(row.fingerprint, []).append(twin)
    return {row.record for row in rows}


def _conversations(connection: Connection, wanted: set[str], found: Findings) -> set[str]:
    r = record.c
    latest = select(r.conversation, func.max(r.id).label("id")).where(
        any_of(connection, r.conversation, wanted)
    )
    rows = connection.execute(latest.group_by(r.conversation)).all()
    found.by_conversation = {row.conversation: row.id for row in rows}
    return {row.id for row in rows}


def _records(connection: Connection, wanted: set[str], found: Findings) -> None:
    r = record.c
    columns = (r.id, r.reference, r.state, r.contact, r.conversation, r.updated_at, r.channel)
    merged = select(*columns, merger.c.into).select_from(
        record.outerjoin(merger, and_(merger.c.record == r.id, merger.c.undone_at.is_(None)))
    )
    gone: dict[str, str] = {}
    for row in connection.execute(merged.where(any_of(connection, r.id, wanted))):
        found.records[row.id] = Known(*row[:-1])
        if row.into is not None:
            gone[row.id] = row.into
    if gone:
        wanted = wanted | _redirected(connection, gone, found)
    d = delivery.c
    destinations: dict[str, set[str]] = {}
    sent = select(d.record, d.target, d.downstream, d.purpose, d.state).where(
        any_of(connection, d.record, wanted)
    )
    for out in connection.execute(sent):
        if out.downstream:
            destinations.setdefault(out.record, set()).add(out.target)
        elif out.purpose == "acknowledgement" and out.state != "cancelled":
            found.acknowledged.add(out.record)
    found.destinations = {id_: tuple(sorted(names)) for id_, names in destinations.items()}


def _redirected(connection: Connection, gone: Collection[str], found: Findings) -> set[str]:
    """What names a record that was merged into another belongs there; the records where it goes."""
    r = record.c
    columns = (r.id, r.reference, r.state, r.contact, r.conversation, r.updated_at, r.channel)
    into = mergers.targets(connection, gone)
    there = select(*columns).where(any_of(connection, r.id, set(into.values())))
    known = {row.id: Known(*row) for row in connection.execute(there)}
    found.records |= known
    found.records |= {id_: known[end] for id_, end in into.items() if end in known}
    return set(known)


_OUT = ("id", "key", "target", "record", "address", "state", "purpose", "attempts", "remote_id", "body")


def _held(connection: Connection, lines: set[str], found: Findings) -> None:
    d = delivery.c
    query = select(d.order_key, *(d[name] for name in _OUT)).where(
        not_(among(d.state, SETTLED_DELIVERIES)),
        stands(d.state, "held"),
        d.reason == Reason.WINDOW.value,
        d.order_key.in_(lines),
    )
    for row in connection.execute(query.order_by(d.id)):
        found.held.setdefault(row.order_key, []).append(Out(*row[1:]))


def _reported(connection: Connection, asked: Questions, found: Findings) -> set[str]:
    """The messages of ours that reports name, each by an index of its own."""
    d = delivery.c
    columns = [d[name] for name in _OUT]
    sent: dict[str, Out] = {}
    for wanted in (
        # Said twice, so that the partial index is one that both engines know to apply.
        and_(d.remote_id.in_(asked.remote_ids), d.remote_id.is_not(None)) if asked.remote_ids else None,
        d.key.in_(asked.keys) if asked.keys else None,
        d.record.in_(asked.sent_for) if asked.sent_for else None,
    ):
        if wanted is not None:
            for row in connection.execute(select(*columns).where(wanted, d.downstream.is_(False))):
                sent[row.id] = Out(*row)
    found.sent = [sent[id_] for id_ in sorted(sent)]
    records = {one.record for one in found.sent if one.record}
    r, c = record.c, contact.c
    people = select(c.id, c.unreachable).join(record, r.contact == c.id).where(r.id.in_(records))
    found.unreachable |= {row.id: list(row.unreachable) for row in connection.execute(people)}
    return records


def _sent(connection: Connection, asked: Questions, now: datetime, found: Findings) -> None:
    """How much automatic mail an address got in the last day and hour, and a domain in the last hour."""
    d = delivery.c
    automatic = and_(d.purpose.in_(_AUTOMATIC), d.state != "cancelled")
    hour, day = now - timedelta(hours=1), now - timedelta(days=1)
    query = select(d.address, d.created_at).where(
        any_of(connection, d.address, asked.addresses), d.created_at > day, automatic
    )
    for row in connection.execute(query):
        found.address_day[row.address] = found.address_day.get(row.address, 0) + 1
        if row.created_at > hour:
            found.address_hour[row.address] = found.address_hour.get(row.address, 0) + 1
    if found.address_day:  # rare: most people hear from us once a day
        bodies = select(d.address, d.created_at, d.body).where(
            any_of(connection, d.address, set(found.address_day)), d.created_at > day, automatic
        )
        for out in connection.execute(bodies.order_by(d.created_at).limit(_MATTERS)):
            said = str((out.body.get("thread") or {}).get("subject") or "")
            found.matters.setdefault(out.address, []).append((out.created_at, said))
    if asked.domains:
        loops = and_(d.state == "cancelled", d.reason.in_(_LOOPS))
        by_domain = (
            select(
                d.domain,
                func.sum(case((d.state != "cancelled", 1), else_=0)).label("n"),
                func.sum(case((loops, 1), else_=0)).label("loops"),
            )
            .where(
                any_of(connection, d.domain, asked.domains), d.created_at > hour, d.purpose.in_(_AUTOMATIC)
            )
            .group_by(d.domain)
        )
        for of in connection.execute(by_domain):
            found.domain_hour[of.domain], found.domain_loops[of.domain] = int(of.n), int(of.loops)


def sent_in_the_last_hour(connection: Connection, now: datetime) -> int:
    """All automatic messages of the last hour."""
    d = delivery.c
    query = select(func.count()).where(
        d.created_at > now - timedelta(hours=1), d.purpose.in_(_AUTOMATIC), d.state != "cancelled"
    )
    return int(connection.scalar(query) or 0)


def loops(connection: Connection, since: datetime) -> tuple[int, str, str]:
    """Automatic messages withheld as rounds of a loop since a time: how many, and why and from whom the latest."""
    d = delivery.c
    withheld = and_(d.state == "cancelled", d.created_at > since, d.reason.in_(_LOOPS))
    n = int(connection.scalar(select(func.count()).select_from(delivery).where(withheld)) or 0)
    if not n:
        return 0, "", ""
    query = select(d.reason, d.domain, d.target).where(withheld).order_by(d.id.desc()).limit(1)
    latest = connection.execute(query).one()
    return n, latest.reason, latest.domain or latest.target
