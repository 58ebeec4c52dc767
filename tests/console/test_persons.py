"""Personal data at the desk: found, given out, erased only with the box ticked; no address in any URL."""

from __future__ import annotations

import io
import zipfile

from tests.console.house import House
from tests.console.test_desk import Client, clerk, client, hidden

__all__ = ["clerk", "client"]

REFERENCE, ADDRESS = "FB-261122-AAAA2", "li.wei@example.com"


async def test_a_person_is_found_given_out_and_erased(house: House, clerk: Client) -> None:
    await house.record(REFERENCE, identities={"email": ADDRESS}, name="李伟", text="the lift is stuck")
    page = await (await clerk.get("/desk/persons")).text()
    form = {"csrf": hidden(page, "csrf"), "person": ADDRESS, "verb": "show"}
    answer = await clerk.post("/desk/persons", data=form)
    shown = await answer.text()
    assert REFERENCE in shown and ADDRESS in shown and answer.url.query_string == ""
    given = await clerk.post("/desk/persons", data={**form, "verb": "export"})
    with zipfile.ZipFile(io.BytesIO(await given.read())) as packed:
        assert f"records/{REFERENCE}/record.json" in packed.namelist()
    # Without the ticked box nothing goes.
    await clerk.post("/desk/persons", data={**form, "verb": "erase"})
    assert (await clerk.get(f"/desk/records/{REFERENCE}")).status == 200
    erased = await clerk.post("/desk/persons", data={**form, "verb": "erase", "sure": "yes"})
    assert "Erased, with 1 records" in await erased.text()
    assert (await clerk.get(f"/desk/records/{REFERENCE}")).status == 404
    again = await clerk.post("/desk/persons", data=form)
    assert again.status == 404 and "nobody is known by this" in await again.text()
