"""Questions about the office's work on records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from store.case_tables import assignment
from store.schema import delivery, record
from store.views import Row, first, resolve, rows

#: States in which no stage is open.
_DONE = ("answered", "followed_up", "closed", "out_of_scope")


def assignments(connection: Connection, record_id: str) -> list[Row]:
    """Who had a record and who has it, oldest first."""
    query = select(assignment).where(assignment.c.record == record_id)
    return rows(connection, query.order_by(assignment.c.given_at, assignment.c.id))


def lead(connection: Connection, record_id: str) -> dict[str, Any] | None:
    """The latest assignment of the department that leads or led."""
    query = select(assignment).where(assignment.c.record == record_id, assignment.c.lead)
    return first(connection, query.order_by(assignment.c.given_at.desc(), assignment.c.id.desc()).limit(1))


def had_by(connection: Connection, reference: str, departments: Sequence[str]) -> bool:
    """Whether a record is, or was, in the hands of one of some departments."""
    named = resolve(connection, reference)
    if named is None:
        return True  # there is nothing to hide; whoever asks is told so
    query = select(record.c.id).where(record.c.id == named, given_to(departments))
    return connection.execute(query).first() is not None


def given_to(departments: Sequence[str]) -> ColumnElement[bool]:
    """The condition that a record is, or was, in the hands of one of some departments."""
    a = assignment.c
    given = exists().where(a.record == record.c.id, a.department.in_(list(departments)))
    return or_(record.c.department.in_(list(departments)), given)


def with_deadlines(connection: Connection, after: str, limit: int) -> list[dict[str, Any]]:
    """Records on which work is still to be done, by id, from after one on."""
    c = record.c
    query = select(c.id, c.reference, c.state, c.urgency, c.deadlines, c.received_at, c.updated_at).where(
        c.id > after, c.state.not_in(_DONE)
    )
    return rows(connection, query.order_by(c.id).limit(limit))


def loads(connection: Connection) -> Mapping[str, int]:
    """How many records each department has in hand."""
    query = select(assignment.c.department, func.count()).where(assignment.c.ended_at.is_(None))
    return {row[0]: row[1] for row in connection.execute(query.group_by(assignment.c.department))}


def homeless(connection: Connection, known: Collection[str]) -> list[dict[str, Any]]:
    """Records in the hands of departments that are not configured any more, with how many each has."""
    query = (
        select(assignment.c.department, func.count().label("records"))
        .where(assignment.c.ended_at.is_(None), assignment.c.department.not_in(list(known)))
        .group_by(assignment.c.department)
    )
    return rows(connection, query)


def told(connection: Connection, record_id: str, template: str) -> bool:
    """Whether a record's customer got a message of a template, or will."""
    query = select(delivery.c.body).where(
        delivery.c.record == record_id,
        delivery.c.purpose.in_(("acknowledgement", "notice")),
        delivery.c.state != "cancelled",
    )
    return any(body.get("template") == template for body in connection.scalars(query))
