"""Open slots: doors that wait a moment for an acknowledgement to ride on their answer (law 7)."""

from __future__ import annotations

import asyncio

from model.delivery import Message


class Slot:
    """One door's open answer."""

    def __init__(self, slots: Slots, envelope: str) -> None:
        self._slots = slots
        self._envelope = envelope
        self._message: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._carried: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def message(self, seconds: float) -> Message | None:
        """What the outbox put in, within the time; afterwards the slot is closed."""
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self._message)
        except TimeoutError:
            return self._message.result() if self._message.done() else None
        finally:
            self._slots.close(self._envelope)

    def done(self, carried: bool) -> None:
        """The door tells whether its answer, durably kept, carries the message."""
        if not self._carried.done():
            self._carried.set_result(carried)

    async def fill(self, message: Message) -> bool:
        """The outbox puts a message in; True when the door's answer carries it."""
        self._message.set_result(message)
        return await self._carried


class Slots:
    """The open slots of this process, by envelope."""

    def __init__(self) -> None:
        self._open: dict[str, Slot] = {}

    def offer(self, envelope: str) -> Slot:
        """Open a slot; called by the door before it waits."""
        slot = self._open[envelope] = Slot(self, envelope)
        return slot

    def take(self, envelope: str | None) -> Slot | None:
        """The open slot of an envelope, for one message only."""
        return self._open.pop(envelope, None) if envelope else None

    def close(self, envelope: str) -> None:
        self._open.pop(envelope, None)
