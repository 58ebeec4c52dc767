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
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Channel(_Model):
    """The channel that a record came in by."""

    name: str = Field(description="The channel's name in the configuration.")
    kind: str = Field(description="Its type, such as `email`.")


class ContactIdentity(_Model):
    """One way to know or reach the person."""

    kind: str = Field(description="`email`, `phone`, or the source's own kind.")
    value: str = Field(description="In canonical form: lower-case address, E.164 number.")


class Contact(_Model):
    """Who wrote, as far as known."""

    id: str | None = Field(default=None, description="The same for all records of this person.")
    name: str = Field(default="", description="As they wrote it.")
    company: str = Field(default="", description="As far as known.")
    language: str | None = Field(default=None, description="BCP 47 tag of the language they wrote in.")
    identities: list[ContactIdentity] = Field(
        default_factory=list, description="Every way known to reach them, the first known first."
    )


class Conversation(_Model):
    """The conversation that a record belongs to."""

    id: str | None = Field(default=None, description="Null where the channel has no conversations.")


class Attachment(_Model):
    """A file that came with a record. `url` is absent when the file was left out."""

    filename: str = Field(description="Safe to show; never to be used as a path.")
    media_type: str = Field(description="As its sender named it.")
    size: int = Field(description="Bytes.")
    sha256: str | None = Field(default=None, description="Digest of the bytes, where they were kept.")
    url: str | None = Field(default=None, description="Where to fetch it; the address is its own key.")
    omitted: str | None = Field(
        default=None, description="Why its bytes are not here: left out, not fetched yet, or not to be had."
    )


class RawMessage(_Model):
    """The unchanged bytes as they arrived."""

    sha256: str = Field(description="Digest of the bytes.")
    size: int = Field(description="Bytes.")
    url: str | None = Field(default=None, description="Where to fetch them while they are kept.")


class Record(_Model):
    """One piece of feedback, normalised and registered."""

    schema_: str = Field(default=SCHEMA, alias="schema", serialization_alias="schema")
    id: str | None = Field(default=None, description="UUIDv7; null before registration.")
    reference: str | None = Field(default=None, description="The number that the customer sees.")
    channel: Channel = Field(description="Where it came in.")
    source_id: str = Field(description="The source's own identity of the message.")
    sent_at: datetime | None = Field(default=None, description="The provider's time, UTC.")
    received_at: datetime | None = Field(default=None, description="Our time of acceptance, UTC.")
    contact: Contact = Field(description="Who wrote.")
    conversation: Conversation = Field(default_factory=Conversation, description="The talk it belongs to.")
    in_reply_to: str | None = Field(default=None, description="Reference of the record that this answers.")
    subject: str = Field(default="", description="As the customer wrote it.")
    text: str = Field(default="", description="What is new: quotes and signature trimmed.")
    full_text: str = Field(default="", description="All that is readable.")
    html: str | None = Field(default=None, description="Sanitised HTML, where the source had any.")
    attachments: list[Attachment] = Field(default_factory=list, description="The files that came with it.")
    automatic: bool = Field(default=False, description="Written by a machine.")
    bounce: bool = Field(default=False, description="A report that a message of ours was not delivered.")
    nature: list[str] = Field(
        default_factory=list, description="What it is about, by the office's own words."
    )
    urgency: str = Field(default="normal", description="`urgent`, `important` or `normal`.")
    in_scope: bool = Field(default=True, description="Whether it is ours to handle.")
    missing: list[str] = Field(default_factory=list, description="Names of the fields to be asked for.")
    department: str | None = Field(default=None, description="Who is to handle it.")
    deadlines: dict[str, datetime] = Field(default_factory=dict, description="Times by which stages are due.")
    state: str = Field(default="registered", description="Where it stands in the office.")
    repeat_of: str | None = Field(default=None, description="Reference of the record that this repeats.")
    raw: RawMessage = Field(description="What arrived, unchanged.")
    omissions: list[str] = Field(default_factory=list, description="What could not be read, in words.")
    extra: dict[str, Any] = Field(default_factory=dict, description="Further fields of the source.")

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the canonical record."""
    schema = Record.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA, **schema}
