"""What a file that is imported holds: one row of a table, with our names where they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

#: What the columns of a table may be mapped to, beside staying what they are. `id` tells a row from all others.
FIELDS = ("message", "subject", "name", "email", "phone", "contact", "company", "sent_at", "id")
#: Put into `Envelope.meta` by whoever imports: the import's id. Such an envelope is history.
META = "import"
#: Put beside it when customers are not to be told; the refusal is recorded under this name.
UNTOLD = "imported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. The identity is pure: the same row of the same file, imported again, has the same."""

    fields: Mapping[str, str]
    """By our names (`FIELDS` without `sent_at` and `id`); empty ones are left out."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Everything else by the column's own name."""
    source_id: str
    fingerprint: str
    sent_at: datetime | None = None
    event: bytes | None = None
    """The unchanged JSON object, where the file has JSON objects and nobody mapped their members."""


class ImportState(StrEnum):
    """Where the import of a file stands."""

    DRAFT = "draft"
    """Uploaded; a person has not said yes to the preview."""
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


I = ImportState  # noqa: E741 — as E, D and R in model.states

IMPORT_TRANSITIONS: Mapping[ImportState, frozenset[ImportState]] = {
    I.DRAFT: frozenset({I.WAITING, I.CANCELLED}),
    I.WAITING: frozenset({I.RUNNING, I.CANCELLED}),
    # Running again: the process died or stopped, and another goes on where it was.
    I.RUNNING: frozenset({I.RUNNING, I.DONE, I.FAILED, I.CANCELLED}),
    I.DONE: frozenset(),
    # Started again, it goes on from where it stopped.
    I.FAILED: frozenset({I.WAITING}),
    I.CANCELLED: frozenset({I.WAITING}),
}
