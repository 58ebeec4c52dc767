"""A whole house on SQLite with its far sides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.daemon import House, MovedClock, Points, doors_wait
from tests.rigs.office import Office

#: Makes a house that is not started yet, in the same folder each time.
Make = Callable[..., House]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with Office() as office:
        yield office


@pytest.fixture
def points() -> Points:
    return Points()


@pytest.fixture
def moved() -> MovedClock:
    return MovedClock()


@pytest.fixture
def patient_doors(monkeypatch: pytest.MonkeyPatch) -> float:
    """Doors wait this long for an acknowledgement to ride, seconds, however slow the machine is and whatever is set."""
    return doors_wait(monkeypatch)


@pytest.fixture
def make(office: Office, tmp_path: Path, points: Points, moved: MovedClock) -> Make:
    def one(**more: Any) -> House:
        return House(office.config(tmp_path / "data", **more), tmp_path, points=points, clock=moved)

    return one


@pytest.fixture
async def house(make: Make) -> AsyncIterator[House]:
    async with make() as house:
        yield house
