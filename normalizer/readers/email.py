"""Reads mail (RFC 5322 and MIME) as it is really sent: every byte string gives a draft."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from model.draft import Draft, Identity, Part, Thread
from model.failures import Malformed
from normalizer import filename, flowed, headers, html, identity, language, mime, quotes, robots, text
from normalizer.contract import Source
from normalizer.mime import Entity

#: References as `model.ids.mint_reference` makes them, under any prefix.
REFERENCE = r"\b{prefix}-\d{{6}}-[23456789A-HJ-NP-Z]{{5,10}}\b"
PREFIX = re.compile(r"[A-Z][A-Z0-9]{0,11}")
#: Text parts that stand for "use a better mail program".
PLACEHOLDER = re.compile(
    r"(?:your|this) (?:e-?mail |mail )?(?:client|program|reader)|does not support|not support html"
    r"|html (?:e-?mail|format|view)"
    r"|view (?:this|it) (?:e-?mail )?(?:in|online)|不支持|请使用.{0,12}(?:html|浏览器)|请切换到.{0,6}html",
    re.I,
)
#: Media types that are text to be read.
BODY = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext", "text/markdown"})
EXTENSIONS = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/bmp": ".bmp",
    "application/pdf": ".pdf", "application/zip": ".zip", "text/plain": ".txt", "text/html": ".html",
    "text/calendar": ".ics", "text/csv": ".csv", "message/rfc822": ".eml", "message/global": ".eml",
    "message/delivery-status": ".txt", "text/rfc822-headers": ".txt", "application/pkcs7-signature": ".p7s",
    "application/pgp-signature": ".asc", "application/ms-tnef": ".dat", "audio/amr": ".amr", "video/mp4": ".mp4",
}  # fmt: skip
SEALED = {
    "application/pkcs7-mime": "S/MIME content is kept unopened",
    "application/x-pkcs7-mime": "S/MIME content is kept unopened",
    "application/ms-tnef": "an Outlook container (winmail.dat) is kept unopened",
    "application/vnd.ms-tnef": "an Outlook container (winmail.dat) is kept unopened",
    "multipart/encrypted": "encrypted content is kept unopened",
}
#: How far a Date may lie ahead of arrival before it is not believed, and how far behind.
AHEAD, BEHIND = timedelta(minutes=15), timedelta(days=366 * 2)
#: Message ids of a thread that are kept: the first and the last ones.
THREAD_IDS = 100


@dataclass(slots=True)
class Block:
    """One piece of the body: as plain text, as HTML, or both saying the same."""

    plain: str | None = None
    html: str | None = None


@dataclass(slots=True)
class Body:
    """What the walk over the parts has found so far."""

    blocks: list[Block] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)


def read(source: Source) -> Draft:
    """The draft of a mail; Malformed only when there is nothing at all to read."""
    if not source.raw.strip():
        raise Malformed("the mail is empty")
    limits = mime.Limits()
    mail = mime.parse(source.raw, limits)
    body = Body()
    _collect(mail, body, None, True)
    body.notes += limits.notes
    if source.meta.get("truncated"):
        body.note(f"only the first {len(source.raw)} of {source.meta.get('size', 'more')} bytes were fetched")
    full, new = (text.clean(words) for words in _text(body.blocks))
    safe = _html(body)
    subject = text.clean(headers.words(mail.header("subject"))).strip()
    sender = _sender(mail)
    recipients = _recipients(mail, source.meta)
    verdict = robots.judge(mail, sender.address.lower(), subject, recipients, source.meta, source.options)
    message_id = next(iter(headers.ids(mail.header("message-id"))), "")
    answered = _answered(mail)
    return Draft(
        subject=subject,
        text=new,
        full_text=full,
        html=safe,
        language=language.detect(new) or language.detect(subject) or _language(mail),
        sent_at=_sent_at(mail, source),
        name=text.clean(sender.name),
        identities=(_identity(sender.address),) if sender.address else (),
        reply_to=_reply_to(mail, sender),
        thread=Thread(
            tokens=_tokens(recipients, (*answered, *verdict.about), source.options),
            replies_to=(*answered, *(one for one in verdict.about if one not in answered)),
            ids=(message_id,) if message_id else (),
            mentioned=_mentioned(f"{subject}\n{new}", source.options),
        ),
        parts=tuple(body.parts),
        automatic=verdict.automatic,
        bounce=verdict.bounce,
        mute=verdict.mute,
        suspicious=verdict.suspicious,
        extra=_extra(mail, verdict),
        omissions=tuple(body.notes),
        envelope_to={
            "message_id": message_id,
            "references": list(answered),
            "subject": subject,
            "to": sender.address.lower(),
        },
    )


def _sender(mail: Entity) -> headers.Mailbox:
    """Who wrote: From, or what stands in for it where that names nobody."""
    for name in ("from", "sender", "reply-to", "x-original-sender", "resent-from"):
        for box in headers.mailboxes(mail.header(name)):
            if box.address:
                return box
    named = headers.mailboxes(mail.header("from"))
    return named[0] if named else headers.Mailbox("", "")


def _reply_to(mail: Entity, sender: headers.Mailbox) -> tuple[Identity, ...]:
    boxes = [*headers.mailboxes(mail.header("reply-to")), sender]
    return tuple(dict.fromkeys(_identity(box.address) for box in boxes if box.address))


def _identity(address: str) -> Identity:
    """The address in canonical form, or as it was written where it has none, such as root@localhost."""
    return identity.email(address) or Identity("email", address.lower())


def _recipients(mail: Entity, meta: Mapping[str, Any]) -> list[str]:
    """Every address the mail was sent to, as its fields and its transport tell, in lower case."""
    found = [str(one).lower() for one in meta.get("rcpt_to", ())]
    for name in ("to", "cc", "resent-to", "resent-cc", "delivered-to", "x-original-to", "envelope-to"):
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
    found: list[str] = []
    for address in recipients:
        local, _, domain = address.rpartition("@")
        base, plus, token = local.partition("+")
        if plus and token and f"{base}@{domain}" in own:
            found.append(token)
    for one in reversed(answered):
        match = robots.OWN_ID.fullmatch(one)
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
    return said if -BEHIND <= said - arrived <= AHEAD else source.sent_at or arrived


def _language(mail: Entity) -> str | None:
    said = mail.header("content-language").split(",")[0].strip()
    return said if re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}", said) else None


def _extra(mail: Entity, verdict: robots.Verdict) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    for name in ("to", "cc"):
        boxes = [box for value in mail.all(name) for box in headers.mailboxes(value) if box.address]
        if boxes:
            extra[name] = [box.address.lower() for box in boxes[:50]]
    if verdict.failed:
        extra["undelivered"] = list(verdict.failed[:50])
    importance = mail.header("importance").lower() or mail.header("x-priority")[:1]
    if importance in ("high", "1", "2"):
        extra["importance"] = "high"
    return extra


def _collect(entity: Entity, body: Body, parent: str | None, first: bool) -> None:
    """Sort an entity and what is below it into body blocks and files (in the manner of RFC 8621 §4.1.4)."""
    kind = entity.media_type
    if kind in SEALED:
        body.note(SEALED[kind])
    if kind == "multipart/alternative":
        _alternative(entity, body)
    elif kind.startswith("multipart/"):
        for i, child in enumerate(entity.children):
            _collect(child, body, kind, i == 0)
    elif _is_body(entity, parent, first):
        _add_text(entity, body)
        if entity.name:  # a mail that is nothing but a named text: both to read and a file
            _add_file(entity, body)
    else:
        _add_file(entity, body)


def _is_body(entity: Entity, parent: str | None, first: bool) -> bool:
    """Whether a part is text to be read, and not a file that happens to be text."""
    kind = entity.media_type
    if entity.disposition == "attachment" or kind not in BODY:
        return False
    if parent is None:
        return True
    if parent == "multipart/alternative" and kind not in ("text/plain", "text/html"):
        return False  # the same once more, in a form that few can show
    return not entity.name and (first or parent != "multipart/related")


def _alternative(entity: Entity, body: Body) -> None:
    """One block of what says the same in several forms."""
    inner = Body(notes=body.notes)
    for i, child in enumerate(entity.children):
        _collect(child, inner, "multipart/alternative", i == 0)
    body.parts += inner.parts
    plain = [block.plain for block in inner.blocks if block.plain is not None]
    rich = [block.html for block in inner.blocks if block.html is not None]
    if sum(child.media_type == "text/plain" for child in entity.children) > 1:
        plain = [next((words for words in plain if words.strip()), "")]  # the same said twice
    if plain or rich:
        body.blocks.append(Block("\n".join(plain) if plain else None, "\n".join(rich) if rich else None))


def _add_text(entity: Entity, body: Body) -> None:
    words, lossy = entity.text()
    if lossy:
        body.note("some characters could not be decoded")
    if "-----BEGIN PGP MESSAGE-----" in words:
        body.note("encrypted content is kept unopened")
    if entity.media_type in ("text/html", "text/enriched", "text/richtext"):
        body.blocks.append(Block(html=words))
        return
    if entity.parameters.get("format", "").lower() == "flowed":
        words = flowed.unflow(words, entity.parameters.get("delsp", "").lower() == "yes")
    body.blocks.append(Block(plain=words))


def _add_file(entity: Entity, body: Body) -> None:
    kind = entity.media_type
    data = entity.content()
    fallback = f"attachment-{len(body.parts) + 1}{EXTENSIONS.get(kind, '')}"
    if kind in ("message/rfc822", "message/global") and entity.children:
        inner = entity.children[0]
        title = headers.words(inner.header("subject")).replace("/", " ").strip()
        fallback = f"{title[:80] or 'message'}.eml"
        _add_inner(inner, body)
    body.parts.append(
        Part(filename.safe(headers.words(entity.name), fallback), kind, data, entity.content_id)
    )


def _add_inner(inner: Entity, body: Body) -> None:
    """A mail inside the mail is a file; where the outer one says nothing, its text is what was said."""
    found = Body(notes=body.notes)
    _collect(inner, found, None, True)
    if not any((block.plain or block.html or "").strip() for block in body.blocks):
        body.blocks += found.blocks


def _text(blocks: list[Block]) -> tuple[str, str]:
    """All that is readable, and what of it is new."""
    full: list[str] = []
    new: list[str] = []
    for block in blocks:
        plain = block.plain or ""
        if block.html and (not plain.strip() or _is_placeholder(plain, block.html)):
            everything, fresh = html.texts(block.html)
            full.append(everything)
            new.append(fresh)
        elif plain.strip():
            full.append(plain)
            new.append(plain)
    whole = "\n".join(full).strip("\n")
    trimmed = quotes.trim("\n".join(new))
    return whole, trimmed if quotes.worded(trimmed) else quotes.trim(whole)


def _is_placeholder(plain: str, rich: str) -> bool:
    return len(plain) < 300 and len(rich) > len(plain) * 3 and bool(PLACEHOLDER.search(plain))


def _html(body: Body) -> str | None:
    rich = [block.html for block in body.blocks if block.html and block.html.strip()]
    if not rich:
        return None
    safe = html.sanitise("\n".join(rich))
    if safe is None:
        body.note("the HTML is too large or nested too deeply to be shown; its text was read")
    return safe
