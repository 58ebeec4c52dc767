"""The desk's pages of printed letters: what waits, a bundle with its list, and the word that it was posted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from console.bundles import PDF
from console.imports import download
from console.problems import Problem, not_found, verbs_spoken
from console.seats import Fields, Seats, see_other, word
from console.services import Facts
from console.sessions import Session

_TIMES = ("created_at", "ready_at", "posted_at", "since")


class BundlePages:
    """Handlers of the pages."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats
        self._services = seats.services
        self._bundles = seats.services.bundles

    def routes(self) -> list[web.RouteDef]:
        needs = self._seats.needs
        return [
            web.get("/desk/bundles", needs(self.all)),
            web.post("/desk/bundles", needs(self.close)),
            web.get("/desk/bundles/{id}", needs(self.one)),
            web.post("/desk/bundles/{id}", needs(self.told)),
            web.get("/desk/bundles/{id}/{what}.pdf", needs(self.file)),
        ]

    async def all(self, request: web.Request, session: Session) -> web.Response:
        return await self._all(request, session)

    async def _all(
        self, request: web.Request, session: Session, *, problem: str = "", status: int = 200
    ) -> web.Response:
        found = await self._bundles.list(channel=None, limit=100)
        waiting = [_timed(row) for row in found["waiting"]]
        page = await self._seats.render(
            request,
            session,
            "bundles.html",
            channels=[
                {"name": name, "waiting": [row for row in waiting if row["channel"] == name]}
                for name in found["channels"]
            ],
            bundles=[_timed(row) for row in found["bundles"]],
            problem=problem,
        )
        page.set_status(status)
        return page

    async def close(self, request: web.Request, session: Session) -> web.Response:
        posted = await self._seats.fields(request, session)
        try:
            with verbs_spoken():
                made = await self._bundles.close(word(posted, "channel"), actor=session.name)
        except Problem as problem:
            return await self._all(request, session, problem=problem.detail, status=problem.status)
        return see_other(f"/desk/bundles/{made['id']}")

    async def one(self, request: web.Request, session: Session) -> web.Response:
        return await self._one(request, session)

    async def _one(
        self, request: web.Request, session: Session, *, problem: str = "", status: int = 200
    ) -> web.Response:
        with verbs_spoken():
            found = await self._bundles.show(request.match_info["id"])
        page = await self._seats.render(
            request,
            session,
            "bundle.html",
            one={**_timed(found), "list": [_lined(row) for row in found["list"]]},
            done=request.query.get("done", "")[:20],
            now=f"{self._services.clock.now().astimezone(self._services.zone):%Y-%m-%dT%H:%M}",
            problem=problem,
        )
        page.set_status(status)
        if found["state"] in ("closed", "posting"):
            page.headers["Refresh"] = "3"  # it is being put together, or settled
        return page

    async def told(self, request: web.Request, session: Session) -> web.Response:
        """A letter is to be printed again, or the bundle was posted."""
        posted = await self._seats.fields(request, session)
        id_, again = request.match_info["id"], word(posted, "again")
        try:
            with verbs_spoken():
                if again:
                    await self._bundles.again(again, actor=session.name)
                else:
                    await self._bundles.posted(
                        id_,
                        without=[str(one) for one in posted.getall("without", [])],
                        at=self._moment(posted),
                        actor=session.name,
                    )
        except Problem as problem:
            return await self._one(request, session, problem=problem.detail, status=problem.status)
        return see_other(f"/desk/bundles/{id_}?done={'again' if again else 'posted'}")

    def _moment(self, posted: Fields) -> datetime | None:
        given = word(posted, "at")
        if not given:
            return None
        try:
            at = datetime.fromisoformat(given).replace(tzinfo=self._services.zone)
        except ValueError:
            raise Problem(422, "the time of posting cannot be read", field="at") from None
        # A form that lay open: its time is then a little before now, and never after it.
        return min(at, self._services.clock.now())

    async def file(self, request: web.Request, session: Session) -> web.Response:
        what = request.match_info["what"]
        if what not in ("list", "letters"):
            raise not_found("this file")
        with verbs_spoken():
            name, data = await self._bundles.file(request.match_info["id"], list_only=what == "list")
        return download(name, PDF, data)


def _timed(row: Facts) -> dict[str, Any]:
    return {
        **row,
        **{name: datetime.fromisoformat(row[name]) if row.get(name) else None for name in _TIMES},
    }


def _lined(row: Mapping[str, Any]) -> dict[str, Any]:
    """A letter with its address in one line."""
    return {**row, "place": ", ".join(str(row["address"]).splitlines()[1:])}
