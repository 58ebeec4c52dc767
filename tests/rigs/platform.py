"""What the fakes of chat platforms share: a server on loopback that does as told with its next requests."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.rigs.http import Drop, Got, Hang, Refuse


class Platform:
    """A far side on loopback; what it answers is said by who inherits."""

    def __init__(self) -> None:
        self._next: deque[Refuse | Hang | Drop] = deque()
        self._always: Refuse | Hang | Drop | None = None
        self._runner: web.AppRunner | None = None
        self._released = asyncio.Event()
        self.requests: list[Got] = []
        """All calls that send something to a customer, as they came."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next(self, *behaviours: Refuse | Hang | Drop) -> None:
        """What to do with the next calls that send, one each; then they are taken again."""
        self._next.extend(behaviours)

    def always(self, behaviour: Refuse | Hang | Drop | None) -> None:
        """What to do with every call that sends; None to take them again."""
        self._always = behaviour

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    async def _told(self, request: web.Request) -> tuple[Got, Refuse | Hang | Drop | None]:
        """Note a call that sends, and say what is to be done with it."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        got = Got(request.method, request.path_qs, headers, await request.read())
        self.requests.append(got)
        return got, self._next.popleft() if self._next else self._always

    async def _after(
        self, request: web.Request, behaviour: Refuse | Hang | Drop | None, answer: web.Response
    ) -> web.StreamResponse:
        """Answer as told, once the call was taken or not."""
        if isinstance(behaviour, Refuse):
            return web.Response(
                status=behaviour.status,
                headers=behaviour.headers,
                text=behaviour.body,
                content_type="application/json",
            )
        if isinstance(behaviour, Hang):
            await self._released.wait()
        if isinstance(behaviour, Drop) and request.transport is not None:
            request.transport.abort()
        return answer


def takes(behaviour: Refuse | Hang | Drop | None) -> bool:
    """Whether the call is taken, whatever is answered."""
    return behaviour is None or (not isinstance(behaviour, Refuse) and behaviour.takes)
