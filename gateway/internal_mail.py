"""Mail of the house to its own people, operators and departments: it goes the way of every message."""

from __future__ import annotations

from typing import Any

from gateway.house import House
from model.delivery import Purpose
from model.draft import Identity
from outbox import rows
from store.units import Insert


def internal_mail(
    house: House,
    *,
    key: str,
    channel: str,
    to: str,
    subject: str,
    text: str,
    language: str | None = None,
    files: list[dict[str, Any]] | None = None,
) -> Insert:
    """The delivery of one mail, to be committed with what it tells of; the same `key` makes it once."""
    identity = Identity("email", to)
    body = rows.message_body(
        reference="",
        subject=subject,
        text=text,
        html=None,
        language=language,
        to=identity,
        name="",
        thread={},
        token="",
        files=files,
    )
    row = rows.row(
        house.ids,
        key=key,
        purpose=Purpose.ALERT,
        target=channel,
        record=None,
        at=house.clock.now(),
        body=body,
        to=identity,
    )
    return Insert("delivery", row, ignore=True)
