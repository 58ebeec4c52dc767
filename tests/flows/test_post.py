"""An answer by post: printed, bundled, marked as posted by a person, and only then delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import zxingcpp

from tests.flows.conftest import Make
from tests.rigs.daemon import House
from tests.rigs.office import Office


async def test_an_answer_is_printed_bundled_and_delivered_when_somebody_posted_it(
    make: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "print"
    folder.mkdir()
    never = {"at": None, "letters": None}
    channels = {
        "letters": {"kind": "letter", "print": {"folder": str(folder), "bundle": never}},
        "form": {"reply_via": {"post": "letters"}},
    }
    async with make(channels=channels) as house:
        note = {
            "name": "王小明",
            "address": "200092\n上海市杨浦区四平路1239号",
            "message": "电梯坏了，请尽快修理。",
        }
        async with house.session.post(f"{house.url}/in/form", json=note) as answer:
            reference = (await answer.json())["reference"]
        await house.idle()
        status, told = await house.reply(reference, "电梯已于今日修好。")
        assert status == 202, told
        await house.until(lambda: house.deliveries("reply", state="entrusted"))

        verbs: Any = house.daemon.house.bundles
        made = await verbs.close("letters", actor="clerk")
        assert (made["state"], made["letters"], made["pages"]) == ("ready", 1, 1)
        place = folder / "letters" / made["name"]
        names = sorted(one.name for one in place.iterdir())
        assert names == ["00 list.pdf", f"01 {reference}.pdf"]
        document = pypdfium2.PdfDocument((place / names[1]).read_bytes())
        try:
            text = document[0].get_textpage().get_text_range()
            picture = document[0].render(scale=150 / 72).to_pil()
        finally:
            document.close()
        for words in (reference, "王小明", "电梯已于今日修好。", "第 1 页"):
            assert words in text
        (code,) = zxingcpp.read_barcodes(picture)
        assert code.text.startswith(f"FOREBAY:{reference}:")

        posted = await verbs.posted(made["name"], without=(), at=None, actor="clerk")
        assert posted["state"] == "posted" and [one["state"] for one in posted["list"]] == ["delivered"]
        (record,) = await house.records()
        assert record["state"] == "answered"


ADDRESS = "12 Harbour Street\nBristol BS1 4QA"


def _house(make: Make, tmp_path: Path) -> House:
    folder = tmp_path / "print"
    folder.mkdir()
    post = {"folder": str(folder), "bundle": {"at": None, "letters": None}}
    ways = {"email": "mail", "post": "letters"}
    channels = {
        "letters": {"kind": "letter", "print": post},
        "form": {"reply_via": ways},
        "visit": {"reply_via": ways},
    }
    return make(channels=channels)


@pytest.mark.parametrize(("wish", "by"), [("letter", "letters"), ("email", "mail"), ("", "mail")])
async def test_an_answer_goes_as_its_customer_wishes(
    make: Make, office: Office, tmp_path: Path, wish: str, by: str
) -> None:
    async with _house(make, tmp_path) as house:
        note = {"name": "Anna Schmidt", "address": ADDRESS, "email": "anna@example.com", "answer_by": wish}
        async with house.session.post(
            f"{house.url}/in/form", json={**note, "message": "The lift stands still."}
        ) as answer:
            written = (await answer.json())["reference"]
        noted = {**note, "channel": "visit", "text": "The lift stands still, she says."}
        said = (await house.ask("POST", "/v1/records", noted))["reference"]
        await house.idle()
        for reference in (written, said):
            way = await house.ask("GET", f"/v1/records/{reference}/way")
            assert way["channel"] == by, (reference, way)
        # What says that a message came in is no letter: it takes what is quick and cheap.
        sent = await house.deliveries("acknowledgement", state="delivered")
        assert {one["target"] for one in sent} == {"mail"}


async def test_the_form_asks_for_an_address_only_where_letters_go_out(make: Make, tmp_path: Path) -> None:
    async with _house(make, tmp_path) as house, house.session.get(f"{house.url}/form/form") as answer:
        page = await answer.text()
    assert 'name="address"' in page and 'value="letter"' in page
    async with make() as house, house.session.get(f"{house.url}/form/form") as answer:
        assert 'name="address"' not in await answer.text()
