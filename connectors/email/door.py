"""A door of our own for mail servers (SMTP, RFC 5321; LMTP, RFC 2033): 250 only once the mail is stored."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from connectors.contract import Accept, Batch, Busy
from connectors.email import DoorSettings, identity
from connectors.email.door_session import HANDSHAKE, LmtpSession, SmtpSession
from model import health
from model.failures import Failure, PermanentFailure, Reason
from model.health import Health, HealthState
from model.tools import Log, Raw, Spooled, Tools

# Its lines name senders, recipients and, at debug, whole mails.
logging.getLogger("mail.log").setLevel(logging.ERROR)

#: A mail of more bytes is not carried here for nothing while the house is known to be busy; a smaller one may try.
HEAVY = 1_048_576
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
        self._clock = tools.clock
        self._spool = tools.spool
        self._server: asyncio.Server | None = None
        self._sessions: dict[SmtpSession, str] = {}
        self._clients: Counter[str] = Counter()
        self._accept: Accept | None = None
        self._storing: set[asyncio.Task[str]] = set()
        self._busy_until = 0.0
        self._certificate: tuple[ssl.SSLContext, tuple[int, int]] | None = None

    @property
    def port(self) -> int | None:
        """The port it listens at, or None while it is shut."""
        return self._server.sockets[0].getsockname()[1] if self._server and self._server.sockets else None

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The certificate as its files are now, or None for a door without one."""
        settings = self._settings
        if settings.security == "none" or settings.cert_file is None or settings.key_file is None:
            return None
        stamp = (Path(settings.cert_file).stat().st_mtime_ns, Path(settings.key_file).stat().st_mtime_ns)
        if self._certificate is None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(settings.cert_file, settings.key_file)
            self._certificate = (context, stamp)
        elif self._certificate[1] != stamp:
            context = self._certificate[0]  # the same one: the listening socket holds it
            try:
                context.load_cert_chain(settings.cert_file, settings.key_file)
            except (OSError, ssl.SSLError) as error:  # half written: the old one is still good
                self._log.warning("door.certificate", why=type(error).__name__)
            else:
                self._certificate = (context, stamp)
        return self._certificate[0]

    async def open(self) -> None:
        """Nothing: the door opens when there is somebody to hand mail to."""

    async def listen(self, accept: Accept) -> None:
        """Open the door; PermanentFailure(config) when the address cannot be had."""
        self._accept = accept
        if self._server is not None:
            return
        settings = self._settings
        try:
            tls = self.tls
        except (OSError, ssl.SSLError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise PermanentFailure(
                Reason.CONFIG,
                f"the door's certificate cannot be used: {why}",
                repair="check door.cert_file and door.key_file",
            ) from None
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._session,
                settings.host,
                settings.port,
                ssl=tls if settings.security == "tls" else None,
                ssl_handshake_timeout=HANDSHAKE if settings.security == "tls" else None,
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
        if self._storing:  # nobody waits for their answers any more; what is stored is stored
            await asyncio.wait(self._storing, timeout=5)

    async def probe(self) -> Health:
        """Connect to the door and read its greeting."""
        if self.port is None:
            return Health(HealthState.UNKNOWN, "the door is not open yet", "")
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104
            self._settings.host, self._settings.host
        )
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(host, self.port, ssl=self._anybody())
                try:
                    greeting = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            greeting = b""
        if greeting.startswith(b"220"):
            return health.OK
        return Health(HealthState.FAILING, "the door does not answer", "restart the channel")

    def _anybody(self) -> ssl.SSLContext | None:
        """TLS for knocking at our own door, whose certificate is not made for a loopback address."""
        if self._settings.security != "tls":
            return None
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def _session(self) -> SmtpSession:
        settings = self._settings
        kind = LmtpSession if settings.protocol == "lmtp" else SmtpSession
        return kind(
            self,
            settings,
            self._limit,
            hostname=settings.name,
            ident="ready",
            loop=asyncio.get_running_loop(),
            tls_context=self.tls if settings.security == "starttls" else None,
        )

    def opened(self, session: SmtpSession, transport: Any) -> str:
        """Count a session; why there is no room for it, or nothing."""
        peer = transport.get_extra_info("peername")
        client = str(peer[0]) if isinstance(peer, tuple) else ""
        self._sessions[session] = client
        self._clients[client] += 1
        if len(self._sessions) > self._settings.max_sessions:
            return "421 4.3.2 too many connections, try again later"
        if self._clients[client] > self._settings.max_sessions_per_client:
            return "421 4.7.0 too many connections from your address, try again later"
        return ""

    def closed(self, session: SmtpSession) -> None:
        """Count a session no longer."""
        client = self._sessions.pop(session, None)
        if client is not None:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

    # What aiosmtpd calls, by its names.

    async def handle_MAIL(  # noqa: N802
        self, server: SmtpSession, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if not session.authenticated and not self._welcome(session.peer):
            if self._settings.users:
                return "530 5.7.0 log in first"
            return "550 5.7.1 not from your address"
        if _announced(options) > HEAVY and self._clock.monotonic() < self._busy_until:
            return "452 4.3.1 busy, try again later"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SmtpSession, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= self._settings.max_recipients:
            return "452 4.5.3 too many recipients"
        refused = self._refused(address)
        if refused:
            server.refused += 1
            if server.refused >= self._settings.max_refused:
                server.leaving = True
                return "421 4.7.0 too many recipients that are not here"
            return refused
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 recipient ok"

    # What our sessions call.

    async def keep(self, pieces: AsyncIterator[bytes], limit: int) -> Raw | None:
        """The bytes of a mail, spooled when large; None when they could not be kept, read to their end all the same."""
        try:
            return await self._spool.keep(pieces, limit)
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            self._log.error("mail not kept", error=type(error).__name__)
            async for _ in pieces:
                pass
            return None

    def discard(self, raw: Raw | None) -> None:
        """Remove what was kept of a mail that is not taken."""
        if isinstance(raw, Spooled):
            raw.path.unlink(missing_ok=True)

    async def take(self, session: Any, envelope: Any, raw: Raw, taken: identity.Fingerprint) -> str:
        """Store a mail; the answer to its sender."""
        peer = session.peer[0] if isinstance(session.peer, tuple) else str(session.peer or "")
        mail_from = "" if envelope.mail_from in NULL_SENDERS else envelope.mail_from
        one = identity.envelope(
            self._account,
            raw,
            print_of=taken.finish(),
            meta={
                "mail_from": mail_from or "<>",
                "rcpt_to": list(envelope.rcpt_tos),
                "remote": peer,
                "helo": session.host_name or "",
            },
        )
        # Not cancelled when it takes too long: should it be stored yet, the next try is known as a repeat.
        storing = asyncio.create_task(self._store(Batch(envelopes=[one])))
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)
        done, _ = await asyncio.wait({storing}, timeout=self._settings.patience)
        return storing.result() if done else "451 4.3.2 storing takes too long, try again later"

    async def handle_exception(self, error: Exception) -> str:
        """The library's last resort: the sender keeps the mail and comes again."""
        self._log.error("door failed", error=type(error).__name__)
        return "451 4.3.0 local error, try again later"

    async def _store(self, batch: Batch) -> str:
        if self._accept is None:
            return "451 4.3.0 not ready, try again later"
        try:
            accepted = await self._accept(batch)
        except Busy as busy:
            self._busy_until = self._clock.monotonic() + busy.retry_after.total_seconds()
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
        if not self._networks:
            return not self._settings.users
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


def _announced(options: list[str]) -> int:
    """The size that MAIL announced (RFC 1870), or 0."""
    sizes = [one[5:] for one in options if one.upper().startswith("SIZE=")]
    return int(sizes[0]) if sizes and sizes[0].isdigit() else 0
