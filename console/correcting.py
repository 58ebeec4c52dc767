"""Letters that wait for a clerk: the page as it was scanned beside what was read of it, to be put right and let go."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from console.api import Gate, json, parse_object, read_body
from console.links import Links
from console.problems import Problem, invalid, verbs_spoken
from console.seats import Seats, see_other, word
from console.services import Facts, Principal, Scope, Services
from console.sessions import Session
from model.states import EnvelopeState

#: Largest body of a correction: the text of a letter and its fields, bytes.
_BODY = 262_144
#: Most pages whose pictures one look at the desk shows; the rest is in the original.
_SHOWN = 30


class Correction(BaseModel):
    """What is put right: fields as they were shown, and `text`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    values: dict[str, str] = Field(
        default_factory=dict, description="The right values by the names that were shown, and `text`."
    )


class Correcting:
    """Handlers of the desk's page for letters that are held, and of the same in the API."""

    def __init__(self, seats: Seats, links: Links, gate: Gate) -> None:
        self._seats = seats
        self._services: Services = seats.services
        self._links = links
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        needs = self._seats.needs

        def admin(answer: Any) -> Any:
            return self._gate.needs(Scope.ADMIN, answer)

        return [
            web.get("/desk/held/{id}", needs(self.page)),
            web.post("/desk/held/{id}", needs(self.settle)),
            web.get(r"/desk/held/{id}/pages/{n:\d{1,4}}", needs(self.seated_picture)),
            web.post("/v1/inbox/{id}/correct", admin(self.correct)),
            web.get(r"/v1/inbox/{id}/pages/{n:\d{1,4}}", admin(self.picture)),
        ]

    # ---- the desk

    async def page(self, request: web.Request, session: Session) -> web.Response:
        one = await self._held(request)
        shown = one["meta"]["shown"]
        return await self._seats.render(
            request,
            session,
            "correct.html",
            one=one,
            shown={"hold_below": 0.8, "sure": 0.0, "confidence": {}, "text": "", **shown},
            received_at=datetime.fromisoformat(one["received_at"]),
            links=self._links,
            pages=min(int(shown.get("pages", 0)), _SHOWN),
        )

    async def settle(self, request: web.Request, session: Session) -> web.Response:
        posted = await self._seats.fields(request, session, _BODY)
        one = await self._held(request)
        if word(posted, "verb") == "ignore":
            if not (reason := word(posted, "reason")):
                raise Problem(422, "say why: nothing is dropped without a reason", field="reason")
            with verbs_spoken():
                await self._services.inbox.ignore([one["id"]], reason=reason[:500], actor=session.name)
            return see_other("/desk/mend?done=ignore")
        names = (*one["meta"]["shown"].get("values", {}), "text")
        values = {name: word(posted, name).replace("\r\n", "\n") for name in names if name in posted}
        await self._correct(one["id"], values, session.name)
        return see_other("/desk/mend?done=release")

    async def seated_picture(self, request: web.Request, session: Session) -> web.Response:
        return await self._picture(request)

    # ---- the API

    async def correct(self, request: web.Request, principal: Principal) -> web.Response:
        try:
            told = Correction.model_validate(parse_object(await read_body(request, _BODY)))
        except ValidationError as error:
            raise invalid(error) from None
        return json(await self._correct(request.match_info["id"], told.values, principal.name))

    async def picture(self, request: web.Request, principal: Principal) -> web.Response:
        return await self._picture(request)

    # ----

    async def _held(self, request: web.Request) -> Facts:
        """The envelope, which must wait with something to be put right."""
        with verbs_spoken():
            one = await self._services.inbox.show(request.match_info["id"])
        if one["state"] != EnvelopeState.HELD or not one["meta"].get("shown"):
            raise Problem(404, "there is nothing to be put right: it is not held any more, or never was")
        return one

    async def _correct(self, envelope: str, values: dict[str, str], actor: str) -> Facts:
        with verbs_spoken():
            result = await self._services.inbox.correct(envelope, values, actor=actor)
        if not result["corrected"]:
            raise Problem(409, "somebody else was faster: it is not held any more")
        return result

    async def _picture(self, request: web.Request) -> web.Response:
        """A page, the first is 1, drawn anew each time: nothing of a customer's is kept by browsers."""
        with verbs_spoken():
            data = await self._services.inbox.picture(
                request.match_info["id"], int(request.match_info["n"]) - 1
            )
        return web.Response(body=data, content_type="image/jpeg")
