"""The page that asks a customer whether they are satisfied: its address is the key, and it takes one answer."""

from __future__ import annotations

from aiohttp import web

from console import pages
from console.links import Links
from console.problems import Problem
from console.services import Facts, Services

_FORM_BYTES = 65_536
_LONGEST = 5_000


class Question:
    """Handlers of /q/{address}."""

    def __init__(self, services: Services, links: Links) -> None:
        self._services = services
        self._links = links

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/q/{address}", self.show), web.post("/q/{address}", self.take)]

    async def show(self, request: web.Request) -> web.Response:
        _, asked = await self._asked(request)
        return self._page(request, asked)

    async def take(self, request: web.Request) -> web.Response:
        """The mark and the remarks; a second answer changes nothing."""
        id_, asked = await self._asked(request)
        posted = await request.clone(client_max_size=_FORM_BYTES).post()
        mark, remarks = posted.get("mark", ""), posted.get("remarks", "")
        if not isinstance(mark, str) or mark not in ("1", "2", "3", "4", "5") or not isinstance(remarks, str):
            return self._page(request, asked, problem=True, remarks=str(remarks)[:_LONGEST], status=422)
        if not asked["open"]:
            return self._page(request, asked)
        try:
            await self._services.following.mark(id_, mark=int(mark), remarks=remarks[:_LONGEST], by="page")
        except ValueError:  # somebody was faster with the same address
            return self._page(request, {**asked, "open": False})
        return self._page(request, {**asked, "open": False, "mark": int(mark)})

    async def _asked(self, request: web.Request) -> tuple[str, Facts]:
        id_ = self._links.read_question(request.match_info["address"])
        asked = await self._services.following.question(id_) if id_ else None
        if id_ is None or asked is None:
            raise Problem(404, "there is nothing at this address; please check that it is complete")
        return id_, asked

    def _page(
        self,
        request: web.Request,
        asked: Facts,
        *,
        problem: bool = False,
        remarks: str = "",
        status: int = 200,
    ) -> web.Response:
        page = pages.render(
            self._services, request, "question.html", asked=asked, problem=problem, remarks=remarks
        )
        page.set_status(status)
        return page
