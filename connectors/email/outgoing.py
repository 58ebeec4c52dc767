"""The way out for mail through a server, over a few warm connections."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from dataclasses import dataclass
from typing import Any, Protocol

import aiosmtplib

from connectors.email import SmtpSettings
from connectors.email.answers import Stage, failure, tidy
from connectors.email.compose import Mail, Sender, compose
from connectors.email.tunnel import Tunnel
from connectors.wire.oauth import Tokens
from model import health
from model.delivery import Message, Receipt
from model.failures import PermanentFailure, Reason, TemporaryFailure, Uncertain
from model.health import Health, HealthState
from model.tools import Tools

DOT = re.compile(rb"(?m)^\.")
PORTS = {"tls": 465, "starttls": 587, "none": 25}


class Outgoing(Protocol):
    """What the connector needs of a way out."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self) -> Health: ...

    async def send(self, message: Message) -> Receipt: ...


@dataclass(slots=True)
class _Line:
    """A connection that is logged in: how many mails went over it, and since when it waits for the next."""

    client: aiosmtplib.SMTP
    mails: int = 0
    since: float = 0.0


class SmtpOutgoing:
    """Hands mail to a server. At most `connections` at a time; further messages wait for a free one."""

    def __init__(
        self,
        settings: SmtpSettings,
        sender: Sender,
        tools: Tools,
        ca_file: str | None,
        tunnel: Tunnel | None,
        tokens: Tokens | None = None,
    ) -> None:
        self._settings = settings
        self._sender = sender
        self._clock = tools.clock
        self._ca_file = ca_file
        self._tunnel = tunnel
        self._tokens = tokens if settings.password is None else None
        self._slots = asyncio.Semaphore(settings.connections)
        self._warm: list[_Line] = []
        self._null_refused = False
        """The server takes no empty return path; found out once, so that it is not asked for each mail."""
        self._tls: ssl.SSLContext | None = None

    async def open(self) -> None:
        """Load the authorities; connections are opened when there is mail."""
        if self._tls is None and self._settings.security != "none":
            self._tls = await asyncio.to_thread(tls_context, self._ca_file)

    async def close(self) -> None:
        """Hang up; safe to repeat."""
        while self._warm:
            await _quit(self._warm.pop().client)

    async def probe(self) -> Health:
        """Connect and log in if need be, then NOOP."""
        try:
            async with self._slots:
                line = await self._take()
                try:
                    await line.client.noop()
                except aiosmtplib.SMTPException as error:
                    line.client.close()
                    return _failing(f"NOOP: {tidy(str(error))}", "check that the server is up")
                await self._give_back(line)
        except TemporaryFailure as error:
            return _failing(error.detail, error.repair or _repair(error.reason, self._settings))
        return health.OK

    async def send(self, message: Message) -> Receipt:
        """One try. The mail's id is fixed by `message.key`, so that a second try can be recognised."""
        now = self._clock.now()
        mail = compose(message, self._sender, now)
        plain = compose(message, self._sender, now, ascii_only=True) if mail.utf8 else mail
        async with self._slots:
            line = await self._take()
            try:
                try:
                    taken = await self._exchange(line, mail, plain)
                except _Stale:
                    if not line.mails:
                        raise _hung_up() from None
                    line = await self._connect()  # it had hung up while the connection was waiting
                    try:
                        taken = await self._exchange(line, mail, plain)
                    except _Stale:
                        raise _hung_up() from None
            except (TemporaryFailure, PermanentFailure):
                await self._tidy_up(line)
                raise
            except BaseException:
                line.client.close()
                raise
            await self._give_back(line)
        data: dict[str, Any] = {"answer": tidy(taken.answer)}
        if taken.refused:
            data["refused"] = taken.refused
        if taken.put_off:
            data["put_off"] = {one: failure.detail for one, failure in taken.put_off.items()}
        return Receipt(mail.message_id, self._clock.now(), data, taken.put_off)

    async def _exchange(self, line: _Line, mail: Mail, plain: Mail) -> _Taken:
        """MAIL, RCPT, DATA. `plain` is the same mail for a server without SMTPUTF8."""
        client, left_out = line.client, {}
        if mail.utf8 and not client.supports_extension("smtputf8"):
            if plain.utf8:
                raise PermanentFailure(
                    Reason.RECIPIENT, "the address needs SMTPUTF8, which the mail server does not speak"
                )
            left_out = {one: "needs SMTPUTF8" for one in mail.recipients if one not in plain.recipients}
            mail = plain
        self._check_size(client, mail)
        options = [f"SIZE={len(mail.data)}"] if client.supports_extension("size") else []
        options += ["SMTPUTF8"] if mail.utf8 else []
        await self._from(line, mail.sender, options)
        refused, put_off = await self._recipients(client, mail)
        answer = await self._content(client, mail.data)
        line.mails += 1
        return _Taken(answer, left_out | refused, put_off)

    async def _from(self, line: _Line, sender: str, options: list[str]) -> None:
        """MAIL; a server that takes no empty return path is given our address, and the mail's own marks guard it."""
        if not sender and self._null_refused:
            sender = self._sender.address
        try:
            await line.client.mail(sender, options=options, encoding="utf-8")
        except aiosmtplib.SMTPServerDisconnected:
            raise _Stale from None
        except aiosmtplib.SMTPResponseException as error:
            if error.code == 421 and line.mails:
                line.client.close()
                raise _Stale from None  # said when it hung up, and read only now
            refusal = failure(error.code, error.message, Stage.SENDER)
            if sender or error.code < 500 or getattr(refusal, "reason", None) is Reason.AUTH:
                raise refusal from None
        except aiosmtplib.SMTPTimeoutError:
            raise TemporaryFailure(Reason.TIMEOUT, "no answer to MAIL") from None
        else:
            return
        await self._from(line, self._sender.address, options)
        self._null_refused = True

    def _check_size(self, client: aiosmtplib.SMTP, mail: Mail) -> None:
        limit = client.esmtp_extensions.get("size", "")
        if limit.isdigit() and 0 < int(limit) < len(mail.data):
            raise PermanentFailure(
                Reason.REQUEST, f"the mail has {len(mail.data)} bytes, the server takes {limit} at the most"
            )

    async def _recipients(
        self, client: aiosmtplib.SMTP, mail: Mail
    ) -> tuple[dict[str, str], dict[str, TemporaryFailure]]:
        """RCPT for each; the copies that were refused for good, and those that were put off.

        The first one decides: nobody gets a mail that the customer does not get. A bad copy must not repeat
        the mail to the others, so it is told and left out.
        """
        refused: dict[str, str] = {}
        put_off: dict[str, TemporaryFailure] = {}
        for i, recipient in enumerate(mail.recipients):
            try:
                await client.rcpt(recipient, encoding="utf-8")
            except aiosmtplib.SMTPRecipientRefused as error:
                why = failure(error.code, error.message, Stage.RECIPIENT)
                if i == 0 or error.code == 421:
                    raise why from None
                if error.code < 500 and isinstance(why, TemporaryFailure):
                    put_off[recipient] = why
                else:
                    refused[recipient] = f"{error.code} {tidy(error.message)}"
            except aiosmtplib.SMTPTimeoutError:
                raise TemporaryFailure(Reason.TIMEOUT, "no answer to RCPT") from None
            except aiosmtplib.SMTPServerDisconnected:
                raise TemporaryFailure(Reason.UNREACHABLE, "connection lost before the mail") from None
        return refused, put_off

    async def _content(self, client: aiosmtplib.SMTP, data: bytes) -> str:
        """DATA in two steps: until the final dot is written, nothing can have been taken (RFC 5321 §4.5.4.1)."""
        protocol = client.protocol
        try:
            start = await client.execute_command(b"DATA")
            if start.code != 354:
                raise failure(start.code, start.message, Stage.CONTENT)
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("connection lost")
            protocol.write(DOT.sub(b"..", data))
            async with asyncio.timeout(self._settings.final_timeout):
                await protocol._drain_helper()
        except (aiosmtplib.SMTPTimeoutError, TimeoutError):
            client.close()
            raise TemporaryFailure(Reason.TIMEOUT, "the server stopped reading the mail") from None
        except (aiosmtplib.SMTPServerDisconnected, ConnectionError):
            raise TemporaryFailure(Reason.UNREACHABLE, "connection lost in the middle of the mail") from None
        try:
            protocol.write(b".\r\n")
        except aiosmtplib.SMTPServerDisconnected:
            raise TemporaryFailure(Reason.UNREACHABLE, "connection lost in the middle of the mail") from None
        try:
            last = await protocol.read_response(timeout=self._settings.final_timeout)
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            raise Uncertain(f"the whole mail was sent and no answer came ({type(error).__name__})") from None
        if last.code != 250:
            raise failure(last.code, last.message, Stage.CONTENT)
        return last.message

    async def _take(self) -> _Line:
        """A logged-in connection, warm if there is one."""
        while self._warm:
            line = self._warm.pop()
            if line.client.is_connected and self._clock.monotonic() - line.since < self._settings.keep:
                return line
            line.client.close()
        return await self._connect()

    async def _give_back(self, line: _Line) -> None:
        if not line.client.is_connected or self._settings.keep <= 0:
            line.client.close()
        elif line.mails >= self._settings.mails_per_connection:
            await _quit(line.client)
        else:
            line.since = self._clock.monotonic()
            self._warm.append(line)

    async def _tidy_up(self, line: _Line) -> None:
        """After a refusal: the connection is good for the next mail if it can be reset."""
        if not line.client.is_connected:
            line.client.close()
            return
        try:
            await line.client.rset()
        except (aiosmtplib.SMTPException, OSError):
            line.client.close()
        else:
            await self._give_back(line)

    async def _connect(self) -> _Line:
        settings = self._settings
        port = settings.port or PORTS[settings.security]
        sock = None
        if self._tunnel is not None:
            sock = await self._tunnel.connect(settings.host, port, settings.timeout)
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=None if sock else port,  # the library takes either
            sock=sock,
            local_hostname=settings.helo or self._sender.address.rpartition("@")[2],
            timeout=settings.timeout,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=self._tls,
        )
        try:
            await client.connect()
        except aiosmtplib.SMTPResponseException as error:
            raise failure(error.code, error.message, Stage.CONNECT) from None
        except aiosmtplib.SMTPTimeoutError:
            raise TemporaryFailure(Reason.TIMEOUT, f"no answer from {settings.host}") from None
        except ssl.SSLError as error:
            raise TemporaryFailure(Reason.CONFIG, f"TLS with {settings.host}: {error.reason}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _connect_failure(error, settings) from None
        try:
            await client.ehlo()
            await self._log_in(client)
        except BaseException as error:
            client.close()
            raise self._login_failure(error) from None
        return _Line(client)

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        """By password, or by a token (XOAUTH2); a token that is refused is renewed once."""
        user, password = self._settings.user, self._settings.password
        if user is not None and password is not None:
            await client.login(user, password.get_secret_value())
        elif user is not None and self._tokens is not None:
            if "xoauth2" not in client.server_auth_methods:
                raise TemporaryFailure(Reason.CONFIG, "the server takes no tokens here (AUTH XOAUTH2)")
            token = await self._tokens.get()
            try:
                await client.auth_xoauth2(user, token)
            except aiosmtplib.SMTPAuthenticationError:
                await client.auth_xoauth2(user, await self._tokens.renew(token))

    def _login_failure(self, error: BaseException) -> BaseException:
        if isinstance(error, aiosmtplib.SMTPResponseException):
            refusal = failure(error.code, error.message, Stage.LOGIN)
            if self._tokens is not None:
                refusal.repair = self._tokens.repair
            return refusal
        if isinstance(error, aiosmtplib.SMTPTimeoutError):
            return TemporaryFailure(Reason.TIMEOUT, "no answer while logging in")
        if isinstance(error, aiosmtplib.SMTPServerDisconnected):
            return TemporaryFailure(Reason.UNREACHABLE, "the server hung up while logging in")
        if isinstance(error, aiosmtplib.SMTPException):
            return TemporaryFailure(
                Reason.CONFIG, "the server offers no way to log in here; check port and security"
            )
        return error


class _Stale(Exception):
    """The server had hung up before the exchange began."""


def _hung_up() -> TemporaryFailure:
    return TemporaryFailure(Reason.UNREACHABLE, "the server hung up at once")


@dataclass(frozen=True, slots=True)
class _Taken:
    """The server's last word on a mail, and what became of the copies that it did not take."""

    answer: str
    refused: dict[str, str]
    put_off: dict[str, TemporaryFailure]


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """TLS as a client: the system's authorities and, if given, further ones."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context


def _connect_failure(error: Exception, settings: SmtpSettings) -> TemporaryFailure:
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError):
        return TemporaryFailure(Reason.CONFIG, f"TLS with {settings.host}: {cause.reason}")
    if settings.security == "starttls" and not isinstance(error, ConnectionError | OSError):
        return TemporaryFailure(
            Reason.CONFIG, f"{settings.host} does not offer STARTTLS; it is never left out"
        )
    return TemporaryFailure(Reason.UNREACHABLE, f"{settings.host}: {tidy(str(cause))}")


async def _quit(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(2):
            await client.quit()
    client.close()


def _failing(detail: str, repair: str) -> Health:
    return Health(HealthState.FAILING, detail, repair)


def _repair(reason: Reason, settings: SmtpSettings) -> str:
    if reason is Reason.AUTH:
        return "check outgoing.user and outgoing.password (QQ, 163: a new authorisation code 授权码)"
    if reason is Reason.CONFIG:
        return "check outgoing.security, outgoing.port and ca_file"
    return f"check that {settings.host} can be reached from here"
