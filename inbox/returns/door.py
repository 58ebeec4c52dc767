"""The door for destinations: what their web hooks tell, applied before it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from destinations.contract import Call, Caller, DestinationSettings, ReturnedFile
from inbox.returns.apply import Applier
from model.failures import Malformed, PermanentFailure, Reason, Unverified
from model.tools import Clock, Log, Raw
from store.errors import StoreBusy

#: Largest call, bytes; time for its body, seconds.
_LARGEST, _PATIENCE = 33_554_432, 30.0


class Place(Protocol):
    """A destination, as far as its calls are concerned."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> DestinationSettings: ...

    @property
    def destination(self) -> Any: ...

    @property
    def woken(self) -> asyncio.Event: ...

    @property
    def open(self) -> bool: ...


class ReturnDoor:
    """Serves POST of /back/{destination}."""

    def __init__(
        self,
        destinations: Mapping[str, Place],
        applier: Applier,
        *,
        clock: Clock,
        log: Log,
        count: Callable[[str, str], None],
    ) -> None:
        self._destinations = destinations
        self._applier = applier
        self._clock = clock
        self._log = log
        self._count = count

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/back/{destination}", self.handle)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Verify, apply, and only then answer; 2xx says that all of it is durable."""
        place = self._destinations.get(request.match_info["destination"])
        if place is None or not isinstance(place.destination, Caller):
            return _problem(404, "there is no such door")
        if not place.open:
            return _problem(503, "the destination is switched off for now", {"Retry-After": "60"})
        try:
            async with asyncio.timeout(_PATIENCE):
                body = await self._body(request)
        except TimeoutError:
            return _problem(408, "the request did not arrive in time")
        if body is None:
            return _problem(413, f"the request is larger than {_LARGEST} bytes")
        headers = {name.lower(): value for name, value in request.headers.items()}
        return await self._take(
            place, place.destination, Call(headers=headers, body=body, received_at=self._clock.now())
        )

    async def _take(self, place: Place, caller: Caller, call: Call) -> web.StreamResponse:
        try:
            caller.verify(call)
            items = caller.receive(call)
        except Unverified as error:
            self._count(place.name, "unverified")
            self._log.warning("request.unverified", destination=place.name, why=error.detail)
            return _problem(401, "the request could not be verified")
        except Malformed as error:
            self._count(place.name, "malformed")
            return _problem(422, error.detail)
        try:
            if items and await self._applier.apply(
                place.name, items, state_of=place.settings.record_state, load=_nothing
            ):
                self._count(place.name, "returned")
        except StoreBusy:
            return _problem(503, "nothing can be taken in right now", {"Retry-After": "1"})
        place.woken.set()
        return web.Response(status=204)

    async def _body(self, request: web.Request) -> bytes | None:
        """The whole body; None when it is too large."""
        if (request.content_length or 0) > _LARGEST:
            return None
        body = bytearray()
        async for chunk in request.content.iter_chunked(65_536):
            body += chunk
            if len(body) > _LARGEST:
                return None
        return bytes(body)


async def _nothing(file: ReturnedFile) -> Raw:
    raise PermanentFailure(Reason.REQUEST, f"the file {file.filename!r} did not come along")


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(
        {"type": "about:blank", "status": status, "detail": detail},
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )
