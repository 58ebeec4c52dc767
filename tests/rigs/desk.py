"""A clerk at the desk without a script: pages and forms over HTTP, as a browser sends them.

desk = Desk(house)
await desk.log_in()
shown = await desk.page("/desk/note")
place, told = await desk.post("/desk/note", shown, text="…", channel="hotline")
"""

from __future__ import annotations

import html
import re
from typing import Any

from tests.rigs.daemon import House
from tests.rigs.office import TOKEN

_HIDDEN = re.compile(r'<input type="hidden" name="([\w.]+)" value="([^"]*)"')


class Desk:
    """One browser's session at the desk of a house."""

    def __init__(self, house: House, language: str = "en") -> None:
        self._house = house
        self._language = language

    async def page(self, path: str, status: int = 200, **query: str) -> str:
        """What a page says."""
        async with self._house.session.get(
            self._house.url + path, params=query, headers={"Accept-Language": self._language}
        ) as answer:
            text = await answer.text()
            assert answer.status == status, (path, answer.status, text)
            return text

    async def post(self, path: str, shown: str, status: int = 303, **fields: str) -> tuple[str, str]:
        """Send the last form of a page with these fields; where the answer leads, and what it says."""
        hidden = {name: html.unescape(value) for name, value in _HIDDEN.findall(shown) if name in _KEPT}
        async with self._house.session.post(
            self._house.url + path,
            data={**hidden, **fields},
            headers={"Accept-Language": self._language},
            allow_redirects=False,
        ) as answer:
            text = await answer.text()
            assert answer.status == status, (path, answer.status, text)
            return answer.headers.get("Location", ""), text

    async def log_in(self) -> None:
        """Enter with the administrator's token."""
        await self.post("/desk/login", await self.page("/desk/login"), token=TOKEN)

    async def asked(self, path: str, shown: str, **fields: str) -> Any:
        """What a page's script is told."""
        (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', shown))
        async with self._house.session.post(
            self._house.url + path,
            data={"csrf": html.unescape(csrf), **fields},
            headers={"Accept-Language": self._language},
        ) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


#: Hidden fields that a form of the desk sends back as they are.
_KEPT = frozenset({"csrf", "key", "channel", "call", "said_at"})
