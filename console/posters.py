"""Posters with a QR code: the API that gives them as PDF, and the desk's page where one is chosen."""

from __future__ import annotations

from aiohttp import web

from console.api import Gate, json
from console.imports import download
from console.problems import verbs_spoken
from console.seats import Seats
from console.services import Principal, Scope, Services
from console.sessions import Session

_PDF = "application/pdf"


class Posters:
    """Handlers of the API and of the page."""

    def __init__(self, seats: Seats, gate: Gate) -> None:
        self._seats = seats
        self._services: Services = seats.services
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        needs, seated = self._gate.needs, self._seats.needs
        return [
            web.get("/v1/posters", needs(Scope.ADMIN, self.choices)),
            web.get("/v1/posters/{form}", needs(Scope.ADMIN, self.poster)),
            web.get("/desk/posters", seated(self.page)),
            web.get("/desk/posters/print", seated(self.print)),
        ]

    async def choices(self, request: web.Request, principal: Principal) -> web.Response:
        return json(self._services.posters.choices())

    async def poster(self, request: web.Request, principal: Principal) -> web.Response:
        return await self._made(request, request.match_info["form"], request.query.getall("place", []))

    async def page(self, request: web.Request, session: Session) -> web.Response:
        choices = self._services.posters.choices()
        return await self._seats.render(
            request,
            session,
            "posters.html",
            choices=choices,
            form=request.query.get("form", ""),
            places="\n".join(place for one in choices["counters"] for place in one["places"]),
        )

    async def print(self, request: web.Request, session: Session) -> web.Response:
        places = [one for one in request.query.get("places", "").splitlines() if one.strip()]
        with verbs_spoken():
            return await self._made(request, request.query.get("form", ""), places)

    async def _made(self, request: web.Request, form: str, places: list[str]) -> web.Response:
        asked = request.query
        name, pdf = await self._services.posters.make(
            form,
            places=places,
            languages=[one for one in asked.getall("language", []) if one],
            size=asked.get("size", "a4"),
            heading=asked.get("heading", ""),
            colour=asked.get("colour", "#0b6b74"),
        )
        return download(name, _PDF, pdf)
