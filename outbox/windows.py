"""What carries an answer when the customer's reply window is closed: the fallback chain, else it is held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from connectors.channel import Channel
from connectors.contract import Preview
from model.delivery import DOWNSTREAM, Delivery, Message, Purpose
from model.draft import Identity
from model.event import EventType
from model.failures import Reason
from model.states import DeliveryState
from model.tools import Clock, Ids
from outbox import parts, reaching, rows
from outbox.carry import sends
from outbox.settle import Settler
from store import windows
from store.people import Reach
from store.store import Store
from store.units import Guard, Insert, Unit, Update
from store.windows import Opening

#: The step of a chain that is no channel: what the platform allows outside the window.
TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a fallback chain, and whether it can carry an answer to this person."""

    name: str
    channel: str
    to: Identity | None
    can: bool
    why: str = ""
    """Why it cannot."""


def steps(
    origin: Channel,
    channels: Mapping[str, Channel],
    reach: Reach,
    to: Identity | None,
    message: Message | None = None,
) -> Iterator[Step]:
    """The fallback chain of a channel for one person, in the order of the settings; for one message where known."""
    for name in origin.settings.fallback:
        if name == TEMPLATE:
            can = origin.settings.outside_window() and origin.sender is not None
            yield Step(name, origin.name, to, can, "" if can else "the channel has nothing to send then")
            continue
        channel = channels.get(name)
        if channel is None or not sends(channel):
            yield Step(name, name, None, False, "there is no such channel that sends")
        elif not channel.open:
            yield Step(name, name, None, False, "the channel is paused")
        else:
            yield _by(channel, reach, message)


def _by(channel: Channel, reach: Reach, message: Message | None) -> Step:
    """A channel that writes to an identity which the contact has left, and takes what is to be said."""
    known = [one for kind in channel.spec.reaches for one in reach.identities if one[0] == kind]
    why = "the contact has left nothing that it reaches"
    for one in (Identity(*pair) for pair in known):
        why = reaching.refusal(reach, channel.kind, one)
        if not why:
            told = preview(channel, message, one)
            return Step(
                channel.name, channel.name, one, not (told and told.refused), told.refused if told else ""
            )
    return Step(channel.name, channel.name, None, False, why)


def preview(channel: Channel, message: Message | None, to: Identity | None) -> Preview | None:
    """How a message would go by a channel; None where the channel cannot tell."""
    if message is None or channel.previewer is None:
        return None
    return channel.previewer.preview(replace(message, to=to))


@dataclass(frozen=True, slots=True)
class Look:
    """How an answer would go now, told before it is written."""

    open: bool
    closes_at: datetime | None
    """None when it is closed, or when the channel has no windows."""
    messages: int | None
    """How many more it carries; None for any number."""
    windowed: bool
    chain: tuple[Step, ...]
    preview: Preview | None = None
    """How the text that was given would go, by what carries it."""
    counts: bool = False
    """Whether what carries it counts messages, so that a text is worth a look before it is sent."""

    def facts(self, now: datetime) -> dict[str, Any]:
        """As the API shows it."""
        carried = next((one.channel for one in self.chain if one.can), None)
        return {
            "window": None
            if not self.windowed
            else {
                "open": self.open,
                "closes_at": self.closes_at.isoformat() if self.closes_at else None,
                "closes_in_minutes": max(int((self.closes_at - now).total_seconds() // 60), 0)
                if self.closes_at
                else None,
                "messages_left": self.messages,
            },
            "fallback": [
                {"step": one.name, "channel": one.channel, "can": one.can, "why": one.why or None}
                for one in self.chain
            ],
            "carried_by": "window" if self.open else next((o.name for o in self.chain if o.can), None),
            "held": not self.open and carried is None,
            "counts": self.counts,
            "preview": asdict(self.preview) if self.preview else None,
        }


class Windows:
    """Asks before a try, and sends on what the window does not carry."""

    def __init__(
        self, store: Store, channels: Mapping[str, Channel], settler: Settler, *, clock: Clock, ids: Ids
    ) -> None:
        self._store = store
        self._channels = channels
        self._settler = settler
        self._clock = clock
        self._ids = ids

    # ---- before a try

    def asks(self, delivery: Delivery) -> bool:
        """Whether the window of its conversation decides about this delivery."""
        body = delivery.body
        channel = self._channels.get(delivery.target)
        return bool(
            channel is not None
            and channel.settings.windows
            and body.get("conversation")
            and not body.get("outside_window")
        )

    async def opening(self, delivery: Delivery) -> Opening | None:
        """What carries it, or None when nothing does."""
        talk, now = str(delivery.body["conversation"]), self._clock.now()
        found = await self._store.read(lambda c: windows.standing(c, [talk], now))
        return windows.carrier(found.get(talk, ()))

    async def apply(self, updates: tuple[Update, ...]) -> None:
        """Count a message that went out, or one that did not."""
        if updates:
            await self._store.submit(Unit(None, (), updates, label="window"))

    # ---- when it is closed

    async def closed(
        self,
        delivery: Delivery,
        detail: str,
        ended: Sequence[Update] = (),
        *,
        reason: str = Reason.WINDOW.value,
    ) -> bool:
        """Send it another way, by the first step of the chain that can; else hold it, or let it be.

        `ended` closes the attempt, where the far side was the one to say so.
        """
        body = delivery.body
        origin = self._channels.get(body.get("came_by") or delivery.target)
        if origin is None or delivery.purpose in DOWNSTREAM or delivery.purpose is Purpose.ALERT:
            return await self._settler.closed(delivery, DeliveryState.DEAD, detail, [], ended, reason=reason)
        if delivery.purpose is Purpose.ACKNOWLEDGEMENT:
            # Worth nothing later and elsewhere: the customer's next message brings a new chance.
            state = DeliveryState.CANCELLED
            return await self._settler.closed(delivery, state, detail, [], ended, reason=reason)
        reach = await reaching.of(self._store, delivery.record or "")
        to = Identity(**body["to"]) if body.get("to") else None
        whole = parts.whole_of(body) if parts.is_first(body) else body
        message = parts.message_of(delivery.key, delivery.purpose, {**whole, "thread": {}})
        gone = list(body.get("steps", ()))
        told: list[Insert] = []
        for step in steps(origin, self._channels, reach, to, message):
            if step.name in gone:
                continue
            gone.append(step.name)
            told.append(self._event(delivery, step, reason))
            if step.can:
                return await self._reroute(delivery, origin, step, gone, told, ended)
        held = delivery.purpose is Purpose.REPLY
        state = DeliveryState.HELD if held else DeliveryState.CANCELLED
        return await self._settler.closed(delivery, state, detail, told, ended, reason=reason)

    async def _reroute(
        self,
        delivery: Delivery,
        origin: Channel,
        step: Step,
        gone: Sequence[str],
        told: Sequence[Insert],
        ended: Sequence[Update],
    ) -> bool:
        """The same delivery by another way: of a message in parts all of it, while nothing has gone out."""
        first = parts.is_first(delivery.body)
        body = parts.whole_of(delivery.body) if first else dict(delivery.body)
        order = body.get("conversation") or delivery.record
        body |= {"steps": list(gone), "came_by": origin.name}
        if step.name == TEMPLATE:
            body["outside_window"] = True
        else:
            to = step.to
            body |= {
                "thread": {},
                "outside_window": False,
                "to": {"kind": to.kind, "value": to.value} if to else None,
            }
        row: dict[str, Any] = {
            "id": delivery.id,
            # The first keeps its key, by which an answer that is put in twice is known.
            "key": f"{delivery.key}:{step.name}",
            "order_key": f"{step.channel}:{order}" if order else None,
            "seq": delivery.seq,
            "purpose": delivery.purpose.value,
            "target": step.channel,
            "downstream": False,
            "record": delivery.record,
            "envelope": delivery.envelope,
            "address": step.to.value if step.to else None,
            "domain": rows.domain_of(step.to),
            "body": body,
            "state": DeliveryState.WAITING.value,
            "created_at": delivery.created_at,
            "next_at": self._clock.now(),
            "expires_at": delivery.expires_at,
            "claim": None,
            "owner": None,
            "reason": None,
            "detail": None,
            "settled_at": None,
        }
        row, *rest = parts.spread(row, self._channels.get(step.channel), self._ids) if first else [row]
        for one in rest:
            if one["body"]["part"]["before"] == row["key"]:
                one["body"]["part"]["before"] = delivery.key
        updates = list(ended)
        for key in (delivery.body.get("part") or {}).get("after", ()) if first else ():
            gone_with = {
                "state": DeliveryState.CANCELLED.value,
                "detail": f"goes with the whole by {step.channel}",
                "settled_at": self._clock.now(),
            }
            updates.append(Update("delivery", {"key": key, "state": "waiting"}, gone_with))
        fixed = ("id", "key", "seq", "created_at", "record", "envelope", "purpose", "downstream")
        guard = Guard(
            "delivery",
            {"id": delivery.id, "claim": delivery.claim},
            {name: value for name, value in row.items() if name not in fixed},
        )
        inserts = (*(Insert("delivery", one) for one in rest), *told)
        return await self._store.submit(Unit(guard, inserts, tuple(updates), label="settle"))

    def _event(self, delivery: Delivery, step: Step, reason: str) -> Insert:
        """Each step of the chain is a line of the timeline, those that could not as well."""
        data = {
            "delivery": delivery.id,
            "purpose": delivery.purpose.value,
            "reason": reason,
            "step": step.name,
            "target": step.channel,
            "taken": step.can,
        }
        if step.why:
            data["detail"] = step.why
        row = {
            "id": self._ids.new(),
            "type": EventType.DELIVERY_REROUTED.value,
            "record": delivery.record,
            "reference": delivery.body.get("reference"),
            "at": self._clock.now(),
            "actor": "forebay",
            "data": data,
        }
        return Insert("event", row)

    # ---- before somebody writes

    async def look(
        self, record: Mapping[str, Any], target: str, to: Identity | None, message: Message | None = None
    ) -> Look:
        """How an answer to a record by a channel would go now; a message that is given is looked at, too."""
        channel = self._channels[target]
        talk, now = record["conversation"], self._clock.now()
        windowed = bool(channel.settings.windows and talk and target == record["channel"])
        openings: list[Opening] = []
        if windowed:
            found = await self._store.read(lambda c: windows.standing(c, [talk], now))
            openings = [one for one in found.get(talk, ()) if one.messages is None or one.messages > 0]
        is_open = bool(openings) or not windowed
        chain: tuple[Step, ...] = ()
        if windowed or channel.settings.fallback:
            reach = await reaching.of(self._store, record["id"])
            chain = tuple(steps(channel, self._channels, reach, to, message))
        carrier, whom = channel, to
        if not is_open:
            found_way = next((one for one in chain if one.can), None)
            carrier = self._channels[found_way.channel] if found_way else channel
            whom = found_way.to if found_way and found_way.to else to
        counted = [one.messages for one in openings]
        left = None if None in counted else sum(one for one in counted if one is not None)
        return Look(
            open=is_open,
            closes_at=openings[0].until if openings else None,
            messages=left if openings else None,
            windowed=windowed,
            chain=chain,
            preview=preview(carrier, message, whom),
            counts=carrier.previewer is not None,
        )
