"""Waiting for what tells nobody when it comes about: the one place of the tests that looks again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


async def until(holds: Callable[[], Any], seconds: float = 30.0, told: Callable[[], str] = lambda: "") -> Any:
    """Wait for a condition, plain or asynchronous; its value. Fails with what is told when it stays away."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        value = holds()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert asyncio.get_running_loop().time() < end, f"{holds} did not come true; {told()}"
        # Files, far sides and processes are looked at, too, so that there is no one event to wait for.
        await asyncio.sleep(0.02)
