"""Who may log in, and who did what: pages of the desk, and the API that the command line uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from console.api import SMALL_BODY, Gate, json, parse_object, read_body, whole_number
from console.problems import Problem, invalid, verbs_spoken
from console.seats import Fields, Seats, secret, see_other, word
from console.services import Facts, Principal, Scope
from console.sessions import Session
from model.roles import Role
from store import users
from store.views import Row

Name = Annotated[str, Field(max_length=100)]
Told = TypeVar("Told", bound=BaseModel)
_PAGE = 100


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Change(_Body):
    """What somebody is in the office."""

    role: Name = Field(description="clerk, department, coordinator, supervisor, auditor or operator")
    departments: list[Name] = Field(default=[], max_length=100)


class NewUser(Change):
    """Somebody who may log in."""

    name: Name
    password: SecretStr = Field(description="15 to 200 characters.")


class Password(_Body):
    """A new password."""

    password: SecretStr = Field(description="15 to 200 characters.")


class Users:
    """Handlers of /desk/users, /desk/password, /desk/trail, /v1/users and /v1/trail."""

    def __init__(self, seats: Seats, gate: Gate) -> None:
        self._seats = seats
        self._services = seats.services
        self._verbs = seats.services.users
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        seated, needs = self._seats.needs, self._gate.needs
        return [
            web.get("/desk/users", seated(self.page)),
            web.post("/desk/users", seated(self.add)),
            web.post("/desk/users/{name}", seated(self.act)),
            web.get("/desk/password", seated(self.password_page)),
            web.post("/desk/password", seated(self.password)),
            web.get("/desk/trail", seated(self.trail_page)),
            web.get("/v1/users", needs(Scope.ADMIN, self.api_list)),
            web.post("/v1/users", needs(Scope.ADMIN, self.api_add)),
            web.post("/v1/users/{name}/change", needs(Scope.ADMIN, self.api_change)),
            web.post("/v1/users/{name}/password", needs(Scope.ADMIN, self.api_password)),
            web.post("/v1/users/{name}/disable", needs(Scope.ADMIN, self.api_disable)),
            web.post("/v1/users/{name}/enable", needs(Scope.ADMIN, self.api_enable)),
            web.get("/v1/trail", needs(Scope.ADMIN, self.api_trail)),
        ]

    # ---- pages

    async def page(self, request: web.Request, session: Session) -> web.Response:
        return await self._page(request, session)

    async def _page(
        self, request: web.Request, session: Session, problem: str = "", status: int = 200
    ) -> web.Response:
        page = await self._seats.render(
            request,
            session,
            "users.html",
            users=await self._verbs.list(),
            roles=list(Role),
            departments=self._services.passing.choices()["departments"],
            problem=problem,
            done="done" in request.query,
        )
        page.set_status(status)
        return page

    async def add(self, request: web.Request, session: Session) -> web.Response:
        posted = await self._seats.fields(request, session)

        async def do() -> Facts:
            return await self._verbs.add(
                word(posted, "name").lower(),
                role=word(posted, "role"),
                departments=_chosen(posted),
                password=secret(posted, "password"),
                actor=session.name,
            )

        return await self._done(request, session, do)

    async def act(self, request: web.Request, session: Session) -> web.Response:
        """Do what the pressed button says with one user."""
        posted = await self._seats.fields(request, session)
        name, verb = request.match_info["name"], word(posted, "verb")

        async def do() -> Facts:
            match verb:
                case "change":
                    return await self._verbs.change(
                        name, role=word(posted, "role"), departments=_chosen(posted), actor=session.name
                    )
                case "password":
                    return await self._verbs.set_password(
                        name, secret(posted, "password"), actor=session.name
                    )
                case "enable" | "disable":
                    return await self._verbs.enable(name, verb == "enable", actor=session.name)
            raise ValueError("there is no such verb")

        return await self._done(request, session, do)

    async def _done(
        self, request: web.Request, session: Session, do: Callable[[], Awaitable[Facts]]
    ) -> web.Response:
        try:
            with verbs_spoken():
                await do()
        except Problem as problem:
            return await self._page(request, session, problem.detail, problem.status)
        return see_other("/desk/users?done")

    async def password_page(self, request: web.Request, session: Session) -> web.Response:
        return await self._seats.render(request, session, "password.html", problem="")

    async def password(self, request: web.Request, session: Session) -> web.Response:
        """Change one's own; whoever does is logged out everywhere, and logs in by the new one."""
        posted = await self._seats.fields(request, session)
        problem = ""
        if not session.version:
            problem = "the administrator's token is set in the configuration"
        elif await self._verbs.check(session.name, secret(posted, "old")) is None:
            problem = "the old password is another one"
        else:
            try:
                await self._verbs.set_password(session.name, secret(posted, "password"), actor=session.name)
            except ValueError as error:
                problem = str(error)
        if problem:
            page = await self._seats.render(request, session, "password.html", problem=problem)
            page.set_status(422)
            return page
        response = see_other("/desk/login")
        self._seats.sessions.close(response)
        return response

    async def trail_page(self, request: web.Request, session: Session) -> web.Response:
        actor, before = request.query.get("actor", "").strip(), _place(request)
        found = await self._trail(before, actor or None, _PAGE)
        older = None
        if len(found) == _PAGE:
            older = request.rel_url.update_query(before=_cursor(found[-1])).path_qs
        return await self._seats.render(
            request, session, "trail.html", acts=found, actor=actor, older=older, before=before
        )

    async def _trail(self, before: tuple[datetime, str] | None, actor: str | None, limit: int) -> list[Row]:
        return await self._services.store.read(
            lambda c: users.trail(c, before=before, actor=actor, limit=limit)
        )

    # ---- the API

    async def api_list(self, request: web.Request, principal: Principal) -> web.Response:
        return json({"users": await self._verbs.list()})

    async def api_add(self, request: web.Request, principal: Principal) -> web.Response:
        told = await _read(request, NewUser)
        made = await self._verbs.add(
            told.name,
            role=told.role,
            departments=told.departments,
            password=told.password.get_secret_value(),
            actor=principal.name,
        )
        return json(made, 201)

    async def api_change(self, request: web.Request, principal: Principal) -> web.Response:
        told = await _read(request, Change)
        name = request.match_info["name"]
        return json(
            await self._verbs.change(name, role=told.role, departments=told.departments, actor=principal.name)
        )

    async def api_password(self, request: web.Request, principal: Principal) -> web.Response:
        told = await _read(request, Password)
        given = told.password.get_secret_value()
        return json(await self._verbs.set_password(request.match_info["name"], given, actor=principal.name))

    async def api_disable(self, request: web.Request, principal: Principal) -> web.Response:
        return json(await self._verbs.enable(request.match_info["name"], False, actor=principal.name))

    async def api_enable(self, request: web.Request, principal: Principal) -> web.Response:
        return json(await self._verbs.enable(request.match_info["name"], True, actor=principal.name))

    async def api_trail(self, request: web.Request, principal: Principal) -> web.Response:
        """What people did, the latest first; `before` is the `next` of the page before, or a time."""
        limit = whole_number(request, "limit", 50, 1, 500)
        found = await self._trail(_place(request), request.query.get("actor") or None, limit)
        return json({"acts": found, "next": _cursor(found[-1]) if len(found) == limit else None})


async def _read(request: web.Request, body: type[Told]) -> Told:
    try:
        return body.model_validate(parse_object(await read_body(request, SMALL_BODY)))
    except ValidationError as error:
        raise invalid(error) from None


def _cursor(act: Row) -> str:
    """Where the next page of the trail begins."""
    return f"{act['at'].isoformat()}~{act['id']}"


def _place(request: web.Request) -> tuple[datetime, str] | None:
    given = request.query.get("before", "").strip()
    if not given:
        return None
    written, _, id_ = given.replace(" ", "+").partition("~")
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Problem(422, "must be a time with its zone, as 2026-11-22T08:30:00Z", field="before")
    return at, id_


def _chosen(posted: Fields) -> list[str]:
    return [one for one in posted.getall("departments", []) if isinstance(one, str)]
