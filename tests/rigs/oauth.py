"""A token server (RFC 6749 §5, RFC 7636) that rotates refresh tokens, and counts what it gave to whom.

async with TokenServer() as server:
    settings = server.settings()                 # the `oauth` of a channel
    server.refuse = (400, {"error": "invalid_grant"})
    ...
    assert server.given == ["access-1"]
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

CLIENT, CLIENT_SECRET = "client-1", "the client's secret"


class TokenServer:
    """Takes each refresh token once, as strict providers do."""

    def __init__(self) -> None:
        self.valid = {"refresh-0"}
        """Refresh tokens that are good; each is good for one use."""
        self.given: list[str] = []
        """Access tokens in the order in which they were handed out."""
        self.forms: list[dict[str, str]] = []
        self.refuse: tuple[int, dict[str, Any]] | None = None
        self.more: dict[str, Any] = {"expires_in": 3600}
        self.rotates = True
        self.hold = asyncio.Event()
        self.hold.set()
        self._codes: dict[str, str] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/token", self._token)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        server: Any = site._server
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        self.hold.set()
        await self._runner.cleanup()

    def settings(self, **more: Any) -> dict[str, Any]:
        """The `oauth` part of a channel's settings."""
        return {
            "provider": "other",
            "client_id": CLIENT,
            "client_secret": CLIENT_SECRET,
            "scopes": ["mail"],
            "token_url": f"{self.url}/token",
            "authorize_url": f"{self.url}/authorize",
            "refresh_token": "refresh-0",
            **more,
        }

    def consent(self, url: str) -> str:
        """What a browser does: a person consents, and it is sent to an address with a code."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["client_id"] == CLIENT and query["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = query["code_challenge"]
        return f"{query['redirect_uri']}?code={code}&state={query['state']}"

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        await self.hold.wait()
        if self.refuse is not None:
            return web.json_response(self.refuse[1], status=self.refuse[0])
        if form.get("client_id") != CLIENT or form.get("client_secret") != CLIENT_SECRET:
            return _error("invalid_client")
        kind = form["grant_type"]
        if kind == "refresh_token" and form["refresh_token"] not in self.valid:
            return _error("invalid_grant")
        if kind == "authorization_code" and not self._proved(form):
            return _error("invalid_grant")
        number = len(self.given) + 1
        self.given.append(f"access-{number}")
        told: dict[str, Any] = {"token_type": "Bearer", "access_token": f"access-{number}", **self.more}
        if kind != "client_credentials" and self.rotates:
            self.valid = {f"refresh-{number}"}
            told["refresh_token"] = f"refresh-{number}"
        return web.json_response(told)

    def _proved(self, form: dict[str, str]) -> bool:
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return self._codes.pop(form["code"], None) == challenge


def _error(name: str) -> web.Response:
    told = {"error": name, "error_description": "AADSTS700082: the token of anna@office.example has expired"}
    return web.json_response(told, status=400)
