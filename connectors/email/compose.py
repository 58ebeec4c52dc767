"""A message becomes a mail, purely: the same message and time give the same bytes, whatever strangers wrote in it."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import idna

from connectors.email import format as wire
from model.delivery import Message, Quoted
from model.failures import PermanentFailure, Reason

#: Our mark on automatic mail; the reader of the kind knows it.
LOOP_FIELD = "X-Forebay-Loop"
MESSAGE_ID = re.compile(r"<[!-;=?A-~]++(?:@[!-;=?A-~]++)++>")
#: How much of a thread is named: the root and the last ones, within these bounds (RFC 5322 sets none).
THREAD_IDS, THREAD_BYTES = 20, 900
#: An atom of a local part, beyond ASCII too (RFC 6531 §3.3): no specials, spaces, controls, or unseen characters.
ATOM = r'[^\s\x00-\x20"(),.:;<>@\[\\\]\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+'
LOCAL = re.compile(rf"{ATOM}(?:\.{ATOM})*")
TOKEN = re.compile(r"[a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*", re.I)
SUBJECT_LIMIT, NAME_LIMIT = 300, 120
REPLY = re.compile(r"^\s*(?:(?:re|aw|sv|antw|rif|回复|回覆|答复|答覆)\s*(?:\[\d+\])?\s*[:：]\s*)+", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who we are, as far as a mail tells."""

    address: str
    name: str = ""
    own: frozenset[str] = frozenset()
    """All addresses of ours: never copied."""
    plus_addressing: bool = False
    null_sender: bool = True


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail with its envelope. `sender` is empty for the null return path."""

    sender: str
    recipients: tuple[str, ...]
    """First the one that decides whether the message was taken."""
    message_id: str
    data: bytes

    @property
    def utf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) can carry it."""
        return not all(one.isascii() for one in self.recipients) or not self.data.isascii()


def message_id(key: str, token: str, domain: str) -> str:
    """The Message-ID that a message has on every try: a pure function of its key, carrying its token."""
    mark = base64.b32encode(hashlib.sha256(key.encode()).digest()[:16]).decode().rstrip("=").lower()
    tail = f".{token}" if TOKEN.fullmatch(token) else ""
    return f"<fb.{mark}{tail}@{domain}>"


def compose(message: Message, sender: Sender, at: datetime, *, ascii_only: bool = False) -> Mail:
    """The mail for a message; PermanentFailure when no mail can carry it.

    With `ascii_only` copies to addresses that need SMTPUTF8 are left out.
    """
    if message.to is None:
        raise PermanentFailure(Reason.RECIPIENT, "the customer left no e-mail address")
    to = mailbox(message.to.value)
    if to is None:
        raise PermanentFailure(Reason.RECIPIENT, "the customer's address is no valid e-mail address")
    domain = sender.address.rpartition("@")[2]
    own = {sender.address, *sender.own}
    copies = [] if message.automatic else _copies(message.cc, own, to)
    if ascii_only:
        copies = [one for one in copies if one.isascii()]
    own_id = message_id(message.key, message.token, domain)
    name = wire.line(sender.name, NAME_LIMIT)
    fields = [
        wire.field("From", *wire.address_words(name, sender.address)),
        wire.field("To", *wire.address_words(wire.line(message.name, NAME_LIMIT), to)),
        wire.field("Subject", *wire.text_words(subject(message))),
        wire.field("Date", format_datetime(at)),
        wire.field("Message-ID", own_id),
    ]
    if copies:
        fields.append(wire.field("Cc", *", ".join(copies).split(" ")))
    if sender.plus_addressing and TOKEN.fullmatch(message.token):
        tagged = plus(sender.address, message.token)
        fields.append(wire.field("Reply-To", *wire.address_words(name, tagged)))
    fields += _thread(message.thread)
    if message.automatic:
        fields.append(
            wire.field("Auto-Submitted", "auto-replied" if _answers(message.thread) else "auto-generated")
        )
        fields.append(wire.field("X-Auto-Response-Suppress", "All"))
        fields.append(wire.field(LOOP_FIELD, sender.address))
    if message.language and re.fullmatch(r"[A-Za-z0-9-]{2,35}", message.language):
        fields.append(wire.field("Content-Language", message.language))
    # `=_` stands in no encoded body, and fixed bounds keep every try the same.
    data = wire.message(fields, _content(message, f"=_{own_id[4:30]}"))
    path = "" if message.automatic and sender.null_sender else sender.address
    alone = mailbox(message.copy_to) if message.copy_to else None
    return Mail(path, (alone,) if alone else (to, *copies), own_id, data)


def subject(message: Message) -> str:
    """The subject of the mail that is answered with one `Re:` before it, or the message's own."""
    said = wire.line(str(message.thread.get("subject") or ""), SUBJECT_LIMIT)
    if not said or not _answers(message.thread):
        return wire.line(message.subject, SUBJECT_LIMIT) or said
    return f"Re: {REPLY.sub('', said).strip()}".strip()


def mailbox(address: str) -> str | None:
    """A bare address with its domain in A-labels, so that most servers take it; None when there is no such form.

    A local part beyond ASCII stays as it is: it has no other form, and needs SMTPUTF8.
    """
    local, at, domain = address.strip().rpartition("@")
    if not at or not LOCAL.fullmatch(local) or len(local.encode()) > 64:
        return None
    try:
        host = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
    if not re.fullmatch(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?", host) or ".." in host:
        return None
    return f"{local}@{host}"


def plus(address: str, token: str) -> str:
    """Our address with a token in its plus part."""
    local, _, domain = address.rpartition("@")
    tagged = f"{local.partition('+')[0]}+{token}"
    return f"{tagged}@{domain}" if len(tagged) <= 64 else address


def _copies(addresses: Iterable[str], own: set[str], to: str) -> list[str]:
    """Valid addresses, once each whatever their case; not the recipient, and none of ours, not even with a tag."""
    found = {one.lower(): one for one in map(mailbox, addresses) if one}
    return [
        one
        for lower, one in found.items()
        if lower != to.lower() and lower not in own and bare(lower) not in own
    ]


def bare(address: str) -> str:
    """An address without its plus part."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _answers(thread: Mapping[str, Any]) -> bool:
    return bool(MESSAGE_ID.fullmatch(str(thread.get("message_id") or "")))


def _thread(thread: Mapping[str, Any]) -> list[str]:
    if not _answers(thread):
        return []
    answered = str(thread["message_id"])
    return [
        wire.field("In-Reply-To", answered),
        wire.field("References", *references(thread.get("references") or (), answered)),
    ]


def references(earlier: Iterable[Any], answered: str) -> list[str]:
    """The ids of a thread, the root first and the answered one last, within bounds."""
    chain = [one for one in map(str, earlier) if MESSAGE_ID.fullmatch(one) and one != answered]
    chain = list(dict.fromkeys(chain))
    if len(chain) >= THREAD_IDS:
        chain = [chain[0], *chain[2 - THREAD_IDS :]]
    chain.append(answered)
    while len(chain) > 2 and sum(len(one) + 3 for one in chain) > THREAD_BYTES:
        del chain[1]
    return chain if sum(len(one) + 3 for one in chain) <= THREAD_BYTES else [answered]


def _content(message: Message, boundary: str) -> bytes:
    text, rich_text = message.text, message.html
    if message.quoted is not None and not message.automatic:
        text = f"{text.rstrip()}\n\n{quotation(message.quoted, message.language)}"
        if rich_text is not None:
            rich_text = _with_quotation(rich_text, message.quoted, message.language)
    content = wire.text_part("text/plain", text)
    if rich_text is not None:
        rich = wire.text_part("text/html", rich_text)
        content = wire.multipart("alternative", (content, rich), f"{boundary}_a")
    if not message.files:
        return content
    files = (
        wire.file_part(_media_type(file.media_type), _file_name(file.filename), file.data)
        for file in message.files
    )
    return wire.multipart("mixed", (content, *files), f"{boundary}_m")


def quotation(quoted: Quoted, language: str | None) -> str:
    """The customer's words below an answer, as mail programs write them, so that they also cut them off again."""
    lines = quoted.text.strip().splitlines()
    return "\n".join([_wrote(quoted, language), "", *(f"> {one}".rstrip() for one in lines)])


def _wrote(quoted: Quoted, language: str | None) -> str:
    name = wire.line(quoted.name, NAME_LIMIT)
    at = f"{quoted.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if quoted.at else ""
    if (language or "").lower().startswith("zh"):
        return f"在 {at}，{name or '您'} 写道：" if at else f"{name or '您'} 写道："
    return f"On {at}, {name or 'you'} wrote:" if at else f"{name or 'You'} wrote:"


def _with_quotation(rich: str, quoted: Quoted, language: str | None) -> str:
    lines = "<br>\n".join(html.escape(one) for one in quoted.text.strip().splitlines())
    below = f'<p>{html.escape(_wrote(quoted, language))}</p>\n<blockquote type="cite">{lines}</blockquote>\n'
    body, end, rest = rich.rpartition("</body>")
    return f"{body}{below}{end}{rest}" if end else f"{rich}\n{below}"


def _media_type(value: str) -> str:
    """A media type that is safe to declare; whatever is not goes as plain bytes."""
    value = value.lower()
    if value.startswith(("multipart/", "message/")) or not re.fullmatch(
        r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}", value
    ):
        return "application/octet-stream"
    return value


def _file_name(name: str) -> str:
    return re.split(r"[/\\]", wire.line(name, 150))[-1].strip(' ."') or "file"
