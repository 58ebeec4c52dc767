"""Envelopes that were accepted as claimed and wait, in memory, for the processor of this process.

They save the way through the database. The queue is bounded: what has no room is stored as waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from model.envelope import StoredEnvelope


@dataclass(frozen=True, slots=True)
class Hot:
    """A claimed envelope with its bytes, when they are still at hand."""

    envelope: StoredEnvelope
    raw: bytes | None


class HotQueue:
    """A bounded queue with places that are reserved before the store is asked."""

    def __init__(self, size: int, room: int = 16_777_216) -> None:
        self._size = size
        self._room = room
        """Bytes of raw messages that may be kept; those of later ones are fetched from the database."""
        self._reserved = 0
        self._items: deque[Hot] = deque()
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> Sequence[Hot]:
        """What waits here now."""
        return tuple(self._items)

    def waited(self, now: datetime) -> float:
        """For how long the next one has waited, seconds; 0 when nothing waits."""
        return (now - self._items[0].envelope.received_at).total_seconds() if self._items else 0.0

    def reserve(self) -> bool:
        """Reserve a place; False when there is none."""
        if len(self._items) + self._reserved >= self._size:
            return False
        self._reserved += 1
        return True

    def give_back(self) -> None:
        """Let go of a reserved place."""
        self._reserved -= 1

    def put(self, hot: Hot) -> None:
        """Fill a reserved place."""
        self._reserved -= 1
        size = len(hot.raw or b"")
        if size > self._room:
            hot = Hot(hot.envelope, None)
        else:
            self._room -= size
        self._items.append(hot)
        self._ready.set()

    def wake(self) -> None:
        """Let the processor look at the database: something waits there."""
        self._ready.set()

    async def take(self, limit: int, patience: float) -> list[Hot]:
        """What is there, after waiting up to `patience` seconds for something."""
        if not self._items and patience > 0:
            self._ready.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._ready.wait()
            except TimeoutError:
                return []
        taken = [self._items.popleft() for _ in range(min(limit, len(self._items)))]
        self._room += sum(len(hot.raw) for hot in taken if hot.raw)
        return taken
