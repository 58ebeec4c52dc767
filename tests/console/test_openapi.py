"""The description of the API: it is served, it is whole, and it is a valid OpenAPI 3.1 document."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.rigs import form
from tests.rigs.daemon import House
from tests.rigs.office import TIMES, TOKEN
from tests.rigs.ways import Form


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return {
        "listen": {"port": 0},
        "data": str(tmp_path / "data"),
        "api": {"admin_token": TOKEN},
        "database": {"min_free_bytes": 0},
        "channels": {"form": form.settings()},
        **TIMES,
    }


async def test_it_is_served_without_a_token_and_names_every_address(
    config: dict[str, Any], tmp_path: Path
) -> None:
    async with House(config, tmp_path) as house:
        async with house.session.get(f"{house.url}/v1/openapi.json") as answer:
            assert answer.status == 200
            told = await answer.json()
        assert told["openapi"] == "3.1.0" and re.fullmatch(r"\d+\.\d+.*", told["info"]["version"])
        served = {
            (route.method, re.sub(r"\{(\w+):(?:[^{}]|\{[^{}]*\})+\}", r"{\1}", route.resource.canonical))
            for route in house.daemon.server._runner.app.router.routes()  # type: ignore[union-attr]  # it runs
            if route.resource is not None and route.resource.canonical.startswith("/v1/")
        }
        named = {(method.upper(), path) for path, verbs in told["paths"].items() for method in verbs}
        assert {one for one in served if one[0] != "HEAD"} - named == {("GET", "/v1/openapi.json")}

        ids = [one["operationId"] for verbs in told["paths"].values() for one in verbs.values()]
        assert len(ids) == len(set(ids))
        for verbs in told["paths"].values():
            for one in verbs.values():
                assert one["summary"]
                for reference in re.findall(r"#/components/schemas/(\w+)", str(one)):
                    assert reference in told["components"]["schemas"], reference


async def test_records_are_what_it_says(config: dict[str, Any], tmp_path: Path) -> None:
    async with House(config, tmp_path) as house:
        await Form().post(house, '{"message": "The lift stands still. 电梯坏了"}'.encode())
        await house.until(house.records)
        told = await house.ask("GET", "/v1/openapi.json")
        answer = told["paths"]["/v1/records"]["get"]["responses"]["200"]["content"]["application/json"][
            "schema"
        ]
        whole = {**answer, "components": told["components"]}
        jsonschema_rs.validate(whole, await house.ask("GET", "/v1/records"))
