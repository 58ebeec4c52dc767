"""What a registration sets in motion: the acknowledgement, and the hand-overs to destinations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from connectors.channel import Channel
from model import ids as identifiers
from model.delivery import Purpose, Receipt
from model.draft import Draft, Identity
from model.event import EventType
from model.registration import Planned, Registration
from model.states import DeliveryState
from model.tools import Ids
from outbox import acknowledge, parts, rows
from outbox.acknowledge import ChannelFacts, Refused
from outbox.answers import Way, find_way
from outbox.mute import Mute
from outbox.settings import OutboxSettings
from outbox.templates import Templates
from store import deliveries
from store.store import Store


class Places(Protocol):
    """The dispatcher's places for deliveries that are sent as soon as they are committed."""

    def reserve(self, target: str) -> bool: ...

    def publish(self, target: str, key: str, at: datetime) -> Receipt | None: ...

    def published(self, target: str, purpose: str) -> None: ...

    def give_back(self) -> None: ...

    def put(self, delivery: Any) -> None: ...

    def wake(self) -> None: ...


class Planner:
    """Plans the deliveries that are committed together with a record."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        places: Places,
        settings: OutboxSettings,
        *,
        ids: Ids,
        templates: Callable[[], Templates],
        destinations: Callable[[], Sequence[str]],
        language: str,
        status_url: Callable[[str], str],
    ) -> None:
        self._store = store
        self._channels = channels
        self._places = places
        self._settings = settings
        self._ids = ids
        self._templates = templates
        self._destinations = destinations
        self._language = language
        self._status_url = status_url

    def plan(self, registration: Registration) -> Planned:
        """The deliveries of one registration."""
        made: list[dict[str, Any]] = []
        if registration.joined and registration.draft.signal and not registration.draft.text.strip():
            return Planned()
        try:
            if not (registration.joined and registration.draft.signal):
                made += self._acknowledgement(registration)
            made += self._hand_overs(registration)
            made += self._call_back(registration)
        except BaseException:
            self.release(Planned(tuple(made)), False)
            raise
        return Planned(tuple(made))

    def release(self, planned: Planned, committed: bool) -> None:
        """After the commit: send what was born claimed, look for the rest; or let go of the places."""
        for row in planned.rows:
            if row["claim"] is not None:
                if committed:
                    self._places.put(deliveries.from_new(row))
                else:
                    self._places.give_back()
            elif committed and row["state"] == DeliveryState.WAITING.value:
                self._places.wake()
            elif committed and row["state"] == DeliveryState.DELIVERED.value:
                self._places.published(row["target"], row["purpose"])
        if committed and planned.wake:
            self._places.wake()

    # ---- the acknowledgement

    def _acknowledgement(self, registration: Registration) -> list[dict[str, Any]]:
        """The acknowledgement, in parts where the channel needs it, or the row that says why there is none."""
        draft = registration.draft
        way = find_way(self._channels, registration.channel, _sender_first(draft), automatic=True)
        if way is None:
            answered = find_way(self._channels, registration.channel, _sender_first(draft))
            refused = Refused(Mute.NO_WAY if answered is None else Mute.CHANNEL)
            return [self._refusal(registration, answered or Way(registration.channel, None), refused)]
        channel = self._channels[registration.channel]
        decided = acknowledge.plan(
            draft,
            registration.decision,
            reference=registration.reference,
            status_url=self._status_url(registration.reference),
            channel=ChannelFacts(
                channel.name, channel.settings.acknowledge, channel.settings.language or self._language
            ),
            to=way.to,
            templates=self._templates(),
            own_addresses=self._own_addresses(),
            counts=registration.sent,
            budget=self._settings.budget,
            acknowledged_before=registration.acknowledged_before,
            repeat_within_quiet=registration.repeat_recent,
            at=registration.at,
        )
        if isinstance(decided, Refused):
            return [self._refusal(registration, way, decided)]
        body = rows.message_body(
            reference=registration.reference,
            subject=decided.subject,
            text=decided.text,
            html=decided.html,
            language=decided.language,
            to=decided.to,
            name=draft.name,
            thread=draft.envelope_to if way.channel == registration.channel else {},
            token=identifiers.seal(self._store.secret, "thread", registration.record),
            conversation=registration.conversation if way.channel == registration.channel else None,
        )
        body["template"] = decided.template
        row = self._row(registration, way.channel, way.to, Purpose.ACKNOWLEDGEMENT, "ack", body)
        return parts.spread(row, self._channels.get(way.channel), self._ids)

    def _refusal(self, registration: Registration, way: Way, refused: Refused) -> dict[str, Any]:
        return rows.row(
            self._ids,
            key=f"ack:{registration.envelope}",
            purpose=Purpose.ACKNOWLEDGEMENT,
            target=way.channel,
            record=registration.record,
            at=registration.at,
            body={"reference": registration.reference},
            to=way.to,
            envelope=registration.envelope,
            state=DeliveryState.CANCELLED,
            reason=refused.reason,
            detail=refused.detail or None,
        )

    def _own_addresses(self) -> frozenset[str]:
        return frozenset(address for one in self._channels.values() for address in one.settings.addresses())

    # ---- missed calls

    def _call_back(self, registration: Registration) -> list[dict[str, Any]]:
        """Somebody called and nobody answered: a colleague is to call back, or the row says why nobody can."""
        draft = registration.draft
        if registration.joined or draft.call is None or not draft.call.missed:
            return []
        to = next((one for one in draft.reply_to if one.kind == "call"), None)
        body = rows.message_body(
            reference=registration.reference,
            subject=draft.subject,
            text=draft.text,
            html=None,
            language=draft.language,
            to=to,
            name=draft.name,
            thread={},
            token="",
        )
        made = rows.row(
            self._ids,
            key=f"call_back:{registration.envelope}",
            purpose=Purpose.NOTICE,
            target=registration.channel,
            record=registration.record,
            at=registration.at,
            body={**body, "call": draft.call.id},
            order=registration.record,
            to=to,
            state=DeliveryState.WAITING if to else DeliveryState.CANCELLED,
            reason=None if to else Mute.NO_WAY,
        )
        return [made]

    # ---- hand-overs

    def _hand_overs(self, registration: Registration) -> list[dict[str, Any]]:
        """A new record goes to the destinations that its rules name; a joined message to those that have it."""
        if registration.joined:
            body = {
                "type": EventType.MESSAGE_JOINED.value,
                "reference": registration.reference,
                "update": {"text": registration.draft.text, "subject": registration.draft.subject},
            }
            names, purpose, prefix = registration.party_to, Purpose.UPDATE, "update"
            if registration.burst:
                return [*self._to(registration, names, purpose, prefix, body), *self._new_ones(registration)]
        else:
            body = {"type": EventType.REGISTERED.value, "reference": registration.reference}
            names, purpose, prefix = registration.decision.destinations, Purpose.HAND_OVER, "hand_over"
        return self._to(registration, names, purpose, prefix, body)

    def _new_ones(self, registration: Registration) -> list[dict[str, Any]]:
        """Destinations that a further part of the same message named first."""
        body = {"type": EventType.REGISTERED.value, "reference": registration.reference}
        names = [one for one in registration.decision.destinations if one not in registration.party_to]
        return self._to(registration, names, Purpose.HAND_OVER, "hand_over", body)

    def _to(
        self,
        registration: Registration,
        names: Sequence[str],
        purpose: Purpose,
        prefix: str,
        body: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        known = set(self._destinations())
        return [
            self._row(registration, name, None, purpose, f"{prefix}:{name}", body)
            for name in names
            if name in known
        ]

    def update(
        self,
        record: str,
        reference: str,
        names: Sequence[str],
        key: str,
        type_: str,
        update: Mapping[str, Any],
    ) -> Planned:
        """Deliveries that tell destinations what changed about a record they have."""
        known = set(self._destinations())
        body = {"type": type_, "reference": reference, "update": dict(update)}
        made = [
            rows.row(
                self._ids,
                key=f"{key}:{name}",
                purpose=Purpose.UPDATE,
                target=name,
                record=record,
                at=self._store.now(),
                body=body,
                order=record,
            )
            for name in names
            if name in known
        ]
        return Planned(tuple(made))

    def _row(
        self,
        registration: Registration,
        target: str,
        to: Identity | None,
        purpose: Purpose,
        prefix: str,
        body: Mapping[str, Any],
    ) -> dict[str, Any]:
        """A delivery; with nothing before it that could stand in its way it is born delivered where its row
        is all that sending takes, else born claimed when the dispatcher has a place.
        """
        key = f"{prefix}:{registration.envelope}"
        alone = not registration.joined and registration.conversation is None
        receipt = self._places.publish(target, key, registration.at) if alone else None
        hot = alone and receipt is None and self._places.reserve(target)
        made = rows.row(
            self._ids,
            key=key,
            purpose=purpose,
            target=target,
            record=registration.record,
            at=registration.at,
            body=body,
            order=registration.conversation or registration.record,
            to=to,
            envelope=registration.envelope,
            state=DeliveryState.CLAIMED if hot else DeliveryState.WAITING,
            owner=self._store.owner,
        )
        return made if receipt is None else rows.delivered(made, receipt)


def _sender_first(draft: Draft) -> Sequence[Identity]:
    """Where an automatic message may go: to the sender, and not to an address that the sender only names
    for answers (RFC 3834 §4); what was left in a form is both.
    """
    kinds = {one.kind for one in draft.reply_to}
    return [*(one for one in draft.identities if one.kind in kinds), *draft.reply_to]
