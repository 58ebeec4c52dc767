"""The canonical record: what the API, the feed, `forebay normalize` and every destination give.

Published as JSON Schema by `forebay schema record`. Versioned and additive only: a consumer written for
an older version reads a newer record.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

#: Version of the schema below; it grows when fields are added and none is ever removed.
SCHEMA = "forebay.record/1"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Channel(_Model):
    """The channel that a record came in by."""

    name: str
    kind: str


class ContactIdentity(_Model):
    """One way to know or reach the person."""

    kind: str
    value: str


class Contact(_Model):
    """Who wrote, as far as known."""

    id: str | None = None
    name: str = ""
    company: str = ""
    language: str | None = None
    identities: list[ContactIdentity] = Field(default_factory=list)


class Conversation(_Model):
    """The conversation that a record belongs to."""

    id: str | None = None


class Attachment(_Model):
    """A file that came with a record. `url` is absent when the file was left out."""

    filename: str
    media_type: str
    size: int
    sha256: str | None = None
    url: str | None = None


class RawMessage(_Model):
    """The unchanged bytes as they arrived."""

    sha256: str
    size: int
    url: str | None = None


class Record(_Model):
    """One piece of feedback, normalised and registered."""

    schema_: str = Field(default=SCHEMA, alias="schema", serialization_alias="schema")
    id: str | None = Field(default=None, description="UUIDv7; null before registration.")
    reference: str | None = Field(default=None, description="The number that the customer sees.")
    channel: Channel
    source_id: str = Field(description="The source's own identity of the message.")
    sent_at: datetime | None = Field(default=None, description="The provider's time, UTC.")
    received_at: datetime | None = Field(default=None, description="Our time of acceptance, UTC.")
    contact: Contact
    conversation: Conversation = Field(default_factory=Conversation)
    in_reply_to: str | None = Field(default=None, description="Reference of the record that this answers.")
    subject: str = ""
    text: str = Field(default="", description="What is new: quotes and signature trimmed.")
    full_text: str = Field(default="", description="All that is readable.")
    html: str | None = Field(default=None, description="Sanitised HTML, where the source had any.")
    attachments: list[Attachment] = Field(default_factory=list)
    automatic: bool = Field(default=False, description="Written by a machine.")
    bounce: bool = Field(default=False, description="A report that a message of ours was not delivered.")
    nature: list[str] = Field(default_factory=list)
    urgency: str = "normal"
    in_scope: bool = True
    missing: list[str] = Field(default_factory=list, description="Names of the fields to be asked for.")
    department: str | None = None
    deadlines: dict[str, datetime] = Field(default_factory=dict)
    state: str = "registered"
    repeat_of: str | None = Field(default=None, description="Reference of the record that this repeats.")
    raw: RawMessage
    omissions: list[str] = Field(default_factory=list, description="What could not be read, in words.")
    extra: dict[str, Any] = Field(default_factory=dict, description="Further fields of the source.")

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the canonical record."""
    schema = Record.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA, **schema}
