"""Reads on in the timeline from where it was read last, so that what happened is seen once it did, whatever dies.

A crash between a step and the note of the place repeats the look at it: a step finds that it is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from model.event import EventType
from model.tools import Log
from store import care, facts
from store.errors import StoreBusy
from store.store import Store

Row = Mapping[str, Any]

_AT_ONCE = 200
#: How often a step is tried at which somebody else was faster.
_TRIES = 3


class Timeline:
    """One reader of the timeline, with its place in it."""

    def __init__(self, store: Store, place: str, types: Sequence[EventType], *, label: str, log: Log) -> None:
        """`place` names the fact that says up to where it was read; `label` the step that notes it."""
        self._store = store
        self._place = place
        self._types = types
        self._label = label
        self._log = log

    async def begin(self) -> None:
        """Note the place from which on things are followed, unless it is noted."""
        if await self._store.read(lambda c: facts.get(c, self._place)) is None:
            await self._note(await self._store.read(care.last_position))

    async def leave(self) -> None:
        """Follow no more; begun again, it begins with what happens then."""
        if await self._store.read(lambda c: facts.get(c, self._place)) is not None:
            await self._note(None)

    async def read_on(self, step: Callable[[Row], Awaitable[bool]]) -> None:
        """Take a step for each event up to now, in the order of commit; a step that gives False is tried again."""
        await self.begin()
        end = await self._store.read(care.last_position)
        place: int = await self._store.read(lambda c: facts.get(c, self._place))
        while place < end:
            ask = partial(care.happened, after=place, until=end, types=self._types, limit=_AT_ONCE)
            found = await self._store.read(ask)
            for one in found:
                await self.safely(step, one)
            place = found[-1]["position"] if len(found) == _AT_ONCE else end
            await self._note(place)

    async def safely(self, step: Callable[[Row], Awaitable[bool]], row: Row) -> None:
        """One step, again when somebody was faster; one that fails keeps nobody else waiting."""
        try:
            for _ in range(_TRIES):
                if await step(row):
                    return
        except StoreBusy:
            raise
        except Exception as error:
            self._log.error("office.step_failed", row=row["id"], exc_info=error)

    async def _note(self, place: int | None) -> None:
        await self._store.run(lambda c: facts.put(c, self._place, place), self._label)
