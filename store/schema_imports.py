"""The tables of imports: each file that was uploaded with how far it has come, and the rows that could not be taken."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Table, Text

from store.metadata import metadata
from store.types import Instant, Json

import_ = Table(
    "import",
    metadata,
    Column("id", String, primary_key=True),
    Column("channel", String, nullable=False),
    Column("name", String, nullable=False),  # the file's, as it was uploaded
    Column("actor", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text),  # why it failed
    Column("blob", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("options", Json, nullable=False),  # how it is to be read, as a person said
    Column("layout", Json, nullable=False),  # what was found: format, encoding, columns
    Column("dry_run", Boolean, nullable=False),
    Column("acknowledge", Boolean, nullable=False),
    Column("claim", String),  # fresh token of whoever works on it
    # What follows moves in the transaction of the envelopes.
    Column("position", Json),
    Column("share", Float, nullable=False),  # of the file that has been read, 0 to 1
    Column("rows", Integer, nullable=False),
    Column("taken", Integer, nullable=False),
    Column("known", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("notes", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Index("ix_import_channel", "channel", "created_at"),
)

import_error = Table(
    "import_error",
    metadata,
    Column("import", String, primary_key=True),
    Column("row", BigInteger, primary_key=True),
    Column("error", Text, nullable=False),
    Column("cells", Json, nullable=False),  # as they stood, in the order of the columns
)
