"""What the console, the API and the destinations read: plain queries, alike on both engines.

Every function takes a connection of a reader thread and returns dictionaries of column values. Pages go
from the newest to the oldest by record id, which is a UUIDv7 and so sorts by time of registration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Select, or_, select

from model import ids
from model import record as canon
from model.ids import tidy_reference
from store.schema import attachment, blob, contact, delivery, envelope, event, identity, thread_key
from store.schema import record as register

Row = dict[str, Any]


class Links(Protocol):
    """Makes the addresses under which strangers' files are served."""

    def file(self, envelope: str, n: int) -> str:
        """Address of attachment `n` that came with an envelope."""

    def raw(self, envelope: str) -> str:
        """Address of the unchanged bytes of an envelope."""


def rows(connection: Connection, query: Select[Any]) -> list[Row]:
    """All rows of a query as dictionaries."""
    return [dict(row) for row in connection.execute(query).mappings()]


def first(connection: Connection, query: Select[Any]) -> Row | None:
    """The first row of a query, or None."""
    found = connection.execute(query.limit(1)).mappings().first()
    return None if found is None else dict(found)


def resolve(connection: Connection, reference: str) -> str | None:
    """Id of the record that a reference names, itself or as the alias of a joined envelope."""
    tidy = tidy_reference(reference)
    direct = connection.scalar(select(register.c.id).where(register.c.reference == tidy))
    if direct is not None:
        return str(direct)
    joined = connection.scalar(select(envelope.c.record).where(envelope.c.reference == tidy))
    return None if joined is None else str(joined)


def record(connection: Connection, reference: str) -> Row | None:
    """The record that a reference or an alias names; None when there is none (yet)."""
    named = resolve(connection, reference)
    return None if named is None else first(connection, select(register).where(register.c.id == named))


def record_by_id(connection: Connection, record_id: str) -> Row | None:
    """A record by id; None when it is gone."""
    return first(connection, select(register).where(register.c.id == record_id))


def record_of_partner(connection: Connection, channel: str, named: str) -> Row | None:
    """A record that a partner brought in by its channel, by our reference or the partner's own; else None."""
    own = select(thread_key.c.record).where(
        thread_key.c.key == ids.thread_key("partner", f"{channel}/{named}")
    )
    found = connection.scalar(own) or resolve(connection, named)
    row = None if found is None else first(connection, select(register).where(register.c.id == found))
    return row if row is not None and row["channel"] == channel else None


def pictures(connection: Connection, record_id: str) -> list[Row]:
    """Files of a record that its HTML may name by their content id, and whose bytes were kept."""
    return rows(
        connection,
        select(attachment.c.content_id, attachment.c.media_type, attachment.c.size, attachment.c.sha256)
        .where(attachment.c.record == record_id, attachment.c.content_id.is_not(None))
        .where(attachment.c.sha256.is_not(None))
        .order_by(attachment.c.envelope, attachment.c.n)
        .limit(100),
    )


def language(connection: Connection, record_id: str) -> str | None:
    """The language of a record, where it is known."""
    found: str | None = connection.scalar(select(register.c.language).where(register.c.id == record_id))
    return found


def canonical(connection: Connection, row: Mapping[str, Any], links: Links) -> canon.Record:
    """The canonical record of one row of the record table."""
    return canonicals(connection, [row], links)[0]


def canonical_by_id(connection: Connection, record_id: str, links: Links) -> canon.Record:
    """The canonical record with an id. LookupError when it is gone."""
    row = first(connection, select(register).where(register.c.id == record_id))
    if row is None:
        raise LookupError("the record is gone")
    return canonical(connection, row, links)


def canonicals(
    connection: Connection, found: Sequence[Mapping[str, Any]], links: Links
) -> list[canon.Record]:
    """The canonical records of many rows, with as few queries as for one."""
    if not found:
        return []
    ids = [row["id"] for row in found]
    people = {
        row["id"]: row
        for row in rows(connection, select(contact).where(contact.c.id.in_(_all(found, "contact"))))
    }
    known = _identities(connection, {id_: row["same_as"] or id_ for id_, row in people.items()})
    files = _grouped(
        rows(
            connection,
            select(attachment)
            .where(attachment.c.record.in_(ids))
            .order_by(attachment.c.record, attachment.c.envelope, attachment.c.n),
        ),
        "record",
    )
    others = _all(found, "in_reply_to") | _all(found, "repeat_of")
    named = {
        row.id: row.reference
        for row in connection.execute(
            select(register.c.id, register.c.reference).where(register.c.id.in_(others))
        )
    }
    digests = _all(found, "raw_sha256") | {
        f["sha256"] for group in files.values() for f in group if f["sha256"]
    }
    kept = set(connection.scalars(select(blob.c.sha256).where(blob.c.sha256.in_(digests))))
    return [
        _record(
            row,
            people.get(row["contact"]),
            known.get(row["contact"], []),
            files.get(row["id"], []),
            named,
            kept,
            links,
        )
        for row in found
    ]


def _identities(connection: Connection, roots: Mapping[str, str]) -> dict[str, list[Row]]:
    """The identities of each contact, and of those found to be the same person."""
    stands = set(roots.values())
    found = rows(
        connection,
        select(identity, contact.c.same_as)
        .join(contact, contact.c.id == identity.c.contact)
        .where(or_(contact.c.id.in_(stands), contact.c.same_as.in_(stands)))
        .order_by(identity.c.since, identity.c.kind, identity.c.value),
    )
    known: dict[str, list[Row]] = {}
    for row in found:
        known.setdefault(row["same_as"] or row["contact"], []).append(row)
    return {id_: known.get(root, []) for id_, root in roots.items()}


def _record(
    row: Mapping[str, Any],
    person: Mapping[str, Any] | None,
    identities: Iterable[Mapping[str, Any]],
    files: Iterable[Mapping[str, Any]],
    named: Mapping[str, str],
    kept: set[str],
    links: Links,
) -> canon.Record:
    return canon.Record(
        id=row["id"],
        reference=row["reference"],
        channel=canon.Channel(name=row["channel"], kind=row["kind"]),
        source_id=row["source_id"],
        sent_at=row["sent_at"],
        received_at=row["received_at"],
        contact=_contact(row, person, identities),
        conversation=canon.Conversation(id=row["conversation"]),
        in_reply_to=named.get(row["in_reply_to"], row["in_reply_to"]),
        subject=row["subject"],
        text=row["text"],
        full_text=row["full_text"],
        html=row["html"],
        attachments=[
            canon.Attachment(
                filename=f["filename"],
                media_type=f["media_type"],
                size=f["size"],
                sha256=f["sha256"],
                url=links.file(f["envelope"], f["n"]) if f["sha256"] in kept else None,
                omitted=f["omitted"],
            )
            for f in files
        ],
        automatic=row["automatic"] is not None,
        bounce=row["bounce"],
        nature=row["nature"],
        urgency=row["urgency"],
        in_scope=row["in_scope"],
        missing=row["missing"],
        department=row["department"],
        deadlines=row["deadlines"],
        state=row["state"],
        repeat_of=named.get(row["repeat_of"]),
        raw=canon.RawMessage(
            sha256=row["raw_sha256"],
            size=row["raw_size"],
            url=links.raw(row["envelope"]) if row["raw_sha256"] in kept else None,
        ),
        omissions=row["omissions"],
        extra=row["extra"],
    )


def _contact(
    row: Mapping[str, Any], person: Mapping[str, Any] | None, identities: Iterable[Mapping[str, Any]]
) -> canon.Contact:
    if person is None:
        return canon.Contact(language=row["language"])
    return canon.Contact(
        id=person["id"],
        name=person["name"],
        company=person["company"],
        language=person["language"] or row["language"],
        identities=[canon.ContactIdentity(kind=i["kind"], value=i["value"]) for i in identities],
    )


def _all(found: Iterable[Mapping[str, Any]], column: str) -> set[str]:
    return {row[column] for row in found if row[column] is not None}


def _grouped(found: Iterable[Row], column: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in found:
        groups.setdefault(row[column], []).append(row)
    return groups


def timeline(connection: Connection, record_id: str, *, after: int = 0, limit: int = 500) -> list[Row]:
    """What happened to a record, oldest first, after a position."""
    query = select(event).where(event.c.record == record_id, event.c.position > after)
    return rows(connection, query.order_by(event.c.position).limit(limit))


def last_message(connection: Connection, record_id: str) -> Row | None:
    """What the timeline keeps of the last message that a person added to a record; None when none did."""
    e = event.c
    query = select(e.data).where(e.record == record_id, e.type == "message.joined")
    found = connection.scalars(query.order_by(e.position.desc()).limit(10)).all()
    # One that was moved to another record is not the customer's word here.
    named = [data["envelope"] for data in found if data.get("envelope")]
    own = select(envelope.c.id).where(envelope.c.id.in_(named), envelope.c.record == record_id)
    here = set(connection.scalars(own)) if named else set()
    return next(
        (
            dict(data)
            for data in found
            if data.get("envelope") in here and not data.get("automatic") and data.get("thread")
        ),
        None,
    )


def events(connection: Connection, after: int, limit: int) -> list[Row]:
    """The feed: everything that happened after a position, in the order of commit."""
    return rows(
        connection, select(event).where(event.c.position > after).order_by(event.c.position).limit(limit)
    )


def messages(connection: Connection, record_id: str) -> list[Row]:
    """The envelopes that belong to a record, its own first, with the column names of the envelope table."""
    query = (
        select(envelope).where(envelope.c.record == record_id).order_by(envelope.c.received_at, envelope.c.id)
    )
    return rows(connection, query)


def file(connection: Connection, envelope_id: str, n: int) -> Row | None:
    """Name, type, size and digest of attachment `n` of an envelope; None when it was left out."""
    a = attachment.c
    query = (
        select(a.filename, a.media_type, a.size, a.sha256)
        .join(envelope, envelope.c.record == a.record)
        .where(envelope.c.id == envelope_id, a.envelope == envelope_id, a.n == n, a.sha256.is_not(None))
    )
    return first(connection, query)


def files_of(record_id: str) -> Select[Any]:
    """The query for all files that came with a record's messages."""
    query = select(attachment).where(attachment.c.record == record_id)
    return query.order_by(attachment.c.envelope, attachment.c.n)


def sent_file(connection: Connection, delivery_id: str, n: int) -> Row | None:
    """Name, type, size and digest of file `n` of a message of ours; None when it has none such."""
    body = connection.scalar(select(delivery.c.body).where(delivery.c.id == delivery_id))
    files = body.get("files", []) if body else []
    return dict(files[n]) if n < len(files) else None


def raw(connection: Connection, envelope_id: str) -> Row | None:
    """Reference, type, size and digest of an envelope's unchanged bytes; None when they are gone."""
    e = envelope.c
    query = (
        select(e.reference, e.media_type, e.size, e.blob.label("sha256"))
        .join(blob, blob.c.sha256 == e.blob)
        .where(e.id == envelope_id)
    )
    return first(connection, query)
