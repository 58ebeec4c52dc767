"""The HTTP server: the doors, the console, health, readiness and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import ssl
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from config.settings import TlsSettings
from console import app as console
from console.services import Services
from gateway.front import Front
from gateway.house import House
from gateway.metrics import Metrics
from inbox.door import client_address

#: How long requests under way may take once we are told to stop, seconds.
_FINISH = 10.0
#: How long a connection without a request is kept, seconds.
_KEEP_ALIVE = 75.0
#: Largest head of a request, bytes; longer ones are refused before anything of ours sees them.
_HEAD = 16_384

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Listens, and tells whether the house may be sent work."""

    def __init__(self, house: House, services: Services, metrics: Metrics) -> None:
        self._house = house
        self._services = services
        self._metrics = metrics
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self._front: Front | None = None
        self._port = house.loaded.settings.listen.port
        self.ready = False
        """Whether load balancers may send requests here."""

    @property
    def url(self) -> str:
        """Where we listen, for people and for the command line."""
        listen = self._house.loaded.settings.listen
        host = "127.0.0.1" if listen.host in ("0.0.0.0", "::") else listen.host  # noqa: S104 — compared only
        return f"{'https' if listen.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self._port}"

    async def start(self) -> None:
        """Listen. OSError with the remedy when the port is taken."""
        app = web.Application(client_max_size=self._services.reply_bytes, middlewares=[self._measure])
        app.router.add_routes(self._house.door.routes())
        app.router.add_routes(self._house.return_door.routes())
        console.install(app, self._services)
        app.router.add_routes(
            [
                web.get("/healthz", self._live),
                web.get("/readyz", self._readiness),
                web.get("/metrics", self._figures),
            ]
        )
        runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=_KEEP_ALIVE,
            shutdown_timeout=_FINISH,
            max_line_size=_HEAD,
            max_field_size=_HEAD,
            handle_signals=False,
        )
        await runner.setup()
        other = runner.server
        assert other is not None
        settings = self._house.loaded.settings
        listen = settings.listen
        front = Front(
            self._house.door,
            other,
            clock=self._house.clock,
            log=self._house.log,
            seconds=self._metrics.door_seconds,
            largest_head=_HEAD,
            keepalive=_KEEP_ALIVE,
            proxies=list(settings.trusted_proxies),
        )
        try:
            listener = await asyncio.get_running_loop().create_server(
                front, listen.host, listen.port, ssl=_tls(listen.tls), backlog=1024
            )
        except OSError as error:
            await asyncio.gather(front.close(0.0), runner.cleanup())
            raise OSError(
                error.errno,
                f"cannot listen at {listen.host}:{listen.port} ({error.strerror}); "
                "stop what listens there, or set `listen: {port: …}`",
            ) from error
        self._runner, self._listener, self._front = runner, listener, front
        self._port = listener.sockets[0].getsockname()[1]
        self.ready = True

    async def stop(self) -> None:
        """Finish the requests under way and close."""
        if self._listener is not None and self._front is not None and self._runner is not None:
            self._listener.close()
            await asyncio.gather(self._front.close(_FINISH), self._runner.cleanup())
            self._listener = self._front = self._runner = None

    @web.middleware
    async def _measure(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/in/"):
            return await handler(request)
        start = time.perf_counter()
        try:
            return await handler(request)
        finally:
            self._metrics.door_seconds(request.match_info.get("channel", ""), time.perf_counter() - start)

    async def _live(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readiness(self, request: web.Request) -> web.Response:
        """Red while starting, stopping, or unable to store: then send nothing here."""
        store = self._house.store
        reasons = []
        if not self.ready:
            reasons.append("starting or stopping")
        if store.low_on_disk:
            reasons.append("the disk is nearly full")
        if store.writer.depth > self._house.loaded.settings.database.queue // 2:
            reasons.append("too much waits for the disk")
        status = 503 if reasons else 200
        return web.json_response(
            {"ready": not reasons, "why": reasons, "on_hold": store.on_hold}, status=status
        )

    async def _figures(self, request: web.Request) -> web.Response:
        settings = self._house.loaded.settings
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = settings.metrics.token
        given_bytes = given.encode(errors="surrogateescape")
        allowed = token is not None and hmac.compare_digest(given_bytes, token.get_secret_value().encode())
        if not allowed:
            remote = client_address(request, list(settings.trusted_proxies))
            with contextlib.suppress(ValueError):  # a proxy may pass on whatever its client wrote
                address = ipaddress.ip_address(remote)
                allowed = any(address in one for one in settings.metrics.allow)
        if not allowed:
            return web.json_response({"status": 403, "detail": "metrics need a token"}, status=403)
        return web.Response(
            body=self._metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )


def _tls(settings: TlsSettings | None) -> ssl.SSLContext | None:
    if settings is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.cert_file, settings.key_file)
    if settings.client_ca_file is not None:
        context.load_verify_locations(settings.client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
