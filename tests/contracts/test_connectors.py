"""The connector contract, over every kind: life, cancelling, purity, and failures of the closed set only."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import call as call_kind
from connectors import chat as chat_kind
from connectors import email as email_kind
from connectors import form as form_kind
from connectors import instagram, messenger, whatsapp
from connectors import line as line_kind
from connectors import partner as partner_kind
from connectors import sms as sms_kind
from connectors import telegram as telegram_kind
from connectors import visit as visit_kind
from connectors import webhook as webhook_kind
from connectors import wechat as wechat_kind
from connectors import wecom as wecom_kind
from connectors import weibo as weibo_kind
from connectors.contract import Batch, Connector, ConnectorSpec, Fetcher, Listener, Receiver, Request, Sender
from destinations import http as http_kind
from model.delivery import Message, Purpose
from model.draft import Identity
from model.envelope import Accepted
from model.failures import Failure, SendFailure
from model.health import Health
from tests.rigs import chat as chat_rig
from tests.rigs import (
    email,
    form,
    graph,
    http,
    imap,
    line,
    notes,
    sms,
    telegram,
    webhook,
    wechat,
    wecom,
    weibo,
)
from tests.rigs.http import Drop, Hang, Refuse, Sink
from tests.rigs.tools import Workbench

ROOT = Path(__file__).parents[2]
KINDS = (
    "call",
    "partner",
    "visit",
    "chat",
    "form",
    "webhook",
    "email",
    "imap",
    "line",
    "sms",
    "sms by aliyun",
    "sms by http",
    "telegram",
    "telegram by web hook",
    "wechat",
    "wecom",
    "weibo",
    "messenger",
    "instagram",
    "whatsapp",
)
#: Kinds whose sources post to our door, by requests that are always the same.
POSTED = (
    "call",
    "partner",
    "visit",
    "form",
    "webhook",
    "line",
    "sms",
    "sms by aliyun",
    "sms by http",
    "telegram by web hook",
    "wechat",
    "wecom",
    "weibo",
    "messenger",
    "instagram",
    "whatsapp",
)

#: A chat of LINE.
LINE_PERSON = line.person(1)


@dataclass
class Bench:
    """A connector of one kind on its rig."""

    name: str
    spec: ConnectorSpec
    connector: Any
    tools: Workbench
    chat: Sink
    smtp: email.Sink
    box: imap.FakeImap
    bots: telegram.BotApi
    messaging: line.MessagingApi
    weixin: wechat.Weixin
    wecom: wecom.Wecom
    weibo: weibo.Weibo
    graph: graph.Graph
    texts: Mapping[str, Any]

    def requests(self) -> Sequence[Request]:
        """What its source posts."""
        if self.spec.kind == "form":
            return [form.request(n, manner) for n, manner in enumerate(("json", "urlencoded", "multipart"))]
        if self.spec.kind == "chat":
            return [chat_rig.request(n, key=f"chat-{n}") for n in range(3)]
        if self.spec.kind in ("call", "partner", "visit"):
            return [notes.request(self.spec.kind, n) for n in range(3)]
        if self.spec.kind == "line":
            return [line.request(line.event(n, n, f"电梯 {n} 坏了")) for n in range(1, 4)]
        if self.name == "sms":
            return [sms.signed(sms.message(n, f"电梯 {n} 坏了")) for n in range(1, 4)]
        if self.name == "sms by aliyun":
            return [sms.pushed(sms.up(n, f"电梯 {n} 坏了")) for n in range(1, 4)]
        if self.name == "sms by http":
            return [sms.carried({"from": sms.number(n), "text": f"第{n}条", "id": n}) for n in range(1, 4)]
        if self.spec.kind == "telegram":
            return [telegram.request(n) for n in range(3)]
        if self.spec.kind == "webhook":
            return [webhook.request(n) for n in range(3)]
        if self.spec.kind == "wechat":
            done = wechat.event(4, "CLICK", EventKey="K")
            return [wechat.sealed(one) for one in (*(wechat.text(n, f"第{n}条") for n in range(3)), done)]
        if self.spec.kind == "weibo":
            return [weibo.signed(weibo.push(n, "text", f"第{n}条"), nonce=str(n)) for n in range(3)]
        if self.spec.kind == "wecom":
            return [wecom.sealed(wecom.member(n, Content=f"第{n}条", MsgId=n)) for n in range(1, 3)]
        if self.spec.kind in graph.ACCOUNTS:
            kind = self.spec.kind
            return [graph.request(kind, graph.body(kind, graph.message(kind, n))) for n in range(3)]
        return []

    @property
    def taken(self) -> list[str]:
        """Keys of what its customers got."""
        if self.spec.kind == "line":
            return [one.retry_key for one in self.messaging.sent]
        if self.spec.kind == "sms":
            return [one.text for one in self.texts[self.name].sent]
        if self.spec.kind == "telegram":
            return [str(one.number) for one in self.bots.sent]
        if self.spec.kind in graph.ACCOUNTS:
            return [one.text for got in self.graph.got.values() for one in got]
        platforms = {"wechat": self.weixin, "wecom": self.wecom, "weibo": self.weibo}
        if self.spec.kind in platforms:
            return [text for texts in platforms[self.spec.kind].got.values() for text in texts]
        return (
            list(self.chat.tickets) if self.spec.kind == "webhook" else [one.id for one in self.smtp.accepted]
        )


@asynccontextmanager
async def opened(kind: str) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        tools = await stack.enter_async_context(Workbench())
        chat = await stack.enter_async_context(Sink())
        smtp = await stack.enter_async_context(email.Sink())
        box = await stack.enter_async_context(imap.FakeImap())
        messaging = await stack.enter_async_context(line.MessagingApi())
        bots = await stack.enter_async_context(telegram.BotApi())
        texts: dict[str, Any] = {
            "sms": await stack.enter_async_context(sms.Twilio()),
            "sms by aliyun": await stack.enter_async_context(sms.Aliyun(tools.clock.now)),
            "sms by http": await stack.enter_async_context(sms.Carrier()),
        }
        weixin = await stack.enter_async_context(wechat.Weixin())
        work = await stack.enter_async_context(wecom.Wecom())
        blog = await stack.enter_async_context(weibo.Weibo())
        meta = await stack.enter_async_context(graph.Graph())
        meta.always_open = weixin.always_open = work.always_open = blog.always_open = True
        settings: Mapping[str, tuple[ConnectorSpec, Mapping[str, Any]]] = {
            "call": (call_kind.SPEC, notes.hotline()),
            "partner": (partner_kind.SPEC, notes.partner()),
            "visit": (visit_kind.SPEC, notes.settings("visit")),
            "chat": (chat_kind.SPEC, chat_rig.settings()),
            "form": (form_kind.SPEC, form.settings()),
            "webhook": (webhook_kind.SPEC, webhook.settings(chat)),
            "email": (email_kind.SPEC, email.settings(smtp)),
            "line": (line_kind.SPEC, line.settings(messaging)),
            "sms": (sms_kind.SPEC, sms.settings(texts["sms"])),
            "sms by aliyun": (sms_kind.SPEC, sms.aliyun(texts["sms by aliyun"])),
            "sms by http": (sms_kind.SPEC, sms.carrier(texts["sms by http"])),
            "telegram": (telegram_kind.SPEC, telegram.settings(bots)),
            "telegram by web hook": (telegram_kind.SPEC, telegram.hooked(bots)),
            "imap": (email_kind.SPEC, imap.settings(box)),
            "wechat": (wechat_kind.SPEC, wechat.settings(weixin)),
            "wecom": (wecom_kind.SPEC, wecom.settings(work)),
            "weibo": (weibo_kind.SPEC, weibo.settings(blog)),
            "messenger": (messenger.SPEC, graph.settings(meta, "messenger")),
            "instagram": (instagram.SPEC, graph.settings(meta, "instagram")),
            "whatsapp": (whatsapp.SPEC, graph.settings(meta, "whatsapp")),
        }
        spec, values = settings[kind]
        connector = spec.build(spec.settings.model_validate(values), tools.tools(kind))
        fars = (chat, smtp, box, bots, messaging, weixin, work, blog, meta, texts)
        yield Bench(kind, spec, connector, tools, *fars)
        await connector.__aexit__(None, None, None)


#: How each platform calls the customer.
PEOPLE = {
    "openid": wechat.openid(1),
    "uid": str(weibo.uid(1)),
    "open_kfid": wecom.ACCOUNT,
    "external_userid": wecom.customer(1),
    "person": graph.person("messenger", 1),
    "user": graph.user(1),
    "number": sms.number(1),
}


def message(n: int) -> Message:
    return Message(
        key=f"key-{n}",
        purpose=Purpose.REPLY,
        reference=f"FB-261122-{n:05d}",
        to=Identity("email", "customer1@example.com"),
        subject="Your matter",
        text=f"Answer {n}",
        thread={"conversation": "chat-1", "chat": 77, **PEOPLE, "to": LINE_PERSON},
    )


async def store(batch: Batch) -> Sequence[Accepted]:
    return [Accepted(f"e{n}", f"FB-261122-{n:05d}") for n, _ in enumerate(batch.envelopes)]


async def works(bench: Bench) -> None:
    """Every role that the connector has can be played."""
    one = bench.connector
    if isinstance(one, Receiver):
        for request in bench.requests():
            one.verify(request)
            assert len(one.receive(request).envelopes) == 1
    if isinstance(one, Listener):
        await one.listen(store)
        told = await email.bring(email.port(one), email.mail(1))
        assert told.startswith("250")
    if isinstance(one, Fetcher):
        bench.box.put("INBOX", email.mail(1))
        bench.bots.say(1, "电梯坏了")
        bench.wecom.says(wecom.customer(1), "你好")
        if bench.spec.kind == "wecom":
            one.receive(wecom.hint())
        batch = await one.fetch(None, wait=timedelta())
        assert batch.envelopes
        await one.confirm(batch.handles)
        await one.confirm(batch.handles)  # safe to repeat
    if isinstance(one, Sender) and bench.spec.kind not in (
        "chat",
        "form",
        "call",
        "visit",
    ):  # published, or said
        receipt = await one.send(message(99))
        assert receipt.remote_id and bench.taken
    assert isinstance(await one.probe(), Health)


@pytest.mark.parametrize("kind", KINDS)
async def test_opening_and_closing_are_safe_to_repeat(kind: str) -> None:
    async with opened(kind) as bench:
        one: Connector = bench.connector
        await one.__aexit__(None, None, None)  # never opened
        for _ in range(2):
            await one.__aenter__()
            await one.__aenter__()
            await works(bench)
            await one.__aexit__(None, None, None)
            await one.__aexit__(None, None, None)


@pytest.mark.parametrize("kind", KINDS)
async def test_cancelled_anywhere_it_stays_usable(kind: str) -> None:
    async with opened(kind) as bench:
        one = bench.connector
        await one.__aenter__()
        for steps in (*range(12), 20, 40, 80, 160):
            for task in _begun(bench, steps):
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(10):
            await works(bench)


def _begun(bench: Bench, n: int) -> list[asyncio.Task[Any]]:
    one = bench.connector
    begun: list[Any] = [one.probe()]
    if isinstance(one, Sender):
        begun.append(one.send(message(n)))
    if isinstance(one, Fetcher):
        begun.append(one.fetch(None, wait=timedelta()))
    if isinstance(one, Listener):
        begun.append(one.listen(store))
    return [asyncio.create_task(coroutine) for coroutine in begun]


@pytest.mark.parametrize("kind", POSTED)
async def test_identity_and_fingerprint_follow_from_what_arrived_alone(kind: str) -> None:
    async with opened(kind) as here, opened(kind) as there:
        for first, again in zip(here.requests(), there.requests(), strict=True):
            there.tools.clock.advance(1)  # another time, another machine
            moved = replace(again, remote="198.51.100.9", received_at=there.tools.clock.now())
            (one,) = here.connector.receive(first).envelopes
            (other,) = there.connector.receive(moved).envelopes
            assert (one.account, one.source_id, one.fingerprint) == (
                other.account,
                other.source_id,
                other.fingerprint,
            )
            assert one.source_id and len(one.fingerprint) == 64


async def test_identity_of_a_mail_is_the_same_at_the_door_and_in_the_box() -> None:
    given: list[Any] = []

    async def keep(batch: Batch) -> Sequence[Accepted]:
        given.extend(batch.envelopes)
        return await store(batch)

    async with opened("email") as door, opened("imap") as box:
        await door.connector.__aenter__()
        await door.connector.listen(keep)
        await email.bring(email.port(door.connector), email.mail(1))
        box.box.put("INBOX", b"Received: by another.example; Sun, 22 Nov 2026\r\n" + email.mail(1))
        batch = await box.connector.fetch(None, timedelta())
    assert [(one.source_id, one.fingerprint) for one in given] == [
        (one.source_id, one.fingerprint) for one in batch.envelopes
    ]


def hostile(request: Request, chance: random.Random) -> Request:
    """A request with something broken in it."""
    body = bytearray(request.body)
    for _ in range(chance.randint(0, 6)):
        if body:
            body[chance.randrange(len(body))] = chance.randrange(256)
    cut = bytes(body[: chance.randint(0, len(body))]) if chance.random() < 0.4 else bytes(body)
    headers = {
        name: value
        if chance.random() < 0.8
        else chance.choice(["", "\x00", "ä" * 300, "=", "multipart/form-data"])
        for name, value in request.headers.items()
        if chance.random() < 0.95
    }
    return replace(request, body=cut, headers=headers, method=chance.choice(["POST", "POST", "GET", "PUT"]))


@pytest.mark.parametrize("kind", POSTED)
async def test_whatever_is_posted_only_failures_of_the_closed_set_come_out(kind: str) -> None:
    chance = random.Random(7)
    async with opened(kind) as bench:
        for _ in range(150):
            for request in bench.requests():
                broken = hostile(request, chance)
                with contextlib.suppress(Failure):
                    bench.connector.verify(broken)
                with contextlib.suppress(Failure):
                    bench.connector.receive(broken)


STATUSES = (
    100,
    199,
    204,
    301,
    302,
    400,
    401,
    403,
    404,
    408,
    409,
    410,
    413,
    422,
    425,
    429,
    500,
    502,
    503,
    504,
    599,
)


@pytest.mark.parametrize("role", ["webhook", "destination"])
async def test_whatever_an_http_side_does_one_try_is_one_request_and_fails_as_agreed(role: str) -> None:
    async with Workbench() as tools, Sink() as sink:
        if role == "webhook":
            reply = {**webhook.settings(sink)["reply"], "timeout": 0.2}
            settings = webhook_kind.SPEC.settings.model_validate(webhook.settings(sink, reply=reply))
            connector: Any = webhook_kind.SPEC.build(settings, tools.tools("hook"))
            tries: Any = lambda n: connector.send(message(n))  # noqa: E731
        else:
            theirs = http_kind.SPEC.settings.model_validate({**http.settings(sink), "timeout": 0.2})
            destination: Any = http_kind.SPEC.build(theirs, tools.tools("tickets"))
            tries = lambda n: destination.deliver(http.hand_over(n))  # noqa: E731
        behaviours: list[Refuse | Drop | Hang] = [
            *(Refuse(status) for status in STATUSES if status >= 200),
            Drop(),
            Drop(takes=False),
            Hang(),
        ]
        for n, behaviour in enumerate(behaviours):
            sink.next(behaviour)
            before = len(sink.requests)
            try:
                receipt = await tries(n)
            except SendFailure as failure:
                assert failure.detail or str(failure)
            else:
                assert isinstance(behaviour, Refuse) and behaviour.status < 300
                assert receipt.remote_id
            assert len(sink.requests) == before + 1, "one try, one request"


async def test_a_hand_over_is_throttled_as_long_as_the_far_side_asks() -> None:
    async with Workbench() as tools, Sink() as sink:
        settings = http_kind.SPEC.settings.model_validate(http.settings(sink))
        destination: Any = http_kind.SPEC.build(settings, tools.tools("tickets"))
        sink.next(Refuse(429, {"retry-after": "17"}))
        with pytest.raises(SendFailure) as caught:
            await destination.deliver(http.hand_over(1))
        assert caught.value.reason.value == "throttled"  # type: ignore[attr-defined]
        assert caught.value.retry_after.total_seconds() == 17  # type: ignore[attr-defined]
        # Opening, closing and probing it are safe at any time, as with a connector.
        for _ in range(2):
            await destination.__aenter__()
            await destination.__aexit__(None, None, None)
        assert isinstance(await destination.probe(), Health)
        await destination.deliver(http.hand_over(1))
        assert sink.tickets == {"key-1": "T-1"}


def test_the_catalogues_load_no_kinds_library() -> None:
    script = (
        "import sys, connectors.catalog, destinations.catalog, normalizer.catalog;"
        "bad = [m for m in ('aioimaplib', 'aiosmtpd', 'aiosmtplib', 'mailparser_reply', 'inscriptis', 'aiohttp',"
        " 'sqlalchemy') if m in sys.modules]; assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, timeout=60)
