"""The index of the archive: what each record is found by, one row a record, written with whatever adds to it.

The terms are made in Python (`model.searching`), so that both engines know the same. PostgreSQL keeps them as a
text search vector under a GIN index; SQLite in the full text index `archive_index`, which stands beside the table and
takes its words from it. Neither knows their order: what they propose is looked through (`store.search`).

Rows stand in the order of registration. A row without terms is still to be read in: `catch_up` does so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    event,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.schema import ExecutableDDLElement

from model import searching
from model.delivery import Purpose
from model.event import EventType, here
from store import sets
from store.merge_tables import merger
from store.metadata import metadata
from store.schema import attachment, contact, delivery, record
from store.schema import event as timeline
from store.units import Found

archive = Table(
    "archive",
    metadata,
    Column("n", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("record", String, nullable=False),
    Column("size", Integer, nullable=False, server_default=text("0")),  # of the terms, bytes
    Column("terms", TSVECTOR().with_variant(Text, "sqlite")),  # none: still to be read in
    Index("uq_archive_record", "record", unique=True),
    Index("ix_archive_terms", "terms", postgresql_using="gin").ddl_if(dialect="postgresql"),
    Index(
        "ix_archive_unread",
        "n",
        postgresql_where=text("terms IS NULL"),
        sqlite_where=text("terms IS NULL"),
    ),
    sqlite_autoincrement=True,  # so that the place of a purged record is not given again, before later pages
)

#: The words are bound by us alone: a term is a run of letters and other characters without spaces. The tokenizer
#: `ascii` takes everything beyond ASCII for a letter, and so cuts nothing that we did not cut.
_INDEX = (
    "CREATE VIRTUAL TABLE archive_index USING fts5("
    "terms, content='archive', content_rowid='n', detail=none, columnsize=0, tokenize='ascii')"
)
#: Fewer and larger merges of the index's parts; measured, a fifth less work for each record.
_MERGES = "INSERT INTO archive_index(archive_index, rank) VALUES ('automerge', 8)"

for _statement in (_INDEX, _MERGES):
    _ddl: ExecutableDDLElement = DDL(_statement)  # type: ignore[no-untyped-call]  # the library gives it no types
    event.listen(archive, "after_create", _ddl.execute_if(dialect="sqlite"))

#: Bytes of terms of one record at the most; PostgreSQL takes a vector of 1 MiB.
_LARGEST = 700_000

#: Adds terms to the index that the table has already; takes them out of it before the table loses them.
_PUT_IN = "INSERT INTO archive_index(rowid, terms) SELECT n, terms FROM archive WHERE terms IS NOT NULL AND record IN "
_TAKE_OUT = (
    "INSERT INTO archive_index(archive_index, rowid, terms) "
    "SELECT 'delete', n, terms FROM archive WHERE terms IS NOT NULL AND record IN "
)
_NAMES = "(SELECT value FROM json_each(:records))"


def write(connection: Connection, found: Iterable[Found]) -> None:
    """Write the rows of new records, and add to those of records that grow."""
    new: list[tuple[str, int, str]] = []
    more: dict[str, dict[str, None]] = {}
    for one in found:
        if one.new:
            new.append((one.record, _size(one.terms), " ".join(one.terms)))
        else:
            more.setdefault(one.record, {}).update(dict.fromkeys(one.terms))
    if new:
        _insert(connection, new)
    if more:
        _add(connection, {name: list(terms) for name, terms in more.items() if terms})


def _size(terms: Iterable[str]) -> int:
    joined = "".join(terms)
    return len(joined) if joined.isascii() else len(joined.encode("utf-8", "replace"))


def _insert(connection: Connection, rows: Sequence[tuple[str, int, str]]) -> None:
    if connection.dialect.name != "sqlite":
        connection.execute(_POSTGRES_INSERT, {"rows": sets.as_json(rows)})
        return
    sets.bind(connection, "INSERT INTO archive (record, size, terms) VALUES ", "", 3, rows)
    names = [(row[0],) for row in rows]
    sets.bind(connection, _PUT_IN + "(", ")", 1, names)


_ROWS = "FROM json_array_elements(CAST(:rows AS json)) WITH ORDINALITY AS v(value, at)"
_POSTGRES_INSERT = text(
    "INSERT INTO archive (record, size, terms) SELECT v.value->>0, CAST(v.value->>1 AS integer), "
    f"array_to_tsvector(string_to_array(v.value->>2, ' ')) {_ROWS} ORDER BY v.at"
)
_POSTGRES_ADD = text(
    "UPDATE archive SET size = archive.size + s.size, terms = archive.terms || s.terms FROM ("
    "SELECT v.value->>0 AS record, CAST(v.value->>1 AS integer) AS size, "
    f"array_to_tsvector(string_to_array(v.value->>2, ' ')) AS terms {_ROWS}) AS s "
    f"WHERE archive.record = s.record AND archive.terms IS NOT NULL AND archive.size + s.size <= {_LARGEST}"
)
_POSTGRES_FILL = text(
    "UPDATE archive SET size = s.size, terms = s.terms FROM ("
    "SELECT v.value->>0 AS record, CAST(v.value->>1 AS integer) AS size, "
    f"array_to_tsvector(string_to_array(v.value->>2, ' ')) AS terms {_ROWS}) AS s "
    "WHERE archive.record = s.record AND archive.terms IS NULL"
)


def _add(connection: Connection, more: Mapping[str, list[str]]) -> None:
    rows = [(name, _size(terms), " ".join(terms)) for name, terms in sorted(more.items())]
    if connection.dialect.name != "sqlite":
        if rows:
            connection.execute(_POSTGRES_ADD, {"rows": sets.as_json(rows)})
        return
    for name, size, terms in rows:
        given = {"record": name, "records": sets.as_json([name]), "size": size, "terms": terms}
        fits = text(
            "SELECT 1 FROM archive WHERE record = :record AND terms IS NOT NULL "
            f"AND size + :size <= {_LARGEST}"
        )
        if connection.execute(fits, given).first() is None:
            continue
        connection.execute(text(_TAKE_OUT + _NAMES), given)
        grow = "UPDATE archive SET size = size + :size, terms = terms || ' ' || :terms WHERE record = :record"
        connection.execute(text(grow), given)
        connection.execute(text(_PUT_IN + _NAMES), given)


def forget(connection: Connection, records: Collection[str]) -> None:
    """Take records out of the index, in the transaction that deletes them."""
    if connection.dialect.name == "sqlite":
        connection.execute(text(_TAKE_OUT + _NAMES), {"records": sets.as_json(list(records))})
    connection.execute(delete(archive).where(archive.c.record.in_(records)))


# ---- what records hold


def contents(connection: Connection, records: Collection[str]) -> dict[str, list[str]]:
    """All texts by which each record is found: its own and its later messages', whose it is, its files, our answers."""
    found: dict[str, list[str]] = {}
    r, c, a, e, d = record.c, contact.c, attachment.c, timeline.c, delivery.c
    own = (
        select(r.id, r.subject, r.full_text, c.name, c.company)
        .select_from(record.outerjoin(contact, c.id == r.contact))
        .where(r.id.in_(records))
    )
    for one in connection.execute(own):
        found[one.id] = [one.subject, one.full_text, one.name or "", one.company or ""]
    for named in connection.execute(select(a.record, a.filename).where(a.record.in_(records))):
        found.setdefault(named.record, []).append(named.filename)
    told = (EventType.MESSAGE_JOINED.value, EventType.MESSAGE_MOVED.value)
    lines = select(e.record, e.type, e.data).where(e.record.in_(records), e.type.in_(told))
    joined: dict[str, list[Mapping[str, Any]]] = {}
    for line in connection.execute(lines.order_by(e.position)).mappings():
        joined.setdefault(line["record"], []).append(dict(line))
    for name, of_it in joined.items():
        for said in here(of_it):
            if said["type"] == EventType.MESSAGE_JOINED:
                found.setdefault(name, []).extend(_message(said["data"]))
    parts = select(merger.c.into, r.subject, r.full_text).join(merger, merger.c.record == r.id)
    for part in connection.execute(parts.where(merger.c.into.in_(records), merger.c.undone_at.is_(None))):
        found.setdefault(part.into, []).extend((part.subject, part.full_text))
    answers = select(d.record, d.body).where(d.record.in_(records), d.purpose == Purpose.REPLY.value)
    for sent in connection.execute(answers):
        found.setdefault(sent.record, []).append(str(sent.body.get("text") or ""))
    return found


def _message(data: Mapping[str, Any]) -> list[str]:
    """The texts of a message that joined, as its event keeps it."""
    return [str(data.get(name) or "") for name in ("subject", "full_text", "name")]


# ---- what was there before the index


def unread(connection: Connection, limit: int) -> list[str]:
    """Records that are still to be read in, the newest first."""
    query = select(archive.c.record).where(archive.c.terms.is_(None)).order_by(archive.c.n.desc())
    return list(connection.scalars(query.limit(limit)))


def catch_up(connection: Connection, limit: int) -> int:
    """Read in some of the records that the index does not know yet, the newest first; how many it were."""
    query = select(archive.c.record).where(archive.c.terms.is_(None)).order_by(archive.c.n.desc())
    if connection.dialect.name != "sqlite":
        # Who adds to one of them waits, and then adds to what is written here.
        query = query.with_for_update(skip_locked=True)
    names = list(connection.scalars(query.limit(limit)))
    if not names:
        return 0
    texts = contents(connection, names)
    rows = []
    for name in names:
        terms = searching.terms(*texts.get(name, ()))
        rows.append((name, _size(terms), " ".join(terms)))
    if connection.dialect.name != "sqlite":
        connection.execute(_POSTGRES_FILL, {"rows": sets.as_json(rows)})
        return len(rows)
    fill = "UPDATE archive SET size = s.column2, terms = s.column3 FROM (VALUES "
    sets.bind(connection, fill, ") AS s WHERE archive.record = s.column1", 3, rows)
    sets.bind(connection, _PUT_IN + "(", ")", 1, [(name,) for name in names])
    return len(rows)
