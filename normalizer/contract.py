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


#: Raises Malformed when nothing can be made of the bytes.
Read = Callable[[Source], Draft]


@dataclass(frozen=True, slots=True)
class ReaderSpec:
    """A kind's reader. `load` imports it, so that the catalogue loads no parser.

    `hostile` formats are read in a worker process with a deadline: a parser that hangs or dies there
    takes one envelope with it, not the daemon.
    """

    kind: str
    load: Callable[[], Read]
    hostile: bool = False
