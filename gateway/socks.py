"""Connections through a SOCKS proxy, for one channel's HTTP."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from aiohttp import ClientConnectorError, ClientProxyConnectionError, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

try:
    from python_socks import ProxyError, ProxyTimeoutError
    from python_socks.async_.asyncio import Proxy
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise ImportError("a socks5:// proxy needs the extra `socks`: pip install 'forebay[socks]'") from error


class SocksConnector(TCPConnector):
    """Makes every connection through the proxy, which also looks names up; TLS is ours, to the far side's name."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(resolver=_Unresolved(), **options)
        self._proxy_url = url

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: Any,
        req: Any,
        timeout: Any,
        client_error: type[Exception] = ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        host, port = addr_infos[0][4][:2]
        try:
            proxy = Proxy.from_url(self._proxy_url, rdns=True)
            tunnel = await proxy.connect(dest_host=host, dest_port=port)
        except (ProxyError, ProxyTimeoutError, OSError):
            # The library's own words may repeat the proxy's address, so they are left out.
            failed = OSError("the proxy could not be reached, or could not reach the far side")
            raise ClientProxyConnectionError(req.connection_key, failed) from None
        return await self._wrap_existing_connection(
            *args, sock=tunnel, req=req, timeout=timeout, client_error=client_error, **kwargs
        )


class _Unresolved(AbstractResolver):
    """Leaves names as they are, for the proxy to look up."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=host, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        return None
