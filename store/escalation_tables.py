"""Tables of what was told because a deadline came near or passed."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, text

from store.metadata import metadata
from store.types import Instant, Json

#: That a stage of a record was told of, once for each level and each deadline it had.
escalation = Table(
    "escalation",
    metadata,
    Column("id", String, primary_key=True),
    Column("record", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("level", String, nullable=False),  # before, over, long
    Column("due_at", Instant, nullable=False),
    Column("at", Instant, nullable=False),
    Index("uq_escalation", "record", "stage", "level", "due_at", unique=True),
)

#: What is to be posted to a place; mails go the way of every delivery.
digest = Table(
    "digest",
    metadata,
    Column("id", String, primary_key=True),
    Column("place", String, nullable=False),  # a department, or empty for the supervision
    Column("way", String, nullable=False),  # webhook, wecom
    Column("state", String, nullable=False),  # waiting, posted, given_up
    Column("body", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Index(
        "ix_digest_waiting",
        "next_at",
        postgresql_where=text("state = 'waiting'"),
        sqlite_where=text("state = 'waiting'"),
    ),
)
