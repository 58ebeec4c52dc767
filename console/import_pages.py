"""The desk's pages of imports: upload, preview with the columns' fields, start, watch, fetch the bad rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from console.imports import download, keep
from console.problems import Problem, verbs_spoken
from console.seats import Fields, Seats, see_other, word
from console.services import Facts
from console.sessions import Session

#: Bytes of a form around the file that it carries.
_AROUND = 65_536
#: How often a page of an import at work is looked at anew, seconds.
_REFRESH = "2"
#: Options that a person may choose on the page, in its order. Empty ones are found by themselves.
_WORDS = ("preset", "sheet", "header", "encoding", "delimiter", "dates", "timezone", "region")
_ENCODINGS = ("utf-8", "gb18030", "utf-16", "big5", "cp1252")
_DELIMITERS = (",", ";", "tab", "|")
_LAYOUT = (
    "format",
    "holds",
    "encoding",
    "delimiter",
    "sheet",
    "sheets",
    "header",
    "preset",
    "dates",
    "timezone",
    "saved",
)
_LOOKED_AT = ("draft", "failed", "cancelled")


class ImportPages:
    """Handlers of the pages."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats
        self._services = seats.services
        self._imports = seats.services.imports

    def routes(self) -> list[web.RouteDef]:
        needs = self._seats.needs
        return [
            web.get("/desk/import", needs(self.start_page)),
            web.post("/desk/import", needs(self.upload)),
            web.get("/desk/import/{id}", needs(self.one)),
            web.get("/desk/import/{id}/errors", needs(self.errors)),
            web.post("/desk/import/{id}", needs(self.verb)),
        ]

    async def start_page(self, request: web.Request, session: Session) -> web.Response:
        return await self._start_page(request, session)

    async def _start_page(
        self, request: web.Request, session: Session, *, problem: str = "", status: int = 200
    ) -> web.Response:
        found = await self._imports.list(limit=50)
        page = await self._seats.render(
            request,
            session,
            "imports.html",
            imports=[_with_times(one) for one in found],
            channels=self._imports.channels(),
            most=self._imports.most_bytes,
            problem=problem,
        )
        page.set_status(status)
        return page

    async def upload(self, request: web.Request, session: Session) -> web.Response:
        posted = await self._seats.fields(request, session, self._imports.most_bytes + _AROUND)
        given = posted.get("file")
        if not isinstance(given, web.FileField) or not given.filename:
            return await self._start_page(request, session, problem="choose a file", status=422)
        try:
            with verbs_spoken():
                raw = await keep(self._services, _pieces(given))
                begun = await self._imports.create(
                    word(posted, "channel"), given.filename, raw, actor=session.name
                )
        except Problem as problem:
            return await self._start_page(request, session, problem=problem.detail, status=problem.status)
        return see_other(f"/desk/import/{begun['id']}")

    async def one(self, request: web.Request, session: Session) -> web.Response:
        with verbs_spoken():
            row = await self._imports.show(request.match_info["id"])
        if row["state"] == "draft" or (row["state"] in _LOOKED_AT and "again" in request.query):
            return await self._look(request, session, row, _said(row))
        page = await self._seats.render(request, session, "import.html", one=_with_times(row))
        if row["state"] in ("waiting", "running"):
            page.headers["Refresh"] = _REFRESH  # the page has no script of its own
        return page

    async def _look(
        self, request: web.Request, session: Session, row: Facts, options: Mapping[str, Any], why: str = ""
    ) -> web.Response:
        """The preview, and why it could not be made or started."""
        try:
            with verbs_spoken():
                row = await self._imports.preview(row["id"], options)
        except Problem as problem:
            why = problem.detail
        page = await self._seats.render(
            request,
            session,
            "preview.html",
            one={**row, "preview": [_seen(one) for one in row.get("preview", ())]},
            layout={**dict.fromkeys(_LAYOUT, ""), "columns": [], **row["layout"]},
            options={**dict.fromkeys((*_WORDS, "strict"), ""), **{k: v for k, v in options.items() if v}},
            choices=self._imports.choices(),
            encodings=_ENCODINGS,
            delimiters=_DELIMITERS,
            problem=why,
        )
        page.set_status(422 if why else 200)
        return page

    async def verb(self, request: web.Request, session: Session) -> web.Response:
        posted = await self._seats.fields(request, session)
        id_, verb = request.match_info["id"], word(posted, "verb")
        with verbs_spoken():
            row = await self._imports.show(id_)
            if verb == "cancel":
                await self._imports.cancel(id_, actor=session.name)
                return see_other("/desk/import" if row["state"] == "draft" else f"/desk/import/{id_}")
        options = _chosen(posted, row)
        if verb != "start":
            return await self._look(request, session, row, options)
        try:
            with verbs_spoken():
                # What is started is what the page says now, whether it was looked at again or not.
                await self._imports.preview(id_, options)
                await self._imports.start(
                    id_,
                    acknowledge=word(posted, "acknowledge") == "yes",
                    dry_run=word(posted, "dry_run") == "yes",
                    actor=session.name,
                )
        except Problem as problem:
            return await self._look(request, session, row, options, problem.detail)
        return see_other(f"/desk/import/{id_}")

    async def errors(self, request: web.Request, session: Session) -> web.Response:
        with verbs_spoken():
            return download(*await self._imports.errors(request.match_info["id"]))


async def _pieces(file: web.FileField) -> AsyncIterator[bytes]:
    while piece := file.file.read(262_144):
        yield piece


def _said(row: Facts) -> dict[str, Any]:
    """What a person has said of the file so far."""
    said: dict[str, Any] = {
        name: row["options"][name] for name in (*_WORDS, "strict") if row["options"].get(name)
    }
    if row["options"].get("mapping") is not None and not row["options"].get("events"):
        said["mapping"] = row["options"]["mapping"]
    return said


def _chosen(posted: Fields, row: Facts) -> dict[str, Any]:
    """The options of the page's form; the mapping only where a person changed a field."""
    options: dict[str, Any] = {name: word(posted, name) for name in _WORDS if word(posted, name)}
    if options.get("delimiter") == "tab":
        options["delimiter"] = "\t"
    if header := options.pop("header", None):
        options["header"] = int(header) if header.isascii() and header.isdigit() and len(header) < 9 else 0
    if word(posted, "strict") == "yes":
        options["strict"] = True
    columns = (row["layout"] or {}).get("columns", ())
    chosen = {
        one["name"]: word(posted, f"field.{n}") for n, one in enumerate(columns) if f"field.{n}" in posted
    }
    before = {one["name"]: one["field"] or "" for one in columns}
    # Left as it was guessed, it stays a guess: with other options, the columns may be others.
    if chosen and (chosen != before or _said(row).get("mapping") is not None):
        options["mapping"] = chosen
    return options


def _seen(row: Facts) -> dict[str, Any]:
    """A row of the preview with all that the page may ask for."""
    plain = dict.fromkeys(("error", "subject", "text", "name", "company"), "")
    sent = datetime.fromisoformat(row["sent_at"]) if row.get("sent_at") else None
    return {**plain, "contacts": (), "extra": {}, "notes": (), **row, "sent_at": sent}


def _with_times(row: Facts) -> dict[str, Any]:
    times = ("created_at", "started_at", "ended_at", "updated_at")
    return {**row, **{name: datetime.fromisoformat(row[name]) if row.get(name) else None for name in times}}
