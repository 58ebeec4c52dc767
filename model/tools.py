"""What a connector or destination gets from the house instead of making it itself.

They are Protocols, so that tests hand in their own and no kind reaches for a clock or a socket of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Spooled:
    """Raw bytes too large for memory, waiting in a file of ours; the store takes the file over."""

    path: Path
    size: int
    sha256: str


#: Bytes as they came: in memory when small, else spooled.
Raw = bytes | Spooled


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> datetime:
        """Aware wall-clock time in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back; for measuring, never stored."""

    async def sleep(self, seconds: float) -> None:
        """Wait; returns at once when the daemon's tests say so."""


class Ids(Protocol):
    """Identifiers and randomness, injected."""

    def new(self) -> str:
        """A fresh UUIDv7; later calls sort later."""

    def draw(self, size: int) -> bytes:
        """Unpredictable bytes."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a far side answered; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file that a far side answered with; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    raw: Raw


class Http(Protocol):
    """HTTP to a far side, through the channel's proxy and CA."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30.0,  # seconds for the whole exchange
        public_only: bool = False,
        limit: int = 1_048_576,
    ) -> HttpAnswer:
        """One exchange, redirects not followed; any status is an answer.

        Raises TemporaryFailure when the far side cannot have got the request, and Uncertain when it may
        have and no whole answer came. `public_only` refuses private, loopback and link-local addresses
        after resolution (PermanentFailure): set it whenever data, not the operator, chose the URL.
        An answer's body beyond `limit` bytes is cut there.
        """

    async def load(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 120.0,  # seconds for the whole exchange
        public_only: bool = False,
        limit: int = 52_428_800,
    ) -> Loaded:
        """GET a file of any size up to `limit` bytes, spooled when large; any status is an answer.

        Redirects are followed, at most five, each address checked anew. Raises TemporaryFailure when no whole
        answer came, and PermanentFailure (`request`) when it is larger than `limit`.
        """


class Spool(Protocol):
    """Raw bytes of any size on their way to the store."""

    async def keep(self, chunks: AsyncIterator[bytes], limit: int) -> Raw:
        """Read all chunks, in memory while small, else into a file; OverflowError beyond `limit` bytes."""


class Vault(Protocol):
    """Tokens that must outlive the process; a value is durable before `put` returns."""

    async def get(self, name: str) -> str | None: ...

    async def put(self, name: str, value: str) -> None: ...

    def alone(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold a lease while the block runs: of all processes on this store, one at a time is in it.

        For refreshing a token: read the value again inside, another may have just stored a fresh one.
        """


class Log(Protocol):
    """Structured log with the channel bound; never give it a secret or a customer's text."""

    def debug(self, event: str, **facts: Any) -> Any: ...

    def info(self, event: str, **facts: Any) -> Any: ...

    def warning(self, event: str, **facts: Any) -> Any: ...

    def error(self, event: str, **facts: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything the house lends to one connector or destination."""

    name: str
    """The channel's or destination's name in the configuration."""
    clock: Clock
    ids: Ids
    http: Http
    spool: Spool
    vault: Vault
    log: Log
    secret: bytes
    """Key of this installation, for signing reply tokens and the like; derive, never send."""
