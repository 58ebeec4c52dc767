"""A year of an office in the real daemon, with an injected clock: 5,000 matters over all kinds, the holidays of 2026
with their make-up days, deadlines met and missed, returns, repeats, extensions, matters opened again, customers
followed up. Every figure of every month's, quarter's and year's report equals what was planned.

With FOREBAY_SCREENSHOTS set to a folder, the report of the year is left there.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from casework.periods import Period
from model.event import EventType
from store import facts
from store.schema import event, record
from tests.prove import year
from tests.prove.year import ALLOWED, NATURES, ZONE, Matter
from tests.rigs.daemon import House, MovedClock
from tests.rigs.office import TOKEN, Office
from tests.rigs.ways import WAYS, Hook, Way

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]

_WAYS: dict[str, Way] = {way.channel: way for way in WAYS}
#: How many matters come by each of the rarer ways; letters are read from scans, which takes its time.
_OTHERS = {name: 25 for name in _WAYS if name not in ("form", "hook", "letters")} | {"letters": 3}
#: Matters that are worked on at once.
_HANDS = 8
_NUMBER = re.compile(r"Matter\s*(\d{5})")

OFFICE: dict[str, Any] = {
    "coordinator": "coordination",
    "departments": {name: {} for name in ("coordination", *year.DEPARTMENTS)},
    "worktime": {"timezone": "Asia/Shanghai", "country": "CN"},
    "stages": {"solve": {name: f"{n} working days" for name, n in ALLOWED.items()}},
    "follow_up": {"ask_after": "1 working day", "close_after": "30 days"},
    "look_every": 0.05,
}
RULES: dict[str, Any] = {
    "rules": [
        *(
            {
                "name": f"about {one}",
                "when": f'record.full_text.contains("about {one}")',
                "continue": True,
                "set": {"nature": [one]},
            }
            for one in NATURES
        ),
        *(
            {
                "name": f"as {one}",
                "when": f'record.full_text.contains("as {one}")',
                "continue": True,
                "set": {"urgency": one},
            }
            for one in ALLOWED
        ),
    ],
    "default": {"destinations": []},
}


def _text(matter: Matter) -> str:
    proposed = matter.judged or matter.urgency
    about = "".join(f" about {one}," for one in matter.natures)
    return f"Matter {matter.n:05},{about} as {proposed}. The lift has stood still since Monday."


class Year:
    """The year as it goes by: what is brought and done each day."""

    def __init__(self, house: House, office: Office, clock: MovedClock, matters: list[Matter]) -> None:
        self._house = house
        self._office = office
        self._clock = clock
        self._by_number = {one.n: one for one in matters}
        self._matters = matters
        self._hands = asyncio.Semaphore(_HANDS)
        self._days: dict[date, dict[str, list[Matter]]] = defaultdict(lambda: defaultdict(list))
        for one in matters:
            self._days[one.day]["brought"].append(one)
            for name in ("first_handled", "again", "handled", "marked"):
                if day := getattr(one, name):
                    self._days[day][name].append(one)

    async def live(self) -> None:
        for day in sorted(self._days):
            todo = self._days[day]
            for at in sorted({one.at for one in todo["brought"]}):
                self._now(at)
                await self._all(self._bring, [one for one in todo["brought"] if one.at == at])
            if todo["again"]:
                self._now(datetime.combine(day, time(11), ZONE))
                await self._all(self._write_again, todo["again"])
            await self._house.idle(120)
            await self._register()
            self._now(datetime.combine(day, time(13), ZONE))
            await self._all(self._judge, todo["brought"])
            self._now(datetime.combine(day, time(14), ZONE))
            await self._all(self._handle, [*todo["first_handled"], *todo["handled"]])
            await self._house.idle(120)
            await self._house.until(self._rounds_made, 60)
            if todo["marked"]:
                self._now(datetime.combine(day, time(15), ZONE))
                await self._all(self._mark, todo["marked"])
        self._now(datetime(2026, 12, 31, 23, tzinfo=ZONE))

    async def _rounds_made(self) -> bool:
        """Whether the office's rounds have seen all that was answered, and planned the questions after it."""

        def look(connection: Connection) -> bool:
            moved = select(func.max(event.c.position)).where(event.c.type == EventType.STATE_CHANGED.value)
            return facts.get(connection, "office_position", 0) >= (connection.scalar(moved) or 0)

        return await self._house.store.read(look)

    def _now(self, at: datetime) -> None:
        self._clock.by += at - self._clock.now()

    async def _all(self, step: Callable[[Matter], Awaitable[Any]], matters: Iterable[Matter]) -> None:
        async def one(matter: Matter) -> None:
            async with self._hands:
                await step(matter)

        await asyncio.gather(*(one(matter) for matter in matters))

    # ---- what comes in

    async def _bring(self, matter: Matter) -> None:
        way = _WAYS[matter.way]
        said = self._by_number[matter.repeat_of] if matter.repeat_of else matter
        if isinstance(way, Hook):
            event = way.event(matter.n, _text(matter), conversation=f"talk-{matter.n}")
            told = await way.post(self._house, event, f"msg_{matter.n}")
        else:
            told = await way.bring(
                self._house, said.n, id=f"year-{matter.n}", text=_text(said), office=self._office
            )
        assert told.taken is not False, (matter, told)
        matter.reference = told.reference if way.channel == "form" else ""

    async def _write_again(self, matter: Matter) -> None:
        """A customer who was answered writes again in the same talk."""
        event = Hook().event(matter.n, "It stands still again.", conversation=f"talk-{matter.n}")
        assert (await Hook().post(self._house, event, f"msg_{matter.n}_again")).taken

    async def _register(self) -> None:
        """Learn the references of what was registered; whoever's channel waits for its own look has its time."""
        await self._house.until(self._known, 60)

    async def _known(self) -> bool:
        missing = [one for one in self._matters if not one.reference and one.at <= self._clock.now()]
        if missing:
            found = await self._house.store.read(
                lambda c: c.execute(
                    select(record.c.reference, record.c.subject, record.c.full_text)
                    .order_by(record.c.id.desc())
                    .limit(len(missing) + 200)
                ).all()
            )
            for row in found:
                if number := _NUMBER.search(f"{row.subject} {row.full_text}"):
                    matter = self._by_number[int(number[1])]
                    matter.reference = matter.reference or row.reference
        return all(one.reference for one in missing)

    # ---- what is done

    async def _do(self, matter: Matter, verb: str, **body: Any) -> None:
        status, told = await self._house.api("POST", f"/v1/records/{matter.reference}/{verb}", body)
        assert status == 200, (told["detail"], verb, matter)

    async def _judge(self, matter: Matter) -> None:
        if not matter.in_scope:
            await self._do(matter, "judge", in_scope=False, note="not ours")
        elif matter.judged:
            await self._do(matter, "judge", urgency=matter.urgency)
        if matter.department and not matter.handled:
            await self._do(matter, "hand-over", departments=[matter.department])

    async def _handle(self, matter: Matter) -> None:
        if matter.returned:
            await self._do(matter, "hand-over", departments=["coordination"])
            await self._do(matter, "return", reason="it is the other department's")
        await self._do(matter, "hand-over", departments=[matter.department])
        await self._do(matter, "take")
        if matter.extended and (matter.again is None or self._clock.now().date() < matter.again):
            until = (self._clock.now() + timedelta(hours=1)).isoformat()
            await self._do(matter, "extend", until=until, reason="a part is on its way")
        stated = {"cause": matter.cause, "outcome": matter.outcome}
        await self._do(matter, "solve", result="a new motor", **stated)
        if matter.way in ("form", "hook"):
            status, told = await self._house.reply(matter.reference, "It goes again.")
            assert status == 202, (matter, told)

    async def _mark(self, matter: Matter) -> None:
        await self._do(matter, "mark", mark=matter.mark, remarks="")


async def _report(house: House, written: str) -> Any:
    """The report once nothing is left to be counted: the last questions and closings of the year go on meanwhile."""
    report = await house.ask("GET", f"/v1/report?period={written}")
    return report if not report["not_counted"] else None


def _told(report: Any) -> dict[str, object]:
    """What a report says, in the form of the truth."""
    return {
        "received": report["received"],
        "handled": report["handled"],
        **{name: (one["part"], one["whole"]) for name, one in report["rates"].items()},
        **{f"by {name}": values for name, values in report["counts"].items()},
        "issues": {(one["nature"], one["cause"]): one["n"] for one in report["issues"]},
    }


async def test_every_figure_of_a_year_is_what_happened(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    items = int(pytestconfig.getoption("--items"))
    clock = MovedClock()
    clock.by = datetime(2026, 1, 1, tzinfo=ZONE) - clock.now()
    matters = year.plan(pytestconfig.getoption("--seed"), items, _OTHERS)
    for one in matters:
        # Who is asked for a mark must have been answered, by a way that can answer after weeks.
        if one.way not in ("form", "hook"):
            one.mark = one.marked = one.linked = None
    async with Office() as office:
        config = office.config(
            tmp_path / "data",
            office=OFFICE,
            rules=RULES,
            log={"level": "warning"},
            destinations=None,
            # Over the Spring Festival, too, what a customer says in a talk belongs to it.
            inbox={"follow_up_within": "P30D"},
        )
        async with House(config, tmp_path, clock=clock) as house:
            office.house = house
            await Year(house, office, clock, matters).live()
            for written in (
                "2026",
                *(f"2026-Q{n}" for n in range(1, 5)),
                *(f"2026-{n:02}" for n in range(1, 13)),
            ):
                period = Period.of(written)
                report = await house.until(lambda written=written: _report(house, written))
                channels = {way: _WAYS[way].channel for way in _WAYS}
                expected = year.truth(matters, period.first, period.last, channels)
                told = _told(report)
                for name in expected:
                    assert told[name] == expected[name], (written, name)
            assert report["trend"][-1]["received"] == report["received"]
            if folder := os.environ.get("FOREBAY_SCREENSHOTS"):
                for format_ in ("pdf", "xlsx"):
                    await _leave(house, Path(folder), format_)


async def _leave(house: House, folder: Path, format_: str) -> None:
    for language in ("en", "zh-CN"):
        async with house.session.get(
            f"{house.url}/v1/report?period=2026&format={format_}&language={language}",
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as answer:
            (folder / f"report-{language}.{format_}").write_bytes(await answer.read())
