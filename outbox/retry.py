"""The retry decision: nobody else in the house tries again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from model.failures import PAUSING, Reason, TemporaryFailure
from outbox.settings import OutboxSettings, RetrySettings

#: Failures that are not the message's: they cost it no attempt.
UNCOUNTED = frozenset({*PAUSING, Reason.THROTTLED})


@dataclass(frozen=True, slots=True)
class Again:
    """Try again at a time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No more tries; `why` says which end was reached."""

    why: str


def decide(
    failure: TemporaryFailure,
    *,
    counted: int,
    created_at: datetime,
    expires_at: datetime | None,
    now: datetime,
    chance: float,
    schedule: RetrySettings,
    settings: OutboxSettings,
) -> Again | GiveUp:
    """What to do after a temporary failure.

    `counted` is the number of failed tries that count, this one included; `chance`, in 0..1, spreads the pauses.
    """
    age = now - created_at
    if failure.reason not in UNCOUNTED and counted >= schedule.max_attempts:
        return GiveUp(f"{counted} tries failed, the limit")
    if age >= schedule.max_age:
        return GiveUp(f"not taken within {schedule.max_age}")
    pause = schedule.pauses[min(max(counted, 1), len(schedule.pauses)) - 1]
    pause *= 1 + schedule.jitter * (2 * chance - 1)
    if failure.retry_after is not None:
        pause = max(pause, min(failure.retry_after, settings.retry_after_max))
    if failure.reason in (Reason.THROTTLED, Reason.TIMEOUT):
        pause = max(pause, settings.throttle_floor)
    at = now + max(pause, timedelta(milliseconds=100))
    if expires_at is not None and at >= expires_at:
        return GiveUp("it would expire before the next try")
    return Again(at)
