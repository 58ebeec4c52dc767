"""The same matter from many customers: pages of the desk, and the API that the command line uses."""

from __future__ import annotations

from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from console.api import SMALL_BODY, Gate, json, parse_object, read_body
from console.problems import Problem, invalid, verbs_spoken
from console.seats import Fields, Seats, see_other, word
from console.services import Facts, Principal, Scope
from console.sessions import Session
from model import masking
from model.roles import Right

Told = TypeVar("Told", bound=BaseModel)


class Answer(BaseModel):
    """One answer to all records of a surge."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    text: Annotated[str, Field(min_length=1, max_length=10_000)]


class SurgePages:
    """Handlers of /desk/surges and /v1/surges."""

    def __init__(self, seats: Seats, gate: Gate) -> None:
        self._seats = seats
        self._services = seats.services
        self._verbs = seats.services.surges
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        seated, needs = self._seats.needs, self._gate.needs
        return [
            web.get("/desk/surges", seated(self.list)),
            web.get("/desk/surges/{id}", seated(self.page)),
            web.post("/desk/surges/{id}", seated(self.act)),
            web.get("/v1/surges", needs(Scope.RECORDS_READ, self.api_list)),
            web.get("/v1/surges/{id}", needs(Scope.RECORDS_READ, self.api_show)),
            web.post("/v1/surges/{id}/preview", needs(Scope.RECORDS_READ, self.api_preview)),
            web.post("/v1/surges/{id}/answer", needs(Scope.REPLIES_WRITE, self.api_answer)),
            web.post("/v1/surges/{id}/dissolve", needs(Scope.RECORDS_WRITE, self.api_dissolve)),
        ]

    # ---- pages

    async def list(self, request: web.Request, session: Session) -> web.Response:
        """The latest surges."""
        found = [_shown(one, session) for one in await self._verbs.list()]
        return await self._seats.render(request, session, "surges.html", surges=found)

    async def page(self, request: web.Request, session: Session) -> web.Response:
        return await self._page(request, session)

    async def _page(
        self,
        request: web.Request,
        session: Session,
        *,
        draft: str = "",
        preview: Facts | None = None,
        problem: str = "",
        status: int = 200,
    ) -> web.Response:
        with verbs_spoken():
            found = await self._verbs.show(request.match_info["id"])
        shown = {name: [_shown(one, session) for one in found[name]] for name in ("records", "out")}
        page = await self._seats.render(
            request,
            session,
            "surge.html",
            surge={**found, **shown},
            draft=draft,
            preview=preview,
            problem=problem,
            key=self._services.ids.new(),
        )
        page.set_status(status)
        return page

    async def act(self, request: web.Request, session: Session) -> web.Response:
        """Do what the pressed button says; a text that was refused comes back with why."""
        posted = await self._seats.fields(request, session)
        id_, text = request.match_info["id"], word(posted, "text")
        try:
            with verbs_spoken():
                if word(posted, "verb") == "check":
                    preview = await self._verbs.preview(id_, text)
                    return await self._page(request, session, draft=text, preview=preview)
                await self._do(id_, posted, session.name)
        except Problem as problem:
            if problem.status == 404:
                raise
            return await self._page(
                request, session, draft=text, problem=problem.detail, status=problem.status
            )
        return see_other(f"/desk/surges/{id_}")

    async def _do(self, id_: str, posted: Fields, actor: str) -> Facts:
        reference = word(posted, "reference")
        match word(posted, "verb"):
            case "answer":
                key = word(posted, "key") or self._services.ids.new()
                return await self._verbs.answer(
                    id_, text=word(posted, "text"), actor=actor, key=f"desk:{key}"
                )
            case "take_out":
                return await self._verbs.take_out(reference, actor=actor)
            case "put_in":
                return await self._verbs.put_in(reference, id_, actor=actor)
            case "dissolve":
                return await self._verbs.dissolve(id_, actor=actor)
        raise Problem(422, "there is no such verb", field="verb")

    # ---- the API

    async def api_list(self, request: web.Request, principal: Principal) -> web.Response:
        """The latest surges: the same matter from many customers."""
        return json({"surges": await self._verbs.list()})

    async def api_show(self, request: web.Request, principal: Principal) -> web.Response:
        """A surge with its records and the answers to all of it."""
        return json(await self._verbs.show(request.match_info["id"]))

    async def api_preview(self, request: web.Request, principal: Principal) -> web.Response:
        """To whom an answer to all of a surge would go."""
        return json(await self._verbs.preview(request.match_info["id"], (await _read(request)).text))

    async def api_answer(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer all records of a surge that were not answered; the same Idempotency-Key answers them once."""
        told = await _read(request)
        key = request.headers.get("Idempotency-Key") or self._services.ids.new()
        actor = principal.name
        return json(
            await self._verbs.answer(
                request.match_info["id"], text=told.text, actor=actor, key=f"{actor}:{key}"
            )
        )

    async def api_dissolve(self, request: web.Request, principal: Principal) -> web.Response:
        """They are different matters: none of them is in the surge any more."""
        return json(await self._verbs.dissolve(request.match_info["id"], actor=principal.name))


async def _read(request: web.Request) -> Answer:
    try:
        return Answer.model_validate(parse_object(await read_body(request, SMALL_BODY)))
    except ValidationError as error:
        raise invalid(error) from None


def _shown(row: Facts, session: Session) -> Facts:
    """A line of a list as somebody may see it: without people for who needs to know nobody."""
    if session.may(Right.SEE_PERSON):
        return row
    name = row.get("name") or ""
    shown = {part: masking.text(row[part], name) for part in ("subject", "text") if row.get(part)}
    return {**row, **shown, "name": masking.name(name)}
