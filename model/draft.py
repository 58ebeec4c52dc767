"""What a reader makes of an envelope: the content of a record before it is registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from model.failures import Reason
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
    reference: str | None = None
    """What the connector's `download` takes, where the source only names the file; `data` is None then."""


class Fate(StrEnum):
    """What a source says became of a message of ours."""

    SENT = "sent"
    """The far side has it for good; nobody has got it yet."""
    DELIVERED = "delivered"
    READ = "read"
    DELAYED = "delayed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a source tells of one message of ours: a bounce, a delivery report, a status, an echo.

    It names the message by the far side's id (`remote_id`, as in the Receipt), by our own key where the far side
    hands it back, or, for a mail, by the token that it carried.
    """

    fate: Fate
    remote_id: str | None = None
    key: str | None = None
    token: str | None = None
    to: Identity | None = None
    """Whom it did not reach, where only one of several recipients is meant."""
    reason: Reason | None = None
    """Of a failure; RECIPIENT marks the contact's identity unreachable."""
    detail: str = ""
    """Codes and the far side's words: never a customer's text."""


#: The event of a call by which a colleague wrote down what was said in it.
NOTED = "noted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a telephone exchange tells of one call: one of the messages that it sends of it.

    `id` is the same for all of them, and for all legs; `event` names this one, so that a repeat is known.
    """

    id: str
    event: str
    number: str = ""
    """Who called, E.164 where it can be; empty when withheld."""
    line: str = ""
    """Which number of ours was called."""
    agent: str = ""
    started_at: datetime | None = None
    answered: bool = False
    """Somebody of ours spoke in it."""
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    missed: bool = False
    """It ended, and as far as this message tells nobody of ours had spoken."""
    recording: str | None = None
    """What the connector's `download` takes to fetch the recording."""


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
class Child:
    """An envelope that another one holds: a letter of a batch of scans, a scan that came by mail.

    Identity as that of any envelope, and purely made: reading the parent again gives the same.
    """

    source_id: str
    fingerprint: str
    data: Raw
    media_type: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    channel: str | None = None
    """The channel whose envelope it is; None: that of its parent."""


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
    shown: Mapping[str, Any] = field(default_factory=dict)
    """What a person who must look first is shown, where the source alone does not tell: what was recognised."""
    weak: bool = False
    """What it says is not proven by its source. A person decides what follows from it: nothing is sent by itself, no
    further identity is learnt, and no mark of a contact is taken away."""
    signal: str | None = None
    """What happened, where nobody said anything: `followed`, `unfollowed`, `menu`, `read`, `edited`, `reports` …

    A signal joins the record of its conversation as an event, and is ignored, with a row, where there is none.
    It is never acknowledged and changes no state.
    One with text (`edited`) whose record is not known is registered like a message.
    """
    opens: str = "message"
    """Which of the channel's `windows` it opens for our answers; empty for none."""
    reports: tuple[Report, ...] = ()
    """What the source tells of messages of ours."""
    urgency: str | None = None
    """How urgent a colleague found it who heard the customer; it goes before what the rules say."""
    call: Call | None = None
    """What a telephone exchange tells of one call."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the source, for rules and destinations."""
    omissions: tuple[str, ...] = ()
    """Everything that could not be read or was left out, in words."""
    children: tuple[Child, ...] = ()
    """What it is made of, each an envelope of its own (law 4). With children nothing else of the draft counts."""
    envelope_to: Mapping[str, Any] = field(default_factory=dict)
    """What the sender of an answer needs to thread it: provider ids, subject, conversation."""
