"""Tables of what happens at the desk while clerks write: their drafts, and who looks at what."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from store.metadata import metadata
from store.types import Instant

#: What somebody wrote to a record's customer and did not send yet. Each has a draft of their own.
draft = Table(
    "draft",
    metadata,
    Column("record", String, primary_key=True),
    Column("actor", String, primary_key=True),
    Column("text", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

#: Who looked at a record last when; whoever did a moment ago looks still.
presence = Table(
    "presence",
    metadata,
    Column("record", String, primary_key=True),
    Column("actor", String, primary_key=True),
    Column("at", Instant, nullable=False),
)
