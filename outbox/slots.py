"""Open slots: doors that wait a moment for an acknowledgement to ride on their answer (law 7)."""

from __future__ import annotations

import asyncio

from model.delivery import Message


class Slot:
    """One door's open answer."""

    def __init__(self, slots: Slots, place: tuple[str, str]) -> None:
        self._slots = slots
        self._place = place
        self._message: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
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
            self._slots.close(self._place)

    def done(self, carried: bool) -> None:
        """The door tells whether its answer, durably kept, carries the message."""
        if not self._carried.done():
            self._carried.set_result(carried)

    async def fill(self, message: Message) -> bool:
        """The outbox puts a message in; True when the door's answer carries it."""
        self._message.set_result(message)
        return await self._carried


class Slots:
    """The open slots of this process, by channel and envelope: what goes another way does not ride here."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Slot] = {}

    def offer(self, channel: str, envelope: str) -> Slot:
        """Open a slot; called by the door before it waits."""
        place = channel, envelope
        slot = self._open[place] = Slot(self, place)
        return slot

    def take(self, channel: str, envelope: str | None) -> Slot | None:
        """The open slot of an envelope at the channel that sends, for one message only."""
        return self._open.pop((channel, envelope), None) if envelope else None

    def close(self, place: tuple[str, str]) -> None:
        self._open.pop(place, None)
