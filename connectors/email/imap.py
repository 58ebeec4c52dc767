"""One IMAP session (RFC 3501) on aioimaplib, with that library's traps fenced off.

Every call has a time limit and a bound for what it brings, and ends at once when the server hangs up; after any
failure the session is dropped, because the library leaves the broken command in the way of the next (seen with
2.0.3).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import re
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from aioimaplib.aioimaplib import AUTH, AioImapException, Command, CommandTimeout, Response, quoted

from connectors.email import ImapSettings
from connectors.email.answers import tidy
from connectors.email.imap_text import Fetched, mailbox_name, parse, uid_set
from connectors.email.imap_wire import ROOM, Client
from connectors.email.tunnel import Tunnel
from model.failures import Reason, TemporaryFailure

# Its debug lines hold whole mails and, for some passwords, the password.
logging.getLogger("aioimaplib").setLevel(logging.WARNING)

PORTS = {"tls": 993, "starttls": 143, "none": 143}
#: A fetch may take this many times a command's limit, as long as it moves.
FETCH_PATIENCE = 10
#: Bytes of one piece of a mail that is fetched in pieces.
PIECE = 1_048_576
#: Bytes an answer to FETCH may have beside the mails it was asked for.
SLACK = 4_194_304
#: How long a server that wants less is left alone; one that counts bytes a day, longer.
PAUSE, LONG_PAUSE = timedelta(minutes=15), timedelta(hours=1)
THROTTLED = re.compile(
    r"\[(?:OVERQUOTA|THROTTLED|LIMIT)\]|too many (?:simultaneous )?conn|server busy|exceeded", re.I
)
REFUSED = re.compile(
    r"\[(?:AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|PRIVACYREQUIRED|CONTACTADMIN)\]|unsafe login",
    re.I,
)
LATER = re.compile(r"\[(?:UNAVAILABLE|INUSE|SERVERBUG)\]|not connected", re.I)


@dataclass(frozen=True, slots=True)
class Folder:
    """What SELECT told."""

    uidvalidity: int
    uidnext: int | None
    keywords: bool
    """Whether the folder keeps keywords of our own."""
    there: int
    """How many mails it holds."""


class Session:
    """A connection that is logged in."""

    def __init__(self, client: Client, lost: asyncio.Future[None], timeout: float) -> None:
        self._client = client
        self._lost = lost
        self._timeout = timeout
        self.alive = True

    @classmethod
    async def open(
        cls,
        settings: ImapSettings,
        contact: str,
        tls: ssl.SSLContext | None,
        tunnel: Tunnel | None,
        token: str | None = None,
    ) -> Self:
        """Connect, make it private, log in; TemporaryFailure tells what kept us out. `token`: instead of a password."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def hung_up(_: Exception | None) -> None:
            if not lost.done():
                lost.set_result(None)

        host, port = settings.host, settings.port or PORTS[settings.security]
        client = Client(
            await tunnel.connect(host, port, settings.timeout) if tunnel else None,
            host,
            port,
            timeout=settings.timeout,
            conn_lost_cb=hung_up,  # which the library's own TLS class would not take
            ssl_context=tls if settings.security == "tls" else None,
        )
        session = cls(client, lost, settings.timeout)
        try:
            await session.call(client.wait_hello_from_server())
            if settings.security == "starttls":
                await session._start_tls(settings.host, tls)
            await session._login(settings, contact, token)
        except BaseException:
            session.drop()
            raise
        return session

    async def call(self, command: Coroutine[Any, Any, Any], patience: float = 1.0, room: int = ROOM) -> Any:
        """One exchange within its limits of time and bytes; whatever goes wrong ends the session."""
        self._client.protocol.room = room
        task = asyncio.ensure_future(command)
        try:
            async with asyncio.timeout(self._timeout * patience):
                await asyncio.wait({task, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise self._hung_up()
        except (TimeoutError, CommandTimeout):
            self.drop()
            raise TemporaryFailure(Reason.TIMEOUT, "the IMAP server did not answer in time") from None
        except ssl.SSLError as error:
            self.drop()
            raise TemporaryFailure(Reason.CONFIG, f"TLS with the IMAP server: {error.reason}") from None
        except OSError as error:
            self.drop()
            raise TemporaryFailure(Reason.UNREACHABLE, tidy(str(error))) from None
        except AioImapException as error:
            self.drop()  # the library's words hold commands, and so could hold a password
            raise TemporaryFailure(Reason.SERVER, f"IMAP exchange failed ({type(error).__name__})") from None
        except BaseException:
            self.drop()
            raise
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    def _hung_up(self) -> TemporaryFailure:
        """Why the connection is gone, in the server's words if it had any."""
        self.drop()
        protocol = self._client.protocol
        if protocol.overflowed:
            return TemporaryFailure(Reason.SERVER, "the IMAP server sent more than it was asked for")
        if not protocol.bye:
            return TemporaryFailure(Reason.UNREACHABLE, "the IMAP server hung up")
        return refusal(Response("BYE", [protocol.bye]), "the IMAP server hung up", Reason.UNREACHABLE)

    async def checked(
        self,
        command: Coroutine[Any, Any, Any],
        what: str,
        patience: float = 1.0,
        room: int = ROOM,
        reason: Reason = Reason.CONFIG,
    ) -> Response:
        """One exchange that must end with OK; `reason` when the server's words tell nothing better."""
        response = await self.call(command, patience, room)
        if response.result != "OK":
            raise refusal(response, what, reason)
        return response

    def has(self, capability: str) -> bool:
        return bool(self._client.has_capability(capability))

    async def select(self, folder: str) -> Folder:
        """Enter a folder (never EXAMINE: the library would not notice)."""
        response = await self.checked(self._client.select(mailbox_name(folder)), f"SELECT {folder}")
        text = b"\n".join(bytes(line) for line in response.lines)
        uidvalidity = re.search(rb"UIDVALIDITY (\d+)", text)
        uidnext = re.search(rb"UIDNEXT (\d+)", text)
        flags = re.search(rb"PERMANENTFLAGS \(([^)]*)\)", text)
        there = re.search(rb"(?m)^(\d+) EXISTS", text)
        if uidvalidity is None:
            raise TemporaryFailure(Reason.SERVER, f"the server names no UIDVALIDITY for {folder}")
        return Folder(
            int(uidvalidity[1]),
            int(uidnext[1]) if uidnext else None,
            flags is not None and b"\\*" in flags[1],
            int(there[1]) if there else 0,
        )

    async def search(self, *criteria: str) -> list[int]:
        """UIDs in ascending order."""
        response = await self.checked(
            self._client.uid_search(*criteria, charset=None), "SEARCH", reason=Reason.SERVER
        )
        words = b" ".join(bytes(line) for line in response.lines[:-1]).split()
        return sorted({int(word) for word in words if word.isdigit()})

    async def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """RFC822.SIZE by UID; UIDs that are gone are left out."""
        response = await self._fetch(uids, "(UID RFC822.SIZE)")
        return {one.uid: one.size for one in parse(response.lines) if one.size is not None}

    async def there(self, folder: str) -> int:
        """How many mails a folder holds, without entering it."""
        protocol = self._client.protocol
        command = Command("STATUS", protocol.new_tag(), mailbox_name(folder), "(MESSAGES)")
        response = await self.checked(protocol.execute(command), f"STATUS {folder}")
        found = re.search(rb"MESSAGES (\d+)", b" ".join(bytes(line) for line in response.lines))
        if found is None:
            raise TemporaryFailure(Reason.SERVER, f"the server does not count the mails in {folder}")
        return int(found[1])

    async def bodies(self, uids: Sequence[int], size: int) -> list[Fetched]:
        """Whole mails of so many bytes together, marked as read by nobody (BODY.PEEK)."""
        response = await self._fetch(uids, "(UID INTERNALDATE BODY.PEEK[])", size + size // 4 + SLACK)
        return [one for one in parse(response.lines) if one.body is not None]

    async def arrival(self, uid: int) -> datetime | None:
        """INTERNALDATE of one mail."""
        response = await self._fetch([uid], "(UID INTERNALDATE)")
        return next((one.arrived for one in parse(response.lines) if one.arrived), None)

    async def pieces(self, uid: int, limit: int) -> AsyncIterator[bytes]:
        """A mail in pieces, up to `limit` bytes; RFC822.SIZE is not trusted for where it ends."""
        offset = 0
        while offset < limit:
            want = min(PIECE, limit - offset)
            response = await self._fetch([uid], f"(UID BODY.PEEK[]<{offset}.{want}>)")
            piece = next((one.body for one in parse(response.lines) if one.body), b"")
            if not piece:  # a short one is not the end: servers may give less than they were asked for
                return
            yield piece[:want]
            offset += len(piece)

    async def store(self, uids: Sequence[int], flags: str) -> None:
        await self.checked(self._client.uid("store", uid_set(uids), "+FLAGS.SILENT", flags), "STORE")

    async def move(self, uids: Sequence[int], folder: str) -> None:
        """MOVE (RFC 6851), else copy and remove."""
        target = mailbox_name(folder)
        if self.has("MOVE"):
            await self.checked(self._client.uid("move", uid_set(uids), target), f"MOVE to {folder}")
            return
        left = await self.search("UID", uid_set(uids), "NOT", "DELETED")
        if left:
            await self.checked(self._client.uid("copy", uid_set(left), target), f"COPY to {folder}")
        await self.remove(uids)

    async def create(self, folder: str) -> None:
        """Make a folder; that it is there already is as good."""
        await self.call(self._client.create(mailbox_name(folder)))

    async def remove(self, uids: Sequence[int]) -> None:
        """Mark as deleted, and expunge these alone where the server can; never plain EXPUNGE."""
        await self.store(uids, "(\\Deleted)")
        if self.has("UIDPLUS"):
            await self.checked(self._client.uid("expunge", uid_set(uids)), "EXPUNGE")

    async def idle(self, seconds: float) -> None:
        """Wait at the server until something comes or `seconds` are over (RFC 2177)."""
        # The library's own timer must not fire first: it would look like news.
        done = await self.call(self._client.idle_start(timeout=seconds + 2 * self._timeout))
        try:
            async with asyncio.timeout(seconds):
                while not any(b"EXISTS" in line for line in await self._push()):
                    pass
        except TimeoutError:
            pass
        except BaseException:
            self.drop()
            raise
        self._client.idle_done()
        await self.call(_outcome(done))

    async def _push(self) -> Iterable[bytes]:
        news = asyncio.ensure_future(self._client.protocol.idle_queue.get())
        try:
            await asyncio.wait({news, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            if not news.done():
                raise self._hung_up()
            return list(news.result())
        finally:
            news.cancel()

    async def _fetch(self, uids: Sequence[int], what: str, room: int = ROOM) -> Response:
        protocol = self._client.protocol  # not by the library's own command, which counts parentheses
        command = Command("FETCH", protocol.new_tag(), uid_set(uids), what, prefix="UID")
        return await self.checked(protocol.execute(command), "FETCH", FETCH_PATIENCE, room, Reason.SERVER)

    async def _login(self, settings: ImapSettings, contact: str, token: str | None) -> None:
        if self._client.get_state() != AUTH:  # else the server knew us from the connection (PREAUTH)
            if token is not None:
                await self._show_token(settings.user, token)
            else:
                password = settings.password.get_secret_value() if settings.password else ""
                response = await self.call(self._client.login(quoted(settings.user), password))
                if response.result != "OK":
                    raise refusal(response, "LOGIN", Reason.AUTH)
        # What the library reads from the answer to LOGIN is garbled; they may have changed, too.
        await self.call(self._client.protocol.capability())
        # NetEase refuses SELECT as "Unsafe Login" to clients that have not said who they are (RFC 2971).
        said = f'("name" "forebay" "version" "1" "vendor" "forebay" "support-email" {quoted(contact)})'
        protocol = self._client.protocol
        await self.call(protocol.execute(Command("ID", protocol.new_tag(), said)))

    async def _show_token(self, user: str, token: str) -> None:
        """Log in by XOAUTH2 (the providers' SASL mechanism; its refusal is answered by the protocol)."""
        protocol = self._client.protocol
        protocol.sasl = base64.b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode()).decode()
        first = (protocol.sasl,) if self.has("SASL-IR") else ()
        response = await self.call(
            protocol.execute(Command("AUTHENTICATE", protocol.new_tag(), "XOAUTH2", *first))
        )
        if response.result != "OK":
            raise refusal(Response(response.result, response.lines[-1:]), "AUTHENTICATE", Reason.AUTH)
        protocol.state = AUTH

    async def _start_tls(self, host: str, tls: ssl.SSLContext | None) -> None:
        """Make the connection private; there is no going on without (RFC 3501 §6.2.1)."""
        protocol = self._client.protocol
        if not self.has("STARTTLS"):
            raise TemporaryFailure(Reason.CONFIG, f"{host} does not offer STARTTLS; it is never left out")
        await self.checked(protocol.execute(Command("STARTTLS", protocol.new_tag())), "STARTTLS")
        protocol.forget()  # what came in the clear after that answer is nobody's word
        loop = asyncio.get_running_loop()
        protocol.transport = await self.call(
            loop.start_tls(
                protocol.transport, protocol, tls or ssl.create_default_context(), server_hostname=host
            )
        )
        await self.call(protocol.capability())

    async def close(self) -> None:
        """Log out in good manner if the server plays along, and hang up."""
        if self.alive:
            with contextlib.suppress(TemporaryFailure, TimeoutError):
                async with asyncio.timeout(2):
                    await self.call(self._client.logout())
        self.drop()

    def drop(self) -> None:
        """Hang up at once and let nothing of the library linger; safe to repeat."""
        self.alive = False
        client = self._client
        if client._idle_waiter is not None:
            client._idle_waiter.cancel()
        for task in (*client.tasks, *client.protocol.tasks, client._client_task):
            task.cancel()
        if client.protocol.transport is not None:
            client.protocol.transport.abort()


async def _outcome(future: asyncio.Future[Response]) -> Response:
    return await future


def refusal(response: Response, what: str, reason: Reason = Reason.CONFIG) -> TemporaryFailure:
    """What a NO or BAD means; `reason` when the server's words tell nothing better."""
    text = tidy(" ".join(bytes(line).decode("utf-8", "replace") for line in response.lines[-1:]))
    detail = f"{what}: {response.result} {text}"
    if THROTTLED.search(text):
        pause = LONG_PAUSE if "OVERQUOTA" in text.upper() else PAUSE
        return TemporaryFailure(Reason.THROTTLED, detail, retry_after=pause)
    if LATER.search(text):
        return TemporaryFailure(Reason.SERVER, detail)
    return TemporaryFailure(Reason.AUTH if REFUSED.search(text) else reason, detail)
