"""Drafts of clerks, and who else is at a record, in the real daemon, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests import databases
from tests.flows.conftest import Make
from tests.flows.test_import_pages import page, post
from tests.flows.test_passing import ALONE, OFFICE
from tests.flows.test_reviews import record, seated
from tests.rigs.daemon import House, MovedClock
from tests.rigs.office import Office
from tests.rigs.ways import mails


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


async def here(house: House, path: str, **fields: str) -> Any:
    """What the page's script is told."""
    import json
    import re

    csrf = re.findall(r'data-csrf="([^"]+)"', await page(house, path))[0]
    async with house.session.post(f"{house.url}{path}/here", data={"csrf": csrf, **fields}) as answer:
        assert answer.status == 200, await answer.text()
        return json.loads(await answer.text())


async def test_each_clerk_has_a_draft_of_their_own_until_it_is_sent(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    config = {"database": database, "office": OFFICE, "rules": ALONE, "desk": {"undo": 0}}
    async with make(**config) as house:
        reference = await record(house, office)
        path = f"/desk/records/{reference}"
        async with seated(house, "wang", "clerk"):
            await here(house, path, text="Dear customer, <b>we")
            await post(
                house, f"{path}/replies", await page(house, path), verb="keep", text="Dear customer, we are"
            )
        async with seated(house, "li", "clerk"):
            assert "Dear customer" not in await page(house, path)
            await here(house, path, text="Li's own words")
    async with make(**config) as house:  # it outlives the daemon
        async with seated(house, "wang", "clerk"):
            shown = await page(house, path)
            assert "Dear customer, we are" in shown and "own words" not in shown
            assert "Kept as your draft" in shown and "已保存为您的草稿" in await page(house, path, "zh-CN")
            await post(house, f"{path}/replies", shown, text="Dear customer, we are sorry.", key="k")
            assert ">Dear customer" not in (await page(house, path)).partition('id="answer"')[2]
        await house.until(lambda: len(mails(office, 1)) == 2)
        async with seated(house, "li", "clerk"):
            await here(house, path, text="")
            assert "own words" not in await page(house, path)
        assert await house.rows("draft") == []


async def test_who_else_is_here_is_told_for_a_while(
    make: Make, office: Office, moved: MovedClock, database: Mapping[str, Any]
) -> None:
    async with make(database=database, office=OFFICE, rules=ALONE) as house:
        reference = await record(house, office)
        path = f"/desk/records/{reference}"
        async with seated(house, "wang", "clerk"):
            told = await here(house, path)
            assert told == {"others": [], "state": "registered"}
        async with seated(house, "li", "clerk"):
            assert "wang</strong> looks at this record too" in await page(house, path)
            await house.ask("POST", f"/v1/records/{reference}/close", {"reason": "done"})
            assert await here(house, path) == {"others": ["wang"], "state": "closed"}
            moved.by += timedelta(seconds=90)
            assert (await here(house, path))["others"] == []


async def test_who_may_not_answer_keeps_no_draft(make: Make, office: Office) -> None:
    async with make(office=OFFICE, rules=ALONE) as house:
        path = f"/desk/records/{await record(house, office)}"
        async with seated(house, "eye", "auditor"):
            await here(house, path, text="mine")
        assert await house.rows("draft") == []
