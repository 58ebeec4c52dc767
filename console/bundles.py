"""The API of printed letters: bundles are closed, fetched as PDF, and told as posted, which is their receipt."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from console.api import SMALL_BODY, Gate, json, parse_object, read_body, whole_number
from console.imports import download
from console.problems import Problem, invalid
from console.services import Principal, Scope, Services

PDF = "application/pdf"
Told = TypeVar("Told", bound=BaseModel)


class Closing(BaseModel):
    """Which channel's letters become a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    channel: str | None = Field(
        default=None,
        max_length=100,
        description="A channel that prints; it may be left out where there is one.",
    )


class Posted(BaseModel):
    """What was posted of a bundle, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    without: list[str] = Field(
        default=[],
        max_length=2_000,
        description="Letters that were not posted, by delivery or reference: the next bundle has them.",
    )
    at: AwareDatetime | None = Field(default=None, description="When; null: now.")


class Again(BaseModel):
    """Which letter is to be printed again."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    letter: str = Field(min_length=1, max_length=100, description="A letter, by delivery or reference.")


class Bundles:
    """Handlers of the API."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._services = services
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        needs, read, write = self._gate.needs, Scope.RECORDS_READ, Scope.REPLIES_WRITE
        return [
            web.get("/v1/bundles", needs(read, self.list)),
            web.post("/v1/bundles", needs(write, self.close)),
            web.post("/v1/bundles/again", needs(write, self.again)),
            web.get("/v1/bundles/{named}", needs(read, self.show)),
            web.get("/v1/bundles/{named}/file", needs(read, self.file)),
            web.post("/v1/bundles/{named}/posted", needs(write, self.posted)),
        ]

    async def list(self, request: web.Request, principal: Principal) -> web.Response:
        limit = whole_number(request, "limit", 50, 1, 1000)
        found = await self._services.bundles.list(channel=request.query.get("channel"), limit=limit)
        return json(found)

    async def show(self, request: web.Request, principal: Principal) -> web.Response:
        return json(await self._services.bundles.show(request.match_info["named"]))

    async def file(self, request: web.Request, principal: Principal) -> web.Response:
        """The bundle as one PDF, or its list alone: `?list=1`."""
        only = request.query.get("list", "") in ("1", "true")
        name, data = await self._services.bundles.file(request.match_info["named"], list_only=only)
        return download(name, PDF, data)

    async def close(self, request: web.Request, principal: Principal) -> web.Response:
        told = await _told(request, Closing)
        channel = told.channel or only(self._services)
        return json(await self._services.bundles.close(channel, actor=principal.name), 201)

    async def posted(self, request: web.Request, principal: Principal) -> web.Response:
        told = await _told(request, Posted)
        return json(
            await self._services.bundles.posted(
                request.match_info["named"], without=told.without, at=told.at, actor=principal.name
            )
        )

    async def again(self, request: web.Request, principal: Principal) -> web.Response:
        told = await _told(request, Again)
        return json(await self._services.bundles.again(told.letter, actor=principal.name))


async def _told(request: web.Request, shape: type[Told]) -> Told:
    raw = await read_body(request, SMALL_BODY)
    try:
        return shape.model_validate(parse_object(raw) if raw.strip() else {})
    except ValidationError as error:
        raise invalid(error) from None


def only(services: Services) -> str:
    """The channel that prints, where there is one."""
    channels = services.bundles.channels()
    if len(channels) != 1:
        told = f"name the channel: {', '.join(channels)}" if channels else "no channel prints letters here"
        raise Problem(422, told, field="channel")
    return channels[0]
