"""The pages for everybody: where things are, the form, the status of a matter, and our own files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from console import guard, languages, pages
from console.links import Links
from console.problems import Problem
from console.services import FormPage, Services
from store import boxes

_YEAR = 31_536_000


class Public:
    """Handlers of the public pages."""

    def __init__(self, services: Services, links: Links) -> None:
        self._services = services
        self._links = links

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.start),
            web.get("/form", self.forms),
            web.get("/form.js", self.snippet),
            web.get("/form/{channel}", self.form),
            web.get("/status", self.find_status),
            web.get("/status/{address}", self.status),
            web.get("/language/{tag}", self.language),
            web.get("/static/{name}", self.static),
            web.get("/robots.txt", self.robots),
        ]

    async def start(self, request: web.Request) -> web.Response:
        forms = [self._titled(request, page) for page in self._services.forms.values()]
        return pages.render(
            self._services, request, "start.html", forms=forms, chats=list(self._services.chats)
        )

    async def forms(self, request: web.Request) -> web.Response:
        known = list(self._services.forms.values())
        if not known:
            raise Problem(404, "no form is set up here")
        if len(known) == 1:
            return self._form(request, known[0])
        forms = [self._titled(request, page) for page in known]
        return pages.render(self._services, request, "forms.html", forms=forms)

    async def form(self, request: web.Request) -> web.Response:
        page = self._services.forms.get(request.match_info["channel"])
        if page is None:
            raise Problem(404, "there is no such form")
        return self._form(request, page)

    def _titled(self, request: web.Request, page: FormPage) -> dict[str, str]:
        language = languages.of(request)

        def chosen(texts: Mapping[str, str], otherwise: str) -> str:
            by_ours = {languages.match(tag): text for tag, text in texts.items()}
            return by_ours.get(language) or languages.translate(language, otherwise)

        return {
            "channel": page.channel,
            "title": chosen(page.titles, "form.title"),
            "introduction": chosen(page.introductions, "form.introduction"),
        }

    def _form(self, request: web.Request, page: FormPage) -> web.Response:
        embedded = "embed" in request.query
        headers = {}
        if embedded and page.embed_from:
            framed_by = " ".join(page.embed_from)
            headers["Content-Security-Policy"] = guard.policy(self._services, framed_by=framed_by)
        return pages.render(
            self._services,
            request,
            "form.html",
            place=request.query.get("place", "")[:100],
            headers=headers,
            page=page,
            # One key for each view of the page: pressing the button twice sends one message.
            key=self._services.ids.new(),
            embedded=embedded,
            titled=self._titled(request, page),
        )

    async def find_status(self, request: web.Request) -> web.Response:
        """Tells people who come without their address where they find it."""
        return pages.render(self._services, request, "find_status.html")

    async def status(self, request: web.Request) -> web.Response:
        reference = self._links.read_status(request.match_info["address"])
        found = None
        if reference is not None:
            asked: str = reference
            found = await self._services.store.read(lambda c: boxes.status(c, asked))
        if found is None:
            raise Problem(404, "there is nothing at this address; please check that it is complete")
        headers = {} if found["registered"] else {"Refresh": "5"}
        return pages.render(
            self._services,
            request,
            "status.html",
            headers=headers,
            matter=found,
            asked=reference,
            links=self._links,
        )

    async def language(self, request: web.Request) -> web.StreamResponse:
        """Remember the language a visitor chose, and go back to where they were."""
        chosen = languages.match(request.match_info["tag"])
        if chosen is None:
            raise Problem(404, "this language is not spoken here")
        back = request.query.get("back", "/")
        # Only a path of ours: "//host" and "/\host" would lead elsewhere.
        if not back.startswith("/") or back[1:2] in ("/", "\\") or any(c < " " for c in back):
            back = "/"
        response = web.Response(status=303, headers={"Location": back})
        response.set_cookie(
            languages.COOKIE,
            chosen,
            max_age=_YEAR,
            path="/",
            samesite="Lax",
            httponly=True,
            secure=self._services.public_url.startswith("https:"),
        )
        return response

    async def snippet(self, request: web.Request) -> web.Response:
        """The script by which another site shows the form: <script src=".../form.js" data-channel="form">."""
        found = pages.static("form.js")
        if found is None:
            raise KeyError("form.js")
        facts: dict[str, Any] = {
            "url": self._services.public_url,
            "channels": list(self._services.forms),
        }
        body = found[0].replace(b"__FACTS__", orjson.dumps(facts))
        headers = {"Cache-Control": "public, max-age=300", "Cross-Origin-Resource-Policy": "cross-origin"}
        return web.Response(body=body, content_type="text/javascript", charset="utf-8", headers=headers)

    async def static(self, request: web.Request) -> web.Response:
        found = pages.static(request.match_info["name"])
        if found is None:
            raise Problem(404, "there is nothing at this address")
        data, media_type, version = found
        headers = {"ETag": f'"{version}"', "Cache-Control": f"public, max-age={_YEAR}, immutable"}
        return web.Response(body=data, content_type=media_type, charset="utf-8", headers=headers)

    async def robots(self, request: web.Request) -> web.Response:
        return web.Response(text="User-agent: *\nAllow: /form\nDisallow: /\n")
