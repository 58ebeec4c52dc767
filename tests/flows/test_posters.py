"""A poster is printed, its code is scanned, and what the customer then writes bears the place."""

from __future__ import annotations

import re

import pypdfium2
import zxingcpp

from tests.flows.conftest import Make
from tests.rigs.office import TOKEN

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


async def test_a_poster_leads_to_the_form_with_the_place_filled_in(make: Make) -> None:
    places = ["2号大厅 & 服务台", "Hall 3"]
    async with make(channels={"counter": {"kind": "visit", "places": places}}) as house:
        async with house.session.get(f"{house.url}/v1/posters", headers=AUTHORIZED) as answer:
            choices = await answer.json()
        assert {"channel": "counter", "places": places} in choices["counters"]
        assert not choices["reachable"], "a loopback address is no address for a poster"
        asked = [*(("place", one) for one in places), ("language", "zh"), ("language", "en")]
        async with house.session.get(
            f"{house.url}/v1/posters/form", params=asked, headers=AUTHORIZED
        ) as answer:
            assert (answer.status, answer.content_type) == (200, "application/pdf")
            assert answer.content_disposition and answer.content_disposition.filename == "poster-form.pdf"
            pdf = await answer.read()

        document = pypdfium2.PdfDocument(pdf)
        try:
            assert len(document) == len(places)
            shown = document[0].get_textpage().get_text_range()
            codes = [zxingcpp.read_barcodes(page.render(scale=1.0).to_pil())[0].text for page in document]
        finally:
            document.close()
        assert places[0] in shown and "扫码告诉我们" in shown and "Scan the code" in shown
        assert all(code.startswith(f"{choices['url']}/form/form?place=") for code in codes)

        address = codes[0].removeprefix(choices["url"])
        async with house.session.get(house.url + address) as answer:
            page = await answer.text()
        assert "2号大厅 &amp; 服务台" in page
        action = re.search(r'action="([^"]+)"', page)
        assert action is not None
        note = {"message": "The light flickers."}
        async with house.session.post(house.url + action[1].replace("&amp;", "&"), json=note) as answer:
            assert answer.status == 202, await answer.text()
        await house.idle()
        (record,) = await house.records()
        assert record["extra"]["place"] == places[0]


async def test_what_cannot_be_printed_is_told(make: Make) -> None:
    async with make() as house:
        wrong = {
            "nowhere": (404, "there is no form nowhere"),
            "form?size=a0": (422, "size: one of a4, a5"),
            "form?colour=red": (422, "colour: write six"),
            "form?language=xx": (422, "language: xx is none of en, zh"),
            f"form?place={'x' * 101}": (422, "is longer than 100 characters"),
        }
        for path, (status, words) in wrong.items():
            async with house.session.get(f"{house.url}/v1/posters/{path}", headers=AUTHORIZED) as answer:
                assert (answer.status, words in (await answer.json())["detail"]) == (status, True), path
