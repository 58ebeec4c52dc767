"""Everything of one person, at the desk and by the API: shown, given out, erased. No URL names anybody."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from console.api import SMALL_BODY, Gate, json, parse_object, read_body
from console.problems import Problem, invalid, verbs_spoken
from console.seats import Seats, word
from console.services import Facts, Principal, Scope
from console.sessions import Session

_CHUNK = 262_144


class Named(BaseModel):
    """Whose data it is about."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    person: str = Field(
        min_length=1, max_length=320, description="A contact's id, an address, or `kind:value`."
    )


class Erasure(Named):
    """Whether it is only to be told what would be erased."""

    dry_run: bool = True


class Persons:
    """Handlers of /desk/persons and /v1/persons."""

    def __init__(self, seats: Seats, gate: Gate) -> None:
        self._seats = seats
        self._services = seats.services
        self._verbs = seats.services.persons
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        needs = self._gate.needs
        return [
            web.get("/desk/persons", self._seats.needs(self.page)),
            web.post("/desk/persons", self._seats.needs(self.act)),
            web.post("/v1/persons/show", needs(Scope.ADMIN, self.api_show)),
            web.post("/v1/persons/export", needs(Scope.ADMIN, self.api_export)),
            web.post("/v1/persons/erase", needs(Scope.ADMIN, self.api_erase)),
        ]

    async def page(self, request: web.Request, session: Session) -> web.Response:
        return await self._page(request, session)

    async def _page(
        self,
        request: web.Request,
        session: Session,
        *,
        named: str = "",
        found: Facts | None = None,
        erased: Facts | None = None,
        problem: str = "",
        status: int = 200,
    ) -> web.Response:
        page = await self._seats.render(
            request, session, "persons.html", asked=named, found=found, erased=erased, problem=problem
        )
        page.set_status(status)
        return page

    async def act(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Look for a person, and give out or erase what was shown; erasing needs a ticked box, too."""
        posted = await self._seats.fields(request, session)
        named, verb = word(posted, "person"), word(posted, "verb")
        try:
            with verbs_spoken():
                if verb == "export":
                    return await self._sent(request, await self._exported(named, session.name))
                found = await self._verbs.show(named)
                if verb == "erase" and word(posted, "sure") == "yes":
                    erased = await self._verbs.erase(named, dry_run=False, actor=session.name)
                    return await self._page(request, session, erased=erased)
        except Problem as problem:
            return await self._page(
                request, session, named=named, problem=problem.detail, status=problem.status
            )
        return await self._page(request, session, named=named, found=found)

    # ---- the API

    async def api_show(self, request: web.Request, principal: Principal) -> web.Response:
        return json(await self._verbs.show((await _read(request)).person))

    async def api_export(self, request: web.Request, principal: Principal) -> web.StreamResponse:
        """Everything as a ZIP."""
        return await self._sent(request, await self._exported((await _read(request)).person, principal.name))

    async def api_erase(self, request: web.Request, principal: Principal) -> web.Response:
        """What would be erased; with `dry_run` false, it is."""
        told = await _read(request)
        return json(await self._verbs.erase(told.person, dry_run=told.dry_run, actor=principal.name))

    async def _exported(self, named: str, actor: str) -> Path:
        return await self._verbs.export(named, self._services.exports, actor=actor)

    async def _sent(self, request: web.Request, path: Path) -> web.StreamResponse:
        """The file, which is deleted as soon as it is open: nothing of it stays here."""
        file = await asyncio.to_thread(path.open, "rb")
        await asyncio.to_thread(path.unlink)
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/zip",
                "Content-Disposition": 'attachment; filename="person.zip"',
            }
        )
        try:
            await response.prepare(request)
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                await response.write(chunk)
            await response.write_eof()
        finally:
            await asyncio.to_thread(file.close)
        return response


async def _read(request: web.Request) -> Erasure:
    try:
        return Erasure.model_validate(parse_object(await read_body(request, SMALL_BODY)))
    except ValidationError as error:
        raise invalid(error) from None
