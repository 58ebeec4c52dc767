"""Reports of messages of ours: bounces, delivery reports, statuses, echoes. They settle deliveries. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from model import ids
from model.delivery import Purpose, is_last
from model.draft import Fate, Report
from model.event import EventType
from model.failures import Reason
from model.states import DELIVERY_TRANSITIONS, DeliveryState, RecordState, may, sources
from model.tools import Ids
from store.lookups import Findings, Out, Questions
from store.units import Insert, Update

#: The state of a delivery that a report tells the end of; the others change nothing.
_ENDS = {
    Fate.SENT: DeliveryState.DELIVERED,
    Fate.DELIVERED: DeliveryState.DELIVERED,
    Fate.READ: DeliveryState.DELIVERED,
    Fate.FAILED: DeliveryState.DEAD,
}
_EVENTS = {DeliveryState.DELIVERED: EventType.DELIVERY_DELIVERED, DeliveryState.DEAD: EventType.DELIVERY_DEAD}
#: Longest detail that is kept, characters.
_DETAIL = 500


@dataclass(frozen=True, slots=True)
class Told:
    """A report and the message that it speaks of."""

    report: Report
    sent: Out


def ask(given: Sequence[Report], asked: Questions, secret: bytes) -> None:
    """Add to the questions what the reports name."""
    for report in given:
        if report.remote_id:
            asked.remote_ids.add(report.remote_id)
        if report.key:
            asked.keys.add(report.key)
        record = ids.unseal(secret, "thread", report.token) if report.token else None
        if record:
            asked.records.add(record)
            asked.sent_for.add(record)


def match(
    given: Sequence[Report], found: Findings, *, channel: str, same_kind: Callable[[str], bool], secret: bytes
) -> list[Told]:
    """The messages that the reports speak of: by the far side's id, by our key, else by the token and the address.

    A report may come in by another channel of the kind than the one that sent: a bounce by another mailbox.
    """
    told = []
    for report in given:
        chosen = [one for one in found.sent if same_kind(one.target) and _names(report, one)]
        if not chosen and report.token:
            record = ids.unseal(secret, "thread", report.token)
            chosen = [
                one for one in found.sent if record and one.record == record and _went(report, one, same_kind)
            ]
            chosen = chosen[-1:]  # the last one that went there
        chosen.sort(key=lambda one: one.target != channel)
        if chosen:
            told.append(Told(report, chosen[0]))
    return told


def _names(report: Report, one: Out) -> bool:
    return bool(
        (report.remote_id and report.remote_id == one.remote_id) or (report.key and report.key == one.key)
    )


def _went(report: Report, one: Out, same_kind: Callable[[str], bool]) -> bool:
    sent = one.state in ("delivered", "uncertain") and same_kind(one.target)
    return sent and (report.to is None or _is_for(report, one))


def _is_for(report: Report, one: Out) -> bool:
    """Whether it speaks of the one whom the message was for, not of somebody who got a copy."""
    return report.to is None or one.address is None or report.to.value.lower() == one.address.lower()


def early(given: Sequence[Report], told: Sequence[Told]) -> bool:
    """Whether a report speaks of a message whose receipt may not be stored yet."""
    known = {id(one.report) for one in told}
    return any(id(report) not in known and (report.remote_id or report.key) for report in given) or any(
        one.sent.state == "claimed" for one in told
    )


def settle(
    told: Sequence[Told],
    found: Findings,
    made: Ids,
    at: datetime,
    kind: str,
    after_delivery: Callable[[RecordState, Purpose], RecordState],
) -> tuple[list[Insert], list[Update]]:
    """What the reports change: the deliveries, what hangs on them, and a line in the timeline for each."""
    inserts: list[Insert] = []
    updates: list[Update] = []
    for one in told:
        sent, report = one.sent, one.report
        new = _ENDS.get(report.fate) if _is_for(report, sent) else None
        if new is not None and (new.value == sent.state or not _may(sent.state, new)):
            new = None
        data: dict[str, Any] = {
            "delivery": sent.id,
            "purpose": sent.purpose,
            "target": sent.target,
            "fate": report.fate.value,
        }
        if report.to is not None:
            data["to"] = {"kind": report.to.kind, "value": report.to.value}
        if report.reason is not None:
            data["reason"] = report.reason.value
        if report.detail:
            data["detail"] = report.detail[:_DETAIL]
        if new is not None:
            updates += _moved(sent, report, new, at)
            if new is DeliveryState.DELIVERED:
                more, moved = _arrived(sent, report, found, made, at, kind, after_delivery)
                inserts += more
                updates += moved
        if report.fate is Fate.FAILED and report.reason is Reason.RECIPIENT:
            updates += _unreachable(report, sent, found)
        if sent.record:
            type_ = _EVENTS[new] if new is not None else EventType.DELIVERY_REPORTED
            inserts.append(_event(made, type_, sent, at, data))
    return inserts, updates


def _may(state: str, new: DeliveryState) -> bool:
    # What is being sent right now is settled by whoever sends it; a report of it waits.
    return state != "claimed" and may(DELIVERY_TRANSITIONS, DeliveryState(state), new)


def _moved(sent: Out, report: Report, new: DeliveryState, at: datetime) -> list[Update]:
    values: dict[str, Any] = {"state": new.value, "settled_at": at}
    if new is DeliveryState.DEAD:
        reason = report.reason or Reason.RECIPIENT
        values |= {
            "reason": reason.value,
            "detail": (report.detail or "the far side could not deliver it")[:_DETAIL],
        }
    else:
        # A receipt, of a sort: the far side knows the message.
        values |= {
            "reason": None,
            "detail": None,
            "remote_id": report.remote_id or sent.remote_id or sent.key,
        }
    # From every state that may: it may have moved on since it was looked up, such as from uncertain to held.
    old = sorted(sources(DELIVERY_TRANSITIONS, new) - {DeliveryState.CLAIMED})
    updates = [Update("delivery", {"id": sent.id, "state": state.value}, values) for state in old]
    if sent.state == "uncertain":
        ended = {"outcome": "uncertain", "detail": "told by a report", "ended_at": at, "phase": "ended"}
        updates.append(Update("attempt", {"delivery": sent.id, "n": sent.attempts}, ended))
    return updates


def _arrived(
    sent: Out,
    report: Report,
    found: Findings,
    made: Ids,
    at: datetime,
    kind: str,
    after_delivery: Callable[[RecordState, Purpose], RecordState],
) -> tuple[list[Insert], list[Update]]:
    """What a message that did arrive means for its record."""
    record = found.records.get(sent.record or "")
    if record is None:
        return [], []
    inserts: list[Insert] = []
    updates: list[Update] = []
    if report.remote_id:
        key = {
            "key": ids.thread_key(kind, report.remote_id),
            "record": record.id,
            "delivery": sent.id,
            "since": at,
        }
        inserts.append(Insert("thread_key", key, ignore=True))
    new = after_delivery(RecordState(record.state), Purpose(sent.purpose))
    if new.value != record.state and is_last(sent.body):
        change = {"from": record.state, "to": new.value}
        inserts.append(_event(made, EventType.STATE_CHANGED, sent, at, change))
        where = {"id": record.id, "state": record.state}
        updates.append(Update("record", where, {"state": new.value, "updated_at": at}))
    return inserts, updates


def _unreachable(report: Report, sent: Out, found: Findings) -> list[Update]:
    """The address that did not reach anybody: noted at the contact."""
    record = found.records.get(sent.record or "")
    address = report.to.value if report.to else sent.address
    if record is None or record.contact is None or not address:
        return []
    known = found.unreachable.get(record.contact)
    if known is None or address in known:
        return []
    known.append(address)
    return [Update("contact", {"id": record.contact}, {"unreachable": list(known)})]


def _event(made: Ids, type_: EventType, sent: Out, at: datetime, data: Mapping[str, Any]) -> Insert:
    row = {
        "id": made.new(),
        "type": type_.value,
        "record": sent.record,
        "reference": sent.body.get("reference"),
        "at": at,
        "actor": "forebay",
        "data": dict(data),
    }
    return Insert("event", row)
