"""A configured channel at run time: its connector, and what is known of its health."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from connectors.contract import (
    Answerer,
    ChannelSettings,
    Connector,
    ConnectorSpec,
    Downloader,
    Noter,
    Previewer,
    Printer,
    Profiler,
    Receiver,
    Responder,
    Sender,
    Splitter,
)
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
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the source said that there is something to fetch."""
    mended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when an operator mended something: what waits before its next try need not wait any longer."""

    # A connector has a role by having its methods; asked once, because asking costs more than most answers.
    receiver: Receiver | None = field(init=False)
    answerer: Answerer | None = field(init=False)
    responder: Responder | None = field(init=False)
    sender: Sender | None = field(init=False)
    splitter: Splitter | None = field(init=False)
    downloader: Downloader | None = field(init=False)
    profiler: Profiler | None = field(init=False)
    noter: Noter | None = field(init=False)
    printer: Printer | None = field(init=False)
    previewer: Previewer | None = field(init=False)

    def __post_init__(self) -> None:
        connector = self.connector
        self.receiver = connector if isinstance(connector, Receiver) else None
        self.answerer = connector if isinstance(connector, Answerer) else None
        self.responder = connector if isinstance(connector, Responder) else None
        self.sender = connector if isinstance(connector, Sender) else None
        self.downloader = connector if isinstance(connector, Downloader) else None
        self.profiler = connector if isinstance(connector, Profiler) else None
        self.noter = connector if isinstance(connector, Noter) else None
        self.printer = connector if isinstance(connector, Printer) else None
        self.previewer = connector if isinstance(connector, Previewer) else None
        # A Protocol only asks whether there is such an attribute.
        splits = isinstance(connector, Splitter) and callable(connector.parts)
        self.splitter = connector if splits and isinstance(connector, Splitter) else None

    @property
    def kind(self) -> str:
        return self.spec.kind

    @property
    def open(self) -> bool:
        """Whether the channel takes part at all."""
        return self.settings.enabled and self.paused is None
