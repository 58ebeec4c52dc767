"""The same imports at the desk: upload, look, change a column, start, watch, fetch the bad rows."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import pytest

from tests.flows.conftest import Make
from tests.rigs.daemon import House
from tests.rigs.office import TOKEN

TABLE = "编号,姓名,联系电话,反馈内容,提交时间\nT1,张三,13800000001,电梯坏了,2024/3/1\nT2,李四,1,灯坏了,三月\n"


async def page(house: House, path: str, language: str = "en") -> str:
    async with house.session.get(house.url + path, headers={"Accept-Language": language}) as answer:
        assert answer.status == 200, await answer.text()
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy
        text = await answer.text()
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", text)
        return text


async def post(house: House, path: str, shown: str, status: int = 303, **fields: Any) -> tuple[str, str]:
    """Where the answer leads, and what it says."""
    form = aiohttp.FormData(quote_fields=False)  # names of files as browsers send them
    form.add_field("csrf", re.findall(r'name="csrf" value="([^"]+)"', shown)[-1])
    for name, value in fields.items():
        if isinstance(value, tuple):
            form.add_field(name, value[1], filename=value[0], content_type="text/csv")
        else:
            form.add_field(name.replace("__", "."), value)
    async with house.session.post(house.url + path, data=form, allow_redirects=False) as answer:
        text = await answer.text()
        assert answer.status == status, text
        return answer.headers.get("Location", ""), text


async def log_in(house: House) -> None:
    shown = await page(house, "/desk/login")
    await post(house, "/desk/login", shown, token=TOKEN)


@pytest.mark.parametrize(("language", "words"), [("en", "What the columns hold"), ("zh-CN", "各列的含义")])
async def test_a_table_goes_from_the_upload_to_its_bad_rows(make: Make, language: str, words: str) -> None:
    async with make() as house:
        async with house.session.get(f"{house.url}/desk/import", allow_redirects=False) as answer:
            assert answer.status == 303  # to the log-in
        await log_in(house)
        shown = await page(house, "/desk/import", language)
        place, _ = await post(
            house, "/desk/import", shown, channel="form", file=("反馈.csv", TABLE.encode("gb18030"))
        )
        shown = await page(house, place, language)
        assert words in shown and "gb18030" in shown and "电梯坏了" in shown
        assert "三月" in shown and "is no date" in shown
        # The column of the number is kept by its name instead.
        _, shown = await post(
            house, place, shown, 200, verb="preview",
            field__0="", field__1="name", field__2="phone", field__3="message", field__4="sent_at",
        )  # fmt: skip
        fields = {f"field__{n}": one for n, one in enumerate(("", "name", "phone", "message", "sent_at"))}
        await post(house, place, shown, verb="start", **fields)
        await house.until(lambda: _shows(house, place, "import-done"))
        ended = await page(house, place, language)
        assert 'class="chip import-done"' in ended and "http-equiv" not in ended
        async with house.session.get(f"{house.url}{place}/errors") as answer:
            assert answer.headers["Content-Disposition"].endswith("%E5%8F%8D%E9%A6%88.csv.errors.csv")
            assert "李四" in (await answer.read()).decode("utf-8-sig")
        await house.idle()
        (record,) = await house.records()
        assert (record["text"], record["extra"]) == ("电梯坏了", {"编号": "T1"})
        assert "反馈.csv" in await page(house, "/desk/import", language)


async def _shows(house: House, path: str, text: str) -> bool:
    return text in await page(house, path)


async def test_refusals_are_shown_where_they_can_be_mended(make: Make) -> None:
    async with make(imports={"file_bytes": 100_000}) as house:
        await log_in(house)
        shown = await page(house, "/desk/import")
        _, told = await post(house, "/desk/import", shown, 422, channel="form")
        assert "choose a file" in told
        place, _ = await post(
            house, "/desk/import", shown, channel="mail", file=("t.csv", b"name,message\na,b\n")
        )
        async with house.session.get(house.url + place) as answer:
            assert answer.status == 422 and "which this channel does not take" in await answer.text()
        place, _ = await post(house, "/desk/import", shown, channel="form", file=("t.csv", b"one,two\na,b\n"))
        looked = await page(house, place)
        _, told = await post(house, place, looked, 422, verb="start", field__0="", field__1="")
        assert "no column is known to hold the message" in told
        _, told = await post(house, place, told, 422, verb="preview", timezone="Nowhere/Land")
        assert "write an IANA name" in told
        away, _ = await post(house, place, told, verb="cancel")
        assert away == "/desk/import"
        assert (await house.api("GET", f"/v1/imports/{place.rpartition('/')[2]}"))[0] == 404
        form = aiohttp.FormData({"csrf": "forged", "channel": "form"})
        async with house.session.post(f"{house.url}/desk/import", data=form) as answer:
            assert answer.status == 403


async def test_a_page_at_work_looks_anew_by_itself(make: Make, points: Any) -> None:
    async with make() as house:
        await log_in(house)
        shown = await page(house, "/desk/import")
        place, _ = await post(house, "/desk/import", shown, channel="form", file=("t.csv", TABLE.encode()))
        looked = await page(house, place)
        with points.held("accept.import.before_commit") as arrived:
            await post(house, place, looked, verb="start", dry_run="")
            await arrived()
            async with house.session.get(house.url + place) as answer:
                assert answer.headers["Refresh"] == "2"
                assert "<progress" in await answer.text()
        await house.until(lambda: _shows(house, place, "import-done"))
