"""Whether a registered message gets an acknowledgement, and which."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from model.decision import Decision
from model.draft import Draft, Identity
from model.registration import Sent
from outbox import mute
from outbox.mute import Mute
from outbox.sandbox import TemplateFailure
from outbox.settings import BudgetSettings
from outbox.templates import NOTHING, Templates

#: Characters of a name in a greeting, and of the customer's subject where a template shows it.
MAX_NAME, MAX_SUBJECT = 40, 120
#: A "name" with any of these is an advertisement for a stranger whose address was typed into a form.
_NOT_A_NAME = re.compile(r"[/@<>{}|\\]|www\.|\.\w{2,}\b|\d{5,}", re.IGNORECASE)
_LINK = re.compile(r"://|www\.", re.IGNORECASE)
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What the answer depends on of the channel that a message came by."""

    name: str
    acknowledge: bool = True
    language: str | None = None
    """Language of answers when the customer's is not known; the house's own where the channel has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An acknowledgement ready to be put in the outbox."""

    to: Identity | None
    """None when the channel itself knows the way."""
    subject: str
    text: str
    html: str | None
    language: str
    template: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No acknowledgement, and why; `detail` names file and line of a template that failed."""

    reason: str
    detail: str = ""


def plan(
    draft: Draft,
    decision: Decision,
    *,
    reference: str,
    status_url: str | None,
    channel: ChannelFacts,
    to: Identity | None,
    templates: Templates,
    own_addresses: Collection[str],
    counts: Sent,
    budget: BudgetSettings,
    acknowledged_before: bool = False,
    repeat_within_quiet: bool = False,
    at: datetime | None = None,
) -> Planned | Refused:
    """The acknowledgement of a message, or the reason why there is none; never raises.

    `to` is where it would go, `status_url` the page that only the customer knows.
    """
    reason = mute.why_not(
        draft,
        sender=to,
        own_addresses=own_addresses,
        counts=counts,
        budget=budget,
        acknowledged_before=acknowledged_before,
        repeat_within_quiet=repeat_within_quiet,
        at=at,
    )
    if reason is None and not channel.acknowledge:
        reason = Mute.CHANNEL
    if reason is not None or decision.acknowledgement is None:
        return Refused(reason or Mute.DECISION)
    language = draft.language or channel.language
    try:
        rendered = templates.render(
            decision.acknowledgement, language, values(draft, decision, reference, status_url, channel.name)
        )
    except TemplateFailure as failure:
        return Refused(Mute.TEMPLATE, str(failure))
    return Planned(
        to=to,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        language=rendered.language,
        template=decision.acknowledgement,
    )


def values(
    draft: Draft, decision: Decision, reference: str, status_url: str | None, channel: str
) -> Mapping[str, Any]:
    """What a template may say; texts of the customer are one line, short, and no carrier for strangers' links."""
    return {
        **NOTHING,
        "reference": reference,
        "status_url": status_url or "",
        "name": greeted(draft.name),
        "subject": shown_subject(draft.subject),
        "channel": channel,
        "urgency": decision.urgency.value,
        "in_scope": decision.in_scope,
        "missing": decision.missing,
    }


def greeted(name: str) -> str:
    """A name for the greeting, or "" when it is none: anybody may type anybody's address into a form."""
    name = _UNSEEN.sub(" ", name).strip()
    return "" if len(name) > MAX_NAME or _NOT_A_NAME.search(name) else name


def shown_subject(subject: str) -> str:
    """A subject for a template: one line, short, and "" when it holds a link."""
    subject = _UNSEEN.sub(" ", subject).strip()[:MAX_SUBJECT]
    return "" if _LINK.search(subject) else subject
