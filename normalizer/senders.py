"""Who wrote a mail: From, or whoever stands behind it when a list or a mailbox of ours passed it on."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from model.draft import Identity
from normalizer import headers, identity, quotes
from normalizer.headers import Mailbox
from normalizer.mime import Entity

#: Fields that name the author of a mail whose From had to be changed on the way, surest first.
ORIGINAL = (
    "x-original-from",
    "x-original-sender",
    "x-forwarded-from",
    "x-google-original-from",
    "resent-from",
)
#: How lists and groups sign for somebody else: "Li Lei via Office".
VIA = re.compile(r"^['\"]?(.{1,200}?)['\"]?\s+(?:via|通过|通過|über|par|vía|tramite)\s+\S.*$", re.I)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, and how that is known."""

    box: Mailbox
    by: str
    """The field, `forwarded` for the mail inside the mail, or `nobody`."""
    passed_on_by: str = ""
    """The address of ours, or of a list, that passed it on."""


def of(
    mail: Entity, ours: Collection[str], inside: Sequence[Entity], forward: quotes.Forward | None
) -> Sender:
    """Who wrote `mail`.

    `ours` are our own addresses and the mailboxes that pass mail on to us; `inside` the mails in the mail and
    `forward` one that is repeated in its text.
    """
    first = _first(mail, ("from", "sender", "reply-to", "x-original-sender", "resent-from"))
    if first is None:
        named = headers.mailboxes(mail.header("from"))
        return Sender(named[0] if named else Mailbox("", ""), "nobody")
    by, box = first
    address = box.address.lower()
    if by != "from" or not (address in ours or _is_rewritten(mail, box)):
        return Sender(box, by)
    behind = _first(mail, (*ORIGINAL, "reply-to"), {address, *ours})
    if behind is not None:
        return Sender(
            Mailbox(behind[1].name or _without_via(box.name), behind[1].address), behind[0], address
        )
    if address in ours:
        forwarded = _forwarded(inside, forward, {address, *ours})
        if forwarded is not None:
            return Sender(forwarded, "forwarded", address)
    return Sender(box, by)


def _first(mail: Entity, names: Sequence[str], but: Collection[str] = ()) -> tuple[str, Mailbox] | None:
    for name in names:
        for box in headers.mailboxes(mail.header(name)):
            if box.address and box.address.lower() not in but:
                return name, box
    return None


def _is_rewritten(mail: Entity, box: Mailbox) -> bool:
    """Whether a list put its own address into From, as it must for senders with a strict DMARC policy."""
    if not any(mail.has(name) for name in ("x-original-sender", "x-original-from")):
        return False
    return bool(VIA.match(box.name)) or any(mail.has(name) for name in ("list-id", "x-google-group-id"))


def _without_via(name: str) -> str:
    match = VIA.match(name)
    return match[1].strip() if match else ""


def _forwarded(
    inside: Sequence[Entity], forward: quotes.Forward | None, but: Collection[str]
) -> Mailbox | None:
    """The sender of the mail that was forwarded: as a file, or repeated below the words of whoever did it."""
    for mail in inside:
        found = _first(mail, ("from", "sender"), but)
        if found is not None:
            return found[1]
    boxes = headers.mailboxes(forward.sender) if forward else []
    return next((box for box in boxes if box.address.lower() not in {"", *but}), None)


def reply_to(mail: Entity, sender: Sender) -> tuple[Identity, ...]:
    """Where an answer can go, preferred first."""
    boxes = [sender.box]
    if sender.by != "forwarded":  # there Reply-To is that of whoever forwarded it
        boxes = [*headers.mailboxes(mail.header("reply-to")), sender.box]
    shut = {"", sender.passed_on_by}
    return tuple(dict.fromkeys(known(box.address) for box in boxes if box.address.lower() not in shut))


def known(address: str) -> Identity:
    """The address in canonical form, or as it was written where it has none, such as root@localhost."""
    return identity.email(address) or Identity("email", address.lower())
