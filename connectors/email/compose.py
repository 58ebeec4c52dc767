"""A message becomes a mail, purely: the same message and time give the same bytes, whatever strangers wrote in it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email import _header_value_parser as parser
from email import policy
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import idna

from model.delivery import Message
from model.failures import PermanentFailure, Reason

#: Our mark on automatic mail; the reader of the kind knows it.
LOOP_FIELD = "X-Forebay-Loop"
MESSAGE_ID = re.compile(r"<[^<>\s@]++(?:@[^<>\s@]++)++>")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: How much of a thread is named: the root and the last ones, within these bounds (RFC 5322 sets none).
THREAD_IDS, THREAD_BYTES = 20, 900
LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
TOKEN = re.compile(r"[a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*", re.I)
SUBJECT_LIMIT, NAME_LIMIT = 300, 120
REPLY = re.compile(r"^\s*(?:(?:re|aw|sv|antw|rif|回复|回覆|答复|答覆)\s*(?:\[\d+\])?\s*[:：]\s*)+", re.I)


class _Ids:
    """A field of message ids, folded between ids and never inside or as encoded words.

    The standard's policy writes an id that does not fit into 78 columns, normal for Outlook, as an
    encoded word, and the thread is lost (seen on Python 3.11 to 3.13).
    """

    max_count = 1
    name: str

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        kwds["parse_tree"] = parser.UnstructuredTokenList([parser.ValueTerminal(value, "misc-text")])
        kwds["decoded"] = value

    def fold(self, *, policy: policy.Policy) -> str:
        return f"{self.name}: {(policy.linesep + ' ').join(str(self).split())}{policy.linesep}"


def _policy() -> policy.EmailPolicy[EmailMessage]:
    registry = HeaderRegistry()
    for name in ("references", "in-reply-to", "message-id"):
        registry.map_to_type(name, _Ids)  # type: ignore[arg-type]
    # Bodies in 7 bit: not every server on the way speaks 8BITMIME.
    return policy.SMTP.clone(header_factory=registry, cte_type="7bit")


POLICY = _policy()


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


def message_id(key: str, token: str, domain: str) -> str:
    """The Message-ID that a message has on every try: a pure function of its key, carrying its token."""
    mark = base64.b32encode(hashlib.sha256(key.encode()).digest()[:16]).decode().rstrip("=").lower()
    tail = f".{token}" if TOKEN.fullmatch(token) else ""
    return f"<fb.{mark}{tail}@{domain}>"


def compose(message: Message, sender: Sender, at: datetime) -> Mail:
    """The mail for a message; PermanentFailure when no mail can carry it."""
    if message.to is None:
        raise PermanentFailure(Reason.RECIPIENT, "the customer left no e-mail address")
    to = mailbox(message.to.value)
    if to is None:
        raise PermanentFailure(Reason.RECIPIENT, "the customer's address is no valid e-mail address")
    domain = sender.address.rpartition("@")[2]
    copies = [] if message.automatic else _copies(message.cc, {sender.address, *sender.own, to.lower()})
    mail = EmailMessage(policy=POLICY)
    mail["From"] = Address(line(sender.name, NAME_LIMIT), addr_spec=sender.address)
    mail["To"] = Address(line(message.name, NAME_LIMIT), addr_spec=to)
    if copies:
        mail["Cc"] = [Address(addr_spec=one) for one in copies]
    mail["Subject"] = subject(message)
    mail["Date"] = format_datetime(at)
    own_id = message_id(message.key, message.token, domain)
    mail["Message-ID"] = own_id
    _thread(mail, message.thread)
    if sender.plus_addressing and TOKEN.fullmatch(message.token):
        mail["Reply-To"] = Address(
            line(sender.name, NAME_LIMIT), addr_spec=plus(sender.address, message.token)
        )
    if message.automatic:
        mail["Auto-Submitted"] = "auto-replied" if _answers(message.thread) else "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail[LOOP_FIELD] = sender.address
    if message.language and re.fullmatch(r"[A-Za-z0-9-]{2,35}", message.language):
        mail["Content-Language"] = message.language
    _body(mail, message)
    for i, part in enumerate(mail.walk()):
        if part.is_multipart():  # `=_` stands in no encoded body, and fixed bounds keep every try the same
            part.set_boundary(f"=_{own_id[4:30]}_{i}")
    path = "" if message.automatic and sender.null_sender else sender.address
    return Mail(path, (to, *copies), own_id, mail.as_bytes())


def subject(message: Message) -> str:
    """The subject of the mail that is answered with one `Re:` before it, or the message's own."""
    said = line(str(message.thread.get("subject") or ""), SUBJECT_LIMIT)
    if not said or not _answers(message.thread):
        return line(message.subject, SUBJECT_LIMIT) or said
    return f"Re: {REPLY.sub('', said).strip()}".strip()


def line(text: str, limit: int) -> str:
    """One line without control characters: nothing in it can start another header field."""
    clean = CONTROL.sub(" ", text).encode("utf-8", "replace").decode()
    return re.sub(r"\s+", " ", clean).strip()[:limit]


def mailbox(address: str) -> str | None:
    """A bare address that every server takes: ASCII, its domain in A-labels; None when there is no such form."""
    local, at, domain = address.strip().rpartition("@")
    if not at or not LOCAL.fullmatch(local) or len(local) > 64:
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


def _copies(addresses: Iterable[str], left_out: set[str]) -> list[str]:
    """Valid addresses, once each whatever their case, without those in `left_out`."""
    found = {one.lower(): one for one in map(mailbox, addresses) if one}
    return [one for lower, one in found.items() if lower not in left_out]


def _answers(thread: Mapping[str, Any]) -> bool:
    return bool(MESSAGE_ID.fullmatch(str(thread.get("message_id") or "")))


def _thread(mail: EmailMessage, thread: Mapping[str, Any]) -> None:
    if not _answers(thread):
        return
    answered = str(thread["message_id"])
    mail["In-Reply-To"] = answered
    mail["References"] = " ".join(references(thread.get("references") or (), answered))


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


def _body(mail: EmailMessage, message: Message) -> None:
    text = message.text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    mail.set_content(text.encode("utf-8", "replace").decode() + "\n")
    if message.html is not None:
        mail.add_alternative(
            message.html.replace("\0", "").encode("utf-8", "replace").decode(), subtype="html"
        )
    for file in message.files:
        main, sub = _media_type(file.media_type)
        mail.add_attachment(file.data, maintype=main, subtype=sub, filename=_file_name(file.filename))


def _media_type(value: str) -> tuple[str, str]:
    """Main and sub type; whatever is not safe to declare goes as plain bytes."""
    main, _, sub = value.lower().partition("/")
    if main in ("multipart", "message") or not re.fullmatch(
        r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}", value.lower()
    ):
        return "application", "octet-stream"
    return main, sub


def _file_name(name: str) -> str:
    return re.split(r"[/\\]", line(name, 150))[-1].strip(' ."') or "file"
