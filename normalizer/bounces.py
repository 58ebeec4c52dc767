"""Reports on mail of ours: by the standards (RFC 3464, RFC 8098) and as mail servers really write them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import unquote

from model.draft import Fate, Report
from model.failures import Reason
from normalizer import headers, html, identity, text
from normalizer.mime import Entity

#: Our own Message-IDs: a marker, the message, and the token of the record.
OWN_ID = re.compile(r"<fb\.[a-z2-7]{26}(?:\.([a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*))?@([^<>\s@]+)>", re.I)
#: Text of a report that is looked into, characters; and recipients that are told of.
TEXT_LIMIT, RECIPIENTS = 60_000, 50
#: Longest diagnostic, characters.
DIAGNOSTIC = 500
STATUS = frozenset({"message/delivery-status", "message/global-delivery-status"})
RECEIPTS = frozenset({"message/disposition-notification", "message/global-disposition-notification"})
FIELDS = frozenset({"text/rfc822-headers", "message/global-headers"})
MAILS = frozenset({"message/rfc822", "message/global"})
#: What a server's own words stand before: from there on it is our mail that is repeated.
COPY = re.compile(
    r"^(?:-{2,} ?(?:below this line is a copy|this is a copy of|returned message|original message|"
    r"the following (?:is|addresses had transient)|unsent message|以下为原|原始邮件|原邮件)"
    r"|this is a copy of the message|received: |return-path: |reporting-mta:|"
    r"original message (?:headers|follows)|message headers follow|.{0,12}(?:邮件头|信头)[:：])",
    re.I | re.M,
)
ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^{|}~-]{1,64}+@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
REPLY = re.compile(r"(?<![\d.:])([45])\d\d(?=[ \-#,;:，。(（])")
#: Lines beside which an address is one that was not reached.
FAILED = re.compile(
    r"fail|undeliver|not (?:be )?(?:deliver|reach)|could ?n.t|unable|unknown|reject|refus|does ?n.t exist"
    r"|does not exist|no such|not found|invalid|recipient|fatal error|user|mailbox"
    r"|收件人|收信人|退信|退回|无法|無法|不存在|失败|失敗|未能|拒收|拒绝|拒絕",
    re.I,
)
DELAYED = re.compile(
    r"delay|will (?:be retried|retry|keep trying|continue)|not yet been delivered|still trying|temporar(?:y|ily)"
    r"|warning:|延迟|延遲|将继续|繼續嘗試|继续尝试|重试",
    re.I,
)
GIVEN_UP = re.compile(r"giving up|given up|permanent|could not be delivered|已退回|退信|最终失败", re.I)
NOBODY = re.compile(
    r"(?:user|mailbox|recipient|account|address|addressee|alias|身份).{0,40}(?:unknown|not (?:found|exist|available"
    r"|known|valid)|doesn.t exist|does not exist|disabled|inactive|suspended|invalid)"
    r"|(?:no such|unknown|invalid|unrouteable|non-?existent) .{0,20}(?:user|mailbox|recipient|address|account|person)"
    r"|address rejected|no mailbox|not a valid|(?:不存在|未找到|已停用|已注销|被禁用|错误的收件人|无此用户|沒有此)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What one report tells of one recipient."""

    address: str
    action: str
    """`failed`, `delayed`, `delivered`, `relayed` or `expanded` (RFC 3464 §2.3.3)."""
    status: str = ""
    diagnostic: str = ""

    def told(self, about: str) -> dict[str, str]:
        """The same for rules and destinations, with the Message-ID of the mail that it is about."""
        said = {"address": self.address, "action": self.action, "status": self.status}
        said["diagnostic"] = self.diagnostic
        return {**said, "message_id": about} if about else said


@dataclass(slots=True)
class Findings:
    """All that a mail reports."""

    recipients: list[Failure] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    """Message-IDs of the mail that it is about."""
    receipt: str | None = None
    """What was done with it, by a receipt: `displayed`, `deleted` …"""


def standard(mail: Entity) -> Findings:
    """What the machine-readable parts say; wherever in the mail they stand."""
    found = Findings()
    about: list[str] = []
    for part in mail.walk():
        if part.media_type in STATUS:
            found.recipients += _recipients(part.text()[0])
        elif part.media_type in RECEIPTS:
            said = part.text()[0]
            found.receipt = _field(said, "disposition").rpartition(";")[2].strip().partition("/")[0].lower()
            about += headers.ids(_field(said, "original-message-id"))
        elif part.media_type in FIELDS:
            about += headers.ids(_field(part.text()[0], "message-id"))
        elif part.media_type in MAILS and part.children and mail.media_type == "multipart/report":
            about += headers.ids(part.children[0].header("message-id"))
    found.about = list(dict.fromkeys(about)) if found.recipients or found.receipt is not None else []
    if mail.media_type == "multipart/report" and not found.about:
        found.about = list(dict.fromkeys(about))
    found.recipients = found.recipients[:RECIPIENTS]
    return found


def wild(mail: Entity, own: Collection[str]) -> Findings:
    """What a server says in plain words: who was not reached and why, and of which mail.

    `own` are our addresses, which such a text names as well.
    """
    whole = _words(mail)
    copy = COPY.search(whole)
    said, repeated = (whole[: copy.start()], whole[copy.start() :]) if copy else (whole, whole)
    delayed = bool(DELAYED.search(mail.header("subject")) or DELAYED.search(said))
    delayed = delayed and not GIVEN_UP.search(said)
    found = Findings()
    sender = {box.address.lower() for box in headers.mailboxes(mail.header("from"))}
    listed = [box.address.lower() for box in headers.mailboxes(mail.header("x-failed-recipients"))]
    reasons = dict(_named(said, {*own, *sender}))
    for address in dict.fromkeys(one for one in listed if one) or reasons:
        why = reasons.get(address) or _squeeze(said)
        found.recipients.append(
            Failure(address, "delayed" if delayed else "failed", _status(why, delayed), why[:DIAGNOSTIC])
        )
    about = [
        one for part in mail.walk() if part is not mail for one in headers.ids(part.header("message-id"))
    ]
    for line in re.findall(r"(?im)^[ \t>]*message-id[ \t]*:[ \t]*(.{1,998})", repeated):
        about += headers.ids(line)
    about += [match[0] for match in OWN_ID.finditer(whole)]
    found.about = list(dict.fromkeys(about))[:RECIPIENTS]
    found.recipients = found.recipients[:RECIPIENTS]
    return found


def _words(mail: Entity) -> str:
    """Every text of a report, one after the other."""
    out: list[str] = []
    size = 0
    for part in mail.walk():
        if part.children or not part.media_type.startswith(("text/", "message/")) or size > TEXT_LIMIT:
            continue
        words = part.text()[0][:TEXT_LIMIT]
        if part.media_type == "text/html":
            if out:
                continue  # the same once more
            words = html.texts(words)[0]
        out.append(words)
        size += len(words)
    return "\n".join(out)[:TEXT_LIMIT]


def _named(said: str, others: Collection[str]) -> Iterator[tuple[str, str]]:
    """Addresses that were not reached, each with what is said about it."""
    lines = said.splitlines()
    met: set[str] = set()
    for i, line in enumerate(lines):
        for match in ADDRESS.finditer(line[:998]):
            address = match[0].strip(".'").lower()
            if address in met or address in others or "//" in line[: match.start()][-12:]:
                continue
            begins = ADDRESS.match(line.strip(" <'\"")) is not None
            near = " ".join(lines[max(0, i - 5) : i + 1]) if begins else line
            if len(line.strip()) <= len(match[0]) + 4 or FAILED.search(near) or DELAYED.search(near):
                met.add(address)
                yield address, _squeeze(" ".join(_paragraph(lines, i)))


def _paragraph(lines: list[str], i: int) -> list[str]:
    """The line and what belongs to it: up to the next empty line, or the block after one where it stands alone."""
    found = [lines[i]]
    for line in lines[i + 1 : i + 8]:
        if not line.strip():
            if len(found) > 1 or ENHANCED.search(found[0]) or REPLY.search(found[0]):
                break
            continue
        if ADDRESS.match(line.strip(" <'\"")):
            break
        found.append(line)
    return found


def _squeeze(words: str) -> str:
    return text.one_line(words, DIAGNOSTIC)


def _status(why: str, delayed: bool) -> str:
    enhanced = ENHANCED.search(why)
    if enhanced:
        return enhanced[0]
    code = REPLY.search(why)
    if code:
        return f"{code[1]}.0.0"
    if NOBODY.search(why):
        return "5.1.1"
    return "4.0.0" if delayed else "5.0.0"


def _recipients(said: str) -> Iterator[Failure]:
    for block in re.split(r"\n[ \t]*\n", said[:TEXT_LIMIT]):
        action = _field(block, "action").split()
        if not action:
            continue
        address = _field(block, "final-recipient") or _field(block, "original-recipient")
        yield Failure(
            unquote(address.rpartition(";")[2].strip()).strip("<>").lower(),
            action[0].lower(),
            _field(block, "status").split(" ")[0],
            _field(block, "diagnostic-code")[:DIAGNOSTIC],
        )


def _field(block: str, name: str) -> str:
    match = re.search(rf"(?im)^{name}[ \t]*:[ \t]*(.*(?:\n[ \t]+.*)*)", block)
    return re.sub(r"\s+", " ", match[1]).strip() if match else ""


_FATES = {
    "failed": Fate.FAILED, "delayed": Fate.DELAYED, "delivered": Fate.DELIVERED, "relayed": Fate.DELIVERED,
    "expanded": Fate.DELIVERED,
}  # fmt: skip


def reason(status: str, diagnostic: str) -> Reason:
    """Why a message was not delivered, by its status (RFC 3463) and where that says little by the words."""
    match = ENHANCED.search(status) or ENHANCED.search(diagnostic)
    subject, detail = (int(match[2]), int(match[3])) if match else (0, 0)
    if (subject == 1 and detail in (0, 1, 2, 3, 6, 10)) or (subject, detail) == (2, 1):
        return Reason.RECIPIENT
    if subject == 2:
        return Reason.REQUEST if detail == 3 else Reason.SERVER  # a full mailbox may have room again
    if subject == 4:
        return Reason.UNREACHABLE
    if (subject, detail) == (3, 4) or subject in (5, 6, 7):
        return Reason.REQUEST
    return Reason.RECIPIENT if NOBODY.search(diagnostic) else Reason.SERVER


def reports(found: Findings, tokens: Sequence[str]) -> tuple[Report, ...]:
    """The same for the house: what became of which message of ours.

    `tokens` are those in the addresses that the report came to. A report on mail that is none of ours, as
    forged ones are, tells the house nothing.
    """
    own = next((match for one in found.about if (match := OWN_ID.fullmatch(one))), None)
    remote_id = own[0] if own else None
    token = own[1].lower() if own and own[1] else next(iter(tokens), None)
    if not (remote_id or token):
        return ()
    told = [
        Report(
            fate=_FATES[one.action],
            remote_id=remote_id,
            token=token,
            to=identity.email(one.address) if one.address else None,
            reason=reason(one.status, one.diagnostic) if one.action == "failed" else None,
            detail=_detail(one),
        )
        for one in found.recipients
        if one.action in _FATES
    ]
    if found.receipt in ("displayed", "processed"):
        told.append(Report(fate=Fate.READ, remote_id=remote_id, token=token, detail="read receipt"))
    return tuple(told)


def _detail(one: Failure) -> str:
    return f"{one.status} {one.diagnostic}".strip()[:300]
