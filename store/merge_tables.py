"""Table of records that were found to be one."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, text

from store.metadata import metadata
from store.types import Instant

#: A record that was merged into another: what is written to it goes there, until that is undone.
merger = Table(
    "merger",
    metadata,
    Column("id", String, primary_key=True),
    Column("record", String, nullable=False),
    Column("into", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String, nullable=False),
    Column("state_before", String, nullable=False),
    Column("undone_at", Instant),
    Column("undone_by", String),
    Index(
        "uq_merger_record",
        "record",
        unique=True,
        postgresql_where=text("undone_at IS NULL"),
        sqlite_where=text("undone_at IS NULL"),
    ),
    Index("ix_merger_into", "into"),
)
