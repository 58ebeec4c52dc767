"""Customers who said STOP: nothing more goes to them by channels of that kind, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.channel import Channel
from model.delivery import AUTOMATIC, Delivery
from model.draft import Identity
from model.states import DeliveryState
from outbox.mute import Mute
from outbox.settle import Settler
from outbox.windows import Windows
from store import optouts
from store.store import Store

WHY = "the customer asked for no more messages (STOP); only their START takes that back"


class OptOuts:
    """Asks before each try; a person's answer takes another way, or is held."""

    def __init__(
        self, store: Store, channels: Mapping[str, Channel], settler: Settler, windows: Windows
    ) -> None:
        self._store = store
        self._channels = channels
        self._settler = settler
        self._windows = windows

    async def stops(self, delivery: Delivery) -> bool:
        """Whether its customer ended messages of this kind."""
        channel = self._channels.get(delivery.target)
        to = delivery.body.get("to")
        if channel is None or not channel.spec.stopped_by_word or not to:
            return False
        person, secret = Identity(**to), self._store.secret
        found = await self._store.read(lambda c: optouts.of(c, secret, [person]))
        return (channel.kind, person.value) in found

    async def end(self, delivery: Delivery) -> bool:
        """Not sent: an automatic message with its row, an answer by the next step of the chain, else held."""
        reason = Mute.OPTED_OUT.value
        if delivery.purpose in AUTOMATIC:
            state = DeliveryState.CANCELLED
            return await self._settler.closed(delivery, state, WHY, [], [], reason=reason)
        return await self._windows.closed(delivery, WHY, reason=reason)
