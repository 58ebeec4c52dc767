"""Bundles of letters and posters at the desk and by the API: what is shown, and what a button does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.console.house import READER, WRITER, House
from tests.console.test_api import bearer, problem
from tests.console.test_desk import Client, clerk, client, hidden
from tests.rigs.tools import NOW

__all__ = ["clerk", "client"]

LETTER: Mapping[str, Any] = {
    "n": 1,
    "delivery": "d1",
    "reference": "FB-261122-7K3FQ",
    "name": "王小明",
    "address": "王小明\n200092\n上海市杨浦区四平路1239号 <b>",
    "purpose": "reply",
    "pages": 1,
    "state": "entrusted",
    "again": False,
    "taken_out": None,
}


def bundle(state: str = "ready", **more: Any) -> dict[str, Any]:
    at = NOW.isoformat()
    return {
        "id": "b1",
        "channel": "letters",
        "name": "2026-11-26-1",
        "state": state,
        "created_at": at,
        "created_by": "wang",
        "ready_at": at,
        "posted_at": None,
        "posted_by": None,
        "letters": 1,
        "pages": 1,
        "list": [LETTER],
        **more,
    }


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_a_bundle_is_shown_posted_and_a_letter_of_it_printed_again(
    house: House, clerk: Client, language: str
) -> None:
    house.bundles.known = {"b1": bundle()}
    spoken = {"Accept-Language": language}
    everything = await (await clerk.get("/desk/bundles", headers=spoken)).text()
    assert "/desk/bundles/b1" in everything and "2026-11-26-1" in everything
    page = await (await clerk.get("/desk/bundles/b1", headers=spoken)).text()
    assert "FB-261122-7K3FQ" in page and "四平路1239号 &lt;b&gt;" in page and "<b>" not in page
    assert not re.search(r"<script|<style| style=| on\w+=", page)

    form = {"csrf": hidden(page, "csrf"), "without": "d1", "at": "2026-11-22T07:00"}
    answer = await clerk.post("/desk/bundles/b1", data=form, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/desk/bundles/b1?done=posted")
    verb, given = house.bundles.calls[-1]
    assert (verb, given["named"], given["without"], given["actor"]) == ("posted", "b1", ["d1"], "admin")
    assert given["at"] <= house.clock.now()

    form = {"csrf": hidden(page, "csrf"), "again": "d1", "at": ""}
    answer = await clerk.post("/desk/bundles/b1", data=form, allow_redirects=False)
    assert answer.headers["Location"].endswith("?done=again")
    assert house.bundles.calls[-1] == ("again", {"named": "d1", "actor": "admin"})


async def test_what_is_refused_is_told_and_a_bundle_at_work_is_looked_at_anew(
    house: House, clerk: Client
) -> None:
    house.bundles.known = {"b1": bundle("closed", ready_at=None, list=[{**LETTER, "pages": None}])}
    page = await clerk.get("/desk/bundles/b1")
    assert page.headers["Refresh"] == "3"
    csrf = hidden(await page.text(), "csrf")
    house.bundles.refuse_verb = ValueError("no letter waits to be bundled")
    answer = await clerk.post("/desk/bundles", data={"csrf": csrf, "channel": "letters"})
    assert answer.status == 422 and "no letter waits to be bundled" in await answer.text()
    assert (await clerk.get("/desk/bundles/nowhere")).status == 404
    assert (await clerk.get("/desk/bundles/b1/other.pdf")).status == 404


async def test_the_page_is_named_only_where_letters_are_printed(house: House, clerk: Client) -> None:
    assert "/desk/bundles" in await (await clerk.get("/desk/records")).text()
    house.bundles.printing = ()
    assert "/desk/bundles" not in await (await clerk.get("/desk/records")).text()
    assert (await clerk.get("/desk/bundles")).status == 200


async def test_the_files_of_a_bundle_are_downloads(house: House, clerk: Client) -> None:
    for what, list_only in (("list", True), ("letters", False)):
        answer = await clerk.get(f"/desk/bundles/b1/{what}.pdf")
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        assert answer.content_disposition and answer.content_disposition.type == "attachment"
        assert house.bundles.calls[-1] == ("file", {"named": "b1", "list_only": list_only})


async def test_the_api_reads_with_one_scope_and_acts_with_another(house: House, client: Client) -> None:
    house.bundles.known = {"b1": bundle()}
    reads = ("/v1/bundles", "/v1/bundles/b1", "/v1/bundles/b1/file?list=1")
    for path in reads:
        assert (await client.get(path, headers=bearer(READER))).status == 200
    acts: dict[str, Mapping[str, Any]] = {
        "/v1/bundles": {},
        "/v1/bundles/b1/posted": {"without": ["d1"], "at": "2026-11-22T07:00:00+08:00"},
        "/v1/bundles/again": {"letter": "d1"},
    }
    for path, body in acts.items():
        await problem(await client.post(path, json=body, headers=bearer(READER)), 403)
        assert (await client.post(path, json=body, headers=bearer(WRITER))).status in (200, 201)
    assert [verb for verb, _ in house.bundles.calls if verb not in ("list", "show", "file")] == [
        "close",
        "posted",
        "again",
    ]
    told = await problem(await client.post("/v1/bundles/again", json={}, headers=bearer(WRITER)), 422)
    assert told["errors"][0]["field"] == "letter"
    house.bundles.printing = ("letters", "other")
    told = await problem(await client.post("/v1/bundles", headers=bearer(WRITER)), 422)
    assert told["detail"] == "name the channel: letters, other"


async def test_a_poster_is_chosen_at_the_desk(house: House, clerk: Client) -> None:
    page = await (await clerk.get("/desk/posters?form=form")).text()
    assert "Hall 1\nHall 2" in page
    asked = {"form": "form", "places": "Hall 1\r\n\r\nHall 2", "language": "zh", "size": "a5", "heading": ""}
    answer = await clerk.get("/desk/posters/print", params=asked)
    assert (answer.status, answer.content_type) == (200, "application/pdf")
    assert house.posters.calls[-1] == (
        "make",
        {
            "form": "form",
            "places": ["Hall 1", "Hall 2"],
            "languages": ["zh"],
            "size": "a5",
            "heading": "",
            "colour": "#0b6b74",
        },
    )
