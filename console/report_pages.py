"""The report: as a page of the desk, as a file, and by the API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from casework.periods import LENGTHS, Period
from console import languages, report_view
from console.api import Gate, json
from console.imports import download
from console.problems import Problem
from console.report_view import View
from console.seats import Seats
from console.services import Principal, Scope
from console.sessions import Session

#: What reports are, as files.
TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_FORMATS = ("json", *TYPES)
#: The chart of a trend, in units of its picture: width and height of the columns' field, and of what stands below.
_WIDE, _HIGH, _BELOW, _ABOVE = 640, 150, 22, 18


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the trend's chart."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    label: str
    n: int


class ReportPages:
    """Handlers of /desk/report and /v1/report."""

    def __init__(self, seats: Seats, gate: Gate) -> None:
        self._seats = seats
        self._services = seats.services
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        needs = self._seats.needs
        return [
            web.get("/desk/report", needs(self.page)),
            web.get("/desk/report/file", needs(self.file)),
            web.get("/v1/report", self._gate.needs(Scope.RECORDS_READ, self.api)),
        ]

    async def page(self, request: web.Request, session: Session) -> web.Response:
        """The report of a period; of the running month where none is named."""
        shown = await self._view(request, languages.of(request))
        period, now = shown.report.period, self._services.reports.now().date()
        return await self._seats.render(
            request,
            session,
            "report.html",
            shown=shown,
            columns=columns(shown),
            chart=(_WIDE, _ABOVE + _HIGH + _BELOW),
            previous=period.moved(-1),
            following=period.moved(1) if period.moved(1).first <= now else None,
            lengths=[(one, Period.around(min(period.last, now), one)) for one in LENGTHS],
            period_named=lambda one: report_view.period_named(shown.language, one),
        )

    async def file(self, request: web.Request, session: Session) -> web.Response:
        """It as a file: `?format=pdf` or `xlsx`."""
        return await self._file(request, languages.of(request), request.query.get("format", "pdf"))

    async def api(self, request: web.Request, principal: Principal) -> web.Response:
        """The figures of a period (`?period=2026-10`, `2026-Q3`, `2026`) as `format` json, pdf or xlsx."""
        format_ = request.query.get("format", "json")
        if format_ not in _FORMATS:
            raise Problem(422, f"must be one of {', '.join(_FORMATS)}", field="format")
        language = languages.match(request.query.get("language", "")) or languages.of(request)
        if format_ in TYPES:
            return await self._file(request, language, format_)
        return json((await self._view(request, language)).report.as_json())

    async def _file(self, request: web.Request, language: str, format_: str) -> web.Response:
        if format_ not in TYPES:
            raise Problem(422, f"must be one of {', '.join(TYPES)}", field="format")
        shown = await self._view(request, language)
        try:
            data = await asyncio.to_thread(self._services.reports.file, shown, format_)
        except ValueError as error:
            raise Problem(422, str(error), field="format") from None
        return download(f"report-{shown.report.period}.{format_}", TYPES[format_], data)

    async def _view(self, request: web.Request, language: str) -> View:
        reports, asked = self._services.reports, request.query.get("period", "").strip()
        try:
            period = Period.of(asked) if asked else Period.around(reports.now().date(), "month")
        except ValueError as error:
            raise Problem(422, str(error), field="period") from None
        choices = self._services.passing.choices()
        return report_view.view(await reports.report(period), language, choices)


def columns(shown: View) -> Sequence[Column]:
    """The columns of the trend's chart."""
    most = max((one.received for one in shown.trend), default=0)
    step = _WIDE / max(len(shown.trend), 1)
    width = min(step * 0.66, 48)
    made = []
    for i, one in enumerate(shown.trend):
        height = _HIGH * one.received / most if most else 0
        x = i * step + (step - width) / 2
        made.append(
            Column(
                round(x, 1),
                round(_ABOVE + _HIGH - height, 1),
                round(width, 1),
                round(height, 1),
                round(x + width / 2, 1),
                one.short,
                one.received,
            )
        )
    return made
