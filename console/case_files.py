"""A case as a file, and the list of records as a workbook: from the desk, and by the API."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from console import asking, case_view, languages, masks, pages, shapes
from console.api import Gate, as_json
from console.case_view import CaseView
from console.imports import download
from console.links import Links
from console.problems import Problem
from console.report_pages import TYPES
from console.seats import Seats
from console.services import Facts, Principal, Scope
from console.sessions import Session
from console.story import Chapter
from console.whole import load
from model import record as canon
from model.roles import Right
from store import search, views

_FORMATS = ("json", *TYPES)
#: Records that are read at once, and at the most, for a list as a file.
_PAGE, _MOST = 200, 10_000


_HEADS = (
    "case.reference", "record.received", "record.channel", "records.state", "records.urgency", "record.nature",
    "record.department", "record.contact", "record.company", "case.subject", "case.said",
)  # fmt: skip


class CaseFiles:
    """Handlers of /desk/records/{reference}/file, /desk/record-list and /v1/records/{reference}/case."""

    def __init__(self, seats: Seats, links: Links, gate: Gate) -> None:
        self._seats = seats
        self._services = seats.services
        self._links = links
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        needs = self._seats.needs
        return [
            web.get("/desk/records/{reference}/file", needs(self.case)),
            web.get("/desk/record-list", needs(self.table)),
            web.get("/v1/records/{reference}/case", self._gate.needs(Scope.RECORDS_READ, self.api)),
        ]

    async def case(self, request: web.Request, session: Session) -> web.Response:
        """A case: `?format=pdf`, `xlsx` or `json`."""
        people = session.may(Right.SEE_PERSON)
        return await self._case(request, languages.of(request), people, request.query.get("format", "pdf"))

    async def api(self, request: web.Request, principal: Principal) -> web.Response:
        """A case with its whole story, as `format` json, pdf or xlsx."""
        language = languages.match(request.query.get("language", "")) or languages.of(request)
        return await self._case(request, language, True, request.query.get("format", "json"))

    async def _case(self, request: web.Request, language: str, people: bool, format_: str) -> web.Response:
        if format_ not in _FORMATS:
            raise Problem(422, f"must be one of {', '.join(_FORMATS)}", field="format")
        services = self._services
        found = await load(services, self._links, request.match_info["reference"], people=people)
        if found is None:
            raise Problem(404, "there is no such record")
        when = partial(pages.when, services)
        choices = services.passing.choices()
        shown = case_view.view(found, language, choices=choices, when=when, now=services.clock.now())
        name = f"{shown.reference}.{format_}"
        if format_ == "json":
            body = {
                "record": found.record.model_dump(by_alias=True),
                "story": [_told(one) for one in found.story],
            }
            return download(name, "application/json", as_json(body))
        return download(name, TYPES[format_], await self._made(shown, format_))

    async def _made(self, shown: CaseView, format_: str) -> bytes:
        try:
            return await asyncio.to_thread(self._services.reports.case, shown, format_)
        except ValueError as error:
            raise Problem(422, str(error), field="format") from None

    async def table(self, request: web.Request, session: Session) -> web.Response:
        """The records that a list shows, as a workbook; the newest ten thousand."""
        wanted = asking.wanted(asking.chosen(request.query), self._services.zone)
        if not session.may(Right.SEE_ALL):
            wanted = replace(wanted, departments=session.departments)
        language, before = languages.of(request), None
        rows: list[list[str]] = []
        while len(rows) < _MOST:
            page = await self._services.store.read(
                partial(search.page, wanted=wanted, limit=_PAGE, before=before)
            )
            found = await self._services.store.read(
                partial(views.canonicals, found=page.rows, links=self._links)
            )
            if not session.may(Right.SEE_PERSON):
                found = [masks.record(one) for one in found]
            rows += [self._row(one, language) for one in found]
            before = page.following
            if before is None:
                break
        heads = [languages.translate(language, name) for name in _HEADS]
        title = languages.translate(language, "records.title")
        data = await asyncio.to_thread(self._services.reports.table, title, heads, rows)
        return download("records.xlsx", TYPES["xlsx"], data)

    def _row(self, one: canon.Record, language: str) -> list[str]:
        titles = (
            self._services.passing.choices()["departments"].get(one.department or "", {}).get("title", {})
        )
        return [
            one.reference or "",
            pages.when(self._services, one.received_at),
            one.channel.name,
            languages.word(language, "state", one.state),
            languages.word(language, "urgency", one.urgency),
            ", ".join(languages.word(language, "nature", nature) for nature in one.nature),
            titles.get(language[:2]) or one.department or "",
            one.contact.name,
            one.contact.company,
            one.subject,
            one.text,
        ]


def _told(one: Chapter) -> Facts:
    """A chapter of the story as JSON."""
    shown: dict[str, Any] = {
        "at": one.at, "side": one.side, "what": one.what, "who": one.who, "text": one.text, "refers": one.refers,
    }  # fmt: skip
    if one.delivery is not None:
        shown["delivery"] = shapes.delivery(one.delivery)
    if one.changed:
        shown["changed"] = dict(one.changed)
    return shown
