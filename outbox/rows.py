"""Rows of the delivery table, all with the same columns, so that they are inserted as one set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from model.delivery import DOWNSTREAM, Purpose, Receipt
from model.draft import Identity
from model.states import DeliveryState
from model.tools import Ids
from store.types import to_micros


def row(
    made: Ids,
    *,
    key: str,
    purpose: Purpose,
    target: str,
    record: str | None,
    at: datetime,
    body: Mapping[str, Any],
    order: str | None = None,
    to: Identity | None = None,
    envelope: str | None = None,
    state: DeliveryState = DeliveryState.WAITING,
    owner: str | None = None,
    reason: str | None = None,
    detail: str | None = None,
    delay: timedelta = timedelta(),
    expires_at: datetime | None = None,
) -> dict[str, Any]:
    """A new delivery. `order` names the conversation or record within which the target's order is kept."""
    claimed = state is DeliveryState.CLAIMED
    return {
        "id": made.new(),
        "key": key,
        "order_key": f"{target}:{order}" if order else None,
        "seq": to_micros(at),
        "purpose": purpose.value,
        "target": target,
        "downstream": purpose in DOWNSTREAM,
        "record": record,
        "envelope": envelope,
        "address": to.value if to else None,
        "domain": domain_of(to),
        "body": dict(body),
        "state": state.value,
        "created_at": at,
        "next_at": at + delay,
        "expires_at": expires_at,
        "claim": made.new() if claimed else None,
        "owner": owner if claimed else None,
        "reason": reason,
        "detail": detail,
        "settled_at": at if state is DeliveryState.CANCELLED else None,
    }


def domain_of(to: Identity | None) -> str | None:
    """The mail domain that a delivery counts for."""
    return to.value.rpartition("@")[2] if to and to.kind == "email" else None


def delivered(row: dict[str, Any], receipt: Receipt) -> dict[str, Any]:
    """A new delivery that its own row carries out, in one try."""
    row["state"], row["settled_at"] = DeliveryState.DELIVERED.value, receipt.accepted_at
    return row | {"attempts": 1, "remote_id": receipt.remote_id}


def message_body(
    *,
    reference: str,
    subject: str,
    text: str,
    html: str | None,
    language: str | None,
    to: Identity | None,
    name: str,
    thread: Mapping[str, Any],
    token: str,
    files: list[dict[str, Any]] | None = None,
    cc: list[str] | None = None,
    conversation: str | None = None,
) -> dict[str, Any]:
    """The body of a delivery to a customer: everything that its message is made of.

    `conversation` is that whose window it needs, where it goes back by the channel that the customer used.
    """
    return {
        **({"conversation": conversation} if conversation else {}),
        "reference": reference,
        "subject": subject,
        "text": text,
        "html": html,
        "language": language,
        "to": {"kind": to.kind, "value": to.value} if to else None,
        "name": name,
        "thread": dict(thread),
        "token": token,
        "files": files or [],
        "cc": cc or [],
    }
