"""Open slots: doors that wait a moment for an acknowledgement to ride on their answer (law 7)."""

from __future__ import annotations

import asyncio

from model.delivery import Message


class Slot:
    """One door's open answer."""

    def __init__(self, slots: Slots, channel: str, envelope: str) -> None:
        self._slots = slots
        self.channel = channel
        self.envelope = envelope
        self._message: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        self._carried: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def message(self, seconds: float) -> Message | None:
        """What the outbox put in, within the time; afterwards the slot is closed."""
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self._message)
        except TimeoutError:
            return self._message.result() if self._message.done() else None
        except asyncio.CancelledError:
            self.done(False)  # nobody else would tell, should the outbox have put something in just now
            raise
        finally:
            self._slots.close(self.envelope)

    def done(self, carried: bool) -> None:
        """The door tells whether its answer, durably kept, carries the message."""
        if not self._carried.done():
            self._carried.set_result(carried)

    def nothing(self) -> None:
        """No message will come: the door need not wait."""
        if not self._message.done():
            self._message.set_result(None)

    async def fill(self, message: Message) -> bool:
        """The outbox puts a message in; True when the door's answer carries it."""
        self._message.set_result(message)
        return await self._carried


class Slots:
    """The open slots of this process, by envelope: what goes by another channel does not ride here."""

    def __init__(self) -> None:
        self._open: dict[str, Slot] = {}

    def offer(self, channel: str, envelope: str) -> Slot:
        """Open a slot; called by the door before it waits."""
        slot = self._open[envelope] = Slot(self, channel, envelope)
        return slot

    def take(self, channel: str, envelope: str | None) -> Slot | None:
        """The open slot of an envelope at the channel that sends, for one message only."""
        slot = self._open.get(envelope or "")
        if slot is None or slot.channel != channel:
            return None
        return self._open.pop(slot.envelope)

    def is_open(self, channel: str, envelope: str | None) -> bool:
        """Whether a door still waits for a message of this envelope."""
        slot = self._open.get(envelope or "")
        return slot is not None and slot.channel == channel

    def nothing(self, envelope: str) -> None:
        """Nothing will ride on the answer to this envelope: its door, should it wait, answers now."""
        if slot := self._open.pop(envelope, None):
            slot.nothing()

    def close(self, envelope: str) -> None:
        self._open.pop(envelope, None)
