"""Records between departments: who has one, whose word counts, and two who act at once. On both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from casework.deadlines import Deadlines, moment
from casework.passing import Overtaken, PassingVerbs
from casework.recount import Recount
from casework.settings import OfficeSettings
from model.decision import Decision
from store import views
from store.schema import TABLES
from store.store import Store
from store.units import Insert, Unit
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker

OFFICE: dict[str, Any] = {
    "coordinator": "coordination",
    "departments": {name: {} for name in ("coordination", "product", "service", "marketing")},
    "worktime": {"timezone": "Asia/Shanghai", "country": "CN"},
}
NATURES = ("product", "service", "price")


class Desk:
    """The verbs over one store, with an office that a test may change."""

    def __init__(self, store: Store, clock: FixedClock, ids: CountingIds) -> None:
        self.store, self.clock, self.maker = store, clock, Maker(store, ids, clock)
        self.settings = OfficeSettings.model_validate(OFFICE)
        self.deadlines = Deadlines(lambda: self.settings)
        self.recount = Recount(store, self.deadlines, lambda: self.settings, clock=clock, ids=ids)
        self.verbs = PassingVerbs(
            store, self.deadlines, lambda: self.settings, lambda: NATURES, clock=clock, ids=ids
        )

    async def record(self, **values: Any) -> str:
        envelope = (await self.maker.accept("m1")).id
        row = self.maker.record(envelope, **{"reference": "FB-261122-7K3FQ", **values})
        await self.store.submit(Unit(None, (Insert("record", row),)))
        return str(row["reference"])

    async def row(self, reference: str) -> dict[str, Any]:
        found = await self.store.read(lambda c: views.record(c, reference))
        assert found is not None
        return dict(found)

    async def events(self, reference: str) -> list[str]:
        event = TABLES["event"]
        query = select(event.c.type).where(event.c.reference == reference).order_by(event.c.at, event.c.id)
        return [row[0] for row in await self.store.read(lambda c: c.execute(query).all())]

    async def has(self, reference: str) -> dict[str, str]:
        told = await self.verbs.show(reference)
        return {one["department"]: one["state"] for one in told["assignments"] if one["ended_at"] is None}


@pytest.fixture
def desk(store: Store, clock: FixedClock, ids: CountingIds) -> Desk:
    return Desk(store, clock, ids)


async def test_a_record_goes_its_way_and_every_step_is_in_its_timeline(desk: Desk) -> None:
    reference = await desk.record()
    by = {"actor": "clerk"}
    await desk.verbs.hand_over(reference, departments=["product"], suggestion="look at the lift", **by)
    assert await desk.has(reference) == {"product": "given"}
    await desk.verbs.take(reference, actor="li")
    assert (await desk.row(reference))["state"] == "taken"
    desk.clock.advance(3600)
    await desk.verbs.solve(reference, result="a new motor", actor="li")
    row = await desk.row(reference)
    assert row["state"] == "resolved" and row["department"] == "product"
    assert await desk.has(reference) == {}
    # Sunday noon in Shanghai: a working day from Monday's opening.
    due = desk.verbs.due("resolved", row["deadlines"])
    assert due is not None and due["stage"] == "answer"
    assert due["at"] == datetime(2026, 11, 24, 1, tzinfo=UTC)
    assert await desk.events(reference) == [
        *("record.assigned", "record.state_changed"),
        *("record.taken", "record.state_changed"),
        *("record.solved", "record.state_changed"),
    ]


async def test_several_departments_have_a_lead_whose_word_moves_the_record(desk: Desk) -> None:
    reference = await desk.record()
    with pytest.raises(ValueError, match="a lead among them"):
        await desk.verbs.hand_over(reference, departments=["product", "service"], actor="clerk")
    await desk.verbs.hand_over(reference, departments=["product", "service"], lead="service", actor="clerk")
    with pytest.raises(ValueError, match="say which one acts"):
        await desk.verbs.take(reference, actor="li")
    await desk.verbs.take(reference, department="product", actor="li")
    assert (await desk.row(reference))["state"] == "handed_over"
    await desk.verbs.take(reference, department="service", actor="wang")
    await desk.verbs.solve(reference, department="product", result="nothing of ours", actor="li")
    assert (await desk.row(reference))["state"] == "taken"
    await desk.verbs.solve(reference, department="service", result="apologised", actor="wang")
    assert (await desk.row(reference))["state"] == "resolved"


async def test_what_is_returned_twice_goes_to_the_coordinator(desk: Desk) -> None:
    reference = await desk.record()
    await desk.verbs.hand_over(reference, departments=["product"], actor="clerk")
    with pytest.raises(ValueError, match="say why"):
        await desk.verbs.give_back(reference, reason=" ", actor="li")
    await desk.verbs.give_back(reference, reason="a matter of service", actor="li")
    assert (await desk.row(reference))["state"] == "returned"
    await desk.verbs.hand_over(reference, departments=["service"], actor="clerk")
    told = await desk.verbs.give_back(reference, reason="a matter of the product", actor="wang")
    assert told == {"reference": reference, "state": "handed_over", "returns": 2}
    assert await desk.has(reference) == {"coordination": "given"}
    # The coordinator has nobody above: a return from there waits for a decision.
    await desk.verbs.give_back(reference, reason="nobody's", actor="chief")
    row = await desk.row(reference)
    assert row["state"] == "returned" and await desk.has(reference) == {}


@pytest.mark.parametrize("second", ["take", "give_back", "close"])
async def test_of_two_clerks_at_once_the_second_is_told_and_nothing_is_lost(desk: Desk, second: str) -> None:
    reference = await desk.record()
    await desk.verbs.hand_over(reference, departments=["product"], actor="clerk")
    more = {"take": {}, "give_back": {"reason": "not ours"}, "close": {"reason": "spam"}}[second]
    verb: Callable[..., Any] = getattr(desk.verbs, second)
    done = await asyncio.gather(
        desk.verbs.solve(reference, result="done", actor="li", seen="handed_over"),
        verb(reference, actor="wang", seen="handed_over", **more),
        return_exceptions=True,
    )
    refused = [one for one in done if isinstance(one, Exception)]
    assert len(refused) == 1 and isinstance(refused[0], ValueError)
    told = await desk.verbs.show(reference)
    assert len([one for one in told["assignments"] if one["ended_at"]]) == (
        0 if told["state"] == "taken" else 1
    )


async def test_a_page_that_is_old_is_told_so(desk: Desk) -> None:
    reference = await desk.record()
    await desk.verbs.hand_over(reference, departments=["product"], actor="clerk", seen="registered")
    with pytest.raises(Overtaken, match="it is handed over now"):
        await desk.verbs.hand_over(reference, departments=["service"], actor="other", seen="registered")
    assert await desk.has(reference) == {"product": "given"}


async def test_a_judgement_is_overruled_with_a_trace_and_a_new_deadline(desk: Desk) -> None:
    reference = await desk.record(nature=["service"], deadlines={"solve": "2026-12-07T01:00:00+00:00"})
    told = await desk.verbs.judge(
        reference, nature=["product", "price"], urgency="urgent", note="people were hurt", actor="clerk"
    )
    assert told["changed"]["nature"] == {"from": ["service"], "to": ["product", "price"]}
    assert told["changed"]["urgency"] == {"from": "normal", "to": "urgent"}
    row = await desk.row(reference)
    assert row["nature"] == ["product", "price"] and row["deadlines"]["solve"] == "2026-11-24T01:00:00+00:00"
    again = await desk.verbs.judge(reference, urgency="urgent", actor="clerk")
    assert again["changed"] == {}
    with pytest.raises(ValueError, match="none of the natures"):
        await desk.verbs.judge(reference, nature=["weather"], actor="clerk")
    await desk.verbs.judge(reference, in_scope=False, actor="clerk")
    assert (await desk.row(reference))["state"] == "out_of_scope"
    await desk.verbs.judge(reference, in_scope=True, actor="clerk")
    assert (await desk.row(reference))["state"] == "reopened"


async def test_a_department_that_went_while_it_held_records_can_still_give_them_back(desk: Desk) -> None:
    reference = await desk.record()
    await desk.verbs.hand_over(reference, departments=["marketing"], actor="clerk")
    without = {name: one for name, one in OFFICE["departments"].items() if name != "marketing"}
    desk.settings = OfficeSettings.model_validate({**OFFICE, "departments": without})
    assert "marketing (1)" in str(await desk.recount.trouble())
    with pytest.raises(ValueError, match="no department 'marketing'"):
        await desk.verbs.hand_over(reference, departments=["marketing"], actor="clerk")
    await desk.verbs.hand_over(reference, departments=["service"], actor="clerk")
    assert await desk.has(reference) == {"service": "given"}
    assert await desk.recount.trouble() is None
    ended = [one for one in (await desk.verbs.show(reference))["assignments"] if one["ended_at"]]
    assert [(one["department"], one["state"]) for one in ended] == [("marketing", "withdrawn")]


async def test_deadlines_lie_ahead_and_the_past_is_refused(desk: Desk) -> None:
    reference = await desk.record()
    with pytest.raises(ValueError, match="in the past"):
        await desk.verbs.hand_over(
            reference, departments=["product"], due=desk.clock.now() - timedelta(1), actor="clerk"
        )
    friday = datetime(2026, 11, 27, 9, tzinfo=UTC)
    await desk.verbs.hand_over(reference, departments=["product"], due=friday, actor="clerk")
    row = await desk.row(reference)
    due = desk.verbs.due("handed_over", row["deadlines"])
    assert due is not None and due["at"] == friday and not due["late"]
    desk.clock.advance(timedelta(days=8).total_seconds())
    late = desk.verbs.due("handed_over", row["deadlines"])
    assert due["span"] > timedelta(hours=30)
    assert late is not None and late["late"]


async def test_what_is_closed_is_taken_from_everybody(desk: Desk) -> None:
    reference = await desk.record()
    await desk.verbs.hand_over(reference, departments=["product", "service"], lead="product", actor="clerk")
    await desk.verbs.close(reference, reason="the same as another", actor="clerk")
    assert (await desk.row(reference))["state"] == "closed" and await desk.has(reference) == {}
    with pytest.raises(ValueError, match="cannot become"):
        await desk.verbs.hand_over(reference, departments=["service"], actor="clerk")


async def test_notes_are_for_colleagues_and_unknown_records_are_told(desk: Desk) -> None:
    reference = await desk.record()
    await desk.verbs.note(reference, text=" she called twice ", actor="clerk")
    assert await desk.events(reference) == ["note.added"]
    with pytest.raises(LookupError):
        await desk.verbs.note("FB-1", text="x", actor="clerk")
    with pytest.raises(ValueError, match="some text"):
        await desk.verbs.note(reference, text=" ", actor="clerk")


async def test_deadlines_follow_the_calendar_with_a_trace_and_what_a_person_set_stays(desk: Desk) -> None:
    due = desk.deadlines.at_registration(Decision(), desk.clock.now())
    reference = await desk.record(deadlines={name: at.isoformat() for name, at in due.items()})
    assert await desk.recount.run() == 0  # counted by this calendar already
    closed = {**OFFICE, "worktime": {**OFFICE["worktime"], "closed": ["2026-11-23"]}}
    desk.settings = OfficeSettings.model_validate(closed)
    assert await desk.recount.run() == 1 and await desk.recount.run() == 0
    row = await desk.row(reference)
    assert moment(due["hand_over"]) == datetime(2026, 11, 24, 1, tzinfo=UTC)
    assert moment(row["deadlines"]["hand_over"]) == datetime(2026, 11, 25, 1, tzinfo=UTC)
    assert await desk.events(reference) == ["record.due_moved"]
    friday = datetime(2026, 11, 27, 9, tzinfo=UTC)
    await desk.verbs.hand_over(reference, departments=["product"], due=friday, actor="clerk")
    desk.settings = OfficeSettings.model_validate(OFFICE)
    await desk.recount.run()
    row = await desk.row(reference)
    assert moment(row["deadlines"]["analyse"]) == friday
    # The hand-over is done: by when it should have been keeps its deadline of that time.
    assert moment(row["deadlines"]["hand_over"]) == datetime(2026, 11, 25, 1, tzinfo=UTC)


async def test_an_office_that_never_works_registers_all_the_same_and_is_told(desk: Desk) -> None:
    never = {**OFFICE, "worktime": {**OFFICE["worktime"], "closed": ["2026-01-01..2028-12-31"]}}
    desk.settings = OfficeSettings.model_validate(never)
    assert desk.deadlines.at_registration(Decision(), desk.clock.now()) == {}
    assert "no working day within a year" in str(await desk.recount.trouble())
    reference = await desk.record()
    with pytest.raises(ValueError, match="no working day"):
        await desk.verbs.hand_over(reference, departments=["product"], actor="clerk")
    assert (await desk.row(reference))["state"] == "registered"


async def test_holidays_that_are_not_published_are_said(desk: Desk) -> None:
    assert desk.recount.notice() is None
    desk.clock.advance(timedelta(days=10 * 366).total_seconds())
    assert "the public holidays of 2036 are not published" in str(desk.recount.notice())
    desk.settings = OfficeSettings.model_validate({**OFFICE, "worktime": {"country": "DE"}})
    assert desk.recount.notice() is None
