"""What changed between two configurations: what a reload can swap, and what waits for a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.load import Loaded

#: Top-level settings that are built into the running process.
RESTART = ("listen", "data", "database", "leases", "inbox", "imports", "outbox")
#: Top-level settings that are swapped as a whole.
SWAP = (
    "public_url",
    "language",
    "trusted_proxies",
    "rule_cases",
    "office",
    "retention",
    "api",
    "desk",
    "alerts",
    "log",
    "metrics",
)


@dataclass(frozen=True, slots=True)
class Names:
    """Channels or destinations, by name."""

    added: frozenset[str]
    removed: frozenset[str]
    changed: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class Changes:
    """The difference between the running configuration and a new one."""

    channels: Names
    destinations: Names
    rules: bool
    templates: bool
    settings: tuple[str, ...]
    """Top-level keys to swap."""
    restart: tuple[str, ...]
    """Top-level keys that hold only after a restart."""

    def __bool__(self) -> bool:
        parts = (self.channels, self.destinations, self.rules, self.templates, self.settings, self.restart)
        return any(parts)


def changes(old: Loaded, new: Loaded) -> Changes:
    """Compare two configurations; secrets count by their value, so a changed password swaps its channel."""
    before, after = old.settings, new.settings

    def differ(key: str) -> bool:
        return bool(getattr(before, key) != getattr(after, key))

    return Changes(
        channels=_names(before.channels, after.channels),
        destinations=_names(before.destinations, after.destinations),
        rules=differ("rules"),
        templates=old.texts != new.texts,
        settings=tuple(key for key in SWAP if differ(key)),
        restart=tuple(key for key in RESTART if differ(key)),
    )


def _names(old: Mapping[str, Any], new: Mapping[str, Any]) -> Names:
    both = old.keys() & new.keys()
    return Names(
        added=frozenset(new.keys() - old.keys()),
        removed=frozenset(old.keys() - new.keys()),
        changed=frozenset(name for name in both if old[name] != new[name]),
    )
