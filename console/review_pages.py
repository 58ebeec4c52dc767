"""Answers that wait for a second person: their list, the verbs at a record, and the API."""

from __future__ import annotations

from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from console.api import SMALL_BODY, Gate, json, parse_object, read_body
from console.cases import Again
from console.problems import Problem, invalid, verbs_spoken
from console.seats import Fields, Seats, see_other, word
from console.services import Facts, Principal, Scope
from console.sessions import Session
from model.roles import Right

Told = TypeVar("Told", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Approval(_Body):
    """An answer leaves, as it is or with another text."""

    text: Annotated[str, Field(max_length=500_000)] | None = None


class GivingBack(_Body):
    """Why it does not leave."""

    reason: Annotated[str, Field(min_length=1, max_length=10_000)]


class Reviews:
    """Handlers of /desk/reviews, /desk/records/{reference}/review and /v1/reviews."""

    def __init__(self, seats: Seats, again: Again, gate: Gate) -> None:
        self._seats = seats
        self._verbs = seats.services.review
        self._again = again
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        seated, needs = self._seats.needs, self._gate.needs
        return [
            web.get("/desk/reviews", seated(self.page)),
            web.post("/desk/records/{reference}/review", seated(self.act)),
            web.get("/v1/reviews", needs(Scope.RECORDS_READ, self.api_list)),
            web.post("/v1/reviews/{id}/approve", needs(Scope.REPLIES_WRITE, self.api_approve)),
            web.post("/v1/reviews/{id}/return", needs(Scope.REPLIES_WRITE, self.api_return)),
        ]

    async def page(self, request: web.Request, session: Session) -> web.Response:
        """What waits, the oldest first."""
        return await self._seats.render(request, session, "reviews.html", reviews=await self._verbs.list())

    async def act(self, request: web.Request, session: Session) -> web.Response:
        """Do what the pressed button says."""
        posted = await self._seats.fields(request, session, self._seats.services.reply_bytes)
        reference = request.match_info["reference"]
        try:
            with verbs_spoken():
                await self._do(posted, session)
        except Problem as problem:
            if problem.status == 404:
                raise
            return await self._again(request, session, problem)
        return see_other(f"/desk/records/{reference}#review")

    async def _do(self, posted: Fields, session: Session) -> Facts:
        id_, actor, verb = word(posted, "review"), session.name, word(posted, "verb")
        if verb in ("approve", "return") and not session.may(Right.REVIEW):
            raise Problem(403, "your role does not allow this; the administrator can change it")
        match verb:
            case "approve":
                return await self._verbs.approve(id_, text=word(posted, "text") or None, actor=actor)
            case "return":
                return await self._verbs.give_back(id_, reason=word(posted, "reason"), actor=actor)
            case "withdraw":
                return await self._verbs.withdraw(id_, actor=actor)
        raise Problem(422, "there is no such verb", field="verb")

    # ---- the API

    async def api_list(self, request: web.Request, principal: Principal) -> web.Response:
        """Answers that wait for a second person, the oldest first."""
        return json({"reviews": await self._verbs.list()})

    async def api_approve(self, request: web.Request, principal: Principal) -> web.Response:
        """Let an answer leave that somebody else wrote."""
        told = await _read(request, Approval)
        id_ = request.match_info["id"]
        return json(await self._verbs.approve(id_, text=told.text, actor=principal.name))

    async def api_return(self, request: web.Request, principal: Principal) -> web.Response:
        """Return an answer to who wrote it."""
        told = await _read(request, GivingBack)
        id_ = request.match_info["id"]
        return json(await self._verbs.give_back(id_, reason=told.reason, actor=principal.name))


async def _read(request: web.Request, body: type[Told]) -> Told:
    try:
        return body.model_validate(parse_object(await read_body(request, SMALL_BODY)))
    except ValidationError as error:
        raise invalid(error) from None
