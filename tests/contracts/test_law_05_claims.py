"""Law 5: a step is a compare-and-set on its claim; who lost the claim leaves nothing behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from tests.rigs.daemon import House, Points
from tests.rigs.office import Office
from tests.rigs.ways import Way


async def test_a_lost_claim_leaves_the_unit_out_and_the_next_owner_does_it_once(
    house: House, office: Office, points: Points, way: Way, database: Mapping[str, Any], tmp_path: Path
) -> None:
    def take_over(table: str) -> None:
        """Another process, which dies with it, takes what is claimed."""
        statement = (
            f"UPDATE {table} SET claim = 'taken over', owner = 'another process' WHERE state = 'claimed'"
        )
        if database:
            with psycopg.connect(database["url"]) as connection:
                connection.execute(statement)
        else:
            other = sqlite3.connect(tmp_path / "data" / "forebay.db", timeout=10)
            with other:
                other.execute(statement)
            other.close()

    def envelope() -> None:
        if points.hits["process.before_read"] == 1:
            take_over("envelope")

    def deliveries() -> None:
        if points.hits["process.registered.after_commit"] == 2:  # the first lost its claim
            take_over("delivery")

    with (
        points.acting("process.before_read", envelope),
        points.acting("process.registered.after_commit", deliveries),
    ):
        await way.bring(house, 1, office=office)
        await house.until(house.records)
        await house.until(lambda: points.hits["process.registered.after_commit"] >= 2)
        await house.idle()

    assert points.hits["process.before_read"] == 2
    assert len(await house.records()) == 1
    assert len(way.got(office, 1)) == 1
    assert len(office.tickets.tickets) == 1
    assert set(office.tickets.tries.values()) == {1}
    for one in await house.deliveries():
        assert one["attempts"] == 1
