"""A record through the office by the desk's pages and by the API, in the real daemon."""

from __future__ import annotations

import html
import re
from typing import Any

from tests.flows.conftest import Make
from tests.flows.test_import_pages import log_in, page, post
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Form

OFFICE: dict[str, Any] = {
    "coordinator": "desk",
    "departments": {
        "desk": {"title": {"en": "Coordination", "zh": "牵头协调"}},
        "product": {"title": {"en": "Product", "zh": "产品部"}, "natures": ["product"]},
        "service": {},
    },
}
#: No ticket store beside the office.
ALONE = {"default": {"destinations": []}}


async def _text(house: House, path: str, language: str = "en") -> str:
    return html.unescape(re.sub(r"<[^>]+>|\s+", " ", await page(house, path, language)))


async def test_the_desk_passes_a_record_on_until_it_is_answered(make: Make, office: Office) -> None:
    async with make(office=OFFICE, rules=ALONE) as house:
        await Form().bring(house, 1, office=office)
        await house.idle()
        (record,) = await house.records()
        path = f"/desk/records/{record['reference']}"
        act = f"{path}/case"
        await log_in(house)
        told = await _text(house, path)
        assert "The intake desk is responsible" in told and "hand over:" in told
        assert "首问" in await _text(house, path, "zh-CN")
        shown = await page(house, path)
        await post(
            house, act, shown, verb="hand_over", seen="registered", departments="product", words="look"
        )
        assert "Product" in await _text(house, path) and "产品部" in await _text(house, path, "zh-CN")
        assert record["reference"] in await _text(house, "/desk/records?department=product")
        assert record["reference"] not in await _text(house, "/desk/records?department=service")
        # A page that somebody left open meanwhile.
        _, told = await post(house, act, shown, 409, verb="close", seen="registered", words="mine")
        assert "somebody acted on it meanwhile" in told
        await post(house, act, shown, verb="take", seen="handed_over", department="product")
        _, told = await post(
            house, act, shown, 422, verb="return", seen="taken", department="product", words=""
        )
        assert "say why it is returned" in told
        await post(house, act, shown, verb="solve", seen="taken", department="product", words="a new motor")
        told = await _text(house, path)
        assert "Solved" in told and "a new motor" in told
        status, _ = await house.api(
            "POST", f"/v1/records/{record['reference']}/replies", {"text": "It runs."}
        )
        assert status in (200, 201, 202)
        await house.idle()
        (record,) = await house.records()
        assert record["state"] == "answered"


async def test_the_api_passes_on_too_and_says_what_is_wrong(make: Make, office: Office) -> None:
    async with make(office=OFFICE, rules=ALONE) as house:
        await Form().bring(house, 1, office=office)
        await house.idle()
        (record,) = await house.records()
        base = f"/v1/records/{record['reference']}"
        status, told = await house.api("POST", f"{base}/hand-over", {"departments": ["nobody"]})
        assert status == 422 and "there is no department 'nobody' (desk, product, service)" in told["detail"]
        status, told = await house.api("POST", f"{base}/hand-over", {"departments": [], "lead": 3})
        assert status == 422
        status, told = await house.api("POST", f"{base}/hand-over", {"departments": ["service"]})
        assert (status, told["state"]) == (200, "handed_over")
        status, told = await house.api("POST", f"{base}/close", {"seen": "registered"})
        assert status == 409
        status, told = await house.api("POST", f"{base}/judge", {"urgency": "urgent", "note": "hurt"})
        assert status == 200 and told["changed"]["urgency"]["to"] == "urgent"
        status, told = await house.api("POST", f"{base}/notes", {"text": "she called twice"})
        assert status == 200
        status, told = await house.api("GET", f"{base}/assignments")
        assert [(one["department"], one["state"], one["given_by"]) for one in told["assignments"]] == [
            ("service", "given", "admin")
        ]
        assert (await house.api("POST", "/v1/records/FB-261122-7K3FQ/take", {}))[0] == 404
        status, told = await house.api("GET", f"/v1/records/{record['reference']}")
        assert told["urgency"] == "urgent" and set(told["deadlines"]) == {"hand_over", "solve", "analyse"}
