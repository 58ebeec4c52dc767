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
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.rigs import chat as chat_rig
from tests.rigs import email, form, http, imap, webhook
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
        self.house: Any = None
        """The house that visitors of our own pages look at."""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        enter = self._stack.enter_async_context
        for far in (self.smtp, self.chat, self.tickets, self.imap):
            await enter(far)
        self.to_smtp = await enter(Wire(self.smtp.port))
        self.to_chat = await enter(Wire(_port(self.chat)))
        self.to_tickets = await enter(Wire(_port(self.tickets)))
        self.to_imap = await enter(Wire(self.imap.port))
        return self

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
        }

    @property
    def tickets_url(self) -> str:
        return f"http://127.0.0.1:{self.to_tickets.port}/hook"


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
    "outbox": {
        "poll": 0.1,
        "reply": _SOON,
        "acknowledgement": _SOON,
        "hand_over": _SOON,
        "circuit": {"failures": 5, "pause": 0.15, "pause_last": 0.3},
        "throttle_floor": 0.15,
        "budget": {"per_address_hour": 1000, "per_address_day": 1000, "per_domain_hour": 100_000},
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
