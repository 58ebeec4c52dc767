"""Ends the work on an envelope that makes no record now: held, quarantined, ignored, or looked at again later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from inbox import registering
from model.envelope import StoredEnvelope
from model.states import EnvelopeState
from model.tools import Clock, Log
from store.store import Store
from store.units import Unit

#: How soon a report of a message not known yet is looked at again: at first, and at the last, seconds.
_REPORT_AGAIN, _REPORT_LAST = 0.5, 15.0


class Aside:
    """Sets envelopes aside, and tells whoever counts them or waits for their acknowledgement."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        log: Log,
        count: Callable[[str, str], None] | None,
        nothing_rides: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._count = count
        self._nothing_rides = nothing_rides

    async def put(
        self,
        envelope: StoredEnvelope,
        state: EnvelopeState,
        reason: str,
        shown: Mapping[str, Any] | None = None,
    ) -> None:
        """Set it aside; where its claim was lost, whoever has it now decides."""
        unit = registering.set_aside(envelope, state, reason, self._clock.now(), shown)
        if await self._store.submit(unit):
            self.told(envelope, state)

    def told(self, envelope: StoredEnvelope, state: EnvelopeState) -> None:
        """What follows once it is stored that an envelope was set aside."""
        if state not in (EnvelopeState.IGNORED, EnvelopeState.SPLIT):
            self._log.warning(
                f"envelope.{state.value}",
                envelope=envelope.id,
                channel=envelope.channel,
                reference=envelope.reference,
            )
        if self._count:
            self._count(envelope.channel, state.value)
        self._nothing_rides(envelope.id)


def later(envelope: StoredEnvelope, now: datetime) -> Unit:
    """Put back a report that speaks of a message not known yet; soon at first, then less often."""
    age = (now - envelope.received_at).total_seconds()
    until = now + timedelta(seconds=min(max(age, _REPORT_AGAIN), _REPORT_LAST))
    return registering.postpone(envelope, until, now)
