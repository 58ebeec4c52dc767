"""A door of our own for mail servers (SMTP, RFC 5321; LMTP, RFC 2033): 250 only once the mail is stored."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_address, ip_network
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

from connectors.contract import Accept, Batch, Busy
from connectors.email import DoorSettings, identity
from model import health
from model.failures import Failure, PermanentFailure, Reason
from model.health import Health, HealthState
from model.tools import Log, Tools

# Its lines name senders, recipients and, at debug, whole mails.
logging.getLogger("mail.log").setLevel(logging.ERROR)

#: Where the null reverse-path comes as, by library and version.
NULL_SENDERS = ("", "<>")


class Door:
    """Listens, hands each mail to `accept`, and answers after that returned."""

    def __init__(
        self, settings: DoorSettings, account: str, own: tuple[str, ...], limit: int, tools: Tools
    ) -> None:
        self._settings = settings
        self._account = account
        self._recipients = frozenset(one.lower() for one in (settings.recipients or own))
        self._networks = tuple(ip_network(one) for one in settings.networks)
        self._limit = limit
        self._log: Log = tools.log
        self._server: asyncio.Server | None = None
        self._sessions: set[SMTP] = set()
        self._accept: Accept | None = None

    @property
    def port(self) -> int | None:
        """The port it listens at, or None while it is shut."""
        return self._server.sockets[0].getsockname()[1] if self._server and self._server.sockets else None

    async def open(self) -> None:
        """Nothing: the door opens when there is somebody to hand mail to."""

    async def listen(self, accept: Accept) -> None:
        """Open the door; PermanentFailure(config) when the address cannot be had."""
        self._accept = accept
        if self._server is not None:
            return
        settings = self._settings
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._session, settings.host, settings.port
            )
        except OSError as error:
            raise PermanentFailure(
                Reason.CONFIG,
                f"cannot listen at {settings.host}:{settings.port}: {error.strerror}; choose another door.port",
            ) from None

    async def close(self) -> None:
        """Shut the door and hang up; who was not answered will bring the mail again. Safe to repeat."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for session in tuple(self._sessions):
            if session.transport is not None:
                session.transport.close()
        await server.wait_closed()

    async def probe(self) -> Health:
        """Connect to the door and read its greeting."""
        if self.port is None:
            return Health(HealthState.UNKNOWN, "the door is not open yet", "")
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104
            self._settings.host, self._settings.host
        )
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(host, self.port)
                try:
                    greeting = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            greeting = b""
        if greeting.startswith(b"220"):
            return health.OK
        return Health(HealthState.FAILING, "the door does not answer", "restart the channel")

    def _session(self) -> SMTP:
        settings = self._settings
        kind = _Lmtp if settings.protocol == "lmtp" else _Smtp
        session: SMTP = kind(
            self,
            settings,
            hostname=settings.name,
            ident="ready",
            data_size_limit=self._limit,
            enable_SMTPUTF8=True,
            timeout=settings.idle_timeout,
            loop=asyncio.get_running_loop(),
        )
        return session

    def opened(self, session: SMTP) -> bool:
        """Count a session; whether there is room for it."""
        self._sessions.add(session)
        return len(self._sessions) <= self._settings.max_sessions

    def closed(self, session: SMTP) -> None:
        """Count a session no longer."""
        self._sessions.discard(session)

    # What aiosmtpd calls, by its names.

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self._networks and not self._welcome(session.peer):
            return "550 5.7.1 not from your address"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= self._settings.max_recipients:
            return "452 4.5.3 too many recipients"
        refused = self._refused(address)
        if refused:
            return refused
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 recipient ok"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        peer = session.peer[0] if isinstance(session.peer, tuple) else str(session.peer or "")
        mail_from = "" if envelope.mail_from in NULL_SENDERS else envelope.mail_from
        one = identity.envelope(
            self._account,
            envelope.original_content,
            meta={
                "mail_from": mail_from or "<>",
                "rcpt_to": list(envelope.rcpt_tos),
                "remote": peer,
                "helo": session.host_name or "",
            },
        )
        answer = await self._store(Batch(envelopes=[one]))
        if self._settings.protocol == "lmtp":  # one answer for each recipient, RFC 2033 §4.2
            return "\r\n".join([answer] * len(envelope.rcpt_tos))
        return answer

    async def handle_exception(self, error: Exception) -> str:
        """The library's last resort: the sender keeps the mail and comes again."""
        self._log.error("door failed", error=type(error).__name__)
        return "451 4.3.0 local error, try again later"

    async def _store(self, batch: Batch) -> str:
        if self._accept is None:
            return "451 4.3.0 not ready, try again later"
        try:
            accepted = await self._accept(batch)
        except Busy:
            return "452 4.3.1 busy, try again later"
        except Failure as error:
            self._log.error("mail not accepted", failure=type(error).__name__)
            return "451 4.3.0 not stored, try again later"
        except Exception as error:  # anything at all: not stored means not taken
            self._log.error("mail not accepted", error=type(error).__name__)
            return "451 4.3.0 not stored, try again later"
        if len(accepted) != len(batch.envelopes):
            return "451 4.3.0 not stored, try again later"
        return f"250 2.0.0 stored as {accepted[0].reference}"

    def _welcome(self, peer: Any) -> bool:
        try:
            address = ip_address(peer[0])
        except (ValueError, TypeError, IndexError):
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)

    def _refused(self, address: str) -> str | None:
        if "*" in self._recipients:
            return None
        local, _, domain = address.lower().rpartition("@")
        if (
            f"{local}@{domain}" in self._recipients
            or f"{local.partition('+')[0]}@{domain}" in self._recipients
        ):
            return None
        if not any(one.rpartition("@")[2] == domain for one in self._recipients):
            return "550 5.7.1 we do not relay"
        return "550 5.1.1 no such mailbox here"


class _Smtp(SMTP):
    """What our sessions add to the library's: longer lines, and a count of the open ones."""

    def __init__(self, door: Door, settings: DoorSettings, **options: Any) -> None:
        self.line_length_limit = settings.max_line  # read by the library while it is being made
        self._door = door
        super().__init__(door, **options)

    def connection_made(self, transport: Any) -> None:
        if not self._door.opened(self):
            transport.write(b"421 4.3.2 too many connections, try again later\r\n")
            transport.close()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._door.closed(self)
        super().connection_lost(error)


class _Lmtp(_Smtp, LMTP):
    """The same for LMTP."""
