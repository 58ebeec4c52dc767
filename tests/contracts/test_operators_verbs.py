"""The operators' verbs over the API, on real rows."""

from __future__ import annotations

from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Form


async def test_deliveries_are_listed_and_shown_with_their_tries(house: House, office: Office) -> None:
    await office.to_smtp.cut()
    await Form().bring(house, 1, office=office)
    await house.until(lambda: _tried_twice(house))
    await office.to_smtp.mend()
    await house.idle()

    (ack,) = await house.deliveries("acknowledgement")
    assert (ack["target"], ack["state"]) == ("mail", "delivered")
    shown = await house.ask("GET", f"/v1/outbox/{ack['id']}")
    assert [one["n"] for one in shown["tries"]] == list(range(1, ack["attempts"] + 1))
    assert shown["tries"][0]["code"] == "unreachable"
    assert shown["certainty"] == "delivered"
    assert "claim" not in shown and "claim" not in shown["tries"][0]


async def _tried_twice(house: House) -> bool:
    return any(one["attempts"] >= 2 for one in await house.deliveries("acknowledgement"))
