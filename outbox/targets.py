"""Where deliveries go: a channel or a destination, with its room, its pace and its circuit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from model.delivery import Delivery, OnUncertain, Receipt
from model.failures import PAUSING, Reason, SendFailure, TemporaryFailure
from outbox.settings import CircuitSettings

#: Reasons that mean the target is down, not that it dislikes one message.
_DOWN = frozenset({Reason.UNREACHABLE, Reason.TIMEOUT, Reason.SERVER})


#: The way of what rode on an answer at the door, in its receipt.
RIDDEN = "answer at the door"


@dataclass(slots=True)
class Circuit:
    """Closed while all is well; open after failures in a row; then one message tries the way."""

    settings: CircuitSettings
    failures: int = 0
    until: datetime | None = None
    why: str = ""
    trying: bool = False

    def lets_through(self, now: datetime) -> bool:
        """Whether a message may go now; half-open lets one through."""
        if self.until is None:
            return True
        if now < self.until or self.trying:
            return False
        self.trying = True
        return True

    def closed(self, now: datetime) -> bool:
        """Whether claiming for the target is worth it."""
        return self.until is None or (now >= self.until and not self.trying)

    def record(self, failure: SendFailure | None, now: datetime) -> None:
        """Learn from one try."""
        self.trying = False
        if failure is None:
            self.failures, self.until, self.why = 0, None, ""
            return
        reason = getattr(failure, "reason", None)
        if getattr(failure, "only_recipient", False):
            self.failures, self.until = 0, None
        elif reason in PAUSING:
            self._open(now, self.settings.pause_last, f"{reason}: {failure.detail}")
        elif reason is Reason.THROTTLED:
            wait = getattr(failure, "retry_after", None) or self.settings.pause
            self._open(now, min(wait, timedelta(hours=1)), "throttled by the far side")
        elif isinstance(failure, TemporaryFailure) and reason in _DOWN:
            self.failures += 1
            if self.failures >= self.settings.failures:
                doublings = min(self.failures - self.settings.failures, 10)
                pause = min(self.settings.pause * 2**doublings, self.settings.pause_last)
                self._open(now, pause, failure.detail)
        else:
            # It answered, if only to refuse this one message: it is up.
            self.failures, self.until = 0, None

    def _open(self, now: datetime, pause: timedelta, why: str) -> None:
        self.until, self.why = now + pause, why

    def close(self) -> None:
        """By the operator's word: try at once."""
        self.failures, self.until, self.trying = 0, None, False


@dataclass(slots=True, kw_only=True)
class Target:
    """One place that deliveries go to."""

    name: str
    kind: str
    downstream: bool
    on_uncertain: OnUncertain
    concurrency: int
    rate: float | None
    circuit: Circuit
    send: Callable[[Delivery], Awaitable[Receipt]]
    """One try; raises the failures of `model.failures`."""
    resolve: Callable[[Delivery], Awaitable[Receipt | None]] | None
    """Looks up whether an uncertain delivery was taken, where the far side can tell."""
    open: Callable[[], bool]
    """Whether an operator lets it send."""
    tickets: bool = False
    """Whether what becomes of the tickets there comes back, so that each record's ticket must be known."""
    published: Callable[[str, datetime], Receipt] | None = None
    """The receipt of a message that is sent by being stored, where the target is a page of ours."""
    told: Callable[[SendFailure | None], None] = lambda failure: None
    """Hears how each try went, for the health of the channel."""
    rides: Callable[[Delivery], bool] = lambda delivery: False
    """Whether a delivery would ride on an open answer at the door, which no reply window limits."""
    free_at: datetime | None = field(default=None)
    """When the rate allows the next message."""
    sending: asyncio.Semaphore = field(init=False)
    """Places at the far side: as many sends as there may be at the same time."""

    def __post_init__(self) -> None:
        self.sending = asyncio.Semaphore(self.concurrency)

    @property
    def places(self) -> int:
        """Tries that may be under way at the same time.

        Where a second try is recognised, the next attempts are written down while others are being sent: after a
        crash they count as uncertain, and are sent. Elsewhere that would hold a message that never went out.
        """
        ahead = self.on_uncertain is OnUncertain.RESEND and self.rate is None
        return self.concurrency * 2 if ahead else self.concurrency

    def wait_for_rate(self, now: datetime) -> float:
        """Seconds to wait before the next message, and take its turn."""
        if self.rate is None:
            return 0.0
        start = max(now, self.free_at or now)
        self.free_at = start + timedelta(seconds=1 / self.rate)
        return (start - now).total_seconds()
