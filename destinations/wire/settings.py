"""Settings that every ticket store has: what a record becomes there, and what a state there means here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from destinations.contract import DestinationSettings
from model.expression import Expression, as_text, search
from model.states import RecordState


def _base(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write an address that begins with https:// or http://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("write the address alone: no credentials, no question mark, no #")
    return value.rstrip("/")


#: Where a ticket store is.
Base = Annotated[str, AfterValidator(_base)]


class TicketSettings(DestinationSettings):
    """What a record becomes in a ticket store."""

    url: Base = Field(description="Address of the ticket store, without the path of its API.")
    timeout: float = Field(default=60.0, gt=0, le=600, description="Seconds for one request.")
    tags: Sequence[Expression] = Field(
        default=("nature", "department"),
        description="JMESPath expressions on the record; what they find, text or lists, become tags.",
    )
    priority: Mapping[Literal["urgent", "important", "normal"], str] = Field(
        default={}, description="The store's own priority for each urgency; those left out set none."
    )
    fields: Mapping[str, Expression] = Field(
        default={},
        description="Further fields of the store's tickets: its own name to a JMESPath expression.",
    )
    places: Mapping[str, str] = Field(
        default={}, description="Department to the queue, group or inbox that its tickets go to."
    )
    states: Mapping[str, RecordState] = Field(
        default={},
        description="The store's own state to ours; these add to, or stand in place of, the usual ones.",
    )
    reopen: str | None = Field(
        default=None,
        description="State that a finished ticket gets when its customer writes again; `` for none.",
    )
    attachment_bytes: int = Field(
        default=20_971_520, ge=0, description="A larger file is not sent along, but named with its address."
    )
    language: Literal["en", "zh-CN"] = Field(
        default="en", description="Language of the lines that stand under a customer's words."
    )

    def usual_states(self) -> Mapping[str, RecordState]:
        """What the states of a fresh installation mean."""
        return {}

    def record_state(self, remote: str) -> str | None:
        found = {**self.usual_states(), **self.states}.get(remote)
        return None if found is None else found.value

    def tags_of(self, record: Mapping[str, Any]) -> list[str]:
        """The tags of a record, each once."""
        found: dict[str, None] = {}
        for expression in self.tags:
            value = search(expression, record)
            for one in value if isinstance(value, list) else [value]:
                if (text := as_text(one)) is not None:
                    found[text] = None
        return list(found)

    def fields_of(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Values of the further fields; those without one are left out."""
        found = {name: search(expression, record) for name, expression in self.fields.items()}
        return {name: value for name, value in found.items() if value is not None}

    def place_of(self, record: Mapping[str, Any], usual: str) -> str:
        """The queue, group or inbox for a record."""
        return self.places.get(str(record.get("department") or ""), usual)
