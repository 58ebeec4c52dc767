"""Looks at what a page in a real browser must not do."""

from __future__ import annotations

from playwright.async_api import Page


class Watch:
    """Notes what a page must not do: ask other hosts, or be stopped by the content security policy."""

    def __init__(self, page: Page, origin: str | tuple[str, ...]) -> None:
        self.faults: list[str] = []
        origins = (origin,) if isinstance(origin, str) else origin
        page.on(
            "request",
            lambda r: None if r.url.startswith((*origins, "data:", "about:")) else self._note(r.url),
        )
        page.on("console", lambda m: self._note(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self._note(str(e)))
        page.on("dialog", lambda d: self._note(f"dialog: {d.message}"))

    def _note(self, fault: str) -> None:
        self.faults.append(fault)
