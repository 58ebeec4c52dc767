"""Connections to mail servers through the channel's proxy: SOCKS5 (RFC 1928), or CONNECT of HTTP (RFC 9110 §9.3.6)."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from typing import Any
from urllib.parse import unquote, urlsplit

from model.failures import Reason, TemporaryFailure

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
#: Longest head of a proxy's answer that is read, bytes.
HEAD = 16_384


class Tunnel:
    """Opens connections through one proxy, which also looks names up; TLS is the caller's, to the server's name.

    Raises ImportError, naming the extra, for a SOCKS proxy whose library is not installed. No failure repeats
    the proxy's address, which may hold a password.
    """

    def __init__(self, proxy: str) -> None:
        self._address = proxy
        self._socks: Any = _socks() if urlsplit(proxy).scheme == "socks5" else None

    async def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """A socket with the server at its other end, within `timeout` seconds, or TemporaryFailure."""
        name = host.encode("idna").decode()
        try:
            async with asyncio.timeout(timeout):
                return await (self._by_socks if self._socks else self._by_http)(name, port)
        except TimeoutError:
            raise TemporaryFailure(
                Reason.TIMEOUT, f"no connection to {host} through the proxy in time"
            ) from None
        except OSError:
            raise TemporaryFailure(Reason.UNREACHABLE, "the proxy is out of reach; check `proxy`") from None

    async def _by_socks(self, host: str, port: int) -> socket.socket:
        try:
            proxy = self._socks.async_.asyncio.Proxy.from_url(self._address, rdns=True)
            tunnel: socket.socket = await proxy.connect(dest_host=host, dest_port=port)
        except self._socks.ProxyError as error:
            # Refusals of the target bear a code, and nothing but their words tells the others apart.
            if error.error_code is None and "authentication" in str(error):
                raise _credentials() from None
            raise TemporaryFailure(Reason.UNREACHABLE, f"the proxy gave no connection to {host}") from None
        return tunnel

    async def _by_http(self, host: str, port: int) -> socket.socket:
        proxy = urlsplit(self._address)
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.username is not None:
            login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
        loop = asyncio.get_running_loop()
        tunnel = await _dial(proxy.hostname or "", proxy.port or 0)
        try:
            await loop.sock_sendall(tunnel, "\r\n".join([*lines, "", ""]).encode())
            head = await _head(tunnel)
        except BaseException:
            tunnel.close()
            raise
        status = STATUS.match(head)
        if status is not None and status[1].startswith(b"2"):
            return tunnel
        tunnel.close()
        if status is not None and status[1] == b"407":
            raise _credentials()
        said = f"HTTP {status[1].decode()}" if status else "no HTTP"
        raise TemporaryFailure(
            Reason.UNREACHABLE, f"the proxy gave no connection to {host}: it answered {said}"
        )


async def _head(tunnel: socket.socket) -> bytes:
    """The head of a proxy's answer, and no byte more: the server speaks first, and its greeting may follow at once."""
    loop = asyncio.get_running_loop()
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = await loop.sock_recv(tunnel, 1)
        if not byte or len(head) == HEAD:
            raise TemporaryFailure(Reason.UNREACHABLE, "the proxy broke off, or never ended, its answer")
        head += byte
    return bytes(head)


async def _dial(host: str, port: int) -> socket.socket:
    """A connection to the first of a name's addresses that takes one; OSError when none does."""
    loop = asyncio.get_running_loop()
    last = OSError("the name has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        try:
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            last = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise last


def _socks() -> Any:
    try:
        import python_socks
        import python_socks.async_.asyncio
    except ImportError as error:
        raise ImportError(
            "a socks5:// proxy needs the extra `socks`: pip install 'forebay[socks]'"
        ) from error
    return python_socks


def _credentials() -> TemporaryFailure:
    return TemporaryFailure(Reason.AUTH, "the proxy wants other credentials; check `proxy`")
