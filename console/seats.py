"""A seat at the desk: pages and posts of people who have logged in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from aiohttp import web
from multidict import MultiDictProxy

from console import pages, rights
from console.problems import Problem
from console.services import Services
from console.sessions import Session, Sessions
from model.roles import EVERYTHING, Right
from store import boxes, cases

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Seated = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]
Fields = MultiDictProxy[str | bytes | bytearray | web.FileField]

#: Ordinary forms of the desk carry a few words.
_FORM_BYTES = 262_144


class Seats:
    """Sends strangers to the log-in, renders pages with what all of them show, and reads posted forms."""

    def __init__(self, services: Services, sessions: Sessions) -> None:
        self.services = services
        self.sessions = sessions

    def needs(self, answer: Seated) -> Handler:
        """A handler for those who have logged in; others log in first and come back."""

        async def handler(request: web.Request) -> web.StreamResponse:
            session = await self._seated(request)
            if session is None:
                back = quote(request.rel_url.path_qs) if request.method == "GET" else ""
                return see_other("/desk/login" + (f"?next={back}" if back else ""))
            resource = request.match_info.route.resource
            if not rights.allowed(session.rights, request.method, resource.canonical if resource else ""):
                raise Problem(403, "your role does not allow this; the administrator can change it")
            reference = request.match_info.get("reference")
            if reference and not session.may(Right.SEE_ALL):
                departments = session.departments
                if not await self.services.store.read(lambda c: cases.had_by(c, reference, departments)):
                    raise Problem(404, "there is no such record")
            return await answer(request, session)

        return handler

    async def _seated(self, request: web.Request) -> Session | None:
        """Who sits here, with what they may; None for a stranger, and for whom it ended meanwhile."""
        session = self.sessions.of(request)
        if session is None or not session.known:
            return None
        if not session.version:
            return replace(session, rights=EVERYTHING)
        user = await self.services.users.of(session.name, session.version)
        return replace(session, rights=user.rights, departments=user.departments) if user else None

    async def render(
        self, request: web.Request, session: Session, template: str, **values: Any
    ) -> web.Response:
        """A page of the desk, with the number of things that wait for a person."""
        counts = await self.services.store.read(boxes.counts)
        return pages.render(
            self.services,
            request,
            template,
            session=session,
            may=session.may,
            csrf=self.sessions.csrf(session),
            mend_count=boxes.waiting_for_a_person(counts),
            prints=bool(self.services.bundles.channels()),
            reviews_wanted=self.services.review.wanted(),
            surges_wanted=self.services.surges.wanted(),
            **values,
        )

    async def fields(self, request: web.Request, session: Session | None, limit: int = _FORM_BYTES) -> Fields:
        """The posted form, once it is proved to be one of ours."""
        posted = await request.clone(client_max_size=limit).post()
        self.sessions.check(session, posted.get("csrf"))
        return posted


def see_other(path: str) -> web.Response:
    """Go on to a page of ours (RFC 9110 §15.4.4)."""
    return web.Response(status=303, headers={"Location": path})


def word(posted: Fields, name: str) -> str:
    """A text field of a form; empty when it is missing or a file."""
    value = posted.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def secret(posted: Fields, name: str) -> str:
    """A password as it was typed, spaces and all; empty when it is missing or a file."""
    value = posted.get(name, "")
    return value if isinstance(value, str) else ""
