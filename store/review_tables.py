"""Table of answers that a second person looks at before they leave."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, String, Table, Text, text

from store.metadata import metadata
from store.types import Instant, Json

#: An answer that waits for a second person, or was looked at. One waits at a time for each record.
review = Table(
    "review",
    metadata,
    Column("id", String, primary_key=True),
    Column("record", String, nullable=False),
    Column("key", String, nullable=False),  # that of the answer: the same twice is one
    Column("state", String, nullable=False),  # waiting, approved (and still to leave), sent, returned
    Column("at", Instant, nullable=False),
    Column("by", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text),
    Column("files", Json, nullable=False),
    Column("channel", String),
    Column("cc", Json, nullable=False),
    Column("expects_answer", Boolean, nullable=False),
    Column("decided_at", Instant),
    Column("decided_by", String),
    Column("reason", Text),  # why it was returned
    Index("uq_review_key", "record", "key", unique=True),
    Index(
        "uq_review_waiting",
        "record",
        unique=True,
        postgresql_where=text("state IN ('waiting', 'approved')"),
        sqlite_where=text("state IN ('waiting', 'approved')"),
    ),
    Index("ix_review_state", "state", "at"),
)
