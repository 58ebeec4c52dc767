"""Everything that is kept of one person: found, and erased a portion at a time.

An erasure is a job that stands in the store until it is done, with what is still to go: whatever dies in between goes
on where it was. What is deleted goes the way of retention: counted in the tally, with a tombstone for each message, so
that the books balance and the source cannot bring it again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, and_, delete, func, or_, select, text, type_coerce, update

from store import facts, people, retention, sweep
from store.bundles import bundled
from store.calls import call_event
from store.retention import Purge
from store.review_tables import review
from store.schema import (
    attachment,
    audit,
    blob,
    contact,
    conversation,
    delivery,
    envelope,
    identity,
    link,
    opening,
    record,
)
from store.schema_imports import import_error
from store.views import Row, rows

#: The fact that holds the erasures that are not done.
_JOBS = "erasures"
#: States of envelopes that became no record, whose bytes may still be somebody's.
_LOOSE = ("held", "quarantined", "ignored", "duplicate", "waiting")
#: Shorter values would be found in everybody's data.
_SHORTEST = 5


@dataclass(frozen=True, slots=True)
class Person:
    """Whose data it is: all contacts found to be one person, and what they are known by."""

    contacts: tuple[str, ...]
    identities: tuple[tuple[str, str], ...]

    @property
    def values(self) -> list[str]:
        """What their data can be told by, wherever it stands."""
        return [value for _, value in self.identities if len(value) >= _SHORTEST]


def find(connection: Connection, named: str) -> Person | None:
    """A person by the id of a contact, by an identity's value, or by `kind:value`."""
    one = people.find(connection, named)
    if one is None:
        return None
    members = people.group(connection, one)
    i = identity.c
    known = connection.execute(
        select(i.kind, i.value).where(i.contact.in_(members)).order_by(i.kind, i.value)
    )
    return Person(tuple(members), tuple((row.kind, row.value) for row in known))


def records(connection: Connection, contacts: Collection[str]) -> list[Row]:
    """The records of a person, oldest first."""
    return rows(connection, select(record).where(record.c.contact.in_(list(contacts))).order_by(record.c.id))


def deliveries(connection: Connection, record_id: str) -> list[Row]:
    """What we sent about a record, with its whole body."""
    query = select(delivery).where(delivery.c.record == record_id)
    return rows(connection, query.order_by(delivery.c.created_at, delivery.c.id))


def loose(connection: Connection, after: str, limit: int) -> list[Row]:
    """Messages that became no record, by id, from after one on."""
    e = envelope.c
    query = select(e.id, e.blob, e.state, e.channel, e.received_at, e.media_type).where(
        e.id > after, e.record.is_(None), e.state.in_(_LOOSE), e.blob != ""
    )
    return rows(connection, query.order_by(e.id).limit(limit))


def parents(connection: Connection, contacts: Collection[str]) -> int:
    """How many scans and files of many messages hold one of theirs beside others'."""
    e, r = envelope.c, record.c
    mine = select(e.parent).join(record, r.id == e.record).where(r.contact.in_(list(contacts)))
    return int(connection.scalar(select(func.count(func.distinct(e.id))).where(e.id.in_(mine))) or 0)


# ---- erasing


def jobs(connection: Connection) -> dict[str, Any]:
    """The erasures that are not done, by id."""
    return dict(facts.get(connection, _JOBS) or {})


def begin(connection: Connection, id_: str, person: Person, envelopes: Sequence[str], at: str) -> None:
    """Say that a person is to be erased, together with some messages that became no record."""
    every = dict(facts.locked(connection, _JOBS) or {})
    job = {
        "contacts": list(person.contacts),
        "values": person.values,
        "envelopes": list(envelopes),
        "blobs": [],
        "at": at,
    }
    facts.put(connection, _JOBS, {**every, id_: job})


def erase_some(connection: Connection, id_: str, purge: Purge, limit: int) -> bool:
    """Erase a portion of what a job names; False when only bytes are left (`erase_bytes`)."""
    every = dict(facts.locked(connection, _JOBS) or {})
    job = every.get(id_)
    if job is None:
        return False
    r = record.c
    ids = list(
        connection.scalars(select(r.id).where(r.contact.in_(job["contacts"])).order_by(r.id).limit(limit))
    )
    if ids:
        _records(connection, job, ids, purge)
    elif job["envelopes"]:
        some, job["envelopes"] = job["envelopes"][:limit], job["envelopes"][limit:]
        _envelopes(connection, job, some, purge)
    elif job["contacts"]:
        _themselves(connection, job)
        job["contacts"] = []
    else:
        return False
    facts.put(connection, _JOBS, {**every, id_: job})
    return True


def _records(connection: Connection, job: dict[str, Any], ids: Sequence[str], purge: Purge) -> None:
    e, d, r = envelope.c, delivery.c, record.c
    messages = connection.execute(select(e.id, e.blob, e.parent).where(e.record.in_(ids))).all()
    sent = connection.execute(select(d.id, d.body).where(d.record.in_(ids))).all()
    files = connection.scalars(
        select(attachment.c.sha256).where(attachment.c.record.in_(ids), attachment.c.sha256.is_not(None))
    )
    found = {row.blob for row in messages if row.blob} | set(files)
    found |= {str(file["sha256"]) for row in sent for file in row.body.get("files", ()) if file.get("sha256")}
    looked_at = connection.scalars(select(review.c.files).where(review.c.record.in_(ids)))
    found |= {str(file["sha256"]) for files in looked_at for file in files}
    job["blobs"] = sorted({*job["blobs"], *found})
    talks = set(connection.scalars(select(r.conversation).where(r.id.in_(ids), r.conversation.is_not(None))))
    named = connection.execute(select(r.id, r.reference).where(r.id.in_(ids))).all()
    _forget_acts(
        connection,
        [*(one for row in named for one in row), *(row.id for row in messages), *(row.id for row in sent)],
    )
    connection.execute(delete(bundled).where(bundled.c.delivery.in_([row.id for row in sent])))
    retention.delete_records(connection, purge, ids)
    # A conversation of a group is others' too: it stays while a record of theirs is in it.
    over = talks - set(connection.scalars(select(r.conversation).where(r.conversation.in_(talks))))
    connection.execute(delete(opening).where(opening.c.conversation.in_(over)))
    connection.execute(delete(conversation).where(conversation.c.id.in_(over)))
    # A scan or a file of many messages of which none is left is theirs alone.
    children = envelope.alias("child")
    above = {row.parent for row in messages if row.parent}
    alone = select(e.id).where(
        e.id.in_(above), ~select(children.c.id).where(children.c.parent == e.id).exists()
    )
    job["envelopes"] = [*job["envelopes"], *connection.scalars(alone)]


def _envelopes(connection: Connection, job: dict[str, Any], ids: Sequence[str], purge: Purge) -> None:
    e, d = envelope.c, delivery.c
    found = connection.execute(select(envelope).where(e.id.in_(ids), e.record.is_(None))).all()
    job["blobs"] = sorted({*job["blobs"], *(row.blob for row in found if row.blob)})
    sent = connection.scalars(select(d.id).where(d.record.is_(None), d.envelope.in_(ids))).all()
    retention.delete_deliveries(connection, sent)
    _forget_acts(connection, ids)
    retention.bury(connection, purge, found)


def _themselves(connection: Connection, job: Mapping[str, Any]) -> None:
    """Who they are, how that is known, and what machines noted of them."""
    contacts, k = list(job["contacts"]), link.c
    ties = connection.scalars(select(k.id).where(or_(k.contact.in_(contacts), k.other.in_(contacts)))).all()
    _forget_acts(connection, [*contacts, *ties])
    connection.execute(delete(link).where(k.id.in_(ties)))
    connection.execute(delete(identity).where(identity.c.contact.in_(contacts)))
    people.unblock(connection, contacts)
    connection.execute(delete(contact).where(contact.c.id.in_(contacts)))
    for value in job["values"]:
        written = type_coerce(call_event.c.facts, Text)
        connection.execute(delete(call_event).where(written.contains(value, autoescape=True)))
        cells = type_coerce(import_error.c.cells, Text)
        connection.execute(delete(import_error).where(cells.contains(value, autoescape=True)))


def _forget_acts(connection: Connection, targets: Sequence[str]) -> None:
    """What colleagues did stays in the trail; what it held of the person does not."""
    connection.execute(update(audit).where(audit.c.target.in_(list(targets))).values(data={}))


def erase_bytes(connection: Connection, id_: str, sent: Collection[str]) -> list[str]:
    """Delete the bytes that nobody else refers to, and end the job; digests of those that lie in files.

    `sent`: what the files of all outgoing messages name.
    """
    every = dict(facts.locked(connection, _JOBS) or {})
    job = every.pop(id_, None)
    if job is None:
        return []
    mine = (blob.c.sha256.in_(job["blobs"]), blob.c.sha256.not_in(list(sent)), ~sweep.in_rows())
    gone = connection.execute(delete(blob).where(and_(*mine)).returning(blob.c.sha256, blob.c.place)).all()
    facts.put(connection, _JOBS, every)
    return [row.sha256 for row in gone if row.place == "file"]


def merge_index(connection: Connection, first: bool) -> bool:
    """Rewrite a part of SQLite's index of words, where what was deleted stands until then; False when nothing is left.

    Source: sqlite.org/fts5.html §6.8 (a negative merge takes all parts together).
    """
    if connection.dialect.name != "sqlite":
        return False
    before = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
    pages = -200 if first else 200
    connection.execute(text(f"INSERT INTO archive_index(archive_index, rank) VALUES ('merge', {pages})"))
    return bool(connection.exec_driver_sql("SELECT total_changes()").scalar_one() - before > 1)


class Mentions:
    """Looks in raw bytes, handed over piece by piece, for somebody's values, in any case, as words of their own."""

    def __init__(self, values: Collection[str]) -> None:
        words = [value.lower().encode() for value in values]
        self._keep = max(map(len, words), default=0) + 2
        self._word = re.compile(rb"(?<![a-z0-9])(?:" + b"|".join(map(re.escape, words)) + rb")(?![a-z0-9])")
        self._some = bool(words)
        self._rest = b""
        self._start = 0

    def see(self, piece: bytes, last: bool = False) -> bool:
        """Whether one of the values is in what was seen so far; the last piece (it may be empty) is said to be."""
        seen = self._rest + piece.lower()
        # A value at the very end may go on in the next piece, as a longer word.
        found = self._word.search(seen, self._start) if self._some else None
        if found and (last or found.end() < len(seen)):
            return True
        if len(seen) > self._keep:
            # The first byte that is kept was searched, and only tells what stands before the next.
            self._rest, self._start = seen[-self._keep :], 1
        else:
            self._rest = seen
        return False
