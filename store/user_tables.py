"""Table of those who log in at the desk."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, String, Table, Text

from store.metadata import metadata
from store.types import Instant, Json

user = Table(
    "user",
    metadata,
    Column("name", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("departments", Json, nullable=False),
    Column("hash", Text, nullable=False),  # of the password, by argon2id with its parameters (RFC 9106 §3.1)
    Column("version", Integer, nullable=False),  # grows when sessions must end
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
)
