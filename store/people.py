"""Who is who: contacts, their identities, and what links them. A contact and those found to be the same are a group."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select

from model.draft import Identity
from store.schema import blocked, contact, identity, link, record

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reach:
    """By what a person can be reached: identities, best known first, and those that refused our messages."""

    identities: tuple[tuple[str, str], ...] = ()
    unreachable: frozenset[str] = frozenset()
    stopped: frozenset[tuple[str, str]] = frozenset()
    """Kinds of channel, and addresses, whose messages the person ended by a word (`outbox.optouts.reach`)."""


def root_of(connection: Connection, contact_id: str) -> str:
    """The contact that stands for the group; its own id for one that is linked to nobody."""
    found = connection.scalar(select(contact.c.same_as).where(contact.c.id == contact_id))
    return str(found) if found else contact_id


def group(connection: Connection, contact_id: str) -> list[str]:
    """All contacts of a person, the one that stands for them first."""
    root = root_of(connection, contact_id)
    others = connection.scalars(select(contact.c.id).where(contact.c.same_as == root).order_by(contact.c.id))
    return [root, *others]


def roots(connection: Connection, contacts: Collection[str]) -> dict[str, str]:
    """For each contact the one that stands for its group."""
    query = select(contact.c.id, contact.c.same_as).where(contact.c.id.in_(list(contacts)))
    return {row.id: row.same_as or row.id for row in connection.execute(query)}


def reach(connection: Connection, record_id: str) -> Reach:
    """By what the person behind a record can be reached."""
    owner = connection.scalar(select(record.c.contact).where(record.c.id == record_id))
    if owner is None:
        return Reach()
    members = group(connection, owner)
    # Those of the contact who wrote first.
    order = sorted(members, key=lambda one: one != owner)
    known: list[tuple[str, str]] = []
    i = identity.c
    for member in order:
        query = select(i.kind, i.value).where(i.contact == member).order_by(i.since, i.kind, i.value)
        known += [(row.kind, row.value) for row in connection.execute(query)]
    refused: set[str] = set()
    for addresses in connection.scalars(select(contact.c.unreachable).where(contact.c.id.in_(members))):
        refused.update(addresses)
    return Reach(tuple(dict.fromkeys(known)), frozenset(refused))


def owners(connection: Connection, wanted: Collection[Identity]) -> dict[tuple[str, str], str]:
    """The contacts that have these identities."""
    i = identity.c
    kinds, values = {one.kind for one in wanted}, {one.value for one in wanted}
    query = select(i.kind, i.value, i.contact).where(i.kind.in_(kinds), i.value.in_(values))
    rows = connection.execute(query)
    return {(row.kind, row.value): row.contact for row in rows}


def language(connection: Connection, contact_id: str) -> str | None:
    """The language that a contact is known to write."""
    found: str | None = connection.scalar(select(contact.c.language).where(contact.c.id == contact_id))
    return found


def may_join(
    connection: Connection, contact_id: str, other: str, kind: str, value: str
) -> tuple[bool, str, bool]:
    """Whether a contact can be found to be the same person as another, on the word of an identity.

    Not when it is linked to somebody else, stands for others itself, or has an identity of the same kind that
    says otherwise. Gives (may, the contact that stands for the other, whether a person undid just this).
    """
    root = root_of(connection, other)
    free = root_of(connection, contact_id) == contact_id and root != contact_id
    free = free and len(group(connection, contact_id)) == 1
    i, k = identity.c, link.c
    clash = select(i.value).where(i.contact == contact_id, i.kind == kind, i.value != value).limit(1)
    free = free and connection.execute(clash).first() is None
    same = (k.contact == root, k.other == contact_id, k.kind == kind, k.value == value)
    undone = connection.execute(select(k.id).where(*same, k.state != "linked").limit(1)).first() is not None
    return free, root, undone


def find(connection: Connection, named: str) -> str | None:
    """A contact by its id, by an identity's value, or by `kind:value`."""
    direct = connection.scalar(select(contact.c.id).where(contact.c.id == named))
    if direct is not None:
        return str(direct)
    kind, _, value = named.partition(":")
    i = identity.c
    query = select(i.contact).where(or_(i.value == named, (i.kind == kind) & (i.value == value))).limit(2)
    found = connection.scalars(query).all()
    return str(found[0]) if len(set(found)) == 1 else None


def show(connection: Connection, contact_id: str) -> Row | None:
    """A person: contacts, identities with their evidence, links and proposals, and records."""
    members = group(connection, contact_id)
    people = [
        dict(row) for row in connection.execute(select(contact).where(contact.c.id.in_(members))).mappings()
    ]
    if not people:
        return None
    people.sort(key=lambda one: members.index(one["id"]))
    i, k, r = identity.c, link.c, record.c
    identities = select(identity).where(i.contact.in_(members)).order_by(i.since, i.kind, i.value)
    links = select(link).where(or_(k.contact.in_(members), k.other.in_(members))).order_by(k.at)
    records = select(r.id, r.reference, r.channel, r.state, r.subject, r.contact, r.registered_at)
    records = records.where(r.contact.in_(members)).order_by(r.id.desc()).limit(50)
    return {
        "id": members[0],
        "contacts": people,
        "identities": [dict(row) for row in connection.execute(identities).mappings()],
        "links": [dict(row) for row in connection.execute(links).mappings()],
        "blocked": blocked_of(connection, members),
        "records": [dict(row) for row in connection.execute(records).mappings()],
    }


def blocked_of(connection: Connection, contacts: Collection[str] | None = None) -> list[Row]:
    """Whose messages are set aside: of some contacts, or all; the latest first."""
    query = select(blocked).order_by(blocked.c.since.desc(), blocked.c.kind, blocked.c.value)
    if contacts is not None:
        query = query.where(blocked.c.contact.in_(list(contacts)))
    return [dict(row) for row in connection.execute(query).mappings()]


def unblock(connection: Connection, contacts: Collection[str]) -> int:
    """Hear somebody again; how many identities it were."""
    return int(connection.execute(delete(blocked).where(blocked.c.contact.in_(list(contacts)))).rowcount)


def links_of(connection: Connection, ids: Sequence[str]) -> list[Row]:
    """Links by id."""
    query = select(link).where(link.c.id.in_(list(ids)))
    return [dict(row) for row in connection.execute(query).mappings()]


def latest_records(connection: Connection, contacts: Collection[str]) -> list[tuple[str, str]]:
    """The latest record of each contact: id and reference."""
    r = record.c
    newest = select(func.max(r.id)).where(r.contact.in_(list(contacts))).group_by(r.contact)
    query = select(r.id, r.reference).where(r.id.in_(newest))
    return [(row.id, row.reference) for row in connection.execute(query)]


def typed(
    connection: Connection, words: str, prefixes: Collection[str], limit: int, records: int
) -> list[Row]:
    """Who may be meant while somebody types a name, the beginning of a number or an address: with latest records.

    `prefixes` are beginnings of numbers in canonical form. Names are compared one after the other.
    """
    i, c, r = identity.c, contact.c, record.c
    known = [and_(i.kind == "phone", i.value.startswith(one, autoescape=True)) for one in prefixes]
    if "@" in words:
        known.append(and_(i.kind == "email", i.value.startswith(words.lower(), autoescape=True)))
    ids: list[str] = []
    if known:
        ids += connection.scalars(select(i.contact).where(or_(*known)).limit(limit)).all()
    if words and not prefixes and "@" not in words:
        ids += connection.scalars(
            select(c.id).where(c.name.icontains(words, autoescape=True)).limit(limit)
        ).all()
    ids = list(dict.fromkeys(ids))[:limit]
    people = {
        row["id"]: dict(row, identities=[], records=[])
        for row in connection.execute(
            select(c.id, c.name, c.company, c.language).where(c.id.in_(ids))
        ).mappings()
    }
    for one in connection.execute(
        select(i.contact, i.kind, i.value).where(i.contact.in_(ids)).order_by(i.since)
    ):
        if one.contact in people:
            people[one.contact]["identities"].append({"kind": one.kind, "value": one.value})
    for id_ in people:
        query = select(r.id, r.reference, r.state, r.subject, r.text, r.registered_at).where(r.contact == id_)
        latest = connection.execute(query.order_by(r.id.desc()).limit(records)).mappings()
        people[id_]["records"] = [dict(row) for row in latest]
    return [people[id_] for id_ in ids if id_ in people]
