"""The ways by which messages come in, one class each: what the contract suites and the proofs run over.

A new kind adds its class to WAYS; every law is then shown for it. A way knows how its source brings a
message (and tells whether it was answered), and what its customers got.

    told = await way.bring(house, 1)                 # the first customer writes
    await way.bring(house, 1, id="again", text="…")  # the same customer, another message
    way.got(office, 1)                               # messages that reached the first customer
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from email.utils import format_datetime
from typing import Any

from yarl import URL

from model import ids
from store import chats
from tests.rigs import (
    chat,
    email,
    form,
    graph,
    letter,
    line,
    notes,
    sms,
    telegram,
    webhook,
    wechat,
    wecom,
    weibo,
)
from tests.rigs.daemon import House
from tests.rigs.office import BOX, Office
from tests.rigs.tools import NOW


@dataclass(frozen=True)
class Told:
    """What a source heard. `taken` is None where a source hears nothing."""

    taken: bool | None
    reference: str = ""
    status: int = 0
    body: bytes = b""


@dataclass(frozen=True)
class Received:
    """One message that a customer got. The key is the same on every try."""

    key: str
    text: str
    automatic: bool


def words(n: int) -> str:
    """What the n-th customer says unless told otherwise."""
    return f"The lift in house {n} has stood still since Monday. 电梯坏了。"


class Way:
    """What all ways share; `channel` is the name in `tests.rigs.office`."""

    channel: str
    kind: str
    answers = True
    """Whether the source hears of the acceptance at once."""
    converses = False
    """Whether what its customer says next joins the record of their conversation."""
    repeats_on_doubt = False
    """Whether its customers know a second try of the same message."""
    names = True
    """Whether the answer to the source names the reference."""
    counted = True
    """Whether the books of the long proofs know how to count what its customers got."""
    said: datetime | None = None
    """When the last message was written, by the platform's own clock."""

    def __repr__(self) -> str:
        return self.channel

    def called(self, n: int) -> str:
        """The name of the n-th customer, where the source tells it."""
        return f"顾客 {n}"

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        """The n-th customer writes; with the same id it is the same message to the source."""
        raise NotImplementedError

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        """Something from the source that nobody can read."""
        raise NotImplementedError

    def is_unreadable(self, raw: bytes) -> bool:
        """Whether these are the bytes that nobody can read."""
        return raw.strip() in (b"", b'{"message": "cut o', b'{"data": {"text": "cut o')

    def got(self, office: Office, n: int) -> list[Received]:
        """What the n-th customer got."""
        raise NotImplementedError


class Form(Way):
    """Posted forms; their answers go to the e-mail address that was left."""

    channel, kind, repeats_on_doubt = "form", "form", True

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        fields = {**form.fields(n), "message": words(n) if text is None else text}
        return await self.post(house, json.dumps(fields).encode(), id=f"form-{n}" if id is None else id)

    async def post(
        self, house: House, body: bytes, *, id: str = "", content_type: str = "application/json"
    ) -> Told:
        """Post anything."""
        key = {"Idempotency-Key": id} if id else {}
        return await _post(house, "/in/form", body, {"Content-Type": content_type, **key})

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        return await self.post(house, b'{"message": "cut o')

    def got(self, office: Office, n: int) -> list[Received]:
        return mails(office, n)


class Hook(Way):
    """Events of another system, signed as Standard Webhooks; answers go back into its chat."""

    channel, kind = "hook", "webhook"

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        return await self.post(house, self.event(n, text), f"msg_{n}" if id is None else id)

    def event(self, n: int, text: str | None = None, *, conversation: str | None = None) -> dict[str, Any]:
        """What the n-th customer says; without a conversation each event is a matter of its own."""
        event = webhook.event(n)
        event["data"] |= {"text": words(n) if text is None else text, "customer": f"chat-{n}"}
        event["data"]["conversation_id"] = conversation
        return event

    async def post(self, house: House, event: Any, id: str) -> Told:
        """Post any event, signed now."""
        body = event if isinstance(event, bytes) else json.dumps(event, ensure_ascii=False).encode()
        request = webhook.signed(body, id, house.now())
        return await _post(house, f"/in/{self.channel}", body, dict(request.headers))

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        return await self.post(house, b'{"data": {"text": "cut o', "msg_cut")

    def got(self, office: Office, n: int) -> list[Received]:
        return [
            Received(
                one.headers["idempotency-key"], one.json()["text"], "ack:" in one.headers["idempotency-key"]
            )
            for one in office.chat.taken
            if one.json()["chat"] == f"chat-{n}"
        ]


class Chat(Way):
    """Our own widget: visitors read what stands in their conversation, where a message can stand only once."""

    channel, kind, converses, repeats_on_doubt, counted = "chat", "chat", True, True, False

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        left = {"name": f"顾客 {n}", "contact": f"customer{n}@example.com"}
        request = chat.request(n, words(n) if text is None else text, **left)
        key = f"chat-{n}" if id is None else id
        # The key of the message, not of the visitor, is what a second message differs in.
        named = chat.headers(n, key if text is None else f"{key}-{text}")
        office.house = house
        return await _post(house, "/in/chat", request.body, named)

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        return await _post(house, "/in/chat", b'{"message": "cut o', chat.headers(0))

    def got(self, office: Office, n: int) -> list[Received]:
        visitor = ids.visitor(chat.secret(n)) or ""
        conversation = ids.derived("conversation", "chat", visitor)
        said = office.house.look(lambda connection: chats.talk(connection, "chat", conversation))
        return [
            Received(one["key"], one["text"], one["key"].startswith("ack:"))
            for one in said
            if one["from"] == "office"
        ]


class Mail(Way):
    """Mail at the door of our own."""

    channel, kind, repeats_on_doubt = "mail", "email", True
    address = email.ADDRESS

    def mail(self, n: int, id: str | None = None, text: str | None = None, **fields: str) -> bytes:
        """A mail of the n-th customer."""
        message = EmailMessage()
        message["From"] = f"顾客 {n} <customer{n}@example.com>"
        message["To"] = self.address
        message["Subject"] = f"Matter {n}"
        message["Date"] = format_datetime(NOW)  # the same whenever the same mail is brought again
        message["Message-ID"] = f"<{self.channel}-{n if id is None else id}@example.com>"
        for name, value in fields.items():
            name = name.replace("_", "-")
            del message[name]
            message[name] = value
        message.set_content((words(n) if text is None else text) + "\n")
        return message.as_bytes()

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        return await self.bring_raw(house, office, self.mail(n, id, text), n)

    async def bring_raw(self, house: House, office: Office, raw: bytes, n: int = 0) -> Told:
        """Bring any bytes."""
        answer = await email.bring(house.port(self.channel), raw, sender=f"customer{n}@example.com")
        reference = answer.rpartition(" ")[2] if answer.startswith("250") else ""
        return Told(answer.startswith("250"), reference, int(answer[:3]))

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        return await self.bring_raw(house, office, b"\r\n")

    def got(self, office: Office, n: int) -> list[Received]:
        return mails(office, n)


class Box(Mail):
    """Mail in a mailbox that the house reads over IMAP: nobody is answered, but mails are flagged."""

    channel, kind, answers = "box", "email", False
    address = BOX

    async def bring_raw(self, house: House, office: Office, raw: bytes, n: int = 0) -> Told:
        office.imap.put("INBOX", raw)
        return Told(None)

    def flagged(self, office: Office) -> list[bool]:
        """Of each mail in the box, whether the house marked it as read."""
        return ["\\Seen" in mail.flags for mail in office.imap.boxes["INBOX"].mails]


class Letters(Way):
    """A letter in a watched folder; its writer left an e-mail address."""

    channel, kind, answers, repeats_on_doubt, counted = "letters", "letter", False, True, False

    def called(self, n: int) -> str:
        return letter.name(n)

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        number = str(n) if id is None else id
        said = letter.lines(n, words(n) if text is None else text, number)
        name = re.sub(r"[^\w-]", "_", f"{n}-{number}")
        letter.put(office.scans, f"{name}-{next(_FILES)}.pdf", letter.document([said]))
        return Told(None)

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        letter.put(office.scans, f"hollow-{next(_FILES)}.pdf", letter.HOLLOW)
        return Told(None)

    def is_unreadable(self, raw: bytes) -> bool:
        return raw == letter.HOLLOW

    def got(self, office: Office, n: int) -> list[Received]:
        return mails(office, n)


class Wechat(Way):
    """A follower of an official account, in safe mode; answers go by customer-service message."""

    channel, kind, converses, names, counted = "wechat", "wechat", True, False, False

    def is_unreadable(self, raw: bytes) -> bool:
        return b"<Encrypt>" in raw

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        said = words(n) if text is None else text
        number = f"{int.from_bytes((id or str(n)).encode()[-6:])}"
        self.said = house.now().replace(microsecond=0)
        return await self.push(house, wechat.text(n, said, number, self.said))

    async def push(self, house: House, xml: str) -> Told:
        """Push anything."""
        request = wechat.sealed(xml, house.now())
        return await _post(house, wechat.target(request), request.body, dict(request.headers))

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        return await self.push(house, "<xml><Content>cut o")

    def got(self, office: Office, n: int) -> list[Received]:
        return _told(office.weixin.got[wechat.openid(n)])


class Weibo(Way):
    """Somebody who writes to an account on Weibo."""

    channel, kind, converses, names, counted = "weibo", "weibo", True, False, False

    def is_unreadable(self, raw: bytes) -> bool:
        return raw == b'{"type": "cut o'

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        # A push has no number: the time is what a second message differs in, and must not move for the first.
        minute = house.now().replace(second=0, microsecond=0)
        at = office.moments.setdefault((n, id), minute - timedelta(seconds=len(office.moments)))
        self.said = at
        return await self.push(house, weibo.push(n, "text", words(n) if text is None else text, at))

    async def push(self, house: House, body: str) -> Told:
        """Push anything."""
        nonce = str(next(_NONCES))
        request = weibo.signed(body, house.now(), nonce)
        return await _post(house, wechat.target(request), request.body, dict(request.headers))

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        return await self.push(house, '{"type": "cut o')

    def got(self, office: Office, n: int) -> list[Received]:
        return _told(office.weibo.got[str(weibo.uid(n))])


class Wecom(Way):
    """A customer of WeCom's customer service, whose messages the house fetches when a callback says so."""

    channel, kind, answers, converses, names, counted = "wecom", "wecom", False, True, False, False
    repeats_on_doubt = True

    def is_unreadable(self, raw: bytes) -> bool:
        return b'"msgtype":3' in raw

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        said, who = words(n) if text is None else text, wecom.customer(n)
        number = f"item-{n}" if id is None else id
        self.said = house.now().replace(microsecond=0)
        at = int(self.said.timestamp())
        office.wecom.says(who, said, msgid=number, send_time=at)
        return await self.hint(house)

    async def hint(self, house: House) -> Told:
        """Tell that there is something."""
        request = wecom.hint(at=house.now())
        await _post(house, wechat.target(request), request.body, {})
        return Told(None)

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        office.wecom.puts({"msgtype": 3, "send_time": int(house.now().timestamp())})
        return await self.hint(house)

    def got(self, office: Office, n: int) -> list[Received]:
        return _told(office.wecom.got[wecom.customer(n)])


class Meta(Way):
    """Somebody who writes to a Facebook page, an Instagram account or a WhatsApp number."""

    converses, names, counted = True, False, False

    def __init__(self, kind: str) -> None:
        self.channel = self.kind = kind

    def is_unreadable(self, raw: bytes) -> bool:
        return raw == b'{"object": "cut o'

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        said = words(n) if text is None else text
        at = office.moments.setdefault((self.kind, n, id), house.now().replace(microsecond=0))
        self.said = at
        office.graph.profiles.setdefault(graph.person(self.kind, n), {"name": f"顾客 {n}"})
        event = graph.message(self.kind, n, said, id=f"{n}-{id}", at=at)
        return await self.post(house, graph.written(graph.body(self.kind, event)))

    async def post(self, house: House, raw: bytes) -> Told:
        """Post anything, signed."""
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": graph.signature(raw)}
        return await _post(house, f"/in/{self.channel}", raw, headers)

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        return await self.post(house, b'{"object": "cut o')

    def got(self, office: Office, n: int) -> list[Received]:
        found = office.graph.got[graph.person(self.kind, n)]
        return [Received(one.key or one.text, one.text, bool(_REFERENCE.search(one.text))) for one in found]


class Note(Way):
    """What somebody says on the telephone or face to face, put in by a program; answers go to the address left."""

    repeats_on_doubt, counted = True, False

    def __init__(self, kind: str) -> None:
        self.channel = self.kind = kind

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        said = {**notes.fields(n), "text": words(n) if text is None else text}
        return await self.post(house, json.dumps(said).encode(), id=f"note-{n}" if id is None else id)

    async def post(self, house: House, body: bytes, *, id: str | None = None) -> Told:
        """Post anything."""
        # A key that two channels of ours were given is one message found by two.
        named = None if id is None else f"{self.channel} {id}"
        return await _post(house, f"/in/{self.channel}", body, notes.headers(named))

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        return await self.post(house, b'{"message": "cut o')

    def got(self, office: Office, n: int) -> list[Received]:
        return mails(office, n)


_NONCES = itertools.count(1)
_FILES = itertools.count(1)
#: A reference: what an acknowledgement names, and the answers of these tests do not.
_REFERENCE = re.compile(r"FB-\d{6}-")


def _told(texts: Sequence[str]) -> list[Received]:
    """Messages of a platform that shows no key: twice the same words are the same message twice."""
    return [Received(text, text, bool(_REFERENCE.search(text))) for text in texts]


class Telegram(Way):
    """Somebody who writes to a bot whose updates are posted to our door."""

    channel, kind, converses, names, counted = "telegram", "telegram", True, False, False

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        said, name = words(n) if text is None else text, str(n) if id is None else id
        # The same message is written once, whenever it is brought.
        now = house.now().replace(microsecond=0)
        self.said = office.moments.setdefault((self.channel, n, name, said), now)
        message = telegram.message(n, _number(name), text=said, date=int(self.said.timestamp()))
        return await self.post(house, json.dumps({"update_id": _number(name), "message": message}).encode())

    async def post(self, house: House, body: bytes) -> Told:
        """Post anything, with the word that Telegram shows."""
        headers = {"X-Telegram-Bot-Api-Secret-Token": telegram.SECRET, "Content-Type": "application/json"}
        return await _post(house, "/in/telegram", body, headers)

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        return await self.post(house, b'{"message": "cut o')

    def got(self, office: Office, n: int) -> list[Received]:
        return _told([one.text for one in office.telegram.sent if one.chat == telegram.chat(n)])


class Line(Way):
    """Somebody who writes to a LINE account."""

    channel, kind, converses, names, counted = "line", "line", True, False, False

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        said, name = words(n) if text is None else text, str(n) if id is None else id
        now = house.now().replace(microsecond=0)
        self.said = office.moments.setdefault((self.channel, n, name, said), now)
        more = {"timestamp": int(self.said.timestamp() * 1_000), "webhookEventId": f"event-{n}-{name}"}
        message = {"type": "text", "id": str(_number(name)), "text": said}
        request = line.request(office.line.event(n, message=message, **more))
        return await _post(house, "/in/line", request.body, dict(request.headers))

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        request = line.signed(b'{"message": "cut o')
        return await _post(house, "/in/line", request.body, dict(request.headers))

    def got(self, office: Office, n: int) -> list[Received]:
        return _told([text for one in office.line.sent if one.to == line.person(n) for text in one.texts])


class Sms(Way):
    """Somebody who writes text messages to a number at Twilio."""

    channel, kind, converses, names, counted = "sms", "sms", True, False, False

    def is_unreadable(self, raw: bytes) -> bool:
        return b"MessageSid" not in raw

    async def bring(
        self, house: House, n: int, *, id: str | None = None, text: str | None = None, office: Office
    ) -> Told:
        name = f"{n}" if id is None else f"{n}-{id}"
        fields = sms.message(n, words(n) if text is None else text, f"SM{name.encode().hex():0>32}")
        return await self.post(house, fields)

    async def post(self, house: House, fields: dict[str, str], address: str = sms.ADDRESS) -> Told:
        """Post anything, signed."""
        request = sms.signed(fields, address)
        query = f"?{request.query_string}" if request.query_string else ""
        return await _post(house, f"/in/sms{query}", request.body, dict(request.headers))

    async def bring_unreadable(self, house: House, office: Office) -> Told:
        return await self.post(house, {"Hello": "x"})

    def got(self, office: Office, n: int) -> list[Received]:
        return [
            Received(one.key, one.text, one.key.startswith("ack:"))
            for one in office.twilio.sent
            if one.to == sms.number(n)
        ]


def _number(name: str) -> int:
    """A message's number at the platform, from its name in a test."""
    return int.from_bytes(name.encode()[-6:])


WAYS: tuple[Way, ...] = (
    Chat(),
    Form(),
    Hook(),
    Mail(),
    Box(),
    Letters(),
    Wechat(),
    Weibo(),
    Wecom(),
    Telegram(),
    Line(),
    Note("call"),
    Note("visit"),
    Note("partner"),
    Sms(),
    *map(Meta, graph.ACCOUNTS),
)


async def _post(house: House, path: str, body: bytes, headers: dict[str, str]) -> Told:
    # As it is written: an address takes part in some signatures.
    url = URL(house.url + path, encoded=True)
    async with house.session.post(url, data=body, headers=headers) as answer:
        raw = await answer.read()
        try:
            told = json.loads(raw)
        except ValueError:
            told = {}
        reference = str(told.get("reference") or "") if isinstance(told, dict) else ""
        return Told(answer.status < 300, reference, answer.status, raw)


def mails(office: Office, n: int) -> list[Received]:
    """The mails that reached the n-th customer, in order, with repeats."""
    found = []
    for taken in office.smtp.accepted:
        if taken.recipients[:1] != (f"customer{n}@example.com",):
            continue
        mail: Any = BytesParser(policy=default).parsebytes(taken.data)
        body = mail.get_body(("plain",))
        automatic = (mail["Auto-Submitted"] or "no") != "no"
        found.append(Received(taken.id, body.get_content() if body else "", automatic))
    return found
