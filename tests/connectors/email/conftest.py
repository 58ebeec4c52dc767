"""What the tests of the kind share: a workbench, and connectors made from plain settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from connectors.email import SPEC
from tests.rigs.tools import Workbench


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as opened:
        yield opened


@pytest.fixture
def make(bench: Workbench) -> Callable[[dict[str, Any]], Any]:
    """Settings to connector, as the house does it."""
    return lambda settings: SPEC.build(SPEC.settings.model_validate(settings), bench.tools("mail"))
