"""The API of the office's work on records: judge, hand over, take, return, solve, close, note."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection

from casework import judgement
from console.api import SMALL_BODY, Gate, json, parse_object, read_body
from console.problems import Problem, invalid
from console.services import Facts, Principal, Scope, Services
from store import views

Text = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(max_length=100)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Acting(_Body):
    seen: Name | None = Field(
        default=None, description="The state that the caller saw; else the newest counts."
    )


class Judgement(_Acting):
    """What a person says against what the rules proposed; what is left out stays."""

    nature: list[Name] | None = None
    urgency: Name | None = None
    department: Name | None = Field(default=None, description="Whose it is; empty for nobody's.")
    in_scope: bool | None = None
    note: Text = ""


class HandOver(_Acting):
    """Who gets the record."""

    departments: list[Name] = Field(min_length=1, max_length=20)
    lead: Name | None = None
    suggestion: Text = ""
    due: AwareDatetime | None = Field(default=None, description="By when it must have been looked into.")


class Taking(_Acting):
    """Which department takes it, where several have it."""

    department: Name | None = None


class GivingBack(Taking):
    """Why it is not theirs."""

    reason: Text


class Solution(Taking):
    """What was found and done."""

    result: Text
    cause: Name = Field(default="", description="One of `office.report.causes`.")
    outcome: Name = Field(default="", description="One of `office.report.outcomes`.")


class Closing(_Acting):
    """Why the work ends."""

    reason: Text = ""


class Note(_Body):
    """A note for colleagues."""

    text: Text


class Asking(_Acting):
    """What the customer is asked for."""

    missing: list[Name] = Field(default=[], max_length=10)
    question: Text = ""


class Progress(_Acting):
    """How far it is."""

    text: Text
    expected: AwareDatetime | None = Field(default=None, description="Default: when it is due.")


class Extension(_Acting):
    """More time, and why: the customer reads it."""

    until: AwareDatetime
    reason: Text


class Mark(_Body):
    """What a customer said to a colleague."""

    mark: int = Field(ge=1, le=5)
    remarks: Text = ""


class Repetition(_Body):
    """Of which record it is a repeat."""

    of: Name


class Merging(_Body):
    """Into which record it goes."""

    into: Name


class Moving(_Body):
    """To which record a message goes."""

    to: Name


class Joining(_Body):
    """Which surge it is of."""

    surge: Name


class Passing:
    """Handlers of POST /v1/records/{reference}/{verb}, and of GET …/assignments."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._verbs = services.passing
        self._care = services.care
        self._following = services.following
        self._repeats = services.repeats
        self._surges = services.surges
        self._joining = services.joining
        self._store = services.store
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        needs, verbs = self._gate.needs, self._verbs
        known: dict[str, tuple[type[_Body], Callable[..., Awaitable[Facts]]]] = {
            "judge": (Judgement, verbs.judge),
            "hand-over": (HandOver, verbs.hand_over),
            "take": (Taking, verbs.take),
            "return": (GivingBack, verbs.give_back),
            "solve": (Solution, verbs.solve),
            "close": (Closing, verbs.close),
            "notes": (Note, verbs.note),
            "ask": (Asking, self._care.ask),
            "progress": (Progress, self._care.progress),
            "extend": (Extension, self._care.extend),
            "resume": (_Acting, self._care.resume),
            "mark": (Mark, self._following.mark_record),
            "repeat": (Repetition, self._repeats.link),
            "not-repeat": (_Body, self._repeats.unlink),
            "merge": (Merging, self._joining.merge),
            "unmerge": (_Body, self._joining.unmerge),
            "join-surge": (Joining, self._surges.put_in),
            "leave-surge": (_Body, self._surges.take_out),
        }
        posts = [
            web.post(f"/v1/records/{{reference}}/{name}", needs(Scope.RECORDS_WRITE, _handler(body, verb)))
            for name, (body, verb) in known.items()
        ]
        messages: dict[str, tuple[type[_Body], Callable[..., Awaitable[Facts]]]] = {
            "move": (Moving, self._joining.move),
            "split": (_Body, self._joining.split),
        }
        posts += [
            web.post(f"/v1/messages/{{reference}}/{name}", needs(Scope.RECORDS_WRITE, _handler(body, verb)))
            for name, (body, verb) in messages.items()
        ]
        return [
            web.get("/v1/records/{reference}/assignments", needs(Scope.RECORDS_READ, self.assignments)),
            web.get("/v1/records/{reference}/care", needs(Scope.RECORDS_READ, self.care)),
            web.get("/v1/records/{reference}/judgement", needs(Scope.RECORDS_READ, self.judgement)),
            *posts,
        ]

    async def assignments(self, request: web.Request, principal: Principal) -> web.Response:
        """Who has the record and who had it."""
        return json(await self._verbs.show(request.match_info["reference"]))

    async def care(self, request: web.Request, principal: Principal) -> web.Response:
        """What the customer was asked for, and whether they are satisfied."""
        return json(await self._care.show(request.match_info["reference"]))

    async def judgement(self, request: web.Request, principal: Principal) -> web.Response:
        """What the rules proposed and why, and what a person made of it."""
        reference = request.match_info["reference"]

        def query(connection: Connection) -> list[Facts] | None:
            row = views.record(connection, reference)
            return judgement.tell(row, views.timeline(connection, row["id"])) if row else None

        found = await self._store.read(query)
        if found is None:
            raise Problem(404, "there is no such record")
        return json({"judgement": found, "because": self._verbs.choices()["because"]})


def _handler(
    body: type[_Body], verb: Callable[..., Awaitable[Facts]]
) -> Callable[[web.Request, Principal], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request, principal: Principal) -> web.Response:
        raw = await read_body(request, SMALL_BODY)
        try:
            told: Any = body.model_validate(parse_object(raw))
        except ValidationError as error:
            raise invalid(error) from None
        given = {name: getattr(told, name) for name in body.model_fields}
        return json(await verb(request.match_info["reference"], actor=principal.name, **given))

    return handle
