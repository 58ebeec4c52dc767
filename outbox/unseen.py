"""Answers that their customer does not look at: after a time they go by another way too.

An answer in a chat is delivered by being published, whether or not the page is open. Its copy for the other way is a
delivery that waits; when the customer is seen to read the answer, the copy is cancelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.channel import Channel
from model.delivery import Purpose
from model.states import DeliveryState
from model.tools import Clock, Ids
from outbox import parts, reaching, rows, windows
from store import deliveries
from store.store import Store
from store.units import Guard, Unit


class Unseen:
    """Makes the copies of answers, and cancels those of answers that were seen."""

    def __init__(self, store: Store, channels: Mapping[str, Channel], clock: Clock, ids: Ids) -> None:
        self._store = store
        self._channels = channels
        self._clock = clock
        self._ids = ids

    async def copy(self, record: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any] | None:
        """The waiting copy of an answer, where its channel wants one and there is a way."""
        channel = self._channels.get(answer["target"])
        if channel is None or channel.settings.unseen_after is None or not record["contact"]:
            return None
        reach = await reaching.of(self._store, record["id"])
        # What the platform allows outside a window is no other way: the answer stands in the conversation already.
        message = parts.message_of(answer["key"], Purpose.REPLY, {**answer["body"], "thread": {}})
        ways = (one for one in windows.steps(channel, self._channels, reach, None, message) if one.can)
        way = next((one for one in ways if one.to is not None), None)
        if way is None or way.to is None:
            return None
        to = way.to
        body = {**answer["body"], "to": {"kind": to.kind, "value": to.value}, "thread": {}}
        return rows.row(
            self._ids,
            key=f"{answer['key']}{deliveries.UNSEEN}",
            purpose=Purpose.REPLY,
            target=way.channel,
            record=record["id"],
            at=answer["created_at"],
            body=body,
            order=record["id"],
            to=to,
            delay=channel.settings.unseen_after,
        )

    async def seen(self, delivery: str, conversation: str) -> None:
        """The customer reads their conversation: copies of this answer and of earlier ones need not go."""
        waiting = await self._store.read(lambda c: deliveries.unseen_copies(c, delivery, conversation))
        values = {"state": DeliveryState.CANCELLED.value, "reason": "seen", "settled_at": self._clock.now()}
        for id_ in waiting:
            guard = Guard("delivery", {"id": id_, "state": DeliveryState.WAITING.value}, values)
            await self._store.submit(Unit(guard, label="seen"))
