"""From a placed reading to one unit of work: the record with all its consequences. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from inbox import talks
from inbox.placing import Place, Reading
from model import ids
from model.decision import Decision
from model.delivery import Outcome
from model.draft import Draft
from model.envelope import StoredEnvelope
from model.event import EventType
from model.registration import Registration
from model.states import DeliveryState, EnvelopeState, RecordState
from model.tools import Ids
from store.lookups import Twin
from store.units import Guard, Insert, Unit, Update

#: Longest texts that are kept in a row; the raw bytes keep everything.
_SUBJECT, _NAME = 998, 300


def close(envelope: StoredEnvelope, state: EnvelopeState, at: datetime, **more: Any) -> Guard:
    """The end of work on a claimed envelope, by compare-and-set on its claim."""
    values = {"state": state.value, "claim": None, "owner": None, "updated_at": at, **more}
    return Guard("envelope", {"id": envelope.id, "claim": envelope.claim}, values)


def set_aside(
    envelope: StoredEnvelope,
    state: EnvelopeState,
    reason: str,
    at: datetime,
    shown: Mapping[str, Any] | None = None,
) -> Unit:
    """Held, quarantined or ignored, with the reason; `shown` is kept for the person who must look."""
    more: dict[str, Any] = {"meta": {**envelope.meta, "shown": dict(shown)}} if shown else {}
    return Unit(close(envelope, state, at, reason=reason[:1000], **more), label=f"process.{state.value}")


def ignore(reading: Reading, at: datetime, inserts: Sequence[Insert], updates: Sequence[Update]) -> Unit:
    """A signal that belongs to no record: the row stays and says what it was; what it tells is applied."""
    reason = f"signal: {reading.draft.signal}"
    if reading.draft.reports:
        reason += (
            "; no record of ours has the message that it speaks of" if not updates and not inserts else ""
        )
    guard = close(reading.envelope, EnvelopeState.IGNORED, at, reason=reason[:1000])
    return Unit(guard, tuple(inserts), tuple(updates), label="process.ignored")


def postpone(envelope: StoredEnvelope, until: datetime, at: datetime) -> Unit:
    """Back into the line, not to be looked at before a time."""
    return Unit(close(envelope, EnvelopeState.WAITING, at, not_before=until), label="process.waiting")


def event(
    made: Ids, type_: EventType, registration: Registration, data: Mapping[str, Any], actor: str = "forebay"
) -> Insert:
    """One line of the record's timeline."""
    return Insert(
        "event",
        {
            "id": made.new(),
            "type": type_.value,
            "record": registration.record,
            "reference": registration.reference,
            "at": registration.at,
            "actor": actor,
            "data": dict(data),
        },
    )


def register(
    reading: Reading,
    registration: Registration,
    deliveries: Sequence[Mapping[str, Any]],
    twin: Twin | None,
    made: Ids,
) -> Unit:
    """The unit that makes a new record."""
    envelope, decision = reading.envelope, registration.decision
    state = RecordState.REGISTERED if decision.in_scope else RecordState.OUT_OF_SCOPE
    values = _record(reading, registration, state, twin)
    inserts = [Insert("record", values)]
    inserts += _people(reading, registration)
    inserts += _files(reading, registration.record)
    inserts += _thread(reading, registration)
    inserts += [Insert("delivery", row) for row in deliveries]
    data: dict[str, Any] = {"channel": envelope.channel, **judged(decision), "rules": list(decision.rules)}
    if twin:
        data["repeat_of"] = twin.record
    inserts.append(event(made, EventType.REGISTERED, registration, data))
    inserts += _corrections(envelope, registration, made)
    for row in deliveries:
        if row["state"] == DeliveryState.DELIVERED.value:
            inserts += _carried_out(row, registration, made)
    guard = close(
        envelope, EnvelopeState.REGISTERED, registration.at, record=registration.record, reason=None
    )
    return Unit(guard, tuple(inserts), label="process.registered")


def _corrections(envelope: StoredEnvelope, registration: Registration, made: Ids) -> list[Insert]:
    """What a clerk put right before it went on: who, and each field as it was read and as it is."""
    correction = envelope.meta.get("correction")
    if not correction:
        return []
    data = {"changes": correction["changes"], "at": correction["at"]}
    return [event(made, EventType.CORRECTED, registration, data, actor=str(correction["by"]))]


def judged(decision: Decision) -> dict[str, Any]:
    """The first judgement with its reasons, as the timeline keeps it."""
    return {
        "urgency": decision.urgency.value,
        "nature": list(decision.nature),
        "department": decision.department,
        "in_scope": decision.in_scope,
        "reasons": [
            {"rule": one.rule, "sets": dict(one.sets), "found": list(one.found)} for one in decision.reasons
        ],
    }


def _carried_out(row: Mapping[str, Any], registration: Registration, made: Ids) -> list[Insert]:
    """What a delivery that is sent by being stored leaves behind, as any other does: its try and its event."""
    tried = {
        "delivery": row["id"],
        "n": row["attempts"],
        "claim": row["id"],
        "phase": "ended",
        "outcome": Outcome.DELIVERED.value,
        "started_at": registration.at,
        "ended_at": registration.at,
    }
    data = {
        "delivery": row["id"],
        "purpose": row["purpose"],
        "target": row["target"],
        "remote_id": row["remote_id"],
    }
    told = event(made, EventType.DELIVERY_DELIVERED, registration, data)
    return [Insert("attempt", tried), told]


def join(
    reading: Reading,
    registration: Registration,
    deliveries: Sequence[Mapping[str, Any]],
    found: Place,
    state: RecordState,
    made: Ids,
) -> Unit:
    """The unit that adds a message to a record that exists."""
    draft = reading.draft
    type_ = EventType.MESSAGE_JOINED
    if draft.signal:
        type_ = EventType.SIGNAL
    elif draft.bounce:
        type_ = EventType.BOUNCED
    elif draft.automatic:
        type_ = EventType.AUTOMATIC_JOINED
    data = _message(reading, found)
    if registration.burst and RecordState(found.record.state) in talks.UNTOUCHED:
        data["judged"] = judged(registration.decision)
    inserts = [event(made, type_, registration, data, actor="customer")]
    inserts += _corrections(reading.envelope, registration, made)
    updates: list[Update] = []
    if not draft.signal:
        updates.append(Update("record", {"id": registration.record}, {"updated_at": registration.at}))
    if (
        type_ is EventType.MESSAGE_JOINED
        and state.value != found.record.state
        and found.why != "other account"
    ):
        change = {"from": found.record.state, "to": state.value}
        inserts.append(event(made, EventType.STATE_CHANGED, registration, change))
        moved = {"id": registration.record, "state": found.record.state}
        updates.append(Update("record", moved, {"state": state.value}))
    if draft.bounce and not draft.reports and found.delivery and _failed(draft):
        failed = {"state": "dead", "reason": "recipient", "detail": "the message came back undelivered"}
        updates.append(Update("delivery", {"id": found.delivery, "state": "delivered"}, failed))
    if found.why != "other account":
        inserts += _files(reading, registration.record)
        if not (draft.automatic or draft.bounce or draft.signal):
            inserts += _people(reading, registration)
    inserts += _thread(reading, registration)
    inserts += [Insert("delivery", row) for row in deliveries]
    guard = close(
        reading.envelope, EnvelopeState.JOINED, registration.at, record=registration.record, reason=None
    )
    return Unit(guard, tuple(inserts), tuple(updates), label="process.joined")


def _failed(draft: Draft) -> bool:
    """Whether a report says that the message was given up, not only that it is late (RFC 3464 §2.3.3)."""
    reports = draft.extra.get("undelivered") or ()
    return not reports or any(one.get("action") == "failed" for one in reports)


def _record(
    reading: Reading, registration: Registration, state: RecordState, twin: Twin | None
) -> dict[str, Any]:
    envelope, draft, decision = reading.envelope, reading.draft, registration.decision
    return {
        "id": registration.record,
        "reference": registration.reference,
        "envelope": envelope.id,
        "channel": envelope.channel,
        "kind": envelope.kind,
        "source_id": envelope.source_id,
        "conversation": registration.conversation,
        "contact": registration.contact,
        "sent_at": draft.sent_at or envelope.sent_at,
        "received_at": envelope.received_at,
        "registered_at": registration.at,
        "updated_at": registration.at,
        "in_reply_to": None,
        "subject": draft.subject[:_SUBJECT],
        "text": draft.text,
        "full_text": draft.full_text,
        "html": draft.html,
        "language": draft.language,
        "automatic": draft.automatic,
        "bounce": draft.bounce,
        "nature": list(decision.nature),
        "urgency": decision.urgency.value,
        "in_scope": decision.in_scope,
        "missing": list(decision.missing),
        "department": decision.department,
        "deadlines": {name: at.isoformat() for name, at in decision.deadlines.items()},
        "state": state.value,
        "repeat_of": twin.record if twin else None,
        "raw_sha256": envelope.blob,
        "raw_size": envelope.size,
        "reply_to": [{"kind": one.kind, "value": one.value} for one in draft.reply_to],
        "thread": dict(draft.envelope_to),
        "rules": list(decision.rules),
        "omissions": list(draft.omissions),
        "extra": dict(draft.extra),
    }


def _message(reading: Reading, found: Place) -> dict[str, Any]:
    """What the timeline keeps of a message that joined."""
    draft, envelope = reading.draft, reading.envelope
    data: dict[str, Any] = {
        "envelope": envelope.id,
        "channel": envelope.channel,
        "alias": envelope.reference,
        "why": found.why,
    }
    if found.why == "other account":
        return data
    if draft.signal:
        data["signal"] = draft.signal
    return data | {
        "name": draft.name[:_NAME],
        "subject": draft.subject[:_SUBJECT],
        "text": draft.text,
        "full_text": draft.full_text,
        "html": draft.html,
        "sent_at": draft.sent_at.isoformat() if draft.sent_at else None,
        "received_at": envelope.received_at.isoformat(),
        "automatic": draft.automatic,
        "thread": dict(draft.envelope_to),
        "files": len(reading.files),
        "omissions": list(draft.omissions),
        "raw": {"sha256": envelope.blob, "size": envelope.size},
    }


def _people(reading: Reading, registration: Registration) -> list[Insert]:
    draft, contact = reading.draft, registration.contact
    inserts: list[Insert] = []
    if contact is not None:
        values: dict[str, Any] = {
            "id": contact,
            "name": draft.name[:_NAME],
            "company": draft.company[:_NAME],
            "language": draft.language,
            "unreachable": [],
            "created_at": registration.at,
        }
        inserts.append(Insert("contact", values, ignore=True))
        # An unproven source names one person, and teaches nothing about anybody that is known already.
        for one in draft.identities[:1] if draft.weak else draft.identities:
            known = {
                "kind": one.kind,
                "value": one.value,
                "contact": contact,
                "evidence": f"wrote {registration.reference}",
                "since": registration.at,
            }
            inserts.append(Insert("identity", known, ignore=True))
    if reading.conversation:
        talk = {
            "id": reading.conversation,
            "channel": reading.envelope.channel,
            "external_key": draft.conversation,
        }
        inserts.append(Insert("conversation", talk, ignore=True))
    return inserts


def _files(reading: Reading, record: str) -> list[Insert]:
    return [
        Insert(
            "attachment",
            {
                "record": record,
                "envelope": reading.envelope.id,
                "n": n,
                "filename": file.filename,
                "media_type": file.media_type,
                "size": file.size,
                "sha256": file.sha256,
                "content_id": file.content_id,
                "omitted": file.omitted,
            },
            ignore=True,
        )
        for n, file in enumerate(reading.files)
    ]


def _thread(reading: Reading, registration: Registration) -> list[Insert]:
    """The provider ids by which a later message will name this one, those never seen included."""
    thread = reading.draft.thread
    keys = dict.fromkeys((*thread.ids, *thread.replies_to))
    return [
        Insert(
            "thread_key",
            {
                "key": ids.thread_key(reading.envelope.kind, key),
                "record": registration.record,
                "delivery": None,
                "since": registration.at,
            },
            ignore=True,
        )
        for key in keys
    ]
