"""The same matter, brought again by one customer or by many at once, in the real daemon, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests import databases
from tests.flows.conftest import Make
from tests.flows.test_import_pages import log_in, page, post
from tests.flows.test_passing import ALONE, OFFICE, _text
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Form, mails

CRASHES = (
    "The news app crashes whenever I open the front page",
    "Your news app crashes whenever I open its front page!",
    "When I open the front page the news app crashes, please help",
    "News app crashes on opening the front page",
)
OTHER = "My invoice of November was never sent to our office"


class DiedError(Exception):
    pass


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


def settings(database: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    office = {**OFFICE, "repeats": {}, "surges": {"contacts": 3}, "look_every": 0.1, **more}
    return {"database": database, "office": office, "rules": ALONE, "desk": {"undo": 0}}


async def bring(house: House, office: Office, texts: Mapping[int, str]) -> dict[int, str]:
    """Have customers write; the references, by customer."""
    for n, text in texts.items():
        await Form().bring(house, n, text=text, office=office)
    await house.until(lambda: all(mails(office, n) for n in texts))
    found = {row["contact"]["name"]: row["reference"] for row in await house.records()}
    return {n: found[f"顾客 {n}"] for n in texts}


async def surge(house: House, records: int) -> Any:
    """The only surge, once it has so many records."""

    async def there() -> Any:
        found = (await house.ask("GET", "/v1/surges"))["surges"]
        return found and found[0]["records"] == records and found[0]

    return await house.until(there)


async def record(house: House, reference: str) -> Any:
    return await house.ask("GET", f"/v1/records/{reference}")


async def happened(house: House, reference: str) -> list[str]:
    told = await house.ask("GET", f"/v1/records/{reference}/timeline")
    return [one["type"] for one in told["events"]]


async def test_many_customers_with_one_matter_are_one_surge_and_get_one_answer_each(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    async with make(**settings(database)) as house:
        texts = {n + 1: text for n, text in enumerate(CRASHES[:2])} | {9: OTHER}
        told = await bring(house, office, texts)
        assert (await house.ask("GET", "/v1/surges"))["surges"] == []
        told |= await bring(house, office, {3: CRASHES[2]})
        one = await surge(house, 3)
        assert (one["people"], one["state"], one["answered"]) == (3, "open", False)
        for n in (1, 2, 3):
            row = await record(house, told[n])
            assert row["urgency"] == "important" and "surge.joined" in await happened(house, told[n])
        assert (await record(house, told[9]))["urgency"] == "normal"
        told |= await bring(house, office, {4: CRASHES[3]})
        one = await surge(house, 4)
        # The desk: told of in the list, shown whole, previewed, answered.
        await log_in(house)
        assert "1 surge(s) of the same matter" in await _text(house, "/desk/records")
        assert "有 1 起集中反馈" in await _text(house, "/desk/records", "zh-CN")
        assert "one of 4 of the same matter" in await _text(house, f"/desk/records/{told[1]}")
        path = f"/desk/surges/{one['id']}"
        shown = await page(house, path)
        assert all(told[n] in shown for n in (1, 2, 3, 4)) and told[9] not in shown
        _, shown = await post(house, path, shown, 200, verb="check", text="A new version is there.")
        assert "It would go to 4 records" in shown and "mail 4" in shown and "Send to 4" in shown
        assert not await house.deliveries("reply")
        form = {"verb": "answer", "text": "A new version is there.", "key": "k1"}
        await post(house, path, shown, **form)
        await house.until(lambda: all(len(mails(office, n)) == 2 for n in (1, 2, 3, 4)))
        await post(house, path, shown, **form)  # pressed twice
        await house.idle()
        assert [len(mails(office, n)) for n in (1, 2, 3, 4, 9)] == [2, 2, 2, 2, 1]
        assert "A new version is there." in mails(office, 1)[-1].text
        assert "Went to 4 customers" in await _text(house, path)
        assert "surge(s) of the same matter" not in await _text(house, "/desk/records")


async def test_a_record_is_taken_out_and_put_back_and_all_are_let_go(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    async with make(**settings(database)) as house:
        told = await bring(house, office, {n + 1: text for n, text in enumerate(CRASHES[:3])})
        one = await surge(house, 3)
        before = (await record(house, told[2]))["deadlines"]["solve"]
        await house.ask("POST", f"/v1/records/{told[2]}/leave-surge", {})
        row = await record(house, told[2])
        assert row["urgency"] == "normal" and row["deadlines"]["solve"] > before
        assert (await surge(house, 2))["id"] == one["id"]
        status, said = await house.api("POST", f"/v1/records/{told[2]}/leave-surge", {})
        assert status == 422 and "in no surge" in said["detail"]
        # What a person judged meanwhile stays.
        await house.ask("POST", f"/v1/records/{told[1]}/judge", {"urgency": "urgent"})
        await house.ask("POST", f"/v1/records/{told[2]}/join-surge", {"surge": one["id"]})
        assert (await record(house, told[2]))["urgency"] == "important"
        await house.ask("POST", f"/v1/surges/{one['id']}/dissolve", {})
        assert [(await record(house, told[n]))["urgency"] for n in (1, 2, 3)] == [
            "urgent",
            "normal",
            "normal",
        ]
        shown = await house.ask("GET", f"/v1/surges/{one['id']}")
        assert shown["records"] == [] and len(shown["out"]) == 3 and shown["state"] == "dissolved"
        # None of them comes into another by itself.
        await bring(house, office, {4: CRASHES[3]})
        await house.idle()
        assert len((await house.ask("GET", "/v1/surges"))["surges"]) == 1


async def test_who_writes_again_of_the_same_matter_is_linked_and_unlinked(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    async with make(**settings(database, surges=None)) as house:
        for n, text in enumerate((CRASHES[0], OTHER, CRASHES[2])):
            await Form().bring(house, 1, id=f"f{n}", text=text, office=office)
        await house.idle()
        by_text = {row["text"]: row["reference"] for row in await house.records()}
        first, other, again = by_text[CRASHES[0]], by_text[OTHER], by_text[CRASHES[2]]

        async def linked() -> bool:
            return bool((await record(house, again))["repeat_of"])

        await house.until(linked)
        assert (await record(house, again))["repeat_of"] == first
        assert (await record(house, other))["repeat_of"] is None
        await log_in(house)
        path = f"/desk/records/{again}"
        await post(house, f"{path}/case", await page(house, path), verb="not_repeat", seen="registered")
        assert (await record(house, again))["repeat_of"] is None
        await house.idle()
        assert (await record(house, again))["repeat_of"] is None, "what a person said stays"
        form = {"verb": "repeat", "seen": "registered", "of": again}
        _, said = await post(house, f"{path}/case", await page(house, path), 422, **form)
        assert "cannot repeat itself" in said
        await post(house, f"{path}/case", await page(house, path), **{**form, "of": first.lower()})
        assert (await record(house, again))["repeat_of"] == first
        assert "重复反馈，首次为" in await _text(house, path, "zh-CN")
        types = await happened(house, again)
        assert types.count("record.linked") == 2 and types.count("record.unlinked") == 1


@pytest.mark.parametrize("n", [0, 1, 2])
async def test_an_answer_to_all_goes_on_where_a_dead_process_left_it(
    make: Make, office: Office, database: Mapping[str, Any], n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casework.recognition._LEASE", timedelta(seconds=1))
    async with make(**settings(database)) as house:
        await bring(house, office, {n + 1: text for n, text in enumerate(CRASHES)})
        one = await surge(house, 4)
        surges = house.daemon.house.surges
        reply, calls = surges._answering.reply, 0

        async def dies(reference: str, **given: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > n:
                raise DiedError
            return await reply(reference, **given)

        surges._answering.reply = dies  # type: ignore[method-assign]
        with pytest.raises(DiedError):
            await surges.answer(one["id"], text="It is mended.", actor="admin", key="k")
        surges.go_on = nothing  # type: ignore[method-assign]
    async with make(**settings(database)) as house:
        await house.until(lambda: all(len(mails(office, n)) == 2 for n in (1, 2, 3, 4)))
        await house.idle()
        assert [len(mails(office, n)) for n in (1, 2, 3, 4)] == [2, 2, 2, 2]
        shown = await house.ask("GET", f"/v1/surges/{one['id']}")
        assert [(a["answered"], a["state"]) for a in shown["answers"]] == [(4, "done")]
        await house.balanced()


async def nothing() -> None:
    pass
