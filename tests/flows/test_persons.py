"""Everything of one person, given out and erased in the real daemon: whatever way it came, wherever it lies, and though
the process dies in between. On both databases."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from model.event import EventType
from store import persons
from store.schema import TABLES
from tests import databases
from tests.flows.conftest import Make
from tests.flows.test_users import forebay
from tests.rigs.daemon import House, Points
from tests.rigs.office import TOKEN, Office
from tests.rigs.ways import Form, Hook, Mail

#: What only this customer says: in every text, name and file of theirs.
WORD, NAME = "Zzyzxquux", "顾客 7"
ADDRESS = "customer7@example.com"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


def settings(database: Mapping[str, Any]) -> dict[str, Any]:
    return {"database": database, "rules": {"default": {"destinations": []}}}


async def write(house: House, office: Office) -> None:
    """The customer and another one write by three ways, and are answered; one mail of the customer cannot be read."""
    for n in (7, 8):
        text = f"{WORD if n == 7 else 'plain'} the lift stands still"
        await Form().bring(house, n, text=text, office=office)
        await Mail().bring(house, n, text=f"{text} again", office=office)
        await Hook().bring(house, n, text=f"{text} still", office=office)
    await house.idle()
    records = await house.records()
    for one in records:
        if WORD in one["full_text"]:
            await house.reply(one["reference"], f"{WORD} is on its way")
    await house.idle()
    # What nobody can read, and names the customer.
    await Form().post(house, b'{"message": "' + WORD.encode() + b" " + ADDRESS.encode())
    await house.idle()


class DiedError(Exception):
    """The process ends here."""


async def erased(house: House) -> None:
    code, said = await forebay(house, "person", "erase", ADDRESS, "--yes")
    assert code == 0 and "erased" in said, said


def left(folder: Path) -> list[str]:
    """The files under a folder in which the customer's word, name or address stands in plain."""
    wanted = re.compile("|".join((WORD, WORD.lower(), NAME, ADDRESS)).encode())
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and wanted.search(path.read_bytes())
    )


async def rows_left(house: House) -> list[str]:
    """The tables in whose rows the customer still stands."""
    found = []
    for name, table in TABLES.items():
        if name == "opt_out":
            continue
        for row in await house.store.read(lambda c, t=table: c.execute(select(t)).mappings().all()):  # type: ignore[misc]
            if any(one in str(dict(row)) for one in (WORD, WORD.lower(), NAME, ADDRESS)):
                found.append(name)
    return found


async def test_everything_of_a_person_is_erased_and_nothing_of_others(
    make: Make, office: Office, database: Mapping[str, Any], tmp_path: Path
) -> None:
    async with make(**settings(database)) as house:
        await write(house, office)
        told = await house.ask("POST", "/v1/persons/show", {"person": ADDRESS})
        assert len(told["records"]) == 3 and told["loose"] == 1
        dry = await house.ask("POST", "/v1/persons/erase", {"person": ADDRESS})
        assert dry["erased"] is False and len(await house.records()) == 6
        await erased(house)
        assert await rows_left(house) == []
        others = [one for one in await house.records() if "plain" in one["full_text"]]
        assert len(others) == 3 and len(await house.records()) == 3
        for one in others:
            raw = await house.api("GET", f"/v1/records/{one['reference']}/timeline")
            assert raw[0] == 200
        await house.balanced()
        # The sources bring it again: it is known by its tombstone, and says nothing.
        await Mail().bring(house, 7, text=f"{WORD} the lift stands still again", office=office)
        await house.idle()
        assert len(await house.records()) == 3
        status, told = await house.api("POST", "/v1/persons/show", {"person": ADDRESS})
        assert status == 404 and ADDRESS not in str(told)
        acts = (await house.ask("GET", "/v1/trail?limit=50"))["acts"]
        (act, *_) = [one for one in acts if one["verb"] == "person.erase"]
        assert act["actor"] == "admin" and ADDRESS not in str(acts)
        assert ADDRESS not in house.log.getvalue() and WORD not in house.log.getvalue()
    if not database:
        assert left(tmp_path / "data") == []


@pytest.mark.parametrize("n", [1, 2, 3])
async def test_an_erasure_goes_on_where_a_dead_process_left_it(
    make: Make, office: Office, database: Mapping[str, Any], tmp_path: Path, points: Points, n: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("casework.persons._AT_ONCE", 1)
    monkeypatch.setattr("casework.persons._LEASE", timedelta(seconds=1))

    async with make(**settings(database)) as house:
        await write(house, office)
        run, calls = house.store.run, 0

        async def dies(step: Any, label: str = "step") -> Any:
            nonlocal calls
            if label == "person.erase":
                calls += 1
                if calls > n:
                    raise DiedError
            return await run(step, label)

        house.store.run = dies  # type: ignore[method-assign]
        with pytest.raises(DiedError):
            await house.daemon.house.persons.erase(ADDRESS, dry_run=False, actor="admin")
        house.store.run = run  # type: ignore[method-assign]
        assert not await _done(house)
    # In the next life, not in this one: what goes on there would be this one's own.
    monkeypatch.setattr("gateway.daemon._LOOK_AT_OFFICE", 0.5)
    async with make(**settings(database)) as house:
        assert await house.until(lambda: _done(house))
        status, _ = await house.api("POST", "/v1/persons/show", {"person": ADDRESS})
        assert status == 404
        await house.balanced()


async def _done(house: House) -> bool:
    return not await house.store.read(persons.jobs)


async def test_everything_of_a_person_is_given_out_as_a_file(
    make: Make, office: Office, database: Mapping[str, Any], tmp_path: Path
) -> None:
    async with make(**settings(database)) as house:
        await write(house, office)
        out = tmp_path / "person.zip"
        code, said = await forebay(house, "person", "export", f"email:{ADDRESS}", "--output", str(out))
        assert code == 0 and "person.zip" in said, said
        with zipfile.ZipFile(out) as packed:
            names = packed.namelist()
            who = json.loads(packed.read("person.json"))
            assert len(who["records"]) == 3
            for reference in who["records"]:
                told = json.loads(packed.read(f"records/{reference}/record.json"))
                assert WORD in told["record"]["full_text"]
                assert any(one["body"].get("text", "").startswith(WORD) for one in told["sent"])
                assert EventType.REGISTERED.value in [one["type"] for one in told["timeline"]]
                (raw,) = [one for one in names if one.startswith(f"records/{reference}/messages/")]
                assert WORD.encode() in packed.read(raw)
            assert [one for one in names if one.startswith("other/")]
        everything = out.read_bytes()
        assert b"plain" not in everything
        # Nothing of it stays behind in the house.
        spool = tmp_path / "data" / "spool"
        assert not list(spool.glob("*.zip"))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with house.session.post(
            f"{house.url}/v1/persons/export", json={"person": ADDRESS}, headers=headers
        ) as answer:
            assert zipfile.ZipFile(io.BytesIO(await answer.read())).testzip() is None
        code, said = await forebay(house, "person", "show", "nobody@example.com")
        assert code == 66 and "nobody is known by this" in said
