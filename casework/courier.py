"""What the office's work needs of the way out: messages that are committed with what they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from store.units import Insert


class Courier(Protocol):
    """Makes the deliveries of notices to customers."""

    async def compose(
        self,
        record: Mapping[str, Any],
        template: str,
        more: Mapping[str, Any],
        *,
        key: str,
        by_hand: bool = False,
    ) -> Sequence[Insert]:
        """The deliveries of one notice, or the row that says why there is none."""

    @property
    def wake(self) -> Callable[[], None]:
        """To be called when what was composed is committed."""


def goes(inserts: Sequence[Insert]) -> bool:
    """Whether a composed notice goes out."""
    return bool(inserts) and inserts[0].values["state"] != "cancelled"
