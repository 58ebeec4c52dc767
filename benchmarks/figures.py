"""Measures the list of records, a search and the month's report, with many records beside a tenth of them.

    python benchmarks/figures.py [--records 200000] [--postgresql]

A store is filled with records spread over a year, each with its figures and what it is found by; then each question is
asked over and over on a reading connection. Prints the median and the time that 95 of 100 keep to.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import programs
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, insert

from casework.deadlines import Deadlines
from casework.periods import Period
from casework.reporting import Reporting
from casework.settings import OfficeSettings
from gateway.tools import SystemClock, SystemIds
from model import searching
from store import archive, reports, search
from store.reports import Counted, What
from store.schema import TABLES
from store.search import Wanted
from store.settings import DatabaseSettings
from store.store import Store
from store.units import Found

_TIMES, _AT_ONCE = 60, 1_000
#: What is to stay below three times of what a tenth of the records takes; everything below a second.
_NAMED = ("list", "search, two words", "search, one record", "report of a month")
_NOUNS = ("lift", "invoice", "delivery", "advert", "page", "电梯", "发票", "广告", "送货", "栏目")
_VERBS = ("stuck", "late", "wrong", "missing", "故障", "延误", "错误", "投诉")
_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def fill(connection: Connection, first: int, n: int, of: int, ids: SystemIds) -> None:
    """Some of the records of a year, with their figures and their terms."""
    chance, sums = random.Random(first), dict[tuple[str, str, str], int]()
    records, figures, found = [], [], []
    for number in range(first, first + n):
        at = _YEAR + timedelta(days=365 * number / of)
        text = f"{chance.choice(_NOUNS)} {chance.choice(_VERBS)} number{number} {chance.choice(_NOUNS)}"
        id_ = ids.new()
        row = {
            "id": id_, "reference": f"FB-{number:09}", "envelope": id_, "channel": chance.choice(("mail", "form")),
            "kind": "form", "source_id": str(number), "received_at": at, "registered_at": at, "updated_at": at,
            "subject": text, "text": text, "full_text": text, "bounce": False, "nature": ["complaint"],
            "urgency": "normal", "in_scope": True, "missing": [], "deadlines": {}, "state": "closed",
            "raw_sha256": "", "raw_size": 0, "reply_to": [], "thread": {}, "rules": [], "omissions": [], "extra": {},
        }  # fmt: skip
        day = at.date().isoformat()
        figure = {
            "record": id_, "day": day, "channel": row["channel"], "nature": "|complaint|", "urgency": "normal",
            "department": chance.choice(("product", "service")), "cause": chance.choice(("defect", "delay", "")),
            "result": "solved", "repeat_of": None, "handled_day": day, "in_time": chance.random() < 0.9,
            "followed_day": None, "satisfied": None,
        }  # fmt: skip
        for key in reports.counts_as(figure):
            sums[key] = sums.get(key, 0) + 1
        records.append(row)
        figures.append(figure)
        found.append(Found(id_, tuple(searching.terms(text)), new=True))
    connection.execute(insert(TABLES["record"]), records)
    connection.execute(insert(TABLES["figure"]), figures)
    reports.add(connection, sums)
    archive.write(connection, found)


async def measure(records: int, postgresql: bool, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of each question, sorted."""
    settings = DatabaseSettings(url=_database()) if postgresql else DatabaseSettings()
    clock, ids = SystemClock(), SystemIds()
    store = await Store(settings, folder / "data", clock, ids, on_fatal=print).open()
    try:
        for first in range(0, records, _AT_ONCE):
            n = min(_AT_ONCE, records - first)
            await store.run(partial(fill, first=first, n=n, records=records, ids=ids))
        if postgresql:
            await store.run(lambda c: c.exec_driver_sql("ANALYZE") and None)
        office = OfficeSettings()
        reporting = Reporting(store, Deadlines(lambda: office), lambda: office, clock=clock)
        october = Period.of("2026-10")
        behind = Counted(first="2026-10-01", last="2026-10-31", what=What.CAUSE, value="defect")
        chance = random.Random(1)

        def words() -> str:
            return f"{chance.choice(_NOUNS)} {chance.choice(_VERBS)}"

        async def page(wanted: Callable[[], Wanted]) -> None:
            asked = wanted()
            await store.read(lambda c: search.page(c, asked, limit=50))

        questions: dict[str, Callable[[], Any]] = {
            "list": lambda: page(Wanted),
            "search, two words": lambda: page(lambda: Wanted(text=words())),
            "search, one record": lambda: page(lambda: Wanted(text=f"number{chance.randrange(records)}")),
            "report of a month": lambda: reporting.report(october),
            "report of a year": lambda: reporting.report(Period.of("2026")),
            "records behind a figure": lambda: page(lambda: Wanted(counted=behind)),
        }
        found: dict[str, list[float]] = {}
        for name, ask in questions.items():
            taken = []
            for _ in range(_TIMES):
                began = time.perf_counter()
                await ask()
                taken.append(1000 * (time.perf_counter() - began))
            found[name] = sorted(taken)
        return found
    finally:
        await store.close()


def _database() -> str:
    """A database of the embedded server that the tests use."""
    sys.path.insert(0, str(programs.HERE.parent))
    os.environ.setdefault("PYTEST_XDIST_WORKER", "bench")
    from tests import databases

    return databases.migrated_database()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    parser.add_argument(
        "--folder", type=Path, default=programs.HERE.parent / "var", help="where the data goes"
    )
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    measured = {}
    for records in (given.records // 10, given.records):
        with tempfile.TemporaryDirectory(prefix="figures-", dir=given.folder) as folder:
            measured[records] = asyncio.run(measure(records, given.postgresql, Path(folder)))
    engine = "PostgreSQL" if given.postgresql else "SQLite"
    table = Table(title=f"{given.records:,} records on {engine}, beside a tenth of them; milliseconds")
    for name in ("", "a tenth: median", "95 of 100", "all: median", "95 of 100", "ratio", "target"):
        table.add_column(name, justify="right" if name else "left")
    few, many = measured.values()
    for name, taken in many.items():
        small, large = (one[int(0.95 * _TIMES)] for one in (few[name], taken))
        good = large < 1000 and (large < 3 * small or name not in _NAMED)
        table.add_row(
            name, f"{few[name][_TIMES // 2]:.1f}", f"{small:.1f}", f"{taken[_TIMES // 2]:.1f}", f"{large:.1f}",
            f"{large / small:.1f}", "reached" if good else "missed",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
