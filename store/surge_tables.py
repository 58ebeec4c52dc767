"""Tables of matters that many customers bring at once."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from store.metadata import metadata
from store.types import Instant, Json

#: Many records of the same matter from many customers in a short time.
surge = Table(
    "surge",
    metadata,
    Column("id", String, primary_key=True),
    Column("state", String, nullable=False),  # open, dissolved
    Column("opened_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),  # when the last record of it was received
    Column("dissolved_at", Instant),
    Column("dissolved_by", String),
    Index("ix_surge_last_at", "last_at"),
)

#: A record of a surge. Who was taken out by hand stays here, so that it is not put in again.
surge_record = Table(
    "surge_record",
    metadata,
    Column("record", String, primary_key=True),
    Column("surge", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String, nullable=False),  # forebay, or who put it in
    Column("urgency_before", String),  # where the surge raised it
    Column("out_at", Instant),
    Column("out_by", String),
    Index("ix_surge_record_surge", "surge", "record"),
)

#: One answer to all of a surge: it goes on record by record until it is done.
surge_answer = Table(
    "surge_answer",
    metadata,
    Column("id", String, primary_key=True),
    Column("surge", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("state", String, nullable=False),  # going, done
    Column(
        "records", Json, nullable=False
    ),  # references of those that it goes to, as they were when it was given
    Column("done", Integer, nullable=False),  # how many of these are done
    Column("refused", Json, nullable=False),  # references that could not be answered, with why
    Index("ix_surge_answer_surge", "surge"),
    Index("ix_surge_answer_state", "state"),
)
