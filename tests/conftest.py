"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from store.store import Store
from tests import databases
from tests.rigs.tools import CountingIds, FixedClock

# `make test` hands its own state down; a test that runs make must not inherit it.
for _name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(_name, None)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Test processes ask pytest-rerunfailures' server before each test, in two small writes: not 40 ms apart."""
    counts = getattr(config, "failures_db", None)
    if counts is not None and hasattr(counts, "sock"):
        counts.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def pytest_sessionfinish() -> None:
    databases.stop_server()


@pytest.fixture(autouse=True)
def _databases_of_a_test_end_with_it() -> Iterator[None]:
    yield
    databases.drop_used()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def ids() -> CountingIds:
    return CountingIds()


@pytest.fixture(params=databases.KINDS)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock, ids: CountingIds
) -> AsyncIterator[Store]:
    """An empty store, once on each engine."""
    opened = await databases.open_store(databases.settings(request.param), tmp_path / "data", clock, ids)
    yield opened
    await opened.close()
