"""Records merged, messages moved and made records of their own, and all of it undone, in the real daemon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests import databases
from tests.flows.conftest import Make
from tests.flows.test_import_pages import log_in, page, post
from tests.flows.test_passing import ALONE, OFFICE, _text
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Mail, mails


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


def settings(database: Mapping[str, Any]) -> dict[str, Any]:
    return {"database": database, "office": OFFICE, "rules": ALONE, "desk": {"undo": 0}}


async def write(
    house: House, office: Office, n: int, name: str, text: str, *, to: str = "", subject: str = "Matter"
) -> str:
    """A mail of the n-th customer, in answer to another of theirs or not; the reference that it got."""
    answer = {"In_Reply_To": f"<mail-{to}@example.com>"} if to else {}
    raw = Mail().mail(n, name, text, Subject=f"{subject} {name}", **answer)
    told = await Mail().bring_raw(house, office, raw, n)
    await house.idle()
    return told.reference


async def record(house: House, reference: str) -> Any:
    return await house.ask("GET", f"/v1/records/{reference}")


async def found(house: House, words: str) -> list[str]:
    return sorted(one["reference"] for one in (await house.ask("GET", f"/v1/records?q={words}"))["records"])


async def test_merged_records_are_one_until_it_is_undone(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    async with make(**settings(database)) as house:
        first = await write(house, office, 1, "a", "The lift is stuck since Monday.")
        again = await write(house, office, 1, "b", "And nobody answers the emergency bell.")
        other = await write(house, office, 2, "c", "My invoice is wrong.")
        await house.ask("POST", f"/v1/records/{again}/hand-over", {"departments": ["product"]})
        await house.ask("POST", f"/v1/records/{again}/take", {})
        status, said = await house.api("POST", f"/v1/records/{other}/merge", {"into": first})
        assert status == 422 and "of different people" in said["detail"]
        await log_in(house)
        path = f"/desk/records/{again}"
        await post(house, f"{path}/case", await page(house, path), verb="merge", seen="taken", into=first)
        assert (await record(house, again))["state"] == "closed"
        shown = await _text(house, path)
        assert (
            "This record was merged into" in shown
            and first in shown
            and 'id="answer"' not in await page(house, path)
        )
        assert "emergency bell" in await _text(house, f"/desk/records/{first}")
        assert await found(house, "emergency") == sorted([first, again])
        # What its customer writes to it goes where it is now.
        alias = await write(house, office, 1, "d", "It still rings in vain.", to="b")
        assert (await record(house, alias))["reference"] == first
        for wrong, why in ((again, "merged into"), (first, "into itself")):
            status, said = await house.api("POST", f"/v1/records/{wrong}/merge", {"into": first})
            assert status == 422 and why in said["detail"]
        await post(house, f"{path}/case", await page(house, path), verb="unmerge", seen="closed")
        row = await record(house, again)
        assert row["state"] == "taken"
        given = await house.ask("GET", f"/v1/records/{again}/assignments")
        assert [(one["department"], one["state"]) for one in given["assignments"]] == [("product", "taken")]
        alias = await write(house, office, 1, "e", "Is anybody there?", to="b")
        assert (await record(house, alias))["reference"] == again
        status, said = await house.api("POST", f"/v1/records/{again}/unmerge", {})
        assert status == 422 and "not merged" in said["detail"]
        await house.balanced()


async def test_a_message_is_moved_to_another_record_and_back(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    async with make(**settings(database)) as house:
        lift = await write(house, office, 1, "a", "The lift is stuck since Monday.")
        bill = await write(house, office, 1, "b", "My invoice is wrong.")
        stray = await write(house, office, 1, "c", "The total should be ninety.", to="a")
        assert (await record(house, stray))["reference"] == lift
        assert await found(house, "ninety") == [lift]
        await house.reply(bill, "We look into it.")
        await house.until(lambda: len(mails(office, 1)) == 3)
        await house.idle()
        assert (await record(house, bill))["state"] == "answered"
        await log_in(house)
        path = f"/desk/records/{lift}"
        form = {"verb": "move", "seen": "registered", "message": stray, "into": bill}
        await post(house, f"{path}/case", await page(house, path), **form)
        assert "ninety" not in await _text(house, path) and "moved to another record" in await _text(
            house, path
        )
        assert "ninety" in await _text(house, f"/desk/records/{bill}")
        assert await found(house, "ninety") == [bill]
        assert (await record(house, stray))["reference"] == bill
        assert (await record(house, bill))["state"] == "reopened"
        # What answers it goes with it, and so does our answer's thread.
        alias = await write(house, office, 1, "d", "As I wrote.", to="c")
        assert (await record(house, alias))["reference"] == bill
        status, said = await house.api("POST", f"/v1/messages/{bill}/move", {"to": lift})
        assert status == 422 and "first message" in said["detail"]
        await house.ask("POST", f"/v1/messages/{stray}/move", {"to": lift})
        assert (await _text(house, path)).count("ninety") == 1
        assert "ninety" not in await _text(house, f"/desk/records/{bill}")
        assert await found(house, "ninety") == [lift]
        await house.balanced()


async def test_a_message_becomes_a_record_of_its_own_and_goes_back(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    async with make(**settings(database)) as house:
        lift = await write(house, office, 1, "a", "The lift is stuck since Monday.")
        own = await write(house, office, 1, "b", "By the way, the canteen is too loud.", to="a")
        sent = len(mails(office, 1))
        await log_in(house)
        path = f"/desk/records/{lift}"
        await post(
            house, f"{path}/case", await page(house, path), verb="split", seen="registered", message=own
        )
        row = await record(house, own)
        assert row["reference"] == own and row["in_reply_to"] == lift and row["state"] == "registered"
        assert row["text"] == "By the way, the canteen is too loud." and row["deadlines"]["solve"]
        assert row["raw"]["sha256"] != (await record(house, lift))["raw"]["sha256"]
        assert "canteen" not in await _text(house, path)
        await house.until(lambda: _is(house, "canteen", [own]))
        assert len(mails(office, 1)) == sent, "nobody is acknowledged twice"
        await house.reply(own, "We put carpets in.")
        await house.until(lambda: len(mails(office, 1)) == sent + 1)
        assert "carpets" in mails(office, 1)[-1].text
        alias = await write(house, office, 1, "c", "Thank you for the carpets.", to="b")
        assert (await record(house, alias))["reference"] == own
        await house.ask("POST", f"/v1/records/{own}/merge", {"into": lift})
        assert "canteen" in await _text(house, path)
        await house.balanced()


async def _is(house: House, words: str, references: list[str]) -> bool:
    return await found(house, words) == references
