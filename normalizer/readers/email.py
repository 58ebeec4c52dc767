"""Reads mail (RFC 5322 and MIME) as it is really sent: every byte string gives a draft."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from model.draft import Draft, Thread
from model.failures import Malformed
from model.imported import META
from normalizer import body, bounces, headers, html, language, mime, quotes, robots, scans, senders, text
from normalizer.body import Body
from normalizer.contract import Source
from normalizer.mime import Entity

#: References as `model.ids.mint_reference` makes them, under any prefix.
REFERENCE = r"\b{prefix}-\d{{6}}-[23456789A-HJ-NP-Z]{{5,10}}\b"
PREFIX = re.compile(r"[A-Z][A-Z0-9]{0,11}")
#: Subjects of mail that somebody passes on.
PASSED_ON = re.compile(r"^\s*(?:fwd?|wg|tr|rv|i|enc|doorst|vs|vb|pd|转发|轉寄|转|fs)\s*[:：]", re.I)
#: How far a Date may lie ahead of arrival before it is not believed, and how far behind.
AHEAD, BEHIND = timedelta(minutes=15), timedelta(days=366 * 2)
#: Message ids of a thread that are kept: the first and the last ones.
THREAD_IDS = 100
#: Fields that name whom a mail was sent to, by its sender or on its way.
RECIPIENTS = (
    "to", "cc", "resent-to", "resent-cc", "delivered-to", "x-original-to", "envelope-to", "x-forwarded-to",
    "x-forwarded-for", "x-delivered-to", "apparently-to",
)  # fmt: skip
#: Other recipients of a mail that are told of.
COPIES = 50


def read(source: Source) -> Draft:
    """The draft of a mail; Malformed only when there is nothing at all to read."""
    if not source.raw.strip():
        raise Malformed("the mail is empty")
    limits = mime.Limits()
    mail = mime.parse(source.raw, limits)
    found = Body(limits)
    body.collect(mail, found)
    if source.meta.get("truncated"):
        found.note(
            f"only the first {len(source.raw)} of {source.meta.get('size', 'more')} bytes were fetched"
        )
    full, new = (text.clean(words) for words in body.texts(found.blocks))
    safe = _html(found)
    subject = text.clean(headers.words(mail.header("subject"))).strip()
    ours = _ours(source.options)
    forward = quotes.forward(full, bool(PASSED_ON.match(subject))) if ours else None
    sender = senders.of(mail, ours, found.inside, forward)
    if sender.by == "forwarded":
        new = _passed_on(found, forward) or new
    recipients = _recipients(mail, source.meta)
    address = sender.box.address.lower()
    message_id = next(iter(headers.ids(mail.header("message-id"))), "")
    if children := scans.attached(found.parts, address, message_id, source.options):
        return Draft(children=children)
    verdict = robots.judge(mail, address, subject, recipients, source.meta, source.options)
    answered = _answered(mail)
    return Draft(
        subject=subject,
        text=new,
        full_text=full,
        html=safe,
        language=language.detect(new) or language.detect(subject) or _language(mail),
        sent_at=_sent_at(mail, source),
        name=text.clean(sender.box.name),
        identities=(senders.known(sender.box.address),) if address else (),
        reply_to=senders.reply_to(mail, sender),
        thread=Thread(
            tokens=_tokens(recipients, (*answered, *verdict.about), source.options),
            replies_to=(*answered, *(one for one in verdict.about if one not in answered)),
            ids=(message_id,) if message_id else (),
            mentioned=_mentioned(f"{subject}\n{new}", source.options),
        ),
        parts=tuple(found.parts),
        automatic=verdict.automatic,
        bounce=verdict.bounce,
        mute=verdict.mute,
        suspicious=verdict.suspicious,
        reports=verdict.reports,
        extra=_extra(mail, verdict, found, sender),
        omissions=tuple(dict.fromkeys((*found.notes, *limits.notes))),
        envelope_to={
            "message_id": message_id,
            "references": list(answered),
            "subject": subject,
            "to": address,
            "cc": _copies(mail, {address, *ours}),
        },
    )


def _ours(options: Mapping[str, Any]) -> frozenset[str]:
    """Our own addresses, and those of mailboxes that pass on to us what comes to them."""
    return frozenset(
        str(one).lower() for name in ("addresses", "forwarders") for one in options.get(name, ())
    )


def _passed_on(found: Body, forward: quotes.Forward | None) -> str:
    """What is new in the mail that was passed on, which is what the customer said."""
    if found.inside:
        inner = Body(mime.Limits())
        body.collect(found.inside[0], inner)
        return text.clean(body.texts(inner.blocks)[1])
    return quotes.trim(forward.text) if forward else ""


def _copies(mail: Entity, but: set[str]) -> list[str]:
    """Whom else it was sent to, for answers that go to them as well; never ourselves."""
    boxes = [box for name in ("to", "cc") for value in mail.all(name) for box in headers.mailboxes(value)]
    found = (box.address.lower() for box in boxes if box.address)
    return list(dict.fromkeys(one for one in found if one not in but and robots.base(one) not in but))[
        :COPIES
    ]


def _recipients(mail: Entity, meta: Mapping[str, Any]) -> list[str]:
    """Every address the mail was sent to, as its fields and its transport tell, in lower case."""
    found = [str(one).lower() for one in meta.get("rcpt_to", ())]
    for name in RECIPIENTS:
        for value in mail.all(name):
            found += [box.address.lower() for box in headers.mailboxes(value) if box.address]
    return list(dict.fromkeys(found))


def _answered(mail: Entity) -> tuple[str, ...]:
    """Ids of the mails it answers, the oldest first and the one answered last (RFC 5322 §3.6.4)."""
    found = headers.ids(mail.header("references"))
    direct = headers.ids(mail.header("in-reply-to"))
    chain = tuple(dict.fromkeys((*found, *(one for one in direct if one not in found))))
    return chain if len(chain) <= THREAD_IDS else (chain[0], *chain[1 - THREAD_IDS :])


def _tokens(recipients: list[str], answered: tuple[str, ...], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Our tokens it carries: in the plus part of our addresses, and in the ids of ours that it answers."""
    own = {str(address).lower() for address in options.get("addresses", ())}
    found = robots.tokens_in(recipients, own)
    for one in reversed(answered):
        match = bounces.OWN_ID.fullmatch(one)
        if match and match[1]:
            found.append(match[1].lower())
    return tuple(dict.fromkeys(found))


def _mentioned(words: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    prefix = str(options.get("reference_prefix") or "")
    pattern = REFERENCE.format(prefix=re.escape(prefix) if prefix else PREFIX.pattern)
    return tuple(dict.fromkeys(found.upper() for found in re.findall(pattern, words, re.I | re.A)))[:20]


def _sent_at(mail: Entity, source: Source) -> datetime | None:
    """The Date field where it can be true, else when the mail arrived at its server."""
    arrived = source.sent_at or source.received_at
    said = headers.date(mail.header("date"))
    if said is None:
        return source.sent_at
    old = said - arrived < -BEHIND and META not in source.meta  # what is imported may be of any age
    return said if said - arrived <= AHEAD and not old else source.sent_at or arrived


def _language(mail: Entity) -> str | None:
    said = mail.header("content-language").split(",")[0].strip()
    return said if re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}", said) else None


def _extra(mail: Entity, verdict: robots.Verdict, found: Body, sender: senders.Sender) -> dict[str, Any]:
    extra: dict[str, Any] = dict(found.marks)
    for name in ("to", "cc"):
        boxes = [box for value in mail.all(name) for box in headers.mailboxes(value) if box.address]
        if boxes:
            extra[name] = [box.address.lower() for box in boxes[:COPIES]]
    if verdict.failed:
        extra["undelivered"] = list(verdict.failed[:COPIES])
    if found.calendar:
        extra["calendar"] = found.calendar[:COPIES]
    if found.inside and not verdict.bounce:
        extra["forwarded"] = body.forwarded(found.inside)
    if sender.passed_on_by:
        extra["passed_on_by"] = sender.passed_on_by
    mailing_list = mail.header("list-id").rpartition("<")[2].strip("> ")
    if mailing_list:
        extra["mailing_list"] = text.one_line(headers.words(mailing_list), 200)
    importance = mail.header("importance").lower() or mail.header("x-priority")[:1]
    if importance in ("high", "1", "2"):
        extra["importance"] = "high"
    return extra


def _html(found: Body) -> str | None:
    rich = [block.html for block in found.blocks if block.html and block.html.strip()]
    if not rich:
        return None
    safe = html.sanitise("\n".join(rich))
    if safe is None:
        found.note("the HTML is too large or nested too deeply to be shown; its text was read")
    elif not html.shows_something(safe):
        found.note("the HTML says nothing that can be shown")
    return safe
