"""What waits for a person at the desk: held, unreadable, dead, expired and uncertain things, and the channels."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from console.links import Links
from console.operations import ChannelArguments, Selection, channel_verbs, inbox_verbs, outbox_verbs
from console.problems import Problem, invalid, verbs_spoken
from console.seats import Seats, see_other, word
from console.sessions import Session
from store import boxes

#: A verb of the desk's buttons → the verb of the box and what it is given.
_BUTTONS: dict[str, tuple[str, dict[str, Any]]] = {
    "replay": ("replay", {}),
    "try": ("replay", {"dry_run": True}),
    "release": ("release", {}),
    "ignore": ("ignore", {}),
    "redrive": ("redrive", {}),
    "cancel": ("cancel", {}),
    "delivered": ("resolve", {"delivered": True}),
    "not_delivered": ("resolve", {"delivered": False}),
}


class Mending:
    """Handlers of the pages by which people put things right."""

    def __init__(self, seats: Seats, links: Links) -> None:
        self._seats = seats
        self._services = seats.services
        self._links = links
        self._verbs = {"inbox": inbox_verbs(seats.services), "outbox": outbox_verbs(seats.services)}
        self._channel = channel_verbs(seats.services)

    def routes(self) -> list[web.RouteDef]:
        needs = self._seats.needs
        return [
            web.get("/desk/mend", needs(self.mend)),
            web.post("/desk/mend/{box:inbox|outbox}", needs(self.apply)),
            web.get("/desk/channels", needs(self.channels)),
            web.post("/desk/channels/{name}", needs(self.channel)),
        ]

    async def mend(self, request: web.Request, session: Session) -> web.Response:
        found = await self._services.store.read(boxes.to_mend)
        done = request.query.get("done", "")
        return await self._seats.render(
            request,
            session,
            "mend.html",
            found=found,
            done=done if done in _BUTTONS else "",
            links=self._links,
        )

    async def apply(self, request: web.Request, session: Session) -> web.Response:
        posted = await self._seats.fields(request, session)
        button = word(posted, "verb")
        verb, given = _BUTTONS.get(button, ("", {}))
        apply = self._verbs[request.match_info["box"]].get(verb)
        if apply is None:
            raise Problem(422, "choose what is to be done")
        ids = [one for one in posted.getall("ids", []) if isinstance(one, str)]
        if not ids:
            raise Problem(422, "choose at least one line")
        try:
            chosen = Selection(ids=ids, reason=word(posted, "reason"), **given)
        except ValidationError as error:
            raise invalid(error) from None
        with verbs_spoken():
            result = await apply(chosen, session.name)
        if chosen.dry_run:
            shown = orjson.dumps(result, option=orjson.OPT_INDENT_2, default=str).decode()
            return await self._seats.render(request, session, "dry_run.html", shown=shown)
        return see_other(f"/desk/mend?done={button}")

    async def channels(self, request: web.Request, session: Session) -> web.Response:
        health = [{**one, "last_ok_at": _time(one.get("last_ok_at"))} for one in self._services.health()]
        return await self._seats.render(request, session, "channels.html", health=health)

    async def channel(self, request: web.Request, session: Session) -> web.Response:
        posted = await self._seats.fields(request, session)
        verb = self._channel.get(word(posted, "verb"))
        if verb is None:
            raise Problem(422, "choose what is to be done")
        with verbs_spoken():
            await verb(request.match_info["name"], ChannelArguments(), session.name)
        return see_other("/desk/channels")


def _time(given: str | None) -> datetime | None:
    return datetime.fromisoformat(given) if given else None
