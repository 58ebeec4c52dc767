"""aioimaplib's protocol with a reader of our own: what 2.0.3 does wrong on the wire is put right here, in one place.

The library's reader calls itself once a line (a thousand lines in one read end in RecursionError), deletes `* `
inside of lines, swallows what follows an unbalanced parenthesis, joins lists quadratically, and formats all it
reads for a log that is off. Ours follows the grammar (RFC 3501 §9: a response is one line, and goes on after each
literal in it) and bounds what a server may send. The greeting `* BYE`, and the challenge by which a server
refuses a token, have answers here, which the library lacks.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import socket
from typing import Any

from aioimaplib.aioimaplib import CONNECTED, IMAP4, Abort, Command, IMAP4ClientProtocol

LITERAL = re.compile(rb"\{(\d{1,19})\}$")
#: `* 12 FETCH …`, `* 3 EXPUNGE`: the word that tells which command it belongs to comes second.
NUMBERED = re.compile(rb"(\d+) (FETCH|EXPUNGE)\b", re.I)
#: Longest line without its literals, bytes: an answer to SEARCH is one line for a whole folder.
LINE = 16_777_216
#: Bytes that one command may bring back when its caller says nothing else.
ROOM = 33_554_432


class Protocol(IMAP4ClientProtocol):  # type: ignore[misc]  # the library is not typed
    """The library's protocol, reading by the grammar and within bounds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, conn_lost_cb: Any = None) -> None:
        super().__init__(loop, conn_lost_cb)
        self._buffer = bytearray()
        self._scanned = 0
        self._owner: Command | None = None
        """Whose response the next line goes on with, while there is one."""
        self._missing = 0
        self._literal = bytearray()
        self._inside = False
        self.room = ROOM
        """Bytes that may still come in answer to the present command."""
        self.bye = b""
        """The server's last word, when it had one."""
        self.overflowed = False
        self.sasl = ""
        """What to answer when a server asks for the token by itself, because it takes none with the command."""
        self.challenge: dict[str, Any] = {}
        """What the server said about a token that it refused."""

    def data_received(self, d: bytes) -> None:
        """Take bytes apart into lines and literals; hang up on a server that sends more than was asked for."""
        self.room -= len(d)
        if self.room < 0:
            self._overflow()
            return
        self._buffer += d
        at = 0
        try:
            while (after := self._step(at)) is not None:
                at = after
        except Abort:
            self.transport.abort()  # a tag that nobody sent: there is no going on
            return
        finally:
            del self._buffer[:at]
            self._scanned = max(0, self._scanned - at)
        if len(self._buffer) > LINE:
            self._overflow()
        elif self.pending_sync_command is not None:
            self.pending_sync_command.flush()

    def forget(self) -> None:
        """Drop what was received and not yet understood: it came in the clear, after the answer to STARTTLS."""
        self._buffer.clear()
        self._scanned = 0

    def _step(self, at: int) -> int | None:
        """Take the next literal or line from a place in the buffer; the place after it, None for want of bytes."""
        if self._missing:
            piece = self._buffer[at : at + self._missing]
            if not piece:
                return None
            self._literal += piece
            self._missing -= len(piece)
            if not self._missing:
                self._end_literal()
            return at + len(piece)
        end = self._buffer.find(b"\r\n", max(at, self._scanned))
        if end < 0:
            self._scanned = max(at, len(self._buffer) - 1)
            return None
        self._line(bytes(self._buffer[at:end]))
        return end + 2

    def _line(self, line: bytes) -> None:
        if self._inside:
            if self._owner is not None:
                self._owner.append_to_resp(line)
        else:
            self._owner = self._begun(line)
        size = LITERAL.search(line)
        self._inside = size is not None
        if size is None:
            self._owner = None
            return
        if int(size[1]) > self.room + len(self._buffer):
            self._overflow()
            return
        self._missing, self._literal = int(size[1]), bytearray()
        if not self._missing:
            self._end_literal()

    def _end_literal(self) -> None:
        literal, self._literal = self._literal, bytearray()
        if self._owner is not None:
            self._owner.append_to_resp(literal)

    def _begun(self, line: bytes) -> Command | None:
        if line[:6].upper() == b"* BYE ":
            self.bye = line[6:]
            if self.state == CONNECTED:  # refused at the door: the library would wait for a greeting for ever
                self.transport.abort()
                return None
        return self._handle_line(line, None)

    def _untagged_response(self, line: bytes) -> Command | None:
        line = line[2:] if line.startswith(b"* ") else line[1:]
        if self.pending_sync_command is not None:
            self.pending_sync_command.append_to_resp(line)
            return self.pending_sync_command
        found = NUMBERED.match(line)
        name = (found[2] if found else line.partition(b" ")[0]).decode("ascii", "replace").upper()
        pending = self.pending_async_commands
        command: Command | None = pending.get(name) or pending.get("NOOP")
        if command is not None:
            command.append_to_resp(line if found or name not in pending else line.partition(b" ")[2])
        return command

    def _continuation(self, line: bytes) -> None:
        command = self.pending_sync_command
        if command is None or command.name != "AUTHENTICATE":
            super()._continuation(line)
            return
        words = line[1:].strip()
        if not words and self.sasl:
            self.transport.write(self.sasl.encode() + b"\r\n")
            return
        # A refused token: its reasons as JSON, and only an empty line brings the tagged NO (RFC 7628 §3.2.3).
        try:
            told = json.loads(base64.b64decode(words))
        except (ValueError, binascii.Error):
            told = {}
        self.challenge = told if isinstance(told, dict) else {}
        self.transport.write(b"\r\n")

    def _overflow(self) -> None:
        self.overflowed = True
        self._buffer.clear()
        self._literal = bytearray()
        self._missing = 0
        self.transport.abort()


class Client(IMAP4):  # type: ignore[misc]
    """The library's client on our protocol, over a connection through a proxy if there is one."""

    protocol: Protocol

    def __init__(self, tunnel: socket.socket | None, host: str, port: int, **options: Any) -> None:
        self._tunnel = tunnel
        super().__init__(host, port, **options)

    def create_client(
        self, host: str, port: int, loop: Any, conn_lost_cb: Any = None, ssl_context: Any = None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.protocol = protocol = Protocol(loop, conn_lost_cb)
        if self._tunnel is None:
            making = loop.create_connection(lambda: protocol, host, port, ssl=ssl_context)
        else:
            name = host if ssl_context else None  # what the certificate must be for
            making = loop.create_connection(
                lambda: protocol, sock=self._tunnel, ssl=ssl_context, server_hostname=name
            )
        self._client_task = loop.create_task(making)
