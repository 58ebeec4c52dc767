"""Tables of the office's work on registered records, and of whom it hears no more."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, String, Table, Text, text

from store.metadata import metadata
from store.types import Instant

#: A record in the hands of a department: given, taken or returned, done or withdrawn. Several at once have one lead.
assignment = Table(
    "assignment",
    metadata,
    Column("id", String, primary_key=True),
    Column("record", String, nullable=False),
    Column("department", String, nullable=False),
    Column("lead", Boolean, nullable=False),
    Column("state", String, nullable=False),  # given, taken, returned, done, withdrawn
    Column("suggestion", Text, nullable=False),
    Column("due_at", Instant),  # set by a person; else the office's time counts
    Column("given_at", Instant, nullable=False),
    Column("given_by", String, nullable=False),
    Column("taken_at", Instant),
    Column("taken_by", String),
    Column("ended_at", Instant),
    Column("ended_by", String),
    Column("reason", Text),  # why it was returned, or what was found
    Index("ix_assignment_record", "record"),
    # One department has a record once at a time.
    Index(
        "uq_assignment_open",
        "record",
        "department",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
        sqlite_where=text("ended_at IS NULL"),
    ),
    Index(
        "ix_assignment_department",
        "department",
        "due_at",
        postgresql_where=text("ended_at IS NULL"),
        sqlite_where=text("ended_at IS NULL"),
    ),
)

#: Senders whose messages are set aside unread, by what they are known by.
blocked = Table(
    "blocked",
    metadata,
    Column("kind", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("contact", String, nullable=False),
    Column("since", Instant, nullable=False),
    Column("by", String, nullable=False),
    Column("why", Text, nullable=False),
    Index("ix_blocked_contact", "contact"),
)
