"""Questions about matters that are alike: what a customer wrote before, and surges with their records and answers."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, select

from store.schema import contact, record
from store.surge_tables import surge, surge_answer, surge_record
from store.views import Row, first, rows

OPEN, DISSOLVED = "open", "dissolved"
GOING, DONE = "going", "done"
#: States of records that are not answered with the others: they were, or are nobody's to answer.
_ANSWERED = ("answered", "followed_up", "closed", "out_of_scope")


def _compared() -> Select[Any]:
    """What is compared of records, without what machines wrote."""
    r = record.c
    person = func.coalesce(contact.c.same_as, r.contact)
    columns = (r.id, r.reference, r.received_at, r.subject, r.text, r.repeat_of, person.label("person"))
    return (
        select(*columns)
        .select_from(record.outerjoin(contact, contact.c.id == r.contact))
        .where(r.automatic.is_(None), ~r.bounce, r.in_scope)
    )


def compared(connection: Connection, record_id: str) -> Row | None:
    """One record as it is compared; None when it is not."""
    return first(connection, _compared().where(record.c.id == record_id))


def recent(connection: Connection, since: datetime, limit: int) -> list[Row]:
    """The records received since a moment, oldest first; of too many, the newest."""
    query = (
        _compared().where(record.c.received_at >= since).order_by(record.c.received_at.desc(), record.c.id)
    )
    return rows(connection, query.limit(limit))[::-1]


def earlier(connection: Connection, contacts: Collection[str], row: Row, since: datetime) -> list[Row]:
    """What some contacts wrote before a record, since a moment, newest first; the last hundred."""
    r = record.c
    query = _compared().where(r.contact.in_(list(contacts)), r.received_at >= since, r.id < row["id"])
    return rows(connection, query.order_by(r.id.desc()).limit(100))


def persons(connection: Connection, records: Collection[str]) -> set[str]:
    """Whose some records are, a person once; a record of nobody known counts for somebody of its own."""
    r = record.c
    person = func.coalesce(contact.c.same_as, r.contact, r.id)
    query = select(person).select_from(record.outerjoin(contact, contact.c.id == r.contact))
    return set(connection.scalars(query.where(r.id.in_(list(records)))))


def places(connection: Connection, records: Collection[str]) -> dict[str, Row]:
    """Of each record that is or was in a surge: which, its state, when its last record came, and whether it is out."""
    s, m = surge.c, surge_record.c
    query = select(m.record, m.surge, m.out_at, s.state, s.last_at).join(surge, s.id == m.surge)
    return {row["record"]: row for row in rows(connection, query.where(m.record.in_(list(records))))}


def place(connection: Connection, record_id: str) -> Row | None:
    """The row of a record in its surge, with the surge's state; None when it was in none."""
    query = select(surge_record, surge.c.state).join(surge, surge.c.id == surge_record.c.surge)
    return first(connection, query.where(surge_record.c.record == record_id))


def show(connection: Connection, surge_id: str) -> Row | None:
    """One surge."""
    return first(connection, select(surge).where(surge.c.id == surge_id))


def latest(connection: Connection, limit: int) -> list[Row]:
    """The latest surges with how many records and people, the first's subject, and whether it is answered."""
    found = rows(connection, select(surge).order_by(surge.c.last_at.desc(), surge.c.id).limit(limit))
    ids = [one["id"] for one in found]
    m, r = surge_record.c, record.c
    person = func.coalesce(contact.c.same_as, r.contact, r.id)
    joined = surge_record.join(record, r.id == m.record).outerjoin(contact, contact.c.id == r.contact)
    sizes = (
        select(m.surge, func.count().label("records"), func.count(func.distinct(person)).label("people"))
        .select_from(joined)
        .where(m.surge.in_(ids), m.out_at.is_(None))
        .group_by(m.surge)
    )
    counted = {row.surge: row for row in connection.execute(sizes)}
    answers = select(surge_answer.c.surge).where(surge_answer.c.surge.in_(ids))
    answered = set(connection.scalars(answers))
    for one in found:
        size = counted.get(one["id"])
        one["records"], one["people"] = (size.records, size.people) if size else (0, 0)
        one["subject"] = _subject(connection, one["id"])
        one["answered"] = one["id"] in answered
    return found


def _subject(connection: Connection, surge_id: str) -> str:
    """What its first record is about."""
    r, m = record.c, surge_record.c
    query = select(r.subject, r.text).join(surge_record, m.record == r.id)
    found = connection.execute(
        query.where(m.surge == surge_id, m.out_at.is_(None)).order_by(r.id).limit(1)
    ).first()
    return "" if found is None else str(found.subject or found.text[:80])


def members(connection: Connection, surge_id: str, *, out: bool = False) -> list[Row]:
    """The records of a surge, oldest first, with who wrote them; with `out`, those that were taken out."""
    r, m = record.c, surge_record.c
    columns = (
        r.id, r.reference, r.channel, r.received_at, r.subject, r.text, r.state, r.urgency, r.contact,
        contact.c.name, m.urgency_before, m.by, m.out_at, m.out_by,
    )  # fmt: skip
    joined = surge_record.join(record, r.id == m.record).outerjoin(contact, contact.c.id == r.contact)
    which = m.out_at.is_not(None) if out else m.out_at.is_(None)
    return rows(
        connection, select(*columns).select_from(joined).where(m.surge == surge_id, which).order_by(r.id)
    )


def unanswered(connection: Connection, surge_id: str) -> list[Row]:
    """The records that an answer would go to now."""
    return [one for one in members(connection, surge_id) if one["state"] not in _ANSWERED]


def answers(connection: Connection, surge_id: str) -> list[Row]:
    """What was answered to all of a surge, oldest first."""
    a = surge_answer.c
    return rows(connection, select(surge_answer).where(a.surge == surge_id).order_by(a.at, a.id))


def answers_going(connection: Connection) -> list[Row]:
    """Answers that have not gone to all yet."""
    return rows(
        connection, select(surge_answer).where(surge_answer.c.state == GOING).order_by(surge_answer.c.id)
    )


def open_since(connection: Connection, since: datetime) -> int:
    """How many surges got a record since a moment, and nobody answered them."""
    answered = exists().where(surge_answer.c.surge == surge.c.id)
    query = select(func.count()).where(surge.c.state == OPEN, surge.c.last_at >= since, ~answered)
    return int(connection.scalar(query) or 0)


def forget_empty(connection: Connection) -> None:
    """Delete surges of which no record is left, with their answers."""
    some = exists().where(surge_record.c.surge == surge.c.id)
    gone = connection.scalars(delete(surge).where(~some).returning(surge.c.id)).all()
    if gone:
        connection.execute(delete(surge_answer).where(surge_answer.c.surge.in_(gone)))


def remove(connection: Connection, record_id: str) -> None:
    """Forget that a record was in a surge, so that it can be put into another."""
    connection.execute(delete(surge_record).where(surge_record.c.record == record_id))
