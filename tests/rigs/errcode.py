"""What the fakes of WeChat's and WeCom's APIs share: a server that tells its errors inside HTTP 200.

async with Weixin() as far:
    far.next(Code(45047), Hang(), Drop(takes=True))     # the next calls that need a token, one each
    far.calls                                           # (path, query without the token, body) of every call
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.rigs.http import Drop, Hang, Refuse


@dataclass(frozen=True)
class Code:
    """Answer with an error code inside HTTP 200."""

    code: int
    message: str = "some words rid: 5f1e1b2a-17b3-4a5c"


class WrongError(Exception):
    """The far side refuses a call with its own code."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message


Handler = Callable[[dict[str, str], bytes, web.Request], Awaitable[web.Response]]


class Far:
    """A server on loopback whose calls need an access token."""

    #: Paths that give out tokens, and are not counted among the calls.
    token_paths: frozenset[str] = frozenset()
    #: Paths that need no token.
    open_paths: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._next: deque[Code | Refuse | Hang | Drop] = deque()
        self._released = asyncio.Event()
        self.calls: list[tuple[str, dict[str, str], Any]] = []
        self.token_calls: list[tuple[str, bool]] = []
        """Each call for a token: the path, and whether it was forced."""
        self.tokens: list[str] = []
        """Tokens that hold now."""
        self.bad_token = 40001
        """What is told of a token that does not hold."""
        self.url = ""

    def next(self, *behaviours: Code | Refuse | Hang | Drop) -> None:
        """What to do with the next calls that bear a good token."""
        self._next.extend(behaviours)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        query, body = dict(request.query), await request.read()
        try:
            if request.path in self.token_paths:
                return await self.token(request.path, query, body)
            if request.path in self.open_paths:
                return await self.take(request.path, query, body)
            token = query.pop("access_token", "")
            self.calls.append((request.path, query, _json(body)))
            if token not in self.tokens:
                raise WrongError(
                    self.bad_token if token else 41001, "invalid credential, access_token is invalid"
                )
            behaviour = self._next.popleft() if self._next else None
            if isinstance(behaviour, Code):
                raise WrongError(behaviour.code, behaviour.message)
            if isinstance(behaviour, Refuse):
                return web.Response(status=behaviour.status, headers=behaviour.headers, text=behaviour.body)
            answer = None
            if behaviour is None or behaviour.takes:
                answer = await self.take(request.path, query, body)
            if isinstance(behaviour, Hang):
                await self._released.wait()
            if isinstance(behaviour, Drop) and request.transport is not None:
                request.transport.abort()
            return answer or web.Response(status=500)
        except WrongError as error:
            return told({"errcode": error.code, "errmsg": error.message or "error"})

    async def token(self, path: str, query: dict[str, str], body: bytes) -> web.Response:
        """Give out a token."""
        raise NotImplementedError

    async def take(self, path: str, query: dict[str, str], body: bytes) -> web.Response:
        """Play a call."""
        raise NotImplementedError


def told(value: Any) -> web.Response:
    """JSON as the platforms send it: their content type is not always the one of JSON."""
    return web.Response(
        body=json.dumps(value, ensure_ascii=False).encode(),
        content_type="text/plain",
        charset="utf-8",
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
