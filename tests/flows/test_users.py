"""A user from the command line to the desk of the real daemon, over a restart, on both databases."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests import databases
from tests.flows.conftest import Make
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Form

PASSWORD = "four words make sense"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


async def forebay(house: House, *words: str, given: str = "") -> tuple[int, str]:
    """Run the command line beside the daemon; exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, "--config", str(house.path),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate(given.encode())
    return process.returncode or 0, out.decode()


async def log_in(house: House, name: str, password: str) -> int:
    async with house.session.get(f"{house.url}/desk/login") as answer:
        page = await answer.text()
    (csrf,) = re.findall(r'name="csrf" value="(\w+)"', page)
    form = {"csrf": csrf, "next": "", "name": name, "token": password}
    async with house.session.post(f"{house.url}/desk/login", data=form, allow_redirects=False) as answer:
        return answer.status


async def shown(house: House, path: str) -> tuple[int, str]:
    async with house.session.get(house.url + path, allow_redirects=False) as answer:
        return answer.status, await answer.text()


async def test_a_user_is_added_logs_in_acts_and_is_disabled(
    make: Make, office: Office, database: Mapping[str, Any]
) -> None:
    settings: dict[str, Any] = {"database": database, "rules": {"default": {"destinations": []}}}
    async with make(**settings) as house:
        add = ("user", "add", "li", "--role", "clerk", "--password-file", "-")
        code, said = await forebay(house, *add, given="short\n")
        assert code == 65 and "15 to 200" in said
        code, said = await forebay(house, *add, given=PASSWORD + "\n")
        assert code == 0 and "li may log in as clerk" in said
        await Form().bring(house, 1, office=office)
        await house.idle()
    async with make(**settings) as house:
        assert await log_in(house, "li", "another one altogether") == 403
        assert await log_in(house, "li", PASSWORD) == 303
        reference = (await house.records())[0]["reference"]
        status, page = await shown(house, f"/desk/records/{reference}")
        (csrf, *_) = re.findall(r'name="csrf" value="(\w+)"', page)
        note = {"csrf": csrf, "verb": "note", "words": "called them"}
        async with house.session.post(f"{house.url}/desk/records/{reference}/case", data=note) as answer:
            assert answer.status == 200
        told = await house.ask("GET", f"/v1/records/{reference}/timeline")
        assert ("note.added", "li") in [(one["type"], one["actor"]) for one in told["events"]]
        assert (await shown(house, "/desk/users"))[0] == 403
        code, said = await forebay(house, "trail", "--actor", "li")
        assert code == 0 and "note.added" in said and "login" in said and reference in said
        assert (await forebay(house, "user", "disable", "li"))[0] == 0
        status, _ = await shown(house, "/desk/records")
        assert status == 303
        code, said = await forebay(house, "user", "list")
        assert "li" in said and "no" in said
        assert PASSWORD not in house.log.getvalue()
