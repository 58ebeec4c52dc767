"""Goes on in the timeline, and has every new record looked at: does it repeat another, is it one of many?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from casework.repeats import Repeats
from casework.settings import OfficeSettings
from casework.surges import Surges
from casework.timeline import Timeline
from model.event import EventType
from model.tools import Clock, Log
from store import leases
from store.store import Store

#: How long another process leaves this to this one.
_LEASE = timedelta(seconds=60)


class Recognition:
    """Looks at what is new each time it is called; of several processes, one does."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], OfficeSettings],
        repeats: Repeats,
        surges: Surges,
        *,
        clock: Clock,
        log: Log,
    ) -> None:
        self._store = store
        self._settings = settings
        self._repeats = repeats
        self._surges = surges
        self._clock = clock
        self._timeline = Timeline(
            store, "likeness_position", (EventType.REGISTERED,), label="case.recognised", log=log
        )

    async def begin(self) -> None:
        """Note the place in the timeline from which on records are looked at, before the doors open."""
        if self._wanted():
            await self._timeline.begin()

    async def run(self) -> None:
        """Look at what was registered since, and go on with answers to surges."""
        if not self._store.embedded and not await self._ours():
            self._surges.forget()
            return
        await self._surges.go_on()
        if not self._wanted():
            self._surges.forget()
            await self._timeline.leave()
            return
        await self._timeline.read_on(self._look)

    def _wanted(self) -> bool:
        settings = self._settings()
        return settings.repeats is not None or settings.surges is not None

    async def _look(self, event: Mapping[str, Any]) -> bool:
        record = event["record"]
        return await self._repeats.look(record) and await self._surges.look(record)

    async def _ours(self) -> bool:
        owner, now = self._store.owner, self._clock.now()
        taken = await self._store.run(lambda c: leases.take(c, "recognition", owner, _LEASE, now), "lease")
        return taken is not None
