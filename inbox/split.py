"""An envelope that holds others is taken apart: each becomes an envelope of its own, as the parent ends (law 4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from connectors.channel import Channel
from inbox import registering
from inbox.aside import Aside
from model.draft import Child
from model.envelope import Envelope, StoredEnvelope
from model.states import EnvelopeState
from model.tools import Clock, Spooled
from store import acceptance
from store.acceptance import NewEnvelope
from store.store import Store

#: Makes the row of an envelope that another one holds.
MakeChild = Callable[[Channel, Envelope, StoredEnvelope, datetime], Awaitable[NewEnvelope]]


class Splitter:
    """Stores the children of an envelope."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        aside: Aside,
        *,
        child: MakeChild,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._channels = channels
        self._aside = aside
        self._child = child
        self._clock = clock
        self._wake = wake

    async def split(self, parent: StoredEnvelope, children: Sequence[Child]) -> None:
        """Store the children, each with its parent's name, and end that one, in one transaction.

        A parent with a child for a channel that there is none of waits for a person, whole.
        """
        try:
            for one in children:
                if (name := one.channel or parent.channel) not in self._channels:
                    reason = f"it belongs to the channel {name}, which there is none of"
                    await self._aside.put(parent, EnvelopeState.HELD, reason)
                    return
            now = self._clock.now()
            rows = [await self._row(parent, one, now) for one in children]
            guard = registering.close(parent, EnvelopeState.SPLIT, now, reason=f"{len(rows)} in one")
            writer = self._store.owner
            held = await self._store.run(lambda c: acceptance.split(c, guard, rows, writer), "process.split")
        finally:
            for one in children:
                if isinstance(one.data, Spooled):
                    one.data.path.unlink(missing_ok=True)
        if held:
            self._aside.told(parent, EnvelopeState.SPLIT)
            self._wake()

    async def _row(self, parent: StoredEnvelope, one: Child, now: datetime) -> NewEnvelope:
        channel = self._channels[one.channel or parent.channel]
        made = Envelope(
            account=channel.name if one.channel else parent.account,
            source_id=one.source_id,
            fingerprint=one.fingerprint,
            raw=one.data,
            media_type=one.media_type,
            meta=one.meta,
        )
        return await self._child(channel, made, parent, now)
