"""The list of readers. A new kind adds its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType

from normalizer.contract import Picture, Read, ReaderSpec


def _reader(module: str) -> Callable[[], Read]:
    def load() -> Read:
        read: Read = import_module(f"normalizer.readers.{module}").read
        return read

    return load


def _pages() -> Picture:
    draw: Picture = import_module("normalizer.scan.picture").draw
    return draw


SPECS: tuple[ReaderSpec, ...] = (
    ReaderSpec("call", _reader("call")),
    ReaderSpec("chat", _reader("chat")),
    ReaderSpec("email", _reader("email"), hostile=True),
    ReaderSpec("form", _reader("form")),
    ReaderSpec(
        "letter", _reader("letter"), hostile=True, slow=True, memory=6 * 1024**3, nice=10, picture=_pages
    ),
    ReaderSpec("line", _reader("line")),
    ReaderSpec("partner", _reader("partner")),
    ReaderSpec("telegram", _reader("telegram")),
    ReaderSpec("messenger", _reader("messenger")),
    ReaderSpec("instagram", _reader("instagram")),
    ReaderSpec("sms", _reader("sms")),
    ReaderSpec("visit", _reader("visit")),
    ReaderSpec("webhook", _reader("webhook")),
    ReaderSpec("wechat", _reader("wechat")),
    ReaderSpec("wecom", _reader("wecom")),
    ReaderSpec("weibo", _reader("weibo")),
    ReaderSpec("whatsapp", _reader("whatsapp")),
)

#: Kind to reader, read-only.
CATALOG: Mapping[str, ReaderSpec] = MappingProxyType({spec.kind: spec for spec in SPECS})
