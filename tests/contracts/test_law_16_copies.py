"""Law 16: a restored, copied or migrated store starts on hold: nothing is sent and no source touched."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.contracts.conftest import Make
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Box, Form, Hook


async def test_a_copy_sends_nothing_and_touches_no_source_until_it_is_released(
    make: Make, office: Office, database: Mapping[str, Any], tmp_path: Path
) -> None:
    await office.to_smtp.cut()
    await office.to_chat.cut()
    async with make() as house:
        await Form().bring(house, 1, office=office)
        await Hook().bring(house, 2, office=office)
        await house.until(lambda: _tried(house))
        audits = await house.balanced()
    await office.to_smtp.mend()
    await office.to_chat.mend()
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data", copy / "data")
    elsewhere = {"url": _copied(str(database["url"]))} if database else {}
    office.imap.log.clear()
    tickets = len(office.tickets.requests)

    async with House(office.config(copy / "data", elsewhere), copy) as house:
        await Box().bring(house, 3, office=office)
        told = await Form().bring(house, 4, office=office)
        assert told.taken, "what comes by itself is taken in"
        await asyncio.sleep(1.2)
        assert not office.smtp.commands and not office.chat.requests and not office.imap.log
        assert len(office.tickets.requests) == tickets
        ready = await house.ask("GET", "/readyz")
        assert ready["on_hold"] is True
        waits = await house.ask("POST", "/v1/admin/waiting", {})
        assert waits["on_hold"] and waits["why"] == "the database was restored, copied or moved"
        assert waits["deliveries"]["mail"] == 2 and waits["deliveries"]["hook"] == 1

        released = await house.ask("POST", "/v1/admin/release", {})
        assert released == {"released": True}
        await house.until(lambda: Box().flagged(office) == [True])
        await house.idle()
        for way, n in ((Form(), 1), (Hook(), 2), (Box(), 3), (Form(), 4)):
            assert len(way.got(office, n)) == 1

    # Released it stays so; and where the original stands nothing is on hold.
    async with House(office.config(copy / "data", elsewhere), copy) as house:
        assert not house.store.on_hold
    assert audits["balanced"]


def _copied(url: str) -> str:
    """A restored database: the same rows in another one."""
    name = f"t{uuid.uuid4().hex}"
    parts = urlsplit(url)
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{parts.path[1:]}"')
    return urlunsplit(parts._replace(path=f"/{name}"))


async def _tried(house: House) -> bool:
    rows = await house.deliveries("acknowledgement")
    return len(rows) == 2 and all(one["attempts"] for one in rows)
