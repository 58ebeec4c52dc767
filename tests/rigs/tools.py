"""An implementation of `model.tools` for tests: a still clock, foretold ids, HTTP to loopback only.

async with Workbench() as bench:
    connector = SPEC.build(settings, bench.tools("hook"))
    bench.clock.advance(60)
    assert bench.log.events == []
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import aiohttp

from model import ids as identifiers
from model.failures import PermanentFailure, Reason, TemporaryFailure, Uncertain
from model.tools import HttpAnswer, Loaded, Raw, Spool, Spooled, Tools

#: The time of every test vector: 1795305600 seconds since the epoch.
NOW = datetime(2026, 11, 22, tzinfo=UTC)
#: The key of the test installation.
SECRET = b"a key that only tests know, 32 b"


class FixedClock:
    """Stands still until told; sleeping moves it on and returns at once."""

    def __init__(self, at: datetime = NOW) -> None:
        self._start = at
        self._passed = timedelta()

    def now(self) -> datetime:
        return self._start + self._passed

    def monotonic(self) -> float:
        return 1000.0 + self._passed.total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += timedelta(seconds=seconds)


class CountingIds:
    """UUIDv7 and "random" bytes that are the same in every run, and never the same twice."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed
        self._count = 0

    def new(self) -> str:
        return identifiers.uuid7(int(NOW.timestamp() * 1000) + self._count, self.draw(10))

    def draw(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(f"{self._seed}:{self._count}".encode()).digest(size)


class LoopbackHttp:
    """Real HTTP by aiohttp with the failures that `model.tools.Http` promises; other hosts fail the test."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._session: aiohttp.ClientSession | None = None
        self.public_only_urls: list[str] = []
        """URLs that were asked for with `public_only`, in order."""
        self.public: set[str] = set()
        """Beginnings of URLs that count as public ones: far sides of the test whose addresses come from data."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30.0,
        public_only: bool = False,
        limit: int = 1_048_576,
    ) -> HttpAnswer:
        session = self._checked(url, public_only)
        try:
            async with session.request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as answer:
                content = bytearray()
                async for chunk in answer.content.iter_any():
                    content += chunk
                    if len(content) >= limit:
                        break
                got = {name.lower(): value for name, value in answer.headers.items()}
                return HttpAnswer(answer.status, got, bytes(content[:limit]))
        except aiohttp.ClientConnectorError:
            raise TemporaryFailure(Reason.UNREACHABLE, "cannot connect") from None
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            raise Uncertain("no whole answer came") from None

    async def load(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 120.0,
        public_only: bool = False,
        limit: int = 52_428_800,
    ) -> Loaded:
        try:
            for _ in range(6):
                session = self._checked(url, public_only)
                async with session.get(
                    url,
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=timeout),
                ) as answer:
                    if answer.status in (301, 302, 303, 307, 308) and "Location" in answer.headers:
                        url = urljoin(url, answer.headers["Location"])
                        continue
                    raw = await self._spool.keep(answer.content.iter_any(), limit)
                    got = {name.lower(): value for name, value in answer.headers.items()}
                    return Loaded(answer.status, got, raw)
        except OverflowError:
            raise PermanentFailure(Reason.REQUEST, f"the file is larger than {limit} bytes") from None
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            raise TemporaryFailure(Reason.UNREACHABLE, "no whole answer came") from None
        raise PermanentFailure(Reason.REQUEST, "more than 5 redirects")

    def _checked(self, url: str, public_only: bool) -> aiohttp.ClientSession:
        if public_only:
            self.public_only_urls.append(url)
            if not any(url.startswith(one) for one in self.public):
                raise PermanentFailure(Reason.RECIPIENT, "the address is not a public one")
        if not _loopback(url):
            raise AssertionError("tests contact loopback only")
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class SmallSpool:
    """Keeps up to `memory` bytes in memory, more in a file under `folder`."""

    def __init__(self, folder: Path, memory: int = 65_536) -> None:
        self._folder = folder
        self._memory = memory
        self._count = 0

    async def keep(self, chunks: AsyncIterator[bytes], limit: int) -> Raw:
        kept = bytearray()
        async for chunk in chunks:
            kept += chunk
            if len(kept) > limit:
                raise OverflowError(f"more than {limit} bytes")
        if len(kept) <= self._memory:
            return bytes(kept)
        self._count += 1
        path = self._folder / f"spooled-{self._count}"
        path.write_bytes(kept)
        return Spooled(path, len(kept), hashlib.sha256(kept).hexdigest())


class MemoryVault:
    """Tokens in a dictionary that the test can look into."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._alone: dict[str, asyncio.Lock] = {}

    async def get(self, name: str) -> str | None:
        return self.values.get(name)

    async def put(self, name: str, value: str) -> None:
        self.values[name] = value

    def alone(self, name: str) -> AbstractAsyncContextManager[None]:
        return self._holding(self._alone.setdefault(name, asyncio.Lock()))

    @contextlib.asynccontextmanager
    async def _holding(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        async with lock:
            yield


class RecordingLog:
    """Keeps what was logged as (level, event, facts)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def debug(self, event: str, **facts: Any) -> None:
        self.events.append(("debug", event, facts))

    def info(self, event: str, **facts: Any) -> None:
        self.events.append(("info", event, facts))

    def warning(self, event: str, **facts: Any) -> None:
        self.events.append(("warning", event, facts))

    def error(self, event: str, **facts: Any) -> None:
        self.events.append(("error", event, facts))


class Workbench:
    """The tools of one test, opened and closed with it."""

    def __init__(self, at: datetime = NOW) -> None:
        self._folder = TemporaryDirectory(prefix="forebay-rig-")
        self.clock = FixedClock(at)
        self.ids = CountingIds()
        self.spool = SmallSpool(Path(self._folder.name))
        self.http = LoopbackHttp(self.spool)
        self.vault = MemoryVault()
        self.log = RecordingLog()

    def tools(self, name: str = "test") -> Tools:
        """The tools as the channel or destination `name` gets them."""
        return Tools(
            name=name,
            clock=self.clock,
            ids=self.ids,
            http=self.http,
            spool=self.spool,
            vault=self.vault,
            log=self.log,
            secret=SECRET,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.close()
        self._folder.cleanup()
