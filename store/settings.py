"""Settings of the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from model.secret import Secret


class _Settings(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class DatabaseSettings(_Settings):
    """Where the record is kept."""

    url: Secret | None = Field(
        default=None, description="postgresql://… for PostgreSQL; nothing for SQLite in the data folder."
    )
    writers: int = Field(
        default=3, ge=1, le=16, description="Writer connections on PostgreSQL; SQLite has one."
    )
    readers: int = Field(default=4, ge=1, le=32, description="Reader connections.")
    batch: int = Field(default=64, ge=1, le=1024, description="Units of work in one commit at the most.")
    linger_ms: float = Field(default=2.0, ge=0, le=50, description="How long a busy writer gathers units.")
    queue: int = Field(
        default=4096, ge=64, description="Units waiting for the writer before callers get Busy."
    )
    min_free_bytes: int = Field(
        default=268_435_456, ge=0, description="Free space below which nothing new is taken in."
    )
    inline_bytes: int = Field(
        default=65_536, ge=0, description="Raw bytes up to this size are kept in the row."
    )
    blobs: Path | None = Field(
        default=None,
        description="Folder of larger raw bytes, which replicas share; nothing for `blobs` in the data folder.",
    )

    def blob_folder(self, data: Path) -> Path:
        """Where the larger raw bytes of the store with this data folder are."""
        return self.blobs if self.blobs is not None else data / "blobs"


class LeaseSettings(_Settings):
    """How long ownership lasts without a sign of life."""

    ttl: timedelta = Field(
        default=timedelta(seconds=20), description="A lease not renewed for this long is free."
    )
    renew: timedelta = Field(default=timedelta(seconds=5), description="How often a holder renews.")
    recover: timedelta = Field(
        default=timedelta(seconds=10), description="How often dead owners' rows are sought."
    )


class RetentionSettings(_Settings):
    """How long things are kept; a channel named in `channels` has its own time."""

    records: timedelta | None = Field(default=None, description="After closing; nothing keeps for ever.")
    raw: timedelta | None = Field(default=None, description="Raw bytes, after registration.")
    ignored: timedelta = Field(default=timedelta(days=30), description="Ignored and duplicate envelopes.")
    calls: timedelta = Field(
        default=timedelta(days=90), description="What telephone exchanges told of calls, beside the records."
    )
    settled_attempts: timedelta = Field(
        default=timedelta(days=90), description="Attempts of settled deliveries."
    )
    events: timedelta | None = Field(
        default=None, description="Events of purged records go with them at once."
    )
    tombstones: timedelta = Field(default=timedelta(days=400), description="How long a source may redeliver.")
    blob_grace: timedelta = Field(
        default=timedelta(days=1), description="An unused blob is deleted after this."
    )
    channels: Mapping[str, timedelta] = Field(default_factory=dict, description="Records of one channel.")
    batch: int = Field(default=500, ge=1, description="Rows purged in one transaction.")
    every: timedelta = Field(default=timedelta(hours=1), description="How often the purge runs.")
