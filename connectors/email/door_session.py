"""One connection at the door: aiosmtpd's session with its mail read in pieces, within bounds, and TLS on any loop.

The library keeps a whole mail in memory as a list of lines and lets its sender take as long as it likes for it; its
STARTTLS is tied to the standard library's event loop.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Never

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from connectors.email import DoorSettings, identity
from model.tools import Raw

if TYPE_CHECKING:
    from connectors.email.door import Door

#: Bytes of a mail that are looked at together.
PIECE = 65_536
#: A mail ends with a line of one dot; CRLF alone ends lines (a bare LF would let a second mail be smuggled in).
END = b"\r\n.\r\n"
STUFFED = re.compile(rb"\r\n\.")
#: Seconds that a sender has before its rate is looked at.
GRACE = 30.0
#: Seconds for agreeing on TLS.
HANDSHAKE = 30.0
#: Wrong passwords after which the door hangs up.
GUESSES = 3


class Content:
    """The bytes of one mail off the wire: dots unstuffed, bounds kept, the end found."""

    def __init__(self, session: SmtpSession, settings: DoorSettings, limit: int) -> None:
        self._session = session
        self._settings = settings
        self._limit = limit
        self.refusal = ""
        """Why the mail is not taken; it is read to its end all the same, so that the answer is heard."""
        self.taken = identity.Fingerprint()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The mail as it was before it was stuffed; nothing more once it is refused."""
        # Always from a line's end on: what stands before the mail's first line is one, too.
        held = b"\r\n"
        first = 2
        while True:
            held += await self._session.more()
            end = held.find(END)
            cut = end + 2 if end >= 0 else held.rfind(b"\r\n")
            if cut > 0:
                piece = STUFFED.sub(b"\r\n", held[:cut])[first:]
                first = 0
                if not self.refusal:
                    self._check(piece)
                if not self.refusal and piece:
                    yield piece
            if end >= 0:
                self._session.give_back(held[end + len(END) :])
                return
            held = held[cut:]
            if len(held) > self._settings.max_line + 2:
                self.refusal = self.refusal or self._too_long
                held = held[-len(END) :]

    @property
    def _too_long(self) -> str:
        return f"500 5.6.0 a line is longer than {self._settings.max_line} bytes"

    def _check(self, piece: bytes) -> None:
        self.taken.feed(piece)
        if self.taken.size > self._limit:
            self.refusal = f"552 5.3.4 the mail is larger than {self._limit} bytes"
        elif max(map(len, piece.split(b"\r\n"))) > self._settings.max_line:
            self.refusal = self._too_long
        elif self.taken.header_size > self._settings.max_header_bytes:
            self.refusal = f"552 5.3.4 the header is longer than {self._settings.max_header_bytes} bytes"


class SmtpSession(SMTP):
    """What our sessions add to the library's."""

    def __init__(self, door: Door, settings: DoorSettings, limit: int, **options: Any) -> None:
        self.line_length_limit = PIECE  # of commands, and of what is read ahead; read while it is being made
        self._door = door
        self._settings = settings
        self._mail_limit = limit
        self._began = 0.0
        self._moved = 0
        self._guesses = 0
        self.refused = 0
        """Recipients that were refused in this session."""
        self.leaving = False
        """Hang up after the next answer."""
        self._end: asyncio.TimerHandle | None = None
        if not settings.users:
            options["auth_exclude_mechanism"] = ("LOGIN", "PLAIN")
        super().__init__(
            door,
            data_size_limit=limit,
            enable_SMTPUTF8=True,
            timeout=settings.idle_timeout,
            auth_require_tls=not settings.auth_without_tls,
            authenticator=self._check_password,
            require_starttls=settings.require_tls and settings.security == "starttls",
            **options,
        )
        if settings.security == "tls":
            self._tls_protocol: Any = True  # private from the first byte: AUTH is offered, STARTTLS is not

    def connection_made(self, transport: Any) -> None:
        refusal = self._door.opened(self, transport)
        if refusal:
            transport.write(f"{refusal}\r\n".encode())
            transport.close()
        super().connection_made(transport)
        if self._settings.security == "tls" and self.session is not None:
            self.session.ssl = {"cipher": transport.get_extra_info("cipher")}
        self._end = self.loop.call_later(self._settings.max_session_seconds, self._timeout_cb)

    def connection_lost(self, error: Exception | None) -> None:
        self._door.closed(self)
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        """Say something; with a last word nothing that was sent ahead is heard any more."""
        await super().push(status)
        if self.leaving:
            self._hang_up()

    def _hang_up(self) -> Never:
        """End this session as the library does when the client is gone: by ending the task that we are in."""
        if self.transport is not None:
            self.transport.close()
        raise asyncio.CancelledError

    # ---- TLS

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        """By the loop's own means; what the client sent ahead in the clear is nobody's word (RFC 3207 §4.2)."""
        if arg:
            await self.push("501 Syntax: STARTTLS")
            return
        context = self._door.tls
        if context is None or self._tls_protocol or self.transport is None:
            await self.push("454 4.7.0 TLS not available")
            return
        await self.push("220 2.0.0 ready to start TLS")
        reader: Any = self._reader
        reader._buffer.clear()
        try:
            clear: Any = self.transport
            private = await self.loop.start_tls(
                clear, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE
            )
        except (OSError, ssl.SSLError):
            private = None
        if private is None:
            self._hang_up()
        writer: Any = self._writer
        self.transport = reader._transport = writer._transport = private
        self._over_ssl = True
        self._tls_protocol = True
        peer = self.session.peer if self.session else None
        self.session = self._create_session()
        self.session.peer = peer
        self.session.ssl = {"cipher": private.get_extra_info("cipher")}
        self.envelope = self._create_envelope()

    # ---- AUTH

    def _check_password(
        self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        """Every user is compared, each in constant time; after a few guesses the door hangs up."""
        good = False
        if isinstance(data, LoginPassword):
            for user in self._settings.users:
                name = hmac.compare_digest(user.name.encode(), data.login)
                word = hmac.compare_digest(user.password.get_secret_value().encode(), data.password)
                good = good or (name and word)
        if good:
            return AuthResult(success=True)
        self._guesses += 1
        self.leaving = self._guesses >= GUESSES
        return AuthResult(success=False, handled=False)

    # ---- the mail

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Read a mail in pieces through the spool, and answer once it is stored."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        envelope = self.envelope
        assert envelope is not None
        if not envelope.rcpt_tos:
            await self.push("503 5.5.1 need RCPT first")
            return
        if arg:
            await self.push("501 Syntax: DATA")
            return
        await self.push("354 end data with <CR><LF>.<CR><LF>")
        self._began, self._moved = self.loop.time(), 0
        content = Content(self, self._settings, self._mail_limit)
        raw = await self._door.keep(content.pieces(), self._mail_limit)
        self._reset_timeout(self._settings.patience + self._settings.idle_timeout)
        answer = await self._answer(content, raw, envelope)
        self.envelope = self._create_envelope()
        await self.push(answer)
        self._reset_timeout()

    async def _answer(self, content: Content, raw: Raw | None, envelope: Any) -> str:
        if content.refusal or raw is None:
            self._door.discard(raw)
            return self.each(content.refusal or "451 4.3.0 local error, try again later", envelope)
        return self.each(await self._door.take(self.session, envelope, raw, content.taken), envelope)

    def each(self, answer: str, envelope: Any) -> str:
        """The answer to a mail."""
        return answer

    async def more(self) -> bytes:
        """The next bytes of a mail; hangs up on senders that drip."""
        data = await self._reader.read(PIECE)
        self._moved += len(data)
        passed = self.loop.time() - self._began
        if not data or (passed > GRACE and self._moved / passed < self._settings.min_rate):
            self._hang_up()
        self._reset_timeout()
        return data

    def give_back(self, data: bytes) -> None:
        """What came after the end of a mail: commands that were sent ahead."""
        if data:
            reader: Any = self._reader
            reader._buffer[:0] = data


class LmtpSession(SmtpSession, LMTP):
    """The same for LMTP: one answer for each recipient (RFC 2033 §4.2)."""

    def each(self, answer: str, envelope: Any) -> str:
        return "\r\n".join([answer] * len(envelope.rcpt_tos))
