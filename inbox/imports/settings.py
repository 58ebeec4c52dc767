"""Settings of imports: their bounds, and how much of the house they may take."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class ImportSettings(BaseModel):
    """Bounds of imported files."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    file_bytes: int = Field(default=1_073_741_824, gt=0, description="Largest file that is taken, bytes.")
    unpacked_bytes: int = Field(
        default=4_294_967_296,
        gt=0,
        description="Most bytes that a packed file (xlsx, zip) may have unpacked.",
    )
    unpacked_ratio: int = Field(
        default=200, gt=1, description="Times its packed size that a packed file may have unpacked."
    )
    members: int = Field(default=1_000_000, gt=0, description="Most files in a zip.")
    mail_bytes: int = Field(default=104_857_600, gt=0, description="Largest mail of an archive, bytes.")
    columns: int = Field(default=200, gt=0, le=1000, description="Most columns of a table.")
    cell_characters: int = Field(default=1_000_000, gt=0, description="Longest text of a cell, characters.")
    errors: int = Field(
        default=10_000,
        gt=0,
        description="Rows with errors after which an import stops: the mapping is wrong.",
    )
    batch: int = Field(default=50, ge=1, le=500, description="Rows in one commit.")
    ahead: int = Field(
        default=256,
        ge=1,
        description="Imported rows that may wait to be processed: what comes in meanwhile waits behind no more.",
    )
    share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Part of the time that an import may store rows while the doors are at work too.",
    )
    memory_bytes: int = Field(
        default=2_147_483_648, ge=268_435_456, description="Address space of the process that reads a file."
    )
    patience: timedelta = Field(
        default=timedelta(minutes=2),
        gt=timedelta(0),
        description="Time without a row after which reading is given up.",
    )
    keep: timedelta = Field(
        default=timedelta(days=30), description="How long an ended import's file and its bad rows are kept."
    )
