"""Looking for records: by words, by reference, by address, and by what is known of them; alike on both engines.

Pages go from the newest to the oldest. An index proposes records for words, and each is looked through before it is
shown: the index does not know the order of the words. One page looks through a bounded number; it may then be short
and say where to go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, func, select, text, type_coerce

from model import ids, searching
from store import archive, cases, reports, views
from store.reports import Counted
from store.schema import identity, thread_key
from store.schema import record as register
from store.views import Row

#: Proposals that are looked through at once, and for one page at the most.
_STEP, _MOST = 200, 3_000
#: The newest rows of the archive that PostgreSQL looks through before it asks its index of words.
_NEAR = 20_000
#: Contacts that share what looks like an address.
_SHARED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records are wanted; what is None does not matter."""

    text: str | None = None
    """A reference, ours or a partner's, an address in canonical form, or words."""
    channel: str | None = None
    state: str | None = None
    department: str | None = None
    urgency: str | None = None
    nature: str | None = None
    since: datetime | None = None
    """Received then or later."""
    until: datetime | None = None
    """Received before."""
    counted: Counted | None = None
    """Counted by this figure of a report."""
    departments: Sequence[str] | None = None
    """In the hands of one of these, now or before; None: of anybody."""

    @property
    def anything(self) -> bool:
        """Whether nothing narrows it down."""
        return all(getattr(self, one.name) in (None, "") for one in fields(self))


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of the record table, newest first, and where the next page begins; None at the end."""

    rows: Sequence[Row]
    following: str | None


def page(connection: Connection, wanted: Wanted, *, limit: int, before: str | None = None) -> Page:
    """A page of records, `before` being the `following` of the page before it."""
    conditions = _conditions(wanted)
    if wanted.text and wanted.text.strip():
        exact = _exact(connection, wanted.text)
        if exact is None:
            return _by_words(connection, searching.parse(wanted.text), conditions, limit, before)
        conditions.append(exact)
    query = select(register).where(*conditions).order_by(register.c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(register.c.id < before)
    found = views.rows(connection, query)
    return Page(found[:limit], found[limit - 1]["id"] if len(found) > limit else None)


def unread(connection: Connection) -> int:
    """How many records the index does not know yet."""
    query = select(func.count()).select_from(archive.archive).where(archive.archive.c.terms.is_(None))
    return int(connection.scalar(query) or 0)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    r = register.c
    same = {name: getattr(wanted, name) for name in ("channel", "state", "department", "urgency")}
    found = [r[name] == value for name, value in same.items() if value]
    if wanted.nature:
        found.append(type_coerce(r.nature, Text).contains(f'"{wanted.nature}"', autoescape=True))
    if wanted.since is not None:
        found.append(r.received_at >= wanted.since)
    if wanted.until is not None:
        found.append(r.received_at < wanted.until)
    if wanted.counted is not None:
        found.append(reports.counted(wanted.counted))
    if wanted.departments is not None:
        found.append(cases.given_to(wanted.departments))
    return found


def _exact(connection: Connection, typed: str) -> ColumnElement[bool] | None:
    """The surest reading of what a person typed: a reference, then an address; None for words."""
    if named := views.resolve(connection, typed):
        return register.c.id == named
    own = ids.thread_key("partner", f"own:{typed.strip()}")
    brought = connection.scalars(select(thread_key.c.record).where(thread_key.c.key == own)).all()
    if brought:
        return register.c.id.in_(brought)
    query = select(identity.c.contact).where(identity.c.value == typed.strip()).limit(_SHARED)
    known = connection.scalars(query).all()
    return register.c.contact.in_(known) if known else None


# ---- by words


def _by_words(
    connection: Connection,
    asked: searching.Query,
    conditions: list[ColumnElement[bool]],
    limit: int,
    before: str | None,
) -> Page:
    if not asked.terms:
        return Page([], None)
    found: list[str] = []
    looked = 0
    last = None
    for proposals in _proposals(connection, asked.terms, conditions, before, limit + 1):
        texts = archive.contents(connection, proposals)
        for last in proposals:
            if asked.holds(map(searching.folded, texts.get(last, ()))):
                found.append(last)
            if len(found) > limit:
                return Page(_in_order(connection, found[:limit]), found[limit - 1])
        looked += len(proposals)
        if looked >= _MOST:
            return Page(_in_order(connection, found), last)
    return Page(_in_order(connection, found), None)


def _proposals(
    connection: Connection,
    terms: Sequence[searching.Term],
    conditions: list[ColumnElement[bool]],
    before: str | None,
    first: int,
) -> Iterator[list[str]]:
    """Ids of records that have all terms, newest first, in portions."""
    place, size = _place(connection, before), first
    ask = _of_sqlite if connection.dialect.name == "sqlite" else _of_postgresql
    while True:
        rows = ask(connection, terms, conditions, place, size)
        if rows:
            yield [row.record for row in rows]
        if len(rows) < size:
            return
        place, size = rows[-1].n, _STEP


def _of_sqlite(
    connection: Connection,
    terms: Sequence[searching.Term],
    conditions: list[ColumnElement[bool]],
    place: int | None,
    size: int,
) -> list[Any]:
    """The next records below a place, newest first, from the full text index, which keeps that order itself."""
    a = archive.archive.c
    query = _narrowed(select(a.n, a.record), a.record, conditions)
    query = query.join(text("archive_index"), text("archive_index.rowid = archive.n"))
    query = query.where(text("archive_index MATCH :terms")).order_by(text("archive_index.rowid DESC"))
    given: dict[str, Any] = {"terms": _match(terms)}
    if place is not None:
        query, given["place"] = query.where(text("archive_index.rowid < :place")), place
    return list(connection.execute(query.limit(size), given))


def _of_postgresql(
    connection: Connection,
    terms: Sequence[searching.Term],
    conditions: list[ColumnElement[bool]],
    place: int | None,
    size: int,
) -> list[Any]:
    """The same from PostgreSQL, whose planner does not know how rare a word is: the newest are looked through in their
    order, which finds enough of a common word; what is left of a rare one comes from its index, all at once."""
    a = archive.archive.c
    given, has = {"terms": _tsquery(terms)}, text("archive.terms @@ CAST(:terms AS tsquery)")
    end = place if place is not None else int(connection.scalar(select(func.max(a.n))) or 0) + 1
    near = _narrowed(select(a.n, a.record).where(a.n < end, a.n >= end - _NEAR, has), a.record, conditions)
    rows = list(connection.execute(near.order_by(a.n.desc()).limit(size), given))
    if len(rows) == size or end <= _NEAR:
        return rows
    # OFFSET 0 keeps the planner from going through the whole table in the order that is asked for.
    far = select(a.n, a.record).where(a.n < end - _NEAR, has).offset(0).subquery("far")
    rest = _narrowed(select(far.c.n, far.c.record), far.c.record, conditions)
    rows += connection.execute(rest.order_by(far.c.n.desc()).limit(size - len(rows)), given)
    return rows


def _narrowed(
    query: Select[Any], named: ColumnElement[str], conditions: list[ColumnElement[bool]]
) -> Select[Any]:
    return query.join(register, register.c.id == named).where(*conditions) if conditions else query


def _place(connection: Connection, before: str | None) -> int | None:
    """Where in the index the record stands that was seen last; of one that is gone, where the next newer one does."""
    if before is None:
        return None
    a = archive.archive.c
    query = select(a.n).where(a.record >= before).order_by(a.record).limit(1)
    return connection.scalar(query)


def _match(terms: Sequence[searching.Term]) -> str:
    """The query in FTS5's language; a term holds letters only, so that there is nothing to escape."""
    return " ".join(f'"{one.text}"{"*" if one.begins else ""}' for one in terms)


def _tsquery(terms: Sequence[searching.Term]) -> str:
    """The query in PostgreSQL's language."""
    return " & ".join(f"'{one.text}'{':*' if one.begins else ''}" for one in terms)


def _in_order(connection: Connection, found: Sequence[str]) -> list[Row]:
    query = select(register).where(register.c.id.in_(found))
    rows = {row["id"]: row for row in views.rows(connection, query)}
    return [rows[id_] for id_ in found if id_ in rows]
