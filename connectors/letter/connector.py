"""A letter channel put together from its parts; it plays the roles of the parts it has, and no others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from connectors.contract import Batch, Bundle, Connector
from connectors.letter import LetterSettings
from connectors.letter.folder import Folder
from connectors.letter.post import Post
from model import health
from model.delivery import Message, Receipt
from model.health import Health, HealthState
from model.tools import Tools


class Letters:
    """Life and health of all parts together."""

    inbox: Folder
    print: Post

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts = parts
        for name, part in parts.items():
            setattr(self, name, part)

    async def __aenter__(self) -> Self:
        for part in self.parts.values():
            await part.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self.parts.values():
            await part.close()

    async def probe(self) -> Health:
        """The first part that is not well, else OK, and what the parts have to tell."""
        told = []
        for name, part in self.parts.items():
            found: Health = await part.probe()
            if not found.ok:
                return Health(found.state, f"{name}: {found.detail}", found.repair)
            told += [found.detail] if found.detail else []
        return Health(HealthState.OK, "; ".join(told)) if told else health.OK


class _Fetches(Letters):
    async def fetch(self, cursor: Mapping[str, Any] | None, wait: timedelta) -> Batch:
        return await self.inbox.fetch(cursor, wait)

    async def confirm(self, handles: Sequence[Any]) -> None:
        await self.inbox.confirm(handles)


class _Prints(Letters):
    """Sender, Resolver and Printer."""

    async def send(self, message: Message) -> Receipt:
        return await self.print.send(message)

    async def resolve(self, message: Message) -> Receipt | None:
        return await self.print.resolve(message)

    async def bind(self, bundle: Bundle, message: Callable[[str], Awaitable[Message]]) -> Mapping[str, int]:
        return await self.print.bind(bundle, message)

    async def whole(self, name: str, *, list_only: bool = False) -> bytes:
        return await self.print.whole(name, list_only=list_only)

    async def put_away(self, name: str) -> None:
        await self.print.put_away(name)

    async def tidy(self, wanted: Collection[str], before: datetime) -> None:
        await self.print.tidy(wanted, before)


#: The roles that each part brings.
ROLES: Mapping[str, type[Letters]] = {"inbox": _Fetches, "print": _Prints}


def assemble(settings: LetterSettings, tools: Tools) -> Connector:
    """A connector with the roles of the parts that the settings name."""
    parts: dict[str, Any] = {}
    if settings.inbox is not None:
        parts["inbox"] = Folder(settings.inbox, settings.limits, tools)
    if settings.print is not None:
        parts["print"] = Post(settings.print, settings.language, tools)
    roles = tuple(ROLES[name] for name in parts) or (Letters,)
    connector: Connector = type("LetterConnector", roles, {})(parts)
    return connector
