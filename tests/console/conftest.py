"""A house with an empty SQLite store; the queries themselves are tested over both engines in test_views."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import databases
from tests.console.house import House
from tests.rigs.tools import CountingIds, FixedClock


@pytest.fixture
async def house(tmp_path: Path, clock: FixedClock, ids: CountingIds) -> AsyncIterator[House]:
    opened = await databases.open_store(databases.settings("sqlite"), tmp_path / "data", clock, ids)
    yield House(opened, clock, ids)
    await opened.close()
