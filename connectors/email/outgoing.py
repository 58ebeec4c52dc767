"""The way out for mail through a server, over a few warm connections."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from dataclasses import dataclass
from typing import Protocol

import aiosmtplib

from connectors.email import SmtpSettings
from connectors.email.answers import Stage, failure, tidy
from connectors.email.compose import Mail, Sender, compose
from connectors.email.tunnel import Tunnel
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
class _Warm:
    """A connection that waits for the next mail."""

    client: aiosmtplib.SMTP
    since: float


class SmtpOutgoing:
    """Hands mail to a server. At most `connections` at a time; further messages wait for a free one."""

    def __init__(
        self,
        settings: SmtpSettings,
        sender: Sender,
        tools: Tools,
        ca_file: str | None,
        tunnel: Tunnel | None,
    ) -> None:
        self._settings = settings
        self._sender = sender
        self._clock = tools.clock
        self._ca_file = ca_file
        self._tunnel = tunnel
        self._slots = asyncio.Semaphore(settings.connections)
        self._warm: list[_Warm] = []
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
                client, _ = await self._take()
                try:
                    await client.noop()
                except aiosmtplib.SMTPException as error:
                    client.close()
                    return _failing(f"NOOP: {tidy(str(error))}", "check that the server is up")
                self._give_back(client)
        except TemporaryFailure as error:
            return _failing(error.detail, _repair(error.reason, self._settings))
        return health.OK

    async def send(self, message: Message) -> Receipt:
        """One try. The mail's id is fixed by `message.key`, so that a second try can be recognised."""
        mail = compose(message, self._sender, self._clock.now())
        async with self._slots:
            client, reused = await self._take()
            try:
                try:
                    refused, answer = await self._exchange(client, mail)
                except _Stale:
                    if not reused:
                        raise TemporaryFailure(Reason.UNREACHABLE, "the server hung up at once") from None
                    client = await self._connect()  # it had hung up while the connection was waiting
                    try:
                        refused, answer = await self._exchange(client, mail)
                    except _Stale:
                        raise TemporaryFailure(Reason.UNREACHABLE, "the server hung up at once") from None
            except (TemporaryFailure, PermanentFailure):
                await self._tidy_up(client)
                raise
            except BaseException:
                client.close()
                raise
            self._give_back(client)
        data = {"answer": tidy(answer), **({"refused": refused} if refused else {})}
        return Receipt(mail.message_id, self._clock.now(), data)

    async def _exchange(self, client: aiosmtplib.SMTP, mail: Mail) -> tuple[dict[str, str], str]:
        """MAIL, RCPT, DATA; gives the copies that were refused and the server's last word."""
        self._check_size(client, mail)
        options = [f"SIZE={len(mail.data)}"] if client.supports_extension("size") else []
        try:
            await client.mail(mail.sender, options=options)
        except aiosmtplib.SMTPServerDisconnected:
            raise _Stale from None
        except aiosmtplib.SMTPResponseException as error:
            raise failure(error.code, error.message, Stage.SENDER) from None
        except aiosmtplib.SMTPTimeoutError:
            raise TemporaryFailure(Reason.TIMEOUT, "no answer to MAIL") from None
        refused = await self._recipients(client, mail)
        return refused, await self._content(client, mail.data)

    def _check_size(self, client: aiosmtplib.SMTP, mail: Mail) -> None:
        limit = client.esmtp_extensions.get("size", "")
        if limit.isdigit() and 0 < int(limit) < len(mail.data):
            raise PermanentFailure(
                Reason.REQUEST, f"the mail has {len(mail.data)} bytes, the server takes {limit} at the most"
            )

    async def _recipients(self, client: aiosmtplib.SMTP, mail: Mail) -> dict[str, str]:
        refused: dict[str, str] = {}
        for i, recipient in enumerate(mail.recipients):
            try:
                await client.rcpt(recipient)
            except aiosmtplib.SMTPRecipientRefused as error:
                if i == 0 or error.code == 421:
                    raise failure(error.code, error.message, Stage.RECIPIENT) from None
                # A bad copy must not repeat the mail to the others: it is told and left out.
                refused[recipient] = f"{error.code} {tidy(error.message)}"
            except aiosmtplib.SMTPTimeoutError:
                raise TemporaryFailure(Reason.TIMEOUT, "no answer to RCPT") from None
            except aiosmtplib.SMTPServerDisconnected:
                raise TemporaryFailure(Reason.UNREACHABLE, "connection lost before the mail") from None
        return refused

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

    async def _take(self) -> tuple[aiosmtplib.SMTP, bool]:
        """A logged-in connection, and whether it was used before."""
        while self._warm:
            warm = self._warm.pop()
            if warm.client.is_connected and self._clock.monotonic() - warm.since < self._settings.keep:
                return warm.client, True
            warm.client.close()
        return await self._connect(), False

    def _give_back(self, client: aiosmtplib.SMTP) -> None:
        if client.is_connected and self._settings.keep > 0:
            self._warm.append(_Warm(client, self._clock.monotonic()))
        else:
            client.close()

    async def _tidy_up(self, client: aiosmtplib.SMTP) -> None:
        """After a refusal: the connection is good for the next mail if it can be reset."""
        if not client.is_connected:
            client.close()
            return
        try:
            await client.rset()
        except (aiosmtplib.SMTPException, OSError):
            client.close()
        else:
            self._give_back(client)

    async def _connect(self) -> aiosmtplib.SMTP:
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
            if settings.user is not None and settings.password is not None:
                await client.login(settings.user, settings.password.get_secret_value())
        except BaseException as error:
            client.close()
            raise self._login_failure(error) from None
        return client

    def _login_failure(self, error: BaseException) -> BaseException:
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return failure(error.code, error.message, Stage.LOGIN)
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
