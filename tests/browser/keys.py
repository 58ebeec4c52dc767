"""Somebody who has a keyboard and no mouse, and what axe says of the pages they pass."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import axe_playwright_python
from playwright.async_api import Locator, Page

#: Stops on the way through one page, at the most.
_STOPS = 200
_SERIOUS = ("serious", "critical")


class Keys:
    """A page that is used by keys alone."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def to(self, wanted: Locator) -> None:
        """Go on, stop by stop, until the wanted control has the focus."""
        await wanted.wait_for()
        for _ in range(_STOPS):
            if await wanted.evaluate("one => one === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"no key leads to {wanted}")

    async def press(self, wanted: Locator, key: str = "Enter") -> None:
        """Press a button, follow a link, open what is folded."""
        await self.to(wanted)
        await self.page.keyboard.press(key)

    async def go(self, wanted: Locator) -> None:
        """Press what leads to another page, and wait for it."""
        await self.to(wanted)
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")

    async def type(self, wanted: Locator, text: str) -> None:
        await self.to(wanted)
        await self.page.keyboard.type(text)

    async def faults(self) -> list[str]:
        """What axe finds that is serious: rule, what is wrong, and where."""
        await self.page.evaluate(_axe())
        told = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['help']}: {node['target']}"
            for one in told["violations"]
            if one["impact"] in _SERIOUS
            for node in one["nodes"]
        ]


@cache
def _axe() -> str:
    """The source of axe-core, as its package for Python brings it."""
    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
