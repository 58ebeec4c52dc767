"""What a reader makes of an envelope: the content of a record before it is registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from model.tools import Raw


@dataclass(frozen=True, slots=True)
class Identity:
    """One way to know or reach a person: kind (`email`, `phone`, `openid`, …) and value in canonical form."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Part:
    """A file that came with an envelope. `data` is None when it was left out, and `omitted` says why."""

    filename: str
    media_type: str
    data: Raw | None
    content_id: str | None = None
    omitted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What ties an envelope to earlier ones, surest first.

    `tokens` are those of ours that it carries and are verified by whoever minted them; `replies_to` are
    provider ids it answers (Message-IDs, seen or not); `ids` are its own provider ids, by which later ones
    will name it; `mentioned` are our references found in its text, trusted only from a known party.
    """

    tokens: tuple[str, ...] = ()
    replies_to: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    mentioned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a reader makes of an envelope; pure, so that reading it again gives the same."""

    subject: str = ""
    text: str = ""
    """What is new: quotes and signature trimmed."""
    full_text: str = ""
    """All that is readable."""
    html: str | None = None
    """Sanitised, or None when the source had none."""
    language: str | None = None
    """BCP 47 tag of the text, as far as it can be told."""
    sent_at: datetime | None = None
    name: str = ""
    company: str = ""
    identities: tuple[Identity, ...] = ()
    """First the one the sender is best known by."""
    reply_to: tuple[Identity, ...] = ()
    """Where an answer can go, preferred first; empty when only the channel itself can carry it."""
    conversation: str | None = None
    """The source's key of the conversation; the thread key of a mail is its record."""
    thread: Thread = field(default_factory=Thread)
    parts: tuple[Part, ...] = ()
    automatic: str | None = None
    """Why it counts as written by a machine (`auto-submitted`, `out of office`, …), or None."""
    bounce: bool = False
    mute: tuple[str, ...] = ()
    """Every rule of the kind that forbids an automatic answer to it, by name."""
    suspicious: str | None = None
    """Why a person should look before it is registered, or None."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the source, for rules and destinations."""
    omissions: tuple[str, ...] = ()
    """Everything that could not be read or was left out, in words."""
    envelope_to: Mapping[str, Any] = field(default_factory=dict)
    """What the sender of an answer needs to thread it: provider ids, subject, conversation."""
