"""The far sides of a whole house on loopback, and the configuration that points at them.

    async with Office() as office:
        config = office.config(tmp_path / "data", outbox={"head_wait": 0.5})     # merged, deep
        async with House(config, tmp_path) as house: ...                        # tests.rigs.daemon

Channels: `form`, `hook`, `mail` (an SMTP door) and `box` (a mailbox over IMAP); destination: `tickets`.
Each far side hangs on a wire that a test can cut and mend.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.rigs import chat as chat_rig
from tests.rigs import (
    email,
    form,
    graph,
    http,
    imap,
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
from tests.rigs.http import Got
from tests.rigs.wire import Wire

#: The administrator's token of every house under test.
TOKEN = "the administrator of the tests"
#: The address of the mailbox that is read over IMAP.
BOX = "box@office.example"


class Chat(http.Sink):
    """A sink that can refuse single messages, by a text in them, and looks around when a request comes."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses: set[str] = set()
        self.taken: list[Got] = []
        """What was not refused, in order, with repeats."""
        self.on_request: Callable[[Got], Awaitable[None]] | None = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        if any(text in body for text in self.refuses):
            return web.Response(status=503)
        if self.on_request is not None and request.method == "POST":
            headers = {name.lower(): value for name, value in request.headers.items()}
            await self.on_request(Got(request.method, request.path_qs, headers, body.encode()))
        return await super()._handle(request)

    def _take(self, got: Got) -> str:
        self.taken.append(got)
        return super()._take(got)

    @property
    def keys(self) -> list[str]:
        """Idempotency keys of what was posted, in the order of arrival, with repeats."""
        return [one.headers.get("idempotency-key", "") for one in self.requests if one.method == "POST"]


class Office:
    """All far sides of one house."""

    def __init__(self) -> None:
        self.smtp = email.Sink()
        self.chat = Chat()
        self.tickets = Chat()
        self.imap = imap.FakeImap()
        self.weixin = wechat.Weixin(_now)
        self.weibo = weibo.Weibo(_now)
        self.wecom = wecom.Wecom(_now)
        self.graph = graph.Graph(_now)
        for platform in (self.weixin, self.weibo, self.wecom, self.graph):
            platform.always_open = True  # what closes is shown by the tests of windows
        self.weibo.longest = 2_000  # the acknowledgement of the tests is one message, as everywhere
        self.telegram = telegram.BotApi()
        self.line = line.MessagingApi()
        self.twilio = sms.Twilio()
        self.moments: dict[Any, datetime] = {}
        """When each message was written, for platforms that know one by that."""
        self.house: Any = None
        """The house that visitors of our own pages look at."""
        self._stack = AsyncExitStack()
        self.scans: Path = Path()
        """The folder that letters are scanned into."""

    async def __aenter__(self) -> Self:
        enter = self._stack.enter_async_context
        self.scans = Path(self._stack.enter_context(TemporaryDirectory(prefix="forebay-scans-")))
        fars: tuple[Any, ...] = (self.smtp, self.chat, self.tickets, self.imap)
        chats = (self.weixin, self.weibo, self.wecom, self.graph, self.telegram, self.line, self.twilio)
        for far in (*fars, *chats):
            await enter(far)
        self.to_smtp = await enter(Wire(self.smtp.port))
        self.to_chat = await enter(Wire(_port(self.chat)))
        self.to_tickets = await enter(Wire(_port(self.tickets)))
        self.to_imap = await enter(Wire(self.imap.port))
        self.to_weixin = await enter(Wire(self.weixin.port))
        self.to_weibo = await enter(Wire(self.weibo.port))
        self.to_wecom = await enter(Wire(self.wecom.port))
        self.to_graph = await enter(Wire(self.graph.port))
        self.to_telegram = await enter(Wire(self.telegram.port))
        self.to_line = await enter(Wire(self.line.port))
        self.to_twilio = await enter(Wire(self.twilio.port))
        return self

    @property
    def to_customers(self) -> tuple[Wire, ...]:
        """The wires to whatever carries messages to customers."""
        chats = (self.to_weixin, self.to_weibo, self.to_wecom, self.to_graph, self.to_telegram, self.to_line)
        return (self.to_smtp, self.to_chat, self.to_twilio, *chats)

    @property
    def heard(self) -> int:
        """How often any of those far sides was spoken to, tokens and fetching apart."""
        posted = sum(method == "POST" for method, *_ in self.graph.calls)
        posted += sum(
            "/message/" in path for path, *_ in self.weixin.calls
        )  # who somebody is may be asked any time
        platforms = posted + len(self.weibo.forms) + len(self.wecom.got)
        platforms += len(self.telegram.requests) + len(self.line.requests) + len(self.twilio.requests)
        return len(self.smtp.commands) + len(self.chat.requests) + platforms

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def config(self, data: Path, database: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """A configuration with short times; `more` is merged into it, deep, None takes a key out."""
        whole: dict[str, Any] = merge(
            {
                "listen": {"port": 0},
                "data": str(data),
                "api": {"admin_token": TOKEN},
                "database": {"min_free_bytes": 0, **(database or {})},
                "channels": self.channels(),
                "destinations": {"tickets": {**http.settings(self.tickets), "url": self.tickets_url}},
                "rules": {
                    "rules": [
                        {
                            "name": "look first",
                            "when": 'record.full_text.contains("hold this")',
                            "set": {"hold": "somebody should look"},
                        }
                    ],
                    "default": {"destinations": ["tickets"], "acknowledgement": "acknowledgement"},
                },
                **TIMES,
            },
            more,
        )
        return whole

    def channels(self) -> dict[str, Any]:
        """The settings of all channels."""
        mail = email.settings(self.smtp)
        mail["outgoing"] = {**mail["outgoing"], "port": self.to_smtp.port}
        hook = webhook.settings(self.chat)
        hook["reply"] |= {
            "url": f"http://127.0.0.1:{self.to_chat.port}/hook",
            "body": {"chat": "{{ thread.chat }}", "text": "{{ message.text }}"},
        }
        hook["fields"] = {"thread": {"chat": "data.customer"}}
        hook["order"] = "data.conversation_id"
        box = imap.settings(self.imap, address=BOX, imap={"port": self.to_imap.port, "after": "flag"})
        return {
            "form": form.settings(reply_via={"email": "mail"}),
            "chat": chat_rig.settings(),
            "hook": hook,
            "mail": mail,
            "box": {**box, "outgoing": mail["outgoing"]},
            "call": notes.hotline(),
            "visit": notes.settings("visit"),
            "partner": notes.partner(),
            "letters": letter.settings(self.scans),
            "telegram": telegram.hooked(self.telegram, api=_at(self.to_telegram)),
            "line": line.settings(self.line, api=_at(self.to_line)),
            "sms": sms.settings(self.twilio, api=_at(self.to_twilio), provider={"look_up": "PT1S"}),
            "wechat": wechat.settings(self.weixin, api=_at(self.to_weixin), answer_within=0),
            "weibo": self._weibo(),
            **{kind: graph.settings(self.graph, kind, api=_at(self.to_graph)) for kind in graph.ACCOUNTS},
            "wecom": wecom.settings(
                self.wecom,
                api=_at(self.to_wecom),
                answer_within=0,
                customer_service={"accounts": [wecom.ACCOUNT], "every": "PT0.5S"},
            ),
        }

    def _weibo(self) -> dict[str, Any]:
        there = weibo.settings(self.weibo, answer_within=0, text_characters=2_000)
        return {
            name: value.replace(self.weibo.url, _at(self.to_weibo)) if name.endswith("_url") else value
            for name, value in there.items()
        }

    @property
    def tickets_url(self) -> str:
        return f"http://127.0.0.1:{self.to_tickets.port}/hook"


def _now() -> datetime:
    return datetime.now(UTC)


def _at(wire: Wire) -> str:
    return f"http://127.0.0.1:{wire.port}"


def _port(sink: http.Sink) -> int:
    return int(sink.url.rsplit(":", 1)[1].split("/")[0])


_SOON = {"pauses": [0.15], "jitter": 0, "max_age": 600, "max_attempts": 400}
#: Timers of seconds instead of minutes.
TIMES: Mapping[str, Any] = {
    "inbox": {
        "poll": 0.1,
        "fetch_wait": 5,
        "fetch_pause": 0.1,
        "backoff_first": 0.1,
        "backoff_last": 0.3,
        "shutdown": 5,
    },
    "desk": {"undo": 0},
    "outbox": {
        "poll": 0.1,
        "reply": _SOON,
        "acknowledgement": _SOON,
        "hand_over": _SOON,
        "circuit": {"failures": 5, "pause": 0.15, "pause_last": 0.3},
        "throttle_floor": 0.15,
        "budget": {
            "per_address_hour": 1000,
            "per_address_day": 1000,
            "per_domain_hour": 100_000,
            "per_thread_day": 1000,
            "quick_answers": 1000,
        },
    },
    "leases": {"ttl": 2, "renew": 0.5, "recover": 0.3},
}


def merge(base: Any, changes: Any) -> Any:
    """`changes` laid over `base`: mappings into one another, anything else in place of the old; None takes out."""
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return changes
    kept = {name: value for name, value in base.items() if name not in changes}
    return {
        **kept,
        **{
            name: merge(base.get(name, {} if isinstance(value, Mapping) else None), value)
            for name, value in changes.items()
            if value is not None
        },
    }
