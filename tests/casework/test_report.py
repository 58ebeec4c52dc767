"""Figures of reports: they follow what happens, whatever is counted when. On both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casework.following import Following
from casework.periods import Period
from casework.report import Report
from casework.reporting import Reporting
from model import ids as identifiers
from model.event import EventType
from store import search
from store.reports import Counted, What
from store.store import Store
from store.units import Insert, Unit, Update
from tests.casework.test_passing import OFFICE, Desk
from tests.rigs.tools import CountingIds, FixedClock

#: A Monday morning in Shanghai, where it is still Sunday in London.
MONDAY = datetime(2026, 11, 23, 1, tzinfo=UTC)
BY = {"actor": "li"}


class Counting(Desk):
    """An office whose figures are counted."""

    def __init__(self, store: Store, clock: FixedClock, ids: CountingIds) -> None:
        super().__init__(store, clock, ids)
        self.reporting = Reporting(store, self.deadlines, lambda: self.settings, clock=clock)
        self.following = Following(
            store, self.deadlines, lambda: self.settings, clock=clock, ids=ids, prefix="FB"
        )
        self._n = 0

    async def received(self, **values: Any) -> str:
        """A record that was registered now."""
        self._n += 1
        envelope = (await self.maker.accept(f"m{self._n}")).id
        reference = identifiers.mint_reference("FB", self.clock.now(), self.maker.ids.draw(32), 8)
        row = self.maker.record(envelope, reference=reference, deadlines=self._due(), **values)
        registered = self.maker.event(row["id"], type=EventType.REGISTERED.value, reference=row["reference"])
        await self.store.submit(Unit(None, (Insert("record", row), registered)))
        return str(row["reference"])

    def _due(self) -> dict[str, str]:
        now = self.clock.now()
        return {"solve": (now + timedelta(days=7)).isoformat()}

    async def marked(self, reference: str, mark: int) -> None:
        row = await self.row(reference)
        asked = {
            "id": self.maker.ids.new(),
            "record": row["id"],
            "state": "asked",
            "ask_at": self.clock.now(),
        }
        await self.store.submit(Unit(None, (Insert("follow_up", asked),)))
        await self.following.mark(asked["id"], mark=mark, by="page")

    async def report(self, period: str = "2026-11") -> Report:
        return await self.reporting.report(Period.of(period))

    async def behind(self, period: str, what: What, value: str = "") -> list[str]:
        """The records that a figure counted, as the list of records finds them."""
        shown = Period.of(period)
        counted = Counted(first=shown.first.isoformat(), last=shown.last.isoformat(), what=what, value=value)
        found = await self.store.read(
            lambda c: search.page(c, search.Wanted(counted=counted), limit=100).rows
        )
        return sorted(row["reference"] for row in found)


@pytest.fixture
def office(store: Store, clock: FixedClock, ids: CountingIds) -> Counting:
    clock.advance((MONDAY - clock.now()).total_seconds())
    return Counting(store, clock, ids)


async def _solved(office: Counting, reference: str, **more: str) -> None:
    await office.verbs.hand_over(reference, departments=["product"], **BY)
    await office.verbs.solve(reference, result="a new motor", **more, **BY)


async def test_what_is_received_counts_once_however_often_it_is_counted(office: Counting) -> None:
    await office.received(nature=["complaint", "product"], urgency="urgent", department="product")
    assert (await office.report()).received.n == 1
    await office.received(channel="mail")
    for _ in range(3):
        told = await office.report()
    assert told.received.n == 2 and told.behind == 0
    counts = {name: {one.value: one.n for one in found} for name, found in told.counts.items()}
    assert counts["channel"] == {"form": 1, "mail": 1}
    assert counts["nature"] == {"complaint": 1, "product": 1, "": 1}
    assert counts["urgency"] == {"urgent": 1, "normal": 1}
    assert counts["department"] == {"product": 1, "": 1}
    assert counts["result"] == {"open": 2}
    assert [one.value for one in told.counts["urgency"]] == ["urgent", "normal"]


async def test_a_judgement_moves_what_counts_and_leaves_nothing_behind(office: Counting) -> None:
    reference = await office.received(nature=["product"])
    await office.report()
    await office.verbs.judge(reference, nature=["service"], urgency="urgent", **BY)
    told = await office.report()
    assert [(one.value, one.n) for one in told.counts["nature"]] == [("service", 1)]
    assert [(one.value, one.n) for one in told.counts["urgency"]] == [("urgent", 1)]
    await office.verbs.judge(reference, in_scope=False, **BY)
    assert [(one.value, one.n) for one in (await office.report()).counts["result"]] == [("out_of_scope", 1)]


async def test_timeliness_is_of_what_was_handled_in_the_period_within_its_deadline(office: Counting) -> None:
    quick, slow = await office.received(), await office.received()
    await office.received()
    office.clock.advance(86_400)
    await _solved(office, quick, cause="defect", outcome="solved")
    office.clock.advance(7 * 86_400)  # now it is December
    await _solved(office, slow)
    november, december = await office.report("2026-11"), await office.report("2026-12")
    assert (november.rates.timeliness.part.n, november.rates.timeliness.whole.n) == (1, 1)
    assert (december.rates.timeliness.part.n, december.rates.timeliness.whole.n) == (0, 1)
    assert december.rates.timeliness.share == 0.0 and december.received.n == 0
    results = {one.value: one.n for one in november.counts["result"]}
    assert results == {"solved": 1, "handled": 1, "open": 1}
    assert [(one.value, one.n) for one in november.counts["cause"]] == [("defect", 1), ("", 2)]
    year = await office.report("2026")
    assert (year.rates.timeliness.part.n, year.rates.timeliness.whole.n) == (1, 2)


async def test_what_is_opened_again_is_not_handled_until_it_is_handled_again(office: Counting) -> None:
    reference = await office.received()
    await _solved(office, reference)
    assert (await office.report()).handled.n == 1
    row = await office.row(reference)
    opened = office.maker.event(
        row["id"],
        type=EventType.STATE_CHANGED.value,
        reference=reference,
        data={"from": "resolved", "to": "reopened"},
    )
    now = office.clock.now() + timedelta(seconds=1)
    await office.store.submit(
        Unit(
            None, (opened,), (Update("record", {"id": row["id"]}, {"state": "reopened", "updated_at": now}),)
        )
    )
    told = await office.report()
    assert told.handled.n == 0 and told.rates.timeliness.share is None
    office.clock.advance(8 * 86_400)
    await _solved(office, reference)
    late = (await office.report("2026-12")).rates.timeliness
    assert (late.part.n, late.whole.n) == (0, 1)


async def test_satisfaction_is_of_those_who_were_followed_up(office: Counting) -> None:
    for mark in (5, 4, 2):
        await office.marked(await office.received(), mark)
    await office.received()
    told = await office.report()
    assert (told.rates.satisfaction.part.n, told.rates.satisfaction.whole.n) == (2, 3)
    # Who is not satisfied has a record more.
    assert told.received.n == 5


async def test_repeats_and_the_matters_that_were_brought_again(office: Counting) -> None:
    first = await office.received(subject="The lift of house 7")
    id_ = (await office.row(first))["id"]
    for _ in range(2):
        await office.received(repeat_of=id_)
    told = await office.report()
    assert (told.rates.repeats.part.n, told.rates.repeats.whole.n) == (2, 3)
    assert [(one.reference, one.subject, one.n) for one in told.again] == [(first, "The lift of house 7", 2)]


async def test_recurring_issues_have_a_nature_and_a_cause_and_what_they_were_before(office: Counting) -> None:
    for _ in range(3):
        await _solved(office, await office.received(nature=["product"]), cause="defect")
    office.clock.advance(10 * 86_400)
    for _ in range(4):
        await _solved(office, await office.received(nature=["product", "service"]), cause="defect")
    await _solved(office, await office.received(nature=["price"]), cause="delay")
    found = [
        (one.nature, one.cause, one.figure.n, one.before) for one in (await office.report("2026-12")).issues
    ]
    assert found == [("product", "defect", 4, 3), ("service", "defect", 4, 0)]


async def test_every_figure_leads_to_exactly_the_records_that_it_counted(office: Counting) -> None:
    repeated = await office.received(nature=["product"], urgency="important")
    id_ = (await office.row(repeated))["id"]
    for n in range(6):
        reference = await office.received(
            nature=["complaint", "product"] if n % 2 else [],
            channel="mail" if n % 3 else "form",
            repeat_of=id_ if n == 1 else None,
        )
        if n % 2:
            await _solved(office, reference, cause="defect" if n > 1 else "", outcome="solved")
            await office.marked(reference, 5 if n == 1 else 1)
    told = await office.report()
    rates = (told.rates.timeliness, told.rates.satisfaction, told.rates.repeats)
    figures = [told.received, told.handled, *(one.part for one in rates), *(one.whole for one in rates)]
    figures += [one for counts in told.counts.values() for one in counts]
    figures += [one.figure for one in told.issues]
    assert len(figures) > 20
    for one in figures:
        listed = await office.behind("2026-11", What(one.what), one.value)
        assert len(listed) == one.n, one


async def test_days_are_those_of_the_office(office: Counting) -> None:
    office.clock.advance((datetime(2026, 11, 30, 15, 59, tzinfo=UTC) - office.clock.now()).total_seconds())
    await office.received()
    office.clock.advance(120)  # midnight in Shanghai
    await office.received()
    assert (await office.report("2026-11")).received.n == 1
    december = await office.report("2026-12")
    assert december.received.n == 1 and december.before == 1
    assert [(str(one.period), one.received) for one in december.trend] == [("2026-11", 1), ("2026-12", 1)]


async def test_figures_stay_when_their_records_are_gone(office: Counting) -> None:
    reference = await office.received()
    await office.report()
    id_ = (await office.row(reference))["id"]
    await office.store.run(lambda c: c.exec_driver_sql("DELETE FROM record") and None)
    again = office.maker.event(id_, type=EventType.NOTE_ADDED.value, reference=reference)
    await office.store.submit(Unit(None, (again,)))
    assert (await office.report()).received.n == 1


async def test_an_unknown_cause_is_refused_and_nothing_is_changed(office: Counting) -> None:
    reference = await office.received()
    await office.verbs.hand_over(reference, departments=["product"], **BY)
    with pytest.raises(ValueError, match="cause: 'moon' is none of those configured"):
        await office.verbs.solve(reference, result="?", cause="moon", **BY)
    assert (await office.row(reference))["state"] == "handed_over"


async def test_reports_are_due_when_a_period_is_over_and_not_for_long(office: Counting) -> None:
    settings = {**OFFICE, "report": {"to": ["head@office.example"], "channel": "mail", "at": "09:30"}}
    office.settings = type(office.settings).model_validate(settings)

    def due(at: datetime) -> list[str]:
        office.clock.advance((at - office.clock.now()).total_seconds())
        return [str(one) for one in office.reporting.due()]

    assert due(datetime(2026, 12, 1, 1, 29, tzinfo=UTC)) == []
    assert due(datetime(2026, 12, 1, 1, 30, tzinfo=UTC)) == ["2026-11"]
    assert due(datetime(2026, 12, 9, 1, tzinfo=UTC)) == []
    assert due(datetime(2027, 1, 1, 2, tzinfo=UTC)) == ["2026-12", "2026-Q4", "2026"]
