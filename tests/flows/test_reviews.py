"""Answers that a second person looks at before they leave, in the real daemon, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests import databases
from tests.flows.conftest import Make
from tests.flows.test_import_pages import page, post
from tests.flows.test_passing import ALONE, OFFICE
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Form, mails

PASSWORD = "four words make sense"


class DiedError(Exception):
    pass


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


def settings(database: Mapping[str, Any], **review: Any) -> dict[str, Any]:
    office = {**OFFICE, "review": review, "look_every": 0.1}
    return {"database": database, "office": office, "rules": ALONE, "desk": {"undo": 0}}


@asynccontextmanager
async def seated(house: House, name: str, role: str) -> AsyncIterator[None]:
    """Somebody logged in, in place of whoever was."""
    users = {one["name"] for one in (await house.ask("GET", "/v1/users"))["users"]}
    if name not in users:
        user = {"name": name, "role": role, "departments": [], "password": PASSWORD}
        await house.ask("POST", "/v1/users", user)
    before, house.session = house.session, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
    try:
        await post(house, "/desk/login", await page(house, "/desk/login"), name=name, token=PASSWORD)
        yield
    finally:
        await house.session.close()
        house.session = before


async def record(house: House, office: Office) -> str:
    await Form().bring(house, 1, text="The lift is stuck.", office=office)
    await house.until(lambda: mails(office, 1))
    await house.idle()
    (row,) = await house.records()
    return str(row["reference"])


async def test_an_answer_waits_for_somebody_else(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    async with make(**settings(database)) as house:
        reference = await record(house, office)
        path = f"/desk/records/{reference}"
        async with seated(house, "wang", "clerk"):
            shown = await page(house, path)
            assert "A second person looks at it" in shown
            place, _ = await post(
                house, f"{path}/replies", shown, text="It is mended.", key="k", files=("a.csv", b"a,b")
            )
            assert "reviewed" in place
            await post(
                house, f"{path}/replies", shown, text="It is mended.", key="k", files=("a.csv", b"a,b")
            )
            _, told = await post(house, f"{path}/replies", shown, 422, text="Another.", key="k2")
            assert "waits for its review already" in told
            shown = await page(house, path)
            (one,) = (await house.ask("GET", "/v1/reviews"))["reviews"]
            form = {"verb": "approve", "review": one["id"], "text": ""}
            _, told = await post(house, f"{path}/review", shown, 422, **form)
            assert "somebody else must look" in told
        await house.idle()
        assert len(mails(office, 1)) == 1 and not await house.deliveries("reply")
        async with seated(house, "li", "supervisor"):
            assert reference in await page(house, "/desk/reviews") and "复核" in await page(
                house, path, "zh-CN"
            )
            shown = await page(house, path)
            form = {"verb": "approve", "review": one["id"], "text": "It is mended, and we are sorry."}
            await post(house, f"{path}/review", shown, **form)
            _, told = await post(house, f"{path}/review", shown, 409, **form)
            assert "already" in told
        await house.until(lambda: len(mails(office, 1)) == 2)
        await house.idle()
        assert len(mails(office, 1)) == 2 and "we are sorry" in mails(office, 1)[1].text
        (reply,) = await house.deliveries("reply")
        assert [file["filename"] for file in reply["body"]["files"]] == ["a.csv"]
        told = await house.ask("GET", f"/v1/records/{reference}/timeline")
        by = {one["type"]: one["actor"] for one in told["events"]}
        assert by["review.asked"] == "wang" and by["review.approved"] == "li"
        assert (await house.ask("GET", "/v1/reviews"))["reviews"] == []


async def test_a_returned_answer_is_in_the_box_again(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    async with make(**settings(database)) as house:
        reference = await record(house, office)
        path = f"/desk/records/{reference}"
        status, told = await house.reply(reference, "Wait.")
        assert status == 202 and told["state"] == "review"
        async with seated(house, "li", "clerk"):
            shown = await page(house, path)
            form = {"verb": "return", "review": told["id"], "reason": "too short"}
            await post(house, f"{path}/review", shown, **form)
            assert "too short" in await page(house, path)
        # By the administrator, whose name wrote it.
        async with house.session.get(house.url + "/desk/login"):
            pass
        await post(house, "/desk/login", await page(house, "/desk/login"), token=_token())
        status, told = await house.reply(reference, "Please wait until Monday.")
        assert status == 202 and told["state"] == "review"
        status, refused = await house.api("POST", f"/v1/reviews/{told['id']}/approve", {})
        assert status == 422 and "somebody else" in refused["detail"]
        assert not await house.deliveries("reply")


def _token() -> str:
    from tests.rigs.office import TOKEN

    return TOKEN


async def test_what_is_approved_leaves_once_though_the_process_dies(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    async with make(**settings(database)) as house:
        reference = await record(house, office)
        _, told = await house.reply(reference, "It is mended.")
        review = house.daemon.house.review
        reply = review._outbox.reply

        async def dies(*args: Any, **given: Any) -> Any:
            raise DiedError

        async def never() -> None:
            await asyncio.Event().wait()

        review._outbox.reply = dies  # type: ignore[method-assign]
        review.go_on = never  # type: ignore[method-assign]
        with pytest.raises(DiedError):
            await review.approve(told["id"], actor="li")
        review._outbox.reply = reply  # type: ignore[method-assign]
        assert not await house.deliveries("reply")
    async with make(**settings(database)) as house:
        await house.until(lambda: len(mails(office, 1)) == 2)
        await house.idle()
        assert len(mails(office, 1)) == 2
        assert (await house.ask("GET", "/v1/reviews"))["reviews"] == []


async def test_a_rule_says_which_answers(make: Make, office: Office) -> None:
    async with make(**settings({}, urgencies=["urgent"], departments=["product"])) as house:
        reference = await record(house, office)
        status, told = await house.reply(reference, "It is mended.")
        assert status == 202 and told["state"] != "review"
        await house.until(lambda: len(mails(office, 1)) == 2)
        await house.idle()
        await house.ask("POST", f"/v1/records/{reference}/judge", {"urgency": "urgent"})
        _, told = await house.reply(reference, "It is mended, too.", key="k2")
        assert told["state"] == "review"
