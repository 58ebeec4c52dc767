"""When an automatic message must not go: the rules against loops, robots, floods and repeats."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from model import subject
from model.draft import Draft, Identity
from model.registration import Sent
from outbox.settings import BudgetSettings


class Mute(StrEnum):
    """Why no acknowledgement goes out, beside the names that a kind's reader gave in `Draft.mute`."""

    BOUNCE = "bounce"
    AUTOMATIC = "automatic"
    OWN_ADDRESS = "own address"
    ROBOT = "robot address"
    CHANNEL = "channel acknowledges nothing"
    DECISION = "rules say none"
    ACKNOWLEDGED = "already acknowledged"
    REPEAT = "repeat"
    NO_RECIPIENT = "no recipient"
    NO_WAY = "no way to answer"
    ADDRESS_HOUR = "address budget of the hour"
    ADDRESS_DAY = "address budget of the day"
    DOMAIN_HOUR = "domain budget of the hour"
    TOTAL_HOUR = "total budget of the hour"
    THREAD_DAY = "thread budget of the day"
    TWO_ROBOTS = "two robots"
    SUBJECT = "growing subject"
    BREAKER = "breaker"
    TEMPLATE = "template error"
    OPTED_OUT = "opted out"
    WEAK = "weak proof"


#: Local parts behind which no person reads (RFC 2142, RFC 3834 §2, and lists' habits), in lower case.
_ROBOT = re.compile(
    r"(?:mailer-daemon|postmaster|root|daemon|abuse|(?:do-?not|no)[._-]?reply|listserv|majordomo|bounces?)"
    r"|(?:owner|prvs|bounces?|noreply|no-reply)[-+=].*|.*-(?:request|bounces?|owner|noreply|no-reply)"
)


def why_not(
    draft: Draft,
    *,
    sender: Identity | None,
    own_addresses: Collection[str],
    counts: Sent,
    budget: BudgetSettings,
    acknowledged_before: bool,
    repeat_within_quiet: bool,
    at: datetime | None = None,
) -> str | None:
    """Why the sender of a draft gets no automatic answer, or None when one may go (RFC 3834 §2).

    `sender` is who would get it, None when only the channel's conversation knows the way; `own_addresses`
    are those of all our channels; `counts` tells how many automatic messages went out lately, before `at`.
    What says that a machine wrote comes first, what merely is too much comes last: operators read the reason.
    """
    if draft.bounce:
        return Mute.BOUNCE
    if draft.automatic is not None:
        return Mute.AUTOMATIC
    if draft.mute:
        return draft.mute[0]
    if draft.weak:
        return Mute.WEAK
    if _ours(draft, sender, own_addresses):
        return Mute.OWN_ADDRESS
    if sender is not None and _is_robot(sender):
        return Mute.ROBOT
    if subject.stacked(draft.subject)[0] > budget.subject_prefixes:
        return Mute.SUBJECT
    if acknowledged_before:
        return Mute.ACKNOWLEDGED
    if repeat_within_quiet:
        return Mute.REPEAT
    if sender is None and draft.conversation is None:
        return Mute.NO_RECIPIENT
    if at is not None and _quick(counts.matter, at, budget) >= budget.quick_answers:
        return Mute.TWO_ROBOTS
    return _over_budget(sender, counts, budget)


def _quick(sent: Sequence[datetime], at: datetime, budget: BudgetSettings) -> int:
    """How many of the latest rounds followed one another at once: a person reads before they answer.

    Each message of ours about the matter was the answer to one of theirs, so the pauses between ours, and from
    the last of ours until now, are those that the other side took.
    """
    times = [*sent, at]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    return sum(1 for _ in itertools.takewhile(lambda pause: pause <= budget.quick, reversed(pauses)))


def _ours(draft: Draft, sender: Identity | None, own_addresses: Collection[str]) -> bool:
    """Whether it came from us, or would go to us: either is the first half of a loop."""
    own = {address.lower() for address in own_addresses}
    parties = (*draft.identities, *draft.reply_to, *((sender,) if sender else ()))
    return any(form in own for one in parties if one.kind == "email" for form in _forms(one.value.lower()))


def _forms(address: str) -> tuple[str, str]:
    """An address, and the same without the `+tag` that our reply tokens stand in."""
    local, _, domain = address.rpartition("@")
    return address, f"{local.partition('+')[0]}@{domain}"


def _is_robot(identity: Identity) -> bool:
    if identity.kind != "email":
        return False
    return _ROBOT.fullmatch(identity.value.rpartition("@")[0].lower()) is not None


def _over_budget(sender: Identity | None, counts: Sent, budget: BudgetSettings) -> Mute | None:
    if counts.address_hour >= budget.per_address_hour:
        return Mute.ADDRESS_HOUR
    if counts.address_day >= budget.per_address_day:
        return Mute.ADDRESS_DAY
    if sender is not None and sender.kind == "email":
        domain = sender.value.rpartition("@")[2].lower()
        if domain not in budget.shared_domains:
            if counts.domain_hour >= budget.per_domain_hour:
                return Mute.DOMAIN_HOUR
            if counts.domain_loops >= budget.breaker:
                return Mute.BREAKER
    if len(counts.matter) >= budget.per_thread_day:
        return Mute.THREAD_DAY
    return Mute.TOTAL_HOUR if counts.total_hour >= budget.total_hour else None
