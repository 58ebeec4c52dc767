"""The API of imports: a file is uploaded, looked at, started and watched."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from console.api import SMALL_BODY, Gate, json, parse_object, read_body, whole_number
from console.problems import Problem, invalid
from console.services import Principal, Scope, Services

_PIECE = 262_144
#: Names that old browsers can read (RFC 6266 appendix D).
_PLAIN = re.compile(r"[\w.-]{1,100}", re.ASCII)


class Preview(BaseModel):
    """How the file is to be read; what is left out is found."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    format: str | None = Field(default=None, description="csv, xlsx, jsonl, mbox, eml or zip.")
    encoding: str | None = Field(
        default=None, max_length=40, description="Encoding of a text, such as gb18030."
    )
    delimiter: str | None = Field(
        default=None, max_length=1, description="What parts the columns of a CSV file."
    )
    sheet: str | None = Field(default=None, max_length=200, description="Sheet of a workbook.")
    header: int | None = Field(default=None, ge=1, description="Line of the headings.")
    mapping: dict[str, str] | None = Field(
        default=None,
        description="Column → field; `-` leaves it out, an empty text keeps it under its own name.",
    )
    preset: str | None = Field(default=None, max_length=40, description="Whose export it is.")
    dates: str | None = Field(default=None, description="dmy or mdy: what 3/4/2026 means.")
    timezone: str | None = Field(default=None, max_length=60, description="Time zone of times without one.")
    region: str | None = Field(default=None, description="Country of telephone numbers without one.")
    strict: bool | None = Field(default=None, description="Refuse rows whose address or number is none.")
    mbox: str | None = Field(
        default=None, description="rd or o: how the mbox hides lines that begin with From."
    )


class Start(BaseModel):
    """How the import is run."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    acknowledge: bool = Field(default=False, description="Whether customers are told.")
    dry_run: bool = Field(default=False, description="Read and check everything, import nothing.")


class Imports:
    """Handlers of the API."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._services = services
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        def needs(answer: Any) -> Any:
            return self._gate.needs(Scope.ADMIN, answer)

        return [
            web.post("/v1/imports", needs(self.upload)),
            web.get("/v1/imports", needs(self.list)),
            web.get("/v1/imports/{id}", needs(self.show)),
            web.post("/v1/imports/{id}/preview", needs(self.preview)),
            web.post("/v1/imports/{id}/start", needs(self.start)),
            web.post("/v1/imports/{id}/work", needs(self.work)),
            web.post("/v1/imports/{id}/cancel", needs(self.cancel)),
            web.get("/v1/imports/{id}/errors", needs(self.errors)),
        ]

    async def upload(self, request: web.Request, principal: Principal) -> web.Response:
        """The body is the file; the query names channel and file."""
        channel, name = request.query.get("channel", ""), request.query.get("name", "")
        if not channel:
            raise Problem(422, "say which channel it is for: ?channel=NAME", field="channel")
        imports = self._services.imports
        raw = await keep(self._services, request.content.iter_chunked(_PIECE))
        return json(await imports.create(channel, name, raw, actor=principal.name), 201)

    async def list(self, request: web.Request, principal: Principal) -> web.Response:
        limit = whole_number(request, "limit", 50, 1, 1000)
        return json({"imports": await self._services.imports.list(limit=limit)})

    async def show(self, request: web.Request, principal: Principal) -> web.Response:
        return json(await self._services.imports.show(request.match_info["id"]))

    async def preview(self, request: web.Request, principal: Principal) -> web.Response:
        try:
            said = Preview.model_validate(parse_object(await read_body(request, SMALL_BODY)))
        except ValidationError as error:
            raise invalid(error) from None
        options = said.model_dump(exclude_none=True)
        return json(await self._services.imports.preview(request.match_info["id"], options))

    async def start(self, request: web.Request, principal: Principal) -> web.Response:
        try:
            said = Start.model_validate(parse_object(await read_body(request, SMALL_BODY)))
        except ValidationError as error:
            raise invalid(error) from None
        imports = self._services.imports
        id_ = request.match_info["id"]
        return json(
            await imports.start(
                id_, acknowledge=said.acknowledge, dry_run=said.dry_run, actor=principal.name
            ),
            202,
        )

    async def work(self, request: web.Request, principal: Principal) -> web.Response:
        """Import it in this process: for the command line, where no daemon runs that would."""
        return json(await self._services.imports.work(request.match_info["id"]), 202)

    async def cancel(self, request: web.Request, principal: Principal) -> web.Response:
        return json(await self._services.imports.cancel(request.match_info["id"], actor=principal.name))

    async def errors(self, request: web.Request, principal: Principal) -> web.Response:
        return download(*await self._services.imports.errors(request.match_info["id"]))


async def keep(services: Services, chunks: AsyncIterator[bytes]) -> Any:
    """The bytes of an upload, within the limit."""
    most = services.imports.most_bytes
    try:
        return await services.import_spool(chunks, most)
    except OverflowError:
        raise Problem(413, f"the file is larger than {most} bytes (imports.file_bytes)") from None


def download(name: str, media_type: str, data: bytes) -> web.Response:
    """A file of ours as a browser keeps it (RFC 6266, RFC 8187)."""
    plain = name if _PLAIN.fullmatch(name) else "file"
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return web.Response(body=data, headers={"Content-Type": media_type, "Content-Disposition": disposition})
