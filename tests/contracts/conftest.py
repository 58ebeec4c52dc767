"""What every law is shown over: both databases, and every way in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from outbox import send
from tests import databases
from tests.rigs import talk
from tests.rigs.daemon import House, MovedClock, Points, doors_wait
from tests.rigs.office import Office
from tests.rigs.ways import WAYS, Way

#: Makes a house that is not started yet; the same folder and database again when called again.
Make = Callable[..., House]
#: One way of each shape, by channel: a page, a posted form, a hook, a door for mail, a mailbox, a platform that calls,
#: one that is fetched from, and a person who types. With them every law is shown over both databases in `make test`.
#: A database does not know of which kind a row is: the other ways go over PostgreSQL in `make prove`.
SHAPES = ("chat", "form", "hook", "mail", "box", "wechat", "wecom", "visit")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        chosen = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        way = chosen.get("way")
        if isinstance(way, Way) and chosen.get("database") == "postgresql" and way.channel not in SHAPES:
            item.add_marker(pytest.mark.prove)


@pytest.fixture(params=WAYS, ids=repr)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """Database settings of one engine, with an empty database."""
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


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


@pytest.fixture(autouse=True)
def _uncertain_ones_are_resolved_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "_RESOLVE_EVERY", 0.1)


@pytest.fixture
def make(
    office: Office, tmp_path: Path, database: Mapping[str, Any], points: Points, moved: MovedClock
) -> Make:
    def one(**more: Any) -> House:
        return House(office.config(tmp_path / "data", database, **more), tmp_path, points=points, clock=moved)

    return one


@pytest.fixture
async def house(make: Make) -> AsyncIterator[House]:
    async with make() as house:
        yield house


@pytest.fixture
def patient_doors(monkeypatch: pytest.MonkeyPatch) -> float:
    """Doors wait this long for an acknowledgement to ride, seconds, however slow the machine is and whatever is set."""
    return doors_wait(monkeypatch)


# ---- the chat of the tests


@pytest.fixture
def far() -> talk.Far:
    return talk.Far("one")


@pytest.fixture
def settings() -> dict[str, Any]:
    """Settings of the channel `talk` beyond the plain ones; parametrized by tests."""
    return {}


@pytest.fixture
def more() -> dict[str, Any]:
    """Further configuration of the house; parametrized by tests."""
    return {}


@pytest.fixture
async def talking(
    office: Office,
    tmp_path: Path,
    database: Mapping[str, Any],
    points: Points,
    moved: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
    far: talk.Far,
    settings: dict[str, Any],
    more: dict[str, Any],
) -> AsyncIterator[House]:
    """A house with a channel of the kind `talk`."""
    talk.install(monkeypatch)
    channels = {"talk": talk.settings(far, **settings), **more.get("channels", {})}
    rest = {name: value for name, value in more.items() if name != "channels"}
    config = office.config(tmp_path / "data", database, channels=channels, **rest)
    async with House(config, tmp_path, points=points, clock=moved, connectors=talk.CONNECTORS) as house:
        yield house
