"""Who else is at a record, and the draft of who writes there: what the page's script tells and asks now and then."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy import Connection

from console.api import json
from console.problems import Problem
from console.seats import Seats
from console.services import Facts, Services
from console.sessions import Session
from model.roles import Right
from store import drafts, views

#: Most characters of a draft.
_LONGEST = 500_000


class Attending:
    """Handler of POST /desk/records/{reference}/here."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats
        self._services = seats.services

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/desk/records/{reference}/here", self._seats.needs(self.here))]

    async def here(self, request: web.Request, session: Session) -> web.Response:
        """Somebody is here, with what they wrote since; told are the others, and the state that the record is in."""
        posted = await self._seats.fields(request, session, self._services.reply_bytes)
        reference, text = request.match_info["reference"], posted.get("text")
        row = await self._services.store.read(lambda c: views.record(c, reference))
        if row is None:
            raise Problem(404, "there is no such record")
        if isinstance(text, str) and session.may(Right.ANSWER):
            await keep(self._services, row["id"], session.name, text)
        return json({"others": await attend(self._services, row["id"], session.name), "state": row["state"]})


async def attend(services: Services, record: str, actor: str) -> list[str]:
    """Note that somebody looks at a record; who else does, by name."""
    now = services.clock.now()

    def step(connection: Connection) -> list[str]:
        drafts.look(connection, record, actor, now)
        return drafts.others(connection, record, actor, now - services.presence)

    return await services.store.run(step, "presence")


async def keep(services: Services, record: str, actor: str, text: str) -> None:
    """Keep somebody's draft; an empty text forgets it."""
    now = services.clock.now()
    await services.store.run(lambda c: drafts.keep(c, record, actor, text[:_LONGEST], now), "draft")


async def draft(services: Services, record: str, actor: str) -> Facts | None:
    """Somebody's draft to a record: text and at."""
    return await services.store.read(lambda c: drafts.of(c, record, actor))
