"""Tables of what the office waits for from a customer: what is missing, and whether they are satisfied."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, text

from store.metadata import metadata
from store.types import Instant, Json

#: The clock of a record stands still while its customer is asked for something. One at a time.
pause = Table(
    "pause",
    metadata,
    Column("id", String, primary_key=True),
    Column("record", String, nullable=False),
    Column("state", String, nullable=False),  # open, ended
    Column("missing", Json, nullable=False),  # what was asked for
    Column("since", Instant, nullable=False),
    Column("by", String, nullable=False),
    Column("remind_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),  # when the work goes on as it is
    Column("reminded_at", Instant),
    Column("ended_at", Instant),
    Column("why", String),  # answered, no answer, withdrawn
    Index("ix_pause_record", "record"),
    Index(
        "uq_pause_open",
        "record",
        unique=True,
        postgresql_where=text("state = 'open'"),
        sqlite_where=text("state = 'open'"),
    ),
)

#: Whether a customer who was answered is satisfied. One open at a time.
follow_up = Table(
    "follow_up",
    metadata,
    Column("id", String, primary_key=True),
    Column("record", String, nullable=False),
    Column("state", String, nullable=False),  # planned, asked, answered, ended
    Column("ask_at", Instant, nullable=False),
    Column("asked_at", Instant),
    Column("close_at", Instant),  # when the record is closed by itself
    Column("satisfied", Boolean),
    Column("mark", Integer),  # 1 to 5
    Column("remarks", Text),
    Column("answered_at", Instant),
    Column("by", String),  # page, chat, or the colleague who called
    Index("ix_follow_up_record", "record"),
    Index("ix_follow_up_state", "state", "ask_at"),
)
