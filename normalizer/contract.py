"""The contract of a reader: bytes and facts in, a draft out, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from model.draft import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a reader reads: the unchanged bytes and the facts of their transport.

    `options` are the plain options that the channel's settings gave (`ChannelSettings.reading()`).
    """

    raw: bytes
    media_type: str
    received_at: datetime
    sent_at: datetime | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    progress: Callable[[], None] = lambda: None
    """To be called by a reader that takes long, whenever a piece of the work is done: its time starts anew."""


#: Raises Malformed when nothing can be made of the bytes.
Read = Callable[[Source], Draft]
#: One page (the first is 0) as a JPEG, for a person; Malformed when it cannot be drawn.
Picture = Callable[[Source, int], bytes]


@dataclass(frozen=True, slots=True)
class ReaderSpec:
    """A kind's reader. `load` imports it, so that the catalogue loads no parser.

    `hostile` formats are read in a worker process with a deadline: a parser that hangs or dies there
    takes one envelope with it, not the daemon.
    """

    kind: str
    load: Callable[[], Read]
    hostile: bool = False
    slow: bool = False
    """Takes seconds by its nature (recognition): read apart from the beginning, in workers and a lane of its own."""
    memory: int = 2 * 1024**3
    """Address space of its worker, bytes; of a hostile kind."""
    nice: int = 5
    """How far its worker stands back for others (nice(1))."""
    picture: Callable[[], Picture] | None = None
    """Imports what draws pages, where the kind has some."""
