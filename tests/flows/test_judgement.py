"""The first judgement with its reasons, in the real daemon with the shipped rules, and a clerk who overrules it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.flows.conftest import Make
from tests.flows.test_import_pages import log_in, page, post
from tests.flows.test_passing import OFFICE, _text
from tests.rigs.office import Office
from tests.rigs.ways import Form

RULES = yaml.safe_load(Path("config/examples/rules.yaml").read_text(encoding="utf-8"))
SHIPPED: dict[str, Any] = {**RULES, "default": {**RULES["default"], "destinations": []}}


async def test_the_desk_shows_why_it_was_judged_so_and_a_clerk_overrules_it(
    make: Make, office: Office
) -> None:
    departments = {name: {} for name in ("coordination", "product", "customer-service", "marketing")}
    departments |= {name: {} for name in ("business", "advertising", "editorial")}
    settings = {"coordinator": "coordination", "departments": departments}
    async with make(office=settings, rules=SHIPPED) as house:
        await Form().bring(house, 1, text="我要投诉：你们的充电器昨晚突然起火", office=office)
        await house.idle()
        (record,) = await house.records()
        told = await house.ask("GET", f"/v1/records/{record['reference']}/judgement")
        by = {one["field"]: one for one in told["judgement"]}
        assert by["urgency"]["proposed"] == "urgent" and by["urgency"]["overruled"] is None
        assert by["urgency"]["reasons"] == [{"rule": "danger to persons", "found": ["起火"]}]
        assert {"rule": "complaint", "found": ["投诉"]} in by["nature"]["reasons"]
        assert by["in_scope"]["reasons"] == [{"rule": "", "found": []}]
        assert told["because"]["danger to persons"]["zh"] == "涉及人身安全"
        path = f"/desk/records/{record['reference']}"
        await log_in(house)
        assert "涉及人身安全 (命中：起火" in await _text(house, path, "zh-CN")
        assert "danger to persons (found: 起火)" in await _text(house, path)
        shown = await page(house, path)
        chosen = {"verb": "judge", "seen": "registered", "urgency": "normal", "nature": "product"}
        await post(house, f"{path}/case", shown, **chosen, in_scope="yes", words="nobody was hurt")
        text = await _text(house, path)
        assert "overruled by admin" in text and "nobody was hurt" in text
        text = re.sub(r"\s+", " ", text)
        assert "Urgency: urgent → normal" in text, text
        assert "The rules proposed: urgent" in text, text
        told = await house.ask("GET", f"/v1/records/{record['reference']}/judgement")
        by = {one["field"]: one for one in told["judgement"]}
        assert (by["urgency"]["proposed"], by["urgency"]["now"]) == ("urgent", "normal")
        assert by["urgency"]["overruled"]["by"] == "admin" and by["department"]["overruled"] is None
        assert (await house.api("GET", "/v1/records/FB-261122-7K3FQ/judgement"))[0] == 404


async def test_whose_matter_a_clerk_finds_not_ours_is_told_so_once_with_where_to_turn(
    make: Make, office: Office
) -> None:
    rules = {"default": {"destinations": []}}
    async with make(office=OFFICE, rules=rules) as house:
        await Form().bring(house, 1, text="Please publish my thesis.", office=office)
        await house.idle()
        (record,) = await house.records()
        verb = f"/v1/records/{record['reference']}/judge"
        for ours in (False, True, False):
            await house.ask("POST", verb, {"in_scope": ours})
        await house.idle()
        notices = await house.deliveries("notice")
        assert [one["state"] for one in notices] == ["delivered"]
        sent = [one for one in office.smtp.accepted if b"careers page" in one.data]
        assert len(sent) == 1


async def test_who_was_told_by_the_acknowledgement_is_not_told_twice(make: Make, office: Office) -> None:
    async with make(
        office={**OFFICE, "departments": {**OFFICE["departments"], "customer-service": {}}},
        rules=SHIPPED_ALONE,
    ) as house:
        await Form().bring(house, 1, text="附上我的简历，应聘编辑。", office=office)
        await house.idle()
        (record,) = await house.records()
        assert record["state"] == "out_of_scope"
        for ours in (True, False):
            await house.ask("POST", f"/v1/records/{record['reference']}/judge", {"in_scope": ours})
        await house.idle()
        assert await house.deliveries("notice") == []


#: The shipped rules without departments that this office does not have.
SHIPPED_ALONE: dict[str, Any] = {
    **SHIPPED,
    "rules": [
        {**one, "set": {name: value for name, value in one["set"].items() if name != "department"}}
        for one in RULES["rules"]
    ],
}
