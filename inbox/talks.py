"""What a message or an act means for its conversation: the windows that it opens, and what was held for them. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connectors.contract import ChannelSettings
from inbox.placing import Reading
from model.decision import Decision
from model.draft import Draft
from model.event import EventType
from model.states import RECORD_TRANSITIONS, DeliveryState, RecordState, may
from model.tools import Ids
from store.lookups import Findings, Questions
from store.units import Insert, Update


def ask(reading: Reading, settings: ChannelSettings, asked: Questions) -> None:
    """Add to the questions what a channel with windows, or with bursts, must know."""
    if reading.conversation is None:
        return
    if settings.windows or settings.fallback:
        asked.lines.add(_line(reading))
    if settings.burst:
        asked.bursts.add(reading.conversation)


def _line(reading: Reading) -> str:
    return f"{reading.envelope.channel}:{reading.conversation}"


def said_at(reading: Reading) -> datetime:
    """When it happened, by the provider's clock where it tells; never later than it came."""
    envelope, draft = reading.envelope, reading.draft
    return min(draft.sent_at or envelope.sent_at or envelope.received_at, envelope.received_at)


def opened(
    reading: Reading, settings: ChannelSettings, found: Findings, made: Ids, now: datetime
) -> tuple[list[Insert], list[Update]]:
    """The opening, and the answers that were held for one and go on."""
    draft, envelope = reading.draft, reading.envelope
    window = settings.windows.get(draft.opens) if draft.opens else None
    # Reports speak of our messages: the customer did nothing.
    if reading.conversation is None or window is None or (draft.signal and draft.reports):
        return [], []
    at = said_at(reading)
    until = at + window.lasts
    if until <= now:
        return [], []
    row = {
        "conversation": reading.conversation,
        "envelope": envelope.id,
        "name": draft.opens,
        "at": at,
        "until": until,
        "messages": window.messages,
        "told_at": None,
    }
    talk = {"id": reading.conversation, "channel": envelope.channel, "external_key": draft.conversation}
    inserts = [Insert("conversation", talk, ignore=True), Insert("opening", row, ignore=True)]
    updates: list[Update] = []
    for one in found.held.get(_line(reading), ()):
        where = {"id": one.id, "state": DeliveryState.HELD.value, "reason": "window"}
        free = {"state": DeliveryState.WAITING.value, "next_at": now, "reason": None, "detail": None}
        updates.append(Update("delivery", where, free))
        if one.record:
            told = {"delivery": one.id, "purpose": one.purpose, "target": one.target, "reason": "window"}
            event = {
                "id": made.new(),
                "type": EventType.DELIVERY_RELEASED.value,
                "record": one.record,
                "reference": one.body.get("reference"),
                "at": now,
                "actor": "forebay",
                "data": told,
            }
            inserts.append(Insert("event", event))
    return inserts, updates


# ---- bursts


def in_burst(reading: Reading, settings: ChannelSettings, found: Findings) -> bool:
    """Whether it follows the conversation's last message so soon that both are one."""
    last = found.last_at.get(reading.conversation or "")
    if last is None or not settings.burst or reading.draft.signal or reading.draft.automatic:
        return False
    # Either way round: a platform may deliver them out of order.
    return abs(said_at(reading) - last) <= settings.burst


def heard(reading: Reading) -> list[Update]:
    """When the conversation's last message was."""
    if reading.conversation is None:
        return []
    return [Update("conversation", {"id": reading.conversation}, {"last_at": said_at(reading)})]


#: States in which nobody has taken a record up: what was decided may be decided anew.
UNTOUCHED = (RecordState.REGISTERED, RecordState.HANDED_OVER, RecordState.OUT_OF_SCOPE)


def state_after(state: RecordState, decision: Decision) -> RecordState:
    """The state of a record that grew: one whose first words were out of scope may be in it now."""
    if state is RecordState.OUT_OF_SCOPE and decision.in_scope:
        return RecordState.REOPENED if may(RECORD_TRANSITIONS, state, RecordState.REOPENED) else state
    return state


def grown(record: str, before: RecordState, whole: Draft, decision: Decision) -> list[Update]:
    """A record with all that was said, and, while nobody has taken it up, decided anew."""
    values: dict[str, Any] = {"text": whole.text, "full_text": whole.full_text}
    if before in UNTOUCHED:
        values |= {
            "nature": list(decision.nature),
            "urgency": decision.urgency.value,
            "in_scope": decision.in_scope,
            "missing": list(decision.missing),
            "department": decision.department,
            "deadlines": {name: at.isoformat() for name, at in decision.deadlines.items()},
            "rules": list(decision.rules),
        }
    return [Update("record", {"id": record}, values)]
