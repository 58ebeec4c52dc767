"""Makes targets of channels and destinations: how a delivery becomes a message, and a try."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from connectors.channel import Channel
from connectors.contract import Publisher, Resolver
from destinations.contract import (
    Caller,
    Destination,
    DestinationSettings,
    DestinationSpec,
    File,
    Finder,
    HandOver,
    Returner,
)
from model.delivery import Delivery, Message, Purpose, Receipt
from model.failures import PAUSING, PermanentFailure, Reason, SendFailure
from model.health import OK, Health, HealthState
from model.tools import Clock
from outbox import parts
from outbox.settings import OutboxSettings
from outbox.slots import Slots
from outbox.targets import RIDDEN, Circuit, Target

#: Loads the bytes of a blob.
Load = Callable[[str], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True)
class Described:
    """What a hand-over is made of: the canonical record as it is now, its ticket, and the files of the message."""

    record: Mapping[str, Any]
    remote_id: str | None = None
    gone: bool = False
    """Whether its ticket was deleted there."""
    files: Sequence[File] = ()


#: What a delivery to a destination is made of.
Describe = Callable[[Delivery], Awaitable[Described]]


def message_of(delivery: Delivery) -> Message:
    """The message of a delivery to a customer; its files have no bytes yet."""
    return parts.message_of(delivery.key, delivery.purpose, delivery.body)


def sends(channel: Channel) -> bool:
    """Whether a channel can carry messages to customers at all."""
    return channel.sender is not None or channel.responder is not None


def channel_target(
    channel: Channel, slots: Slots, load: Load, settings: OutboxSettings, clock: Clock
) -> Target:
    """A channel as the outbox sees it."""
    connector = channel.connector

    async def send(delivery: Delivery) -> Receipt:
        message = message_of(delivery)
        ridden = await _ride(delivery, message, slots, clock)
        if ridden is not None:
            return ridden
        if channel.sender is None:
            raise PermanentFailure(Reason.WINDOW, "the channel can answer only while the request is open")
        return await channel.sender.send(await with_bytes(message, load))

    async def resolve(delivery: Delivery) -> Receipt | None:
        assert isinstance(connector, Resolver)
        return await connector.resolve(message_of(delivery))

    def told(failure: SendFailure | None) -> None:
        if failure is None:
            channel.health, channel.last_ok_at = OK, clock.now()
        elif getattr(failure, "reason", None) in PAUSING:
            repair = (
                "mend the channel's settings or credentials, then: forebay channel resume " + channel.name
            )
            channel.health = Health(HealthState.FAILING, failure.detail, repair)
        elif getattr(failure, "reason", None) in (Reason.UNREACHABLE, Reason.TIMEOUT, Reason.SERVER):
            channel.health = Health(HealthState.FAILING, failure.detail, "it is tried again by itself")

    return Target(
        name=channel.name,
        kind=channel.kind,
        downstream=False,
        on_uncertain=channel.settings.on_uncertain or channel.spec.on_uncertain,
        concurrency=channel.settings.limits.send_concurrency,
        rate=channel.settings.limits.send_rate,
        circuit=Circuit(settings.circuit),
        send=send,
        resolve=resolve if isinstance(connector, Resolver) else None,
        open=lambda: channel.open,
        published=connector.published if isinstance(connector, Publisher) else None,
        told=told,
        rides=lambda delivery: (
            delivery.purpose is Purpose.ACKNOWLEDGEMENT and slots.is_open(delivery.target, delivery.envelope)
        ),
    )


async def _ride(delivery: Delivery, message: Message, slots: Slots, clock: Clock) -> Receipt | None:
    """Let an acknowledgement ride on the answer of a door that still waits; None when none does."""
    if delivery.purpose is not Purpose.ACKNOWLEDGEMENT:
        return None
    slot = slots.take(delivery.target, delivery.envelope)
    if slot is None:
        return None
    if not await slot.fill(message):
        return None  # the door said no before it answered: the ordinary way is open
    return Receipt("", clock.now(), {"way": RIDDEN})


async def with_bytes(message: Message, load: Load) -> Message:
    """A message with the bytes of its files; PermanentFailure when they are gone."""
    files = []
    for file in message.files:
        data = await load(file.sha256)
        if data is None:
            raise PermanentFailure(Reason.REQUEST, f"the bytes of attachment {file.filename!r} are gone")
        files.append(replace(file, data=data))
    return replace(message, files=tuple(files)) if files else message


class DestinationState:
    """A destination at run time: what is known of its health."""

    def __init__(
        self, name: str, spec: DestinationSpec, settings: DestinationSettings, destination: Destination
    ) -> None:
        self.name = name
        self.spec = spec
        self.settings = settings
        self.destination = destination
        self.health = Health(HealthState.UNKNOWN)
        self.paused: str | None = None
        self.woken = asyncio.Event()
        """Set when the far side said that something happened there."""

    @property
    def open(self) -> bool:
        return self.settings.enabled and self.paused is None


def _at(delivery: Delivery) -> datetime:
    """When it happened: of a replay, when it was told first."""
    said = delivery.body.get("at")
    return datetime.fromisoformat(said) if said else delivery.created_at


def destination_target(
    state: DestinationState, describe: Describe, load: Load, settings: OutboxSettings
) -> Target:
    """A destination as the outbox sees it."""
    destination = state.destination

    async def made(delivery: Delivery) -> HandOver:
        found = await describe(delivery)
        return HandOver(
            key=delivery.body.get("event_id") or delivery.key,
            type=delivery.body["type"],
            reference=delivery.body["reference"],
            at=_at(delivery),
            record=found.record,
            update=delivery.body.get("update", {}),
            remote_id=found.remote_id,
            gone=found.gone,
            tries=delivery.attempts,
            files=found.files,
            load=load,
        )

    async def send(delivery: Delivery) -> Receipt:
        return await destination.deliver(await made(delivery))

    async def resolve(delivery: Delivery) -> Receipt | None:
        assert isinstance(destination, Finder)
        return await destination.find(await made(delivery))

    def told(failure: SendFailure | None) -> None:
        if failure is None:
            state.health = OK
        elif not isinstance(failure, PermanentFailure) or failure.reason in PAUSING:
            state.health = Health(
                HealthState.FAILING,
                failure.detail,
                failure.repair or "check the destination's address and credentials",
            )

    return Target(
        name=state.name,
        kind=state.spec.kind,
        downstream=True,
        tickets=isinstance(destination, Returner | Caller),
        on_uncertain=state.settings.on_uncertain or state.spec.on_uncertain,
        concurrency=state.settings.concurrency,
        rate=state.settings.rate,
        circuit=Circuit(settings.circuit),
        send=send,
        resolve=resolve if isinstance(destination, Finder) else None,
        open=lambda: state.open,
        told=told,
    )
