"""Settings of the way out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


def _schedule(*seconds: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=s) for s in seconds)


class RetrySettings(_Settings):
    """When a failed delivery is tried again: the pauses in turn, then the last one until an end is reached."""

    pauses: Sequence[timedelta] = Field(min_length=1, description="Pause before the second, third, … try.")
    jitter: float = Field(
        default=0.2, ge=0, le=1, description="Share by which a pause is shortened or stretched."
    )
    max_attempts: int = Field(default=50, ge=1, description="Counted tries after which it is a dead letter.")
    max_age: timedelta = Field(description="Age after which it is a dead letter; whichever comes first.")


class CircuitSettings(_Settings):
    """When a target counts as down and is tried with one message only."""

    failures: int = Field(default=5, ge=1, description="Connection failures in a row that open the circuit.")
    pause: timedelta = Field(
        default=timedelta(seconds=30), description="Pause before one message tries it again."
    )
    pause_last: timedelta = Field(
        default=timedelta(minutes=5), description="Longest pause between such tries."
    )


class BudgetSettings(_Settings):
    """How many automatic messages one address, domain or the whole house may get."""

    per_address_hour: int = Field(default=3, ge=0, description="To one address in an hour.")
    per_address_day: int = Field(default=10, ge=0, description="To one address in a day.")
    per_domain_hour: int = Field(default=60, ge=0, description="To one mail domain in an hour.")
    shared_domains: Sequence[str] = Field(
        default=(
            "gmail.com",
            "googlemail.com",
            "outlook.com",
            "hotmail.com",
            "live.com",
            "yahoo.com",
            "icloud.com",
            "qq.com",
            "foxmail.com",
            "163.com",
            "126.com",
            "yeah.net",
            "sina.com",
            "sohu.com",
            "139.com",
            "aliyun.com",
        ),
        description="Mail providers of many people: no budget per domain.",
    )
    total_hour: int = Field(
        default=100_000,
        ge=0,
        description="To anybody in an hour; beyond it nobody gets any, and it is alerted.",
    )
    per_thread_day: int = Field(
        default=3, ge=0, description="To one address about one subject (prefixes and tags apart) in a day."
    )
    quick: timedelta = Field(
        default=timedelta(seconds=60),
        description="Whoever writes again about the same subject within this of our automatic message was quick.",
    )
    quick_answers: int = Field(
        default=2, ge=1, description="Quick answers in a row after which two robots are taken to be talking."
    )
    subject_prefixes: int = Field(
        default=5,
        ge=1,
        description="Most prefixes and tags (`Re:`, `Automated Response:`, `[#1]`) before a subject.",
    )
    breaker: int = Field(
        default=20,
        ge=1,
        description="Messages withheld as loops from one domain in an hour, after which it gets none at all; not for "
        "`shared_domains`.",
    )


class OutboxSettings(_Settings):
    """Bounds of the sending."""

    reply: RetrySettings = RetrySettings(
        pauses=_schedule(5, 30, 120, 600, 1800, 3600, 7200, 14400), max_age=timedelta(days=5)
    )
    acknowledgement: RetrySettings = RetrySettings(
        pauses=_schedule(5, 30, 120, 600), max_age=timedelta(minutes=30)
    )
    hand_over: RetrySettings = RetrySettings(
        pauses=_schedule(1, 5, 30, 120, 600, 1800, 3600), max_attempts=400, max_age=timedelta(days=7)
    )
    circuit: CircuitSettings = CircuitSettings()
    budget: BudgetSettings = BudgetSettings()
    hot_queue: int = Field(
        default=512, ge=1, description="New deliveries kept in memory for sending at once."
    )
    claim_batch: int = Field(default=64, ge=1, le=512, description="Deliveries claimed together.")
    poll: timedelta = Field(
        default=timedelta(seconds=1), description="How often due deliveries are looked for."
    )
    max_claims: int = Field(
        default=3, ge=1, description="Deaths of the daemon after which a delivery is held."
    )
    head_wait: timedelta = Field(
        default=timedelta(seconds=120), description="How long later messages wait behind a stuck one."
    )
    throttle_floor: timedelta = Field(
        default=timedelta(seconds=60), description="Least pause after throttling or a timeout."
    )
    retry_after_max: timedelta = Field(
        default=timedelta(hours=1), description="A far side's Retry-After is cut to this."
    )
    attempt_timeout: timedelta = Field(
        default=timedelta(minutes=12), description="One try may last this long."
    )
