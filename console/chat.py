"""The chat widget: its script, its page, its conversation, and the socket by which answers arrive at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from console import guard, languages, pages
from console.links import Links
from console.problems import Problem
from console.services import ChatPage, Services
from model import ids
from store import chats

#: How long a page may take to say who it is, and how often it is asked whether it is still there, seconds.
_HELLO, _HEARTBEAT = 10.0, 30.0
#: A page sends a few words: who it is, and what it has seen.
_FRAME = 4_096
#: Least pause between two looks for news, seconds: many commits cause one look.
_PAUSE = 0.1
#: Pause after a look that failed, seconds.
_TROUBLE = 1.0


class Chat:
    """Handlers of the widget."""

    def __init__(self, services: Services, links: Links) -> None:
        self._services = services
        self._links = links
        self._open: dict[str, set[web.WebSocketResponse]] = {}
        self._watch: asyncio.Task[None] | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/chat.js", self.script),
            web.get("/chat/{channel}", self.page),
            web.get("/chat/{channel}/talk", self.talk),
            web.get("/chat/{channel}/live", self.live),
        ]

    async def close(self, _app: web.Application) -> None:
        """Before the server waits for its requests: pages that wait for news would make it wait for ever."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        sockets = [one for every in self._open.values() for one in every]
        await asyncio.gather(*(one.close(code=1012) for one in sockets), return_exceptions=True)

    # ---- what the office's site loads

    async def script(self, request: web.Request) -> web.Response:
        """The one tag: <script src=".../chat.js" data-channel="chat" async></script>."""
        found = pages.static("chat.js")
        assert found is not None
        texts = {tag: languages.translate(tag, "chat.open") for tag in languages.LANGUAGES}
        facts = {"url": self._services.public_url, "channels": list(self._services.chats), "open": texts}
        body = found[0].replace(b"__FACTS__", orjson.dumps(facts))
        headers = {"Cache-Control": "public, max-age=300", "Cross-Origin-Resource-Policy": "cross-origin"}
        return web.Response(body=body, content_type="text/javascript", charset="utf-8", headers=headers)

    async def page(self, request: web.Request) -> web.Response:
        """What the widget shows in its frame; by itself it is a page to link to."""
        page = self._page(request)
        language = languages.of(request)

        def chosen(texts: Mapping[str, str], otherwise: str) -> str:
            by_ours = {languages.match(tag): text for tag, text in texts.items()}
            return by_ours.get(language) or languages.translate(language, otherwise)

        framed_by = " ".join(page.origins) or "'none'"
        policy = guard.policy(self._services, framed_by=framed_by, connects=True)
        words = {name: languages.translate(language, f"chat.{name}") for name in _WORDS}
        facts = {"channel": page.channel, "words": words, "files": page.max_files, "bytes": page.file_bytes}
        return pages.render(
            self._services,
            request,
            "chat.html",
            headers={"Content-Security-Policy": policy, "Cross-Origin-Resource-Policy": "cross-origin"},
            page=page,
            title=chosen(page.titles, "chat.title"),
            greeting=chosen(page.greetings, "chat.greeting"),
            facts=_dump(facts),
            embedded=True,
        )

    # ---- the conversation

    async def talk(self, request: web.Request) -> web.Response:
        """All that was said; the visitor's secret comes as a bearer token."""
        page = self._page(request)
        visitor = ids.visitor(request.headers.get("Authorization", "").removeprefix("Bearer ").strip())
        if visitor is None:
            raise Problem(401, "no visitor's secret")
        conversation = ids.derived("conversation", page.channel, visitor)
        said = await self._services.store.read(lambda c: chats.talk(c, page.channel, conversation))
        return web.json_response({"messages": [self._shown(one) for one in said]}, dumps=_dump)

    async def live(self, request: web.Request) -> web.StreamResponse:
        """A socket: the page says who it is and what it has seen, we say what is new."""
        page = self._page(request)
        if sum(map(len, self._open.values())) >= page.open_pages:
            raise Problem(503, "too many open pages; ask again in a minute", headers={"Retry-After": "60"})
        if request.headers.get("Origin", "") not in ("", self._services.public_url, _own(request)):
            raise Problem(403, "the page is not ours")
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT, max_msg_size=_FRAME)
        await socket.prepare(request)
        conversation = await self._hello(socket, page)
        if conversation is None:
            await socket.close(code=1008)
            return socket
        self._open.setdefault(conversation, set()).add(socket)
        self._watching()
        try:
            # What was said between the page's last look and now: the page knows messages by their ids.
            said = await self._services.store.read(lambda c: chats.talk(c, page.channel, conversation))
            await socket.send_str(_dump({"messages": [self._shown(one) for one in said]}))
            async for frame in socket:
                if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._seen(frame.data, conversation)
        finally:
            self._open[conversation].discard(socket)
            if not self._open[conversation]:
                del self._open[conversation]
        return socket

    async def _hello(self, socket: web.WebSocketResponse, page: ChatPage) -> str | None:
        with contextlib.suppress(TimeoutError, TypeError):
            told = _object(await socket.receive_str(timeout=_HELLO))
            visitor = ids.visitor(str(told.get("visitor", "")))
            return ids.derived("conversation", page.channel, visitor) if visitor else None
        return None

    async def _seen(self, data: str | bytes, conversation: str) -> None:
        """The visitor looks at the page: what waits to go to them by another way need not go."""
        seen = _object(data).get("seen")
        if isinstance(seen, str) and len(seen) <= 64:
            await self._services.seen(seen, conversation)

    def _page(self, request: web.Request) -> ChatPage:
        page = self._services.chats.get(request.match_info["channel"])
        if page is None:
            raise Problem(404, "there is no such chat")
        return page

    def _shown(self, one: Mapping[str, Any]) -> dict[str, Any]:
        ours = one["from"] == "office"
        files = [
            {
                "name": file["filename"],
                "size": pages.size(file["size"]),
                "url": self._links.sent(one["id"], n) if ours else self._links.file(one["id"], file["n"]),
            }
            for n, file in enumerate(one["files"])
        ]
        return {
            "id": one["key"],
            "delivery": one["id"] if ours else None,
            "from": one["from"],
            "text": one["text"],
            "at": one["at"].astimezone(UTC).isoformat(),
            "files": files,
        }

    # ---- news

    def _watching(self) -> None:
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._tell_news())

    async def _tell_news(self) -> None:
        """One look at the feed for all open pages, as long as there are any; replicas' commits count too."""
        position = await self._services.store.read(chats.latest)
        while self._open:
            await self._services.wait_for_event(position, 1.0)
            await asyncio.sleep(_PAUSE)
            try:
                position = await self._tell(position)
            except Exception as error:  # a database that restarts: what was said meanwhile is told then
                self._services.log.warning("chat.waits", why=type(error).__name__)
                await asyncio.sleep(_TROUBLE)

    async def _tell(self, after: int) -> int:
        channels = list(self._services.chats)
        position, found = await self._services.store.read(lambda c: chats.news(c, channels, after))
        for one in found:
            frame = _dump({"messages": [self._shown(one)]})
            for socket in tuple(self._open.get(one["conversation"], ())):
                # A page that went away meanwhile finds it when it comes back.
                with contextlib.suppress(ConnectionError, RuntimeError):
                    await socket.send_str(frame)
        return position


#: The texts that the page's script shows.
_WORDS = (
    "you", "office", "sending", "failed", "again", "refused", "offline", "reference", "too_many", "too_large",
)  # fmt: skip


def _own(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _object(data: str | bytes) -> Mapping[str, Any]:
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode()
