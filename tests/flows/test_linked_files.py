"""Files of an answer by a channel that carries none: the customer gets links to them, and may follow those alone."""

from __future__ import annotations

import base64
import re

import pytest
from yarl import URL

from tests.flows.conftest import Make
from tests.rigs.office import Office
from tests.rigs.ways import Line, Sms, Way

BILL = b"%PDF-1.4 the bill"


@pytest.mark.parametrize("way", [Line(), Sms()], ids=str)
async def test_who_cannot_get_a_file_gets_a_link_to_it(make: Make, office: Office, way: Way) -> None:
    async with make() as house:
        await way.bring(house, 1, office=office)
        (record,) = await house.until(house.records)
        await house.idle()
        before, path = len(way.got(office, 1)), f"/v1/records/{record['reference']}"
        assert (await house.ask("GET", f"{path}/way"))["files_as_links"] is True
        file = {"filename": "bill.pdf", "media_type": "application/pdf"}
        file["data"] = base64.b64encode(BILL).decode()
        await house.ask("POST", f"{path}/replies", {"text": "Here is your bill.", "attachments": [file]})
        await house.until(lambda: way.got(office, 1)[before:])
        await house.idle()
        text = " ".join(one.text for one in way.got(office, 1)[before:])
        found = re.search(r"bill\.pdf: (http\S+)", text)
        assert "Here is your bill." in text and found, text
        here = house.url + URL(found[1]).raw_path
        async with house.session.get(here) as told:
            assert (told.status, await told.read()) == (200, BILL)
            assert told.headers["Content-Disposition"].startswith("attachment")
        async with house.session.get(here[:-2] + "xx") as told:
            assert told.status == 404


async def test_a_channel_that_carries_files_gets_them_and_no_links(make: Make) -> None:
    async with make() as house:
        told = await house.ask("POST", "/in/form", {"message": "m", "contact": "customer1@example.com"})
        await house.idle()
        assert (await house.ask("GET", f"/v1/records/{told['reference']}/way"))["files_as_links"] is False
