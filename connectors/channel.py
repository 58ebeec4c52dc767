"""A configured channel at run time: its connector, and what is known of its health."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from connectors.contract import ChannelSettings, Connector, ConnectorSpec
from model.health import UNKNOWN, Health


@dataclass(slots=True, kw_only=True)
class Channel:
    """A channel that is open. Replaced as a whole when its settings change."""

    name: str
    spec: ConnectorSpec
    settings: ChannelSettings
    connector: Connector
    health: Health = field(default=UNKNOWN)
    paused: str | None = None
    """Why nothing is fetched or sent through it, or None."""
    last_in_at: datetime | None = None
    """When something last came in."""
    last_ok_at: datetime | None = None
    """When its far side last answered well."""

    @property
    def kind(self) -> str:
        return self.spec.kind

    @property
    def open(self) -> bool:
        """Whether the channel takes part at all."""
        return self.settings.enabled and self.paused is None
