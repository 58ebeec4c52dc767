"""HTTP to far sides: one client a channel, with its proxy and its authorities, and failures told apart."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace, TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from yarl import URL

from gateway import addresses
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.tools import HttpAnswer, Loaded, Raw, Spool

T = TypeVar("T")

#: Idle connections are dropped after so many seconds: one that the far side closes just as we use it
#: again would leave a message uncertain.
_KEEP_IDLE = 1.5
#: Addresses of one name that are tried in turn.
_TRIES = 3
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PROXIES = ("http", "https", "socks5")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Redirects that are followed when a file is loaded.
_MOST_REDIRECTS = 5
#: Headers that are for one origin only, and are not taken along to another.
_FOR_ONE_ORIGIN = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(slots=True)
class _Try:
    """One exchange, as far as it got."""

    begun: bool = False
    """The far side may have the request."""


class ClientHttp:
    """`model.tools.Http` of one channel or destination.

    Raises at once ValueError for settings that cannot be used, and ImportError, naming the extra, for a
    SOCKS proxy whose library is not installed.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca_file: str | None = None,
        resolve: addresses.Resolve = addresses.resolve,
        spool: Spool | None = None,
    ) -> None:
        self._spool: Spool = spool or _Memory()
        self._socks = self._proxy = None
        if proxy is not None:
            scheme = _scheme(proxy)
            if scheme == "socks5":
                from gateway import socks  # noqa: F401  so that a missing extra shows when the channel is built

                self._socks = proxy
            else:
                self._proxy = proxy
        self._tls: ssl.SSLContext | bool = True if ca_file is None else _trusting(ca_file)
        self._resolve = resolve
        self._session: aiohttp.ClientSession | None = None
        self._once: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Safe to repeat; a later request opens new ones."""
        sessions, self._session, self._once = (self._session, self._once), None, None
        for session in sessions:
            if session is not None:
                await session.close()

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
        """One exchange, as `model.tools.Http` tells. No failure repeats the URL, which may hold a secret."""
        tried, asked, sent = _Try(), _parsed(url, from_data=public_only), _sendable(headers or {})
        try:
            async with asyncio.timeout(timeout):
                return await self._ask(
                    tried, method, asked, sent, body, lambda answer: _whole(answer, limit), public_only
                )
        except TimeoutError:
            if tried.begun:
                raise Uncertain(f"no whole answer within {timeout:g} s") from None
            raise TemporaryFailure(Reason.TIMEOUT, f"no connection within {timeout:g} s") from None
        except SendFailure:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(error, tried, from_data=public_only) from None

    async def load(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 120.0,
        public_only: bool = False,
        limit: int = 52_428_800,
    ) -> Loaded:
        """GET a file through the spool, as `model.tools.Http` tells. No failure repeats an address."""
        asked, sent = _parsed(url, from_data=public_only), _sendable(headers or {})
        tried = _Try()
        try:
            async with asyncio.timeout(timeout):
                for _ in range(_MOST_REDIRECTS + 1):
                    tried = _Try()
                    got = await self._ask(
                        tried, "GET", asked, sent, None, lambda answer: self._kept(answer, limit), public_only
                    )
                    if isinstance(got, Loaded):
                        return got
                    there = _redirected(asked, got, from_data=public_only)
                    if there.origin() != asked.origin():
                        sent = {name: sent[name] for name in sent if name.lower() not in _FOR_ONE_ORIGIN}
                    asked = there
        except TimeoutError:
            raise TemporaryFailure(Reason.TIMEOUT, f"no whole answer within {timeout:g} s") from None
        except Uncertain as error:  # nothing was asked to be done, so nothing is uncertain
            raise TemporaryFailure(Reason.UNREACHABLE, error.detail) from None
        except SendFailure:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _failure(error, tried, from_data=public_only)
            if isinstance(failure, Uncertain):
                failure = TemporaryFailure(Reason.UNREACHABLE, failure.detail)
            raise failure from None
        raise PermanentFailure(Reason.REQUEST, f"more than {_MOST_REDIRECTS} redirects")

    async def _kept(self, answer: aiohttp.ClientResponse, limit: int) -> Loaded | str:
        """The answer, its body in the spool, or the address that it redirects to."""
        if answer.status in _REDIRECTS and (there := answer.headers.get("Location")):
            answer.close()
            return there
        too_large = PermanentFailure(Reason.REQUEST, f"the file is larger than {limit} bytes")
        if answer.content_length is not None and answer.content_length > limit:
            answer.close()
            raise too_large
        try:
            raw: Raw = await self._spool.keep(answer.content.iter_any(), limit)
        except OverflowError:
            answer.close()
            raise too_large from None
        return Loaded(answer.status, _lower(answer), raw)

    async def _ask(
        self,
        tried: _Try,
        method: str,
        url: URL,
        headers: dict[str, str],
        body: bytes | None,
        read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
        public_only: bool,
    ) -> T:
        if public_only:
            return await self._to_public(tried, method, url, headers, body, read)
        return await self._exchange(self._opened(), tried, method, url, headers, body, read)

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        tried: _Try,
        method: str,
        url: URL,
        headers: dict[str, str],
        body: bytes | None,
        read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
        **more: Any,
    ) -> T:
        request = session.request(
            method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=self._proxy,
            trace_request_ctx=tried,
            **more,
        )
        async with request as answer:
            return await read(answer)

    async def _to_public(
        self,
        tried: _Try,
        method: str,
        url: URL,
        headers: dict[str, str],
        body: bytes | None,
        read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
    ) -> T:
        """An exchange with one of the vetted addresses of a name, and no other.

        The name is looked up once, here, and the connection, a proxy's too, is made to the address: what the
        name stands for a moment later does not matter. TLS still asks for a certificate of the name.
        """
        host, port = url.raw_host or "", url.port or 0
        found = await self._vetted(host, port)
        headers = {name: value for name, value in headers.items() if name.lower() != "host"}
        headers["Host"] = url.host_port_subcomponent or host
        last: TemporaryFailure | None = None
        for address in found[:_TRIES]:
            try:
                return await self._exchange(
                    self._opened_once(),
                    tried,
                    method,
                    url.with_host(address),
                    headers,
                    body,
                    read,
                    server_hostname=host.rstrip("."),
                )
            except aiohttp.ClientConnectorError as error:
                failure = _failure(error, tried, from_data=True)
                if not isinstance(failure, TemporaryFailure):
                    raise failure from None
                last = failure
        raise last or TemporaryFailure(Reason.UNREACHABLE, "the name has no address")

    async def _vetted(self, host: str, port: int) -> list[str]:
        """The public ones among the addresses of a host, which may be an address itself."""
        try:
            found = list(await self._resolve(host, port))
        except OSError:
            raise TemporaryFailure(Reason.UNREACHABLE, "the name cannot be looked up") from None
        public = [one for one in dict.fromkeys(found) if addresses.is_public(one)]
        if found and not public:
            # Not CONFIG: a stranger's address must not pause the channel.
            raise PermanentFailure(Reason.RECIPIENT, "the address is not a public one")
        return public

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self._open(keepalive_timeout=_KEEP_IDLE)
        return self._session

    def _opened_once(self) -> aiohttp.ClientSession:
        """The session for addresses from data: every exchange has a connection of its own."""
        if self._once is None:
            self._once = self._open(force_close=True)
        return self._once

    def _open(self, **options: Any) -> aiohttp.ClientSession:
        connector: aiohttp.TCPConnector
        if self._socks is not None:
            from gateway.socks import SocksConnector

            connector = SocksConnector(self._socks, ssl=self._tls, limit=0, **options)
        else:
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=0, **options)
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_begins)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compression is neither asked for nor undone: a small answer must not become a large one.
            headers={"User-Agent": "Forebay", "Accept-Encoding": "identity"},
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(),
            trace_configs=[trace],
            trust_env=False,
        )


class _Memory:
    """A spool for a client that loads nothing large."""

    async def keep(self, chunks: AsyncIterator[bytes], limit: int) -> Raw:
        kept = bytearray()
        async for chunk in chunks:
            kept += chunk
            if len(kept) > limit:
                raise OverflowError(f"more than {limit} bytes")
        return bytes(kept)


async def _whole(answer: aiohttp.ClientResponse, limit: int) -> HttpAnswer:
    """An answer in memory, cut at the limit."""
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) >= limit:
            answer.close()  # the rest is not wanted, and the connection not worth keeping
            break
    return HttpAnswer(answer.status, _lower(answer), bytes(content[:limit]))


def _lower(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _redirected(asked: URL, location: str, *, from_data: bool) -> URL:
    """Where a redirect leads; whoever answered chose it, so a bad one is no mistake of the operator's."""
    try:
        there = _parsed(str(asked.join(URL(location))), from_data=from_data)
    except (ValueError, SendFailure):
        raise PermanentFailure(
            Reason.REQUEST, "it redirects to what is no address of http or https"
        ) from None
    return there.with_fragment(None)


async def _begins(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
    context.trace_request_ctx.begun = True


def _parsed(url: str, *, from_data: bool) -> URL:
    try:
        asked = URL(url)
        if asked.scheme in ("http", "https") and asked.raw_host and asked.port:
            return asked
    except ValueError:
        pass
    if from_data:
        raise PermanentFailure(Reason.RECIPIENT, "the address is not one of http or https")
    raise TemporaryFailure(Reason.CONFIG, "the address is not one of http or https; check it in the settings")


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers, unless one would break the request (RFC 9110 §5.5): then nothing goes out."""
    if any(_UNSENDABLE.search(name) or _UNSENDABLE.search(value) for name, value in headers.items()):
        raise PermanentFailure(Reason.REQUEST, "a header of the request has a character that cannot be sent")
    return dict(headers)


def _scheme(proxy: str) -> str:
    try:
        url = URL(proxy)
        usable = url.scheme in _PROXIES and bool(url.host) and url.port is not None
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("proxy: must be http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT")
    return url.scheme


def _trusting(ca_file: str) -> ssl.SSLContext:
    """The system's authorities, and those of a file."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        why = "is not a PEM file of certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"ca_file: {ca_file}: {why}") from None
    return context


def _failure(error: Exception, tried: _Try, *, from_data: bool) -> SendFailure:
    """What an error of the library means. Its own words are not repeated: they may hold the URL."""
    if tried.begun:
        return Uncertain("the connection broke before a whole answer came")
    match error:
        case aiohttp.ClientHttpProxyError(status=407):
            return TemporaryFailure(Reason.AUTH, "the proxy wants other credentials; check `proxy`")
        case aiohttp.ClientHttpProxyError():
            detail = f"the proxy answered HTTP {error.status}"
            return TemporaryFailure(Reason.UNREACHABLE, detail)
        case aiohttp.ClientProxyConnectionError():
            return TemporaryFailure(
                Reason.UNREACHABLE, "the proxy, or the far side behind it, is out of reach"
            )
        case aiohttp.ClientConnectorCertificateError():
            detail = "the certificate of the far side cannot be verified"
            # Where data chose the address, it must not pause the channel.
            if from_data:
                return TemporaryFailure(Reason.UNREACHABLE, detail)
            return TemporaryFailure(Reason.CONFIG, f"{detail}; check the address and `ca_file`")
        case aiohttp.ClientConnectorDNSError():
            return TemporaryFailure(Reason.UNREACHABLE, "the name of the far side cannot be looked up")
        case aiohttp.ClientSSLError():
            return TemporaryFailure(Reason.UNREACHABLE, "TLS could not be agreed upon with the far side")
        case OSError():
            why = f" ({os.strerror(error.errno)})" if error.errno and error.errno > 0 else ""
            return TemporaryFailure(Reason.UNREACHABLE, f"the far side is out of reach{why}")
        case ValueError():
            return PermanentFailure(Reason.REQUEST, "the request cannot be sent")
        case _:
            return TemporaryFailure(Reason.UNREACHABLE, "the far side is out of reach")
