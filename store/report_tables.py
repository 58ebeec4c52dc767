"""Tables of the figures: what each record counts as, and the sums by day, kept up to date from the timeline."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, Text, text

from store.metadata import metadata
from store.types import Instant

#: What a department found: the cause of the matter and what came of it. The latest of a record counts.
conclusion = Table(
    "conclusion",
    metadata,
    Column("id", String, primary_key=True),
    Column("record", String, nullable=False),
    Column("department", String, nullable=False),
    Column("cause", String, nullable=False),  # empty: not stated
    Column("outcome", String, nullable=False),  # empty: not stated
    Column("at", Instant, nullable=False),
    Column("by", String, nullable=False),
    Index("ix_conclusion_record", "record"),
)

#: What one record counts as. Days are those of the office's calendar. It outlives its record: it names nobody.
figure = Table(
    "figure",
    metadata,
    Column("record", String, primary_key=True),
    Column("day", String, nullable=False),  # of receipt, as 2026-11-27
    Column("channel", String, nullable=False),
    Column("nature", Text, nullable=False),  # |complaint|product|
    Column("urgency", String, nullable=False),
    Column("department", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("result", String, nullable=False),
    Column("repeat_of", String),
    Column("handled_day", String),
    Column("in_time", Boolean),
    Column("followed_day", String),
    Column("satisfied", Boolean),
    Index("ix_figure_day", "day"),
    Index(
        "ix_figure_handled_day",
        "handled_day",
        postgresql_where=text("handled_day IS NOT NULL"),
        sqlite_where=text("handled_day IS NOT NULL"),
    ),
    Index(
        "ix_figure_followed_day",
        "followed_day",
        postgresql_where=text("followed_day IS NOT NULL"),
        sqlite_where=text("followed_day IS NOT NULL"),
    ),
    Index(
        "ix_figure_repeat_of",
        "day",
        "repeat_of",
        postgresql_where=text("repeat_of IS NOT NULL"),
        sqlite_where=text("repeat_of IS NOT NULL"),
    ),
)

#: How many records count as something on a day; made from the table above, and changed with it.
figure_sum = Table(
    "figure_sum",
    metadata,
    Column("day", String, primary_key=True),
    Column("what", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("n", BigInteger, nullable=False),
)
