"""Questions about answers that a second person looks at before they leave."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from store.review_tables import review
from store.schema import record
from store.views import Row, first, rows

WAITING, APPROVED, SENT, RETURNED = "waiting", "approved", "sent", "returned"


def by_id(connection: Connection, id_: str) -> Row | None:
    """One answer, with the reference of its record."""
    query = select(review, record.c.reference).join(record, record.c.id == review.c.record)
    return first(connection, query.where(review.c.id == id_))


def of_record(connection: Connection, record_id: str) -> list[Row]:
    """The answers to a record that were or are looked at, the latest first."""
    query = select(review).where(review.c.record == record_id)
    return rows(connection, query.order_by(review.c.at.desc(), review.c.id.desc()))


def waiting(connection: Connection, states: Sequence[str] = (WAITING,), limit: int = 200) -> list[Row]:
    """The answers in some states, the oldest first, with reference, subject and urgency of their records."""
    r = record.c
    query = select(review, r.reference, r.subject, r.urgency, r.department).join(
        record, r.id == review.c.record
    )
    return rows(
        connection, query.where(review.c.state.in_(states)).order_by(review.c.at, review.c.id).limit(limit)
    )
