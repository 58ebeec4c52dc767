"""Schemathesis over the whole API of a real daemon: no answer is a 5xx, and each is one that the document names."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rigs import form
from tests.rigs.daemon import House
from tests.rigs.office import TIMES, TOKEN
from tests.rigs.ways import Form

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]
EXAMPLES = int(os.environ.get("API_EXAMPLES", "8"))


async def test_the_api_answers_anything_as_its_description_says(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "listen": {"port": 0},
        "data": str(tmp_path / "data"),
        "api": {"admin_token": TOKEN},
        "database": {"min_free_bytes": 0},
        "channels": {"form": form.settings()},
        **TIMES,
    }
    async with House(config, tmp_path) as house:
        for n in range(3):
            await Form().post(house, f'{{"message": "The lift in house {n} is out."}}'.encode())
        await house.until(house.records)
        described = await house.ask("GET", "/v1/openapi.json")
        for one in described["paths"]["/v1/events"]["get"]["parameters"]:
            if one["name"] == "wait":
                one["schema"]["maximum"] = 1  # a minute each would only be waited for
        document = tmp_path / "openapi.json"
        document.write_text(json.dumps(described), encoding="utf-8")
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            str(document),
            "--url",
            house.url,
            "--header",
            f"Authorization: Bearer {TOKEN}",
            "--max-examples",
            str(EXAMPLES),
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            "--phases",
            "examples,coverage,fuzzing",
            "--seed",
            "7",
            "--generation-database",
            "none",
            "--exclude-path-regex",
            "admin|channels/.*/",  # what reloads, pauses or releases the house that is asked
            "--no-color",
        ]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode(errors="replace")[-6000:]
        assert "send.error" not in house.log.getvalue()
