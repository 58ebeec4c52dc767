"""Options of the proofs: `pytest tests/prove -m prove --kills 200`."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=20, help="kills at random moments, beside the named points")
    parser.addoption(
        "--rate",
        type=int,
        default=200,
        help="messages a second from WeChat, for 20 seconds",
    )
    parser.addoption("--items", type=int, default=5_000, help="matters of the simulated year")
    parser.addoption("--seed", type=int, default=1, help="of everything that is left to chance")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--kills", 20))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed", 1))


@pytest.fixture
def rate(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--rate", 200))
