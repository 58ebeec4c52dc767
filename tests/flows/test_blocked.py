"""A sender who is heard no more: marked at the desk, set aside by whatever way, counted, and heard again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests import databases
from tests.flows.conftest import Make
from tests.flows.test_import_pages import log_in, page, post
from tests.flows.test_users import forebay
from tests.rigs.office import Office
from tests.rigs.ways import Form, Hook, Mail, mails

ADDRESS = "customer1@example.com"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


async def test_a_blocked_sender_is_set_aside_and_heard_again(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    async with make(database=database, rules={"default": {"destinations": []}}) as house:
        for n in (1, 2):
            await Form().bring(house, n, office=office)
        await house.until(lambda: mails(office, 1) and mails(office, 2))
        record = next(one for one in await house.records() if "顾客 1" in one["contact"]["name"])
        path = f"/desk/records/{record['reference']}"
        await log_in(house)
        form = {"verb": "spam", "seen": "registered", "words": "sells pills", "block": "yes"}
        await post(house, f"{path}/case", await page(house, path), **form)
        told = await house.ask("GET", f"/v1/records/{record['reference']}")
        assert told["state"] == "closed" and "Sender is blocked" in await page(house, path)
        # By another way too; and nobody else is touched.
        await Mail().bring(house, 1, text="more pills", office=office)
        await Form().bring(house, 1, id="again", text="even more pills", office=office)
        await Hook().bring(house, 3, office=office)
        await Mail().bring(house, 2, text="a matter", office=office)
        await house.idle()
        assert sorted(one["channel"]["name"] for one in await house.records()) == [
            "form",
            "form",
            "hook",
            "mail",
        ]
        ignored = await house.envelopes("ignored")
        assert [one["reason"] for one in ignored] == ["the sender is blocked"] * 2
        assert len(mails(office, 1)) == 1, "no acknowledgement"
        await house.balanced()
        code, said = await forebay(house, "contact", "blocked")
        assert code == 0 and ADDRESS in said and "sells pills" in said
        code, said = await forebay(house, "contact", "unblock", ADDRESS)
        assert code == 0 and "heard again" in said
        # What was set aside can be taken in.
        await house.ask("POST", "/v1/inbox/replay", {"ids": [one["id"] for one in ignored]})
        await house.idle()
        assert len(await house.records()) == 6
        code, said = await forebay(house, "contact", "block", ADDRESS, "--why", "again")
        assert code == 0 and f"email:{ADDRESS}" in said
        acts = [one["verb"] for one in (await house.ask("GET", "/v1/trail?limit=50"))["acts"]]
        assert {"contact.block", "contact.unblock"} <= set(acts)
        status, told = await house.api("POST", "/v1/contacts/block", {"contact": ADDRESS})
        assert status == 422 and "say why" in str(told)
