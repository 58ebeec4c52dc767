"""Rig of the kind `email`: customers' mails, a door to bring them to, and a server that takes our mail.

    async with Sink() as sink:
        connector = SPEC.build(SPEC.settings.model_validate(settings(sink)), bench.tools("mail"))
        async with connector:
            await connector.listen(accept)
            assert (await bring(port(connector), mail(1))).startswith("250")   # one customer writes
            sink.next(Refuse("data", 451, "4.3.0 not now"))                    # the next session only
            ...
    assert [one.id for one in sink.accepted] == ["<fb.…@office.example>"]      # in order, with repeats
    assert sink.tries == 2                                                     # sessions that got to MAIL

Sink.next takes Refuse (an answer at a stage), Stall (no answer at a stage) and Drop (hang up at a stage);
at the stage `dot` the mail was taken before it stalls or hangs up, unless told otherwise.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections import deque
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Literal, Self

from tests.rigs.tools import NOW

KIND = "email"
ADDRESS = "feedback@office.example"
Stage = Literal["greeting", "ehlo", "auth", "mail", "rcpt", "data", "body", "dot"]


@dataclass(frozen=True)
class Refuse:
    """Answer with a code at a stage; `only` limits it to one recipient."""

    stage: Stage
    code: int
    text: str
    only: str = ""


@dataclass(frozen=True)
class Stall:
    """Never answer at a stage."""

    stage: Stage
    takes: bool = True


@dataclass(frozen=True)
class Drop:
    """Hang up at a stage instead of answering."""

    stage: Stage
    takes: bool = True


@dataclass(frozen=True)
class Taken:
    """A mail that the sink took."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes

    @property
    def id(self) -> str:
        found = re.search(rb"(?im)^message-id:\s*(<[^>]*>)", self.data)
        return found[1].decode() if found else ""


def settings(sink: Sink | None = None, **more: Any) -> dict[str, Any]:
    """A door on any free port, and, with a sink, a way out to it."""
    out = {
        "transport": "smtp",
        "host": "127.0.0.1",
        "security": "none",
        "allow_plaintext": True,
        "timeout": 5,
    }
    outgoing = {} if sink is None else {"outgoing": {**out, "port": sink.port, "final_timeout": 5}}
    return {
        "kind": KIND,
        "address": ADDRESS,
        "name": "Example Office 反馈办",
        "door": {"port": 0},
        **outgoing,
        **more,
    }


def port(connector: Any) -> int:
    """Where the open door of a connector listens."""
    return int(connector.door.port)


def mail(n: int, **fields: str) -> bytes:
    """What the n-th customer wrote."""
    message = EmailMessage()
    message["From"] = f"顾客 {n} <customer{n}@example.com>"
    message["To"] = ADDRESS
    message["Subject"] = f"Matter {n} 投诉"
    message["Date"] = format_datetime(NOW)
    message["Message-ID"] = f"<matter-{n}@example.com>"
    for name, value in fields.items():
        name = name.replace("_", "-")
        del message[name]
        message[name] = value
    message.set_content(f"The lift in house {n} has stood still since Monday.\n电梯坏了。\n")
    return message.as_bytes()


async def bring(
    port: int,
    data: bytes,
    *,
    sender: str = "customer@example.com",
    recipients: tuple[str, ...] = (ADDRESS,),
    hello: str = "EHLO",
    seconds: float = 10,
) -> str:
    """Hand a mail to a door as a mail server does; the last answer (with LMTP's several, one a line)."""
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            answer = await _answer(reader)
            lines = [
                f"{hello} rig.example",
                f"MAIL FROM:<{sender}>",
                *(f"RCPT TO:<{one}>" for one in recipients),
            ]
            for line in (*lines, "DATA"):
                writer.write(line.encode() + b"\r\n")
                answer = await _answer(reader)
                if answer[:1] not in "23":
                    return answer
            body = re.sub(rb"(?m)^\.", b"..", re.sub(rb"\r?\n", b"\r\n", data))
            writer.write(body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n")
            answers = [await _answer(reader) for _ in (recipients if hello == "LHLO" else ("",))]
            return "\n".join(answers)
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> str:
    while True:
        line = (await reader.readline()).decode()
        if line[3:4] != "-":
            return line.strip()


class Sink:
    """An SMTP server on a free loopback port that counts what it took and fails when told to."""

    def __init__(
        self,
        *,
        size: int = 50_000_000,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        starttls: bool = False,
        utf8: bool = False,
        tokens: frozenset[str] = frozenset(),
    ) -> None:
        self.accepted: list[Taken] = []
        self.tries = 0
        self.sessions = 0
        self.commands: list[str] = []
        self.stalled = asyncio.Event()
        """Set when a Stall has begun."""
        self._size = size
        self._password = password
        self._tls = tls
        self._starttls = starttls
        self._utf8 = utf8
        self._tokens = tokens
        self._plans: deque[Refuse | Stall | Drop] = deque()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        implicit = None if self._starttls else self._tls
        self._server = await asyncio.start_server(self._session, "127.0.0.1", 0, limit=1 << 20, ssl=implicit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def next(self, *plans: Refuse | Stall | Drop) -> None:
        """What goes wrong in the coming exchanges, one plan each."""
        self._plans.extend(plans)

    def hang_up(self) -> None:
        """Close every connection, as a server does that has waited long enough."""
        for writer in tuple(self._open):
            writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        self.sessions += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, recipients = "", []
        if not await self._says(writer, "greeting", "220 sink ready"):
            return
        while line := (await reader.readline()).decode():
            self.commands.append(line.strip())
            verb, _, rest = line.strip().partition(" ")
            verb = verb.upper()
            if verb == "EHLO":
                private = writer.get_extra_info("ssl_object") is not None
                offers = "250-AUTH PLAIN\r\n" if self._password else ""
                offers += "250-SMTPUTF8\r\n" if self._utf8 else ""
                offers += "250-AUTH XOAUTH2\r\n" if self._tokens else ""
                offers += "250-STARTTLS\r\n" if self._starttls and not private else ""
                said = await self._says(writer, "ehlo", f"250-sink\r\n{offers}250 SIZE {self._size}")
            elif verb == "STARTTLS" and self._tls is not None:
                writer.write(b"220 2.0.0 go ahead\r\n")
                await writer.drain()
                await writer.start_tls(self._tls)
                said = "220"
            elif verb == "AUTH" and rest.upper().startswith("XOAUTH2"):
                said = await self._by_token(reader, writer, rest[8:])
            elif verb == "AUTH":
                said = await self._says(writer, "auth", "235 2.7.0 ok")
            elif verb == "MAIL":
                self.tries += 1
                sender, recipients = _path(rest), []
                said = await self._says(writer, "mail", "250 2.1.0 ok")
            elif verb == "RCPT":
                said = await self._says(writer, "rcpt", "250 2.1.5 ok", _path(rest))
                if said == "250":
                    recipients.append(_path(rest))
            elif verb == "DATA":
                said = await self._says(writer, "data", "354 go on")
                if said == "354":
                    said = await self._body(reader, writer, sender, tuple(recipients))
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 2.0.0 ok\r\n")
                said = "250"
            if not said:
                return

    async def _by_token(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, given: str) -> str:
        """As Google and Microsoft do it: a bad token is told in a challenge, which wants an empty answer."""
        user, _, token = base64.b64decode(given).decode().partition("\x01auth=Bearer ")
        if user.startswith("user=") and token.removesuffix("\x01\x01") in self._tokens:
            return await self._says(writer, "auth", "235 2.7.0 accepted")
        writer.write(b"334 " + base64.b64encode(b'{"status":"401"}') + b"\r\n")
        await reader.readline()
        return await self._says(writer, "auth", "535 5.7.8 bad token")

    async def _body(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        sender: str,
        recipients: tuple[str, ...],
    ) -> str:
        if self._plans and self._plans[0].stage == "body":
            await reader.read(100)
            return await self._says(writer, "body", "")
        data = await reader.readuntil(b"\r\n.\r\n")
        plan = self._plans[0] if self._plans and self._plans[0].stage == "dot" else None
        if plan is None or (isinstance(plan, Stall | Drop) and plan.takes):
            self.accepted.append(Taken(sender, recipients, re.sub(rb"(?m)^\.\.", b".", data[:-3])))
        return await self._says(writer, "dot", f"250 2.0.0 queued as {len(self.accepted)}")

    async def _says(self, writer: asyncio.StreamWriter, stage: Stage, usual: str, about: str = "") -> str:
        """Answer at a stage as planned; the code, or nothing when there is no answer to come."""
        answer = usual
        if self._plans and self._plans[0].stage == stage:
            plan = self._plans[0]
            if not (isinstance(plan, Refuse) and plan.only and plan.only != about):
                self._plans.popleft()
                if isinstance(plan, Stall):
                    self.stalled.set()
                    await asyncio.Event().wait()
                if isinstance(plan, Drop):
                    return ""
                assert isinstance(plan, Refuse)
                answer = f"{plan.code} {plan.text}"
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()
        return answer[:3] if answer[:3] != "421" else ""


def _path(argument: str) -> str:
    found = re.search(r"<([^>]*)>", argument)
    return found[1] if found else ""
