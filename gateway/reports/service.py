"""What the console is given of reports, and their way to those who get them by mail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from casework.periods import Period
from casework.report import Report
from casework.reporting import Reporting
from console.case_view import CaseView
from console.report_view import View, view
from gateway.house import House
from gateway.internal_mail import internal_mail
from store import deliveries
from store.units import Unit

_TYPES: Mapping[str, tuple[str, str]] = {
    "pdf": ("application/pdf", "letter"),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "tables"),
}


class Reports:
    """Reports as the console asks for them."""

    def __init__(self, reporting: Reporting) -> None:
        self._reporting = reporting

    def now(self) -> datetime:
        return self._reporting.now()

    async def report(self, period: Period) -> Report:
        return await self._reporting.report(period)

    def file(self, shown: View, format_: str) -> bytes:
        return file(shown, format_)

    def case(self, shown: CaseView, format_: str) -> bytes:
        with _installed(format_):
            if format_ == "pdf":
                from gateway.reports import case_pdf

                return case_pdf.typeset(shown)
            from gateway.reports import case_sheet

            return case_sheet.workbook(shown)

    def table(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
        with _installed("xlsx"):
            from gateway.reports import case_sheet

            return case_sheet.table(title, heads, rows)


def file(shown: View, format_: str) -> bytes:
    """A report as a file. ValueError, with the remedy, where what it takes is not installed."""
    makers: Mapping[str, Callable[[View], bytes]] = {"pdf": _pdf, "xlsx": _xlsx}
    with _installed(format_):
        return makers[format_](shown)


@contextlib.contextmanager
def _installed(format_: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _TYPES[format_][1]
        raise ValueError(
            f"a report as {format_} needs the extra `{extra}`, which is not installed: pip install 'forebay[{extra}]'"
        ) from error


def _pdf(shown: View) -> bytes:
    from gateway.reports import pdf  # a heavy library, which only this needs

    return pdf.typeset(shown)


def _xlsx(shown: View) -> bytes:
    from gateway.reports import sheet

    return sheet.workbook(shown)


class ReportMail:
    """Sends the reports that are due, each once to each address: its delivery's key says so."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._done: set[str] = set()
        """Keys that are known to be queued, so that it is not asked again at each look."""

    async def run(self) -> None:
        """Queue what is due."""
        house = self._house
        settings = house.loaded.settings.office.report
        if not settings.to or settings.channel is None or house.store.on_hold:
            return
        for period in house.reporting.due():
            keys = {to: f"report:{period}:{to}" for to in settings.to}
            open_ = {to: key for to, key in keys.items() if key not in self._done}
            missing = {to: key for to, key in open_.items() if not await self._queued(key)}
            if missing and await house.reporting.counted():  # it is to tell of all that happened
                await self._queue(period, missing)
                self._done |= set(missing.values())
            self._done |= set(open_.values()) - set(missing.values())

    async def _queued(self, key: str) -> bool:
        return await self._house.store.read(lambda c: deliveries.by_key(c, key)) is not None

    async def _queue(self, period: Period, missing: Mapping[str, str]) -> None:
        house = self._house
        settings = house.loaded.settings.office.report
        report = await house.reporting.report(period)
        shown = view(report, settings.language, house.passing.choices())
        files = [await self._file(shown, one) for one in settings.formats]
        rates = "\n".join(
            f"{one.label}: {one.text} ({one.rate.part.n} / {one.rate.whole.n})" for one in shown.rates
        )
        url = f"{house.links.public_url}/desk/report?period={period}"
        text = shown.t("report.mail", period=shown.period, received=report.received.n, rates=rates, url=url)
        mails = [
            internal_mail(
                house,
                key=key,
                channel=settings.channel or "",
                to=to,
                subject=shown.t("report.subject", period=shown.period),
                text=text,
                language=settings.language,
                files=files,
            )
            for to, key in missing.items()
        ]
        await house.store.submit(Unit(None, tuple(mails), label="case.report"))
        house.log.info("report.queued", period=str(period), mails=len(mails))
        house.dispatcher.wake()

    async def _file(self, shown: View, format_: str) -> dict[str, Any]:
        data = await asyncio.to_thread(file, shown, format_)
        sha256, size = await self._house.store.put_blob(data)
        return {
            "filename": f"report-{shown.report.period}.{format_}",
            "media_type": _TYPES[format_][0],
            "size": size,
            "sha256": sha256,
        }
