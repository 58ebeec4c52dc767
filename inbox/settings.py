"""Settings of the way in."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class InboxSettings(BaseModel):
    """Bounds of the doors, the fetch loops and the processing."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    reference_prefix: str = Field(
        default="FB", pattern=r"^[A-Z]{1,6}$", description="First letters of references."
    )
    hot_queue: int = Field(
        default=2048, ge=1, description="Accepted envelopes kept in memory for processing at once."
    )
    hot_bytes: int = Field(
        default=16_777_216,
        ge=0,
        description="Bytes of theirs kept in memory; those of further ones are fetched from the store.",
    )
    process_batch: int = Field(default=64, ge=1, le=512, description="Envelopes processed together.")
    give_way: timedelta = Field(
        default=timedelta(seconds=1),
        description="How long, between two batches, processing lets busy doors go first at the most.",
    )
    max_claims: int = Field(
        default=3, ge=1, description="Deaths of the daemon after which an envelope is quarantined."
    )
    reader_deadline: timedelta = Field(
        default=timedelta(seconds=20), description="Time for reading one hostile envelope."
    )
    reader_patience: timedelta = Field(
        default=timedelta(seconds=1),
        description="A hostile envelope that takes longer to read is read apart, so that it holds up no other.",
    )
    reader_workers: int = Field(default=1, ge=1, le=16, description="Worker processes for hostile formats.")
    reader_idle: timedelta = Field(
        default=timedelta(seconds=60), description="A worker idle for this long ends."
    )
    slow_workers: int = Field(
        default=1, ge=1, le=16, description="Worker processes for kinds that are slow to read: letters."
    )
    page_deadline: timedelta = Field(
        default=timedelta(seconds=90),
        gt=timedelta(0),
        description="Time for one page of what is slow to read; loading the recognition counts with the first.",
    )
    slow_reader_idle: timedelta = Field(
        default=timedelta(seconds=30),
        description="A worker for slow kinds that is idle for this long ends: it has much memory.",
    )
    poll: timedelta = Field(
        default=timedelta(seconds=1), description="How often waiting envelopes are looked for."
    )
    fetch_wait: timedelta = Field(
        default=timedelta(minutes=5), description="How long a fetch may wait at its source."
    )
    fetch_pause: timedelta = Field(
        default=timedelta(seconds=30), description="Pause between polls of a source that cannot wait."
    )
    backoff_first: timedelta = Field(
        default=timedelta(seconds=1), description="First pause after a failed fetch."
    )
    backoff_last: timedelta = Field(
        default=timedelta(minutes=15), description="Longest pause after failed fetches."
    )
    join_within: timedelta = Field(
        default=timedelta(days=7), description="One mail found by two accounts within this is one record."
    )
    repeat_quiet: timedelta = Field(
        default=timedelta(hours=24), description="No second acknowledgement for the same content within this."
    )
    report_wait: timedelta = Field(
        default=timedelta(minutes=2),
        description="How long a report of a message of ours waits for that message to be known.",
    )
    errand_concurrency: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Files and profiles of one channel being fetched at the same time.",
    )
    errand_timeout: timedelta = Field(
        default=timedelta(minutes=3), description="Fetching one file or profile may last this long."
    )
    errand_pause: timedelta = Field(
        default=timedelta(seconds=5),
        description="First pause after a failed fetch of a file; doubled each time.",
    )
    errand_pause_last: timedelta = Field(
        default=timedelta(hours=1), description="Longest pause between tries of a file."
    )
    errand_attempts: int = Field(
        default=20, ge=1, description="Tries after which a file or profile is given up."
    )
    errand_max_age: timedelta = Field(
        default=timedelta(days=3), description="Age at which a file or profile is given up."
    )
    shutdown: timedelta = Field(
        default=timedelta(seconds=25), description="Time to finish what is at work when told to stop."
    )
    follow_up_within: timedelta = Field(
        default=timedelta(days=3),
        description="A message in a conversation joins its latest open record when that changed within this.",
    )
