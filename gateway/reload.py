"""Reload: build, check, and swap what changed, channel by channel; a bad file changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from config.diff import Changes, changes
from config.load import Loaded, load
from config.problems import ConfigError
from connectors.channel import Channel
from gateway.house import House
from gateway.metrics import Metrics
from gateway.openings import Openings
from outbox.carry import DestinationState


class Reload:
    """Brings a running house to what its configuration file says now, one at a time."""

    def __init__(self, house: House, openings: Openings, metrics: Metrics) -> None:
        self._house = house
        self._openings = openings
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._soon: set[asyncio.Task[Any]] = set()

    def soon(self) -> None:
        """SIGHUP: reload beside everything else; a bad file changes nothing and is told in health."""
        task = asyncio.get_running_loop().create_task(self._quietly())
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    async def _quietly(self) -> None:
        with contextlib.suppress(ValueError):
            await self("signal")

    async def __call__(self, actor: str) -> dict[str, Any]:
        """Build, check and swap what changed. ValueError with every problem when the file is bad."""
        async with self._lock:
            house = self._house
            try:
                new = await asyncio.to_thread(load, house.loaded.path)
            except ConfigError as error:
                house.reload_trouble = str(error)
                self._metrics.reload_ok(False)
                house.log.error("reload.refused", problems=len(error.problems))
                raise ValueError(str(error)) from error
            diff = changes(house.loaded, new)
            channels, destinations = self._make(diff, new)
            house.loaded, house.reload_trouble = new, None
            house.templates = new.templates
            for name in sorted(diff.channels.removed):
                await self._openings.close_channel(name)
            for channel in channels:
                await self._openings.open_channel(channel)
            for name in sorted(diff.destinations.removed):
                await self._openings.close_destination(name)
            for state in destinations:
                await self._openings.open_destination(state)
            self._metrics.reload_ok(True)
            swapped = sorted(diff.channels.added | diff.channels.changed | diff.channels.removed)
            house.log.info("reload.done", actor=actor, channels=swapped, restart=list(diff.restart))
            return {
                "channels": swapped,
                "destinations": sorted(
                    diff.destinations.added | diff.destinations.changed | diff.destinations.removed
                ),
                "rules": diff.rules,
                "templates": diff.templates,
                "needs_restart": list(diff.restart),
            }

    def _make(self, diff: Changes, new: Loaded) -> tuple[list[Channel], list[DestinationState]]:
        """Build everything that changed before anything is swapped: what cannot be built changes nothing."""
        make = self._openings
        try:
            return (
                [
                    make.make_channel(name, new.settings.channels[name])
                    for name in sorted(diff.channels.added | diff.channels.changed)
                ],
                [
                    make.make_destination(name, new.settings.destinations[name])
                    for name in sorted(diff.destinations.added | diff.destinations.changed)
                ],
            )
        except (ValueError, ImportError, OSError) as error:
            self._house.reload_trouble = str(error)
            self._metrics.reload_ok(False)
            self._house.log.error("reload.refused", why=str(error))
            raise ValueError(str(error)) from error
