"""What every fake ticket store is: tickets, what was said in them, and agents."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from store.schema import TABLES
from tests.rigs.http import Refuse
from tests.rigs.platform import Platform, takes


@dataclass
class Said:
    """Something in a ticket."""

    id: str
    text: str
    public: bool
    by_customer: bool
    files: list[tuple[str, bytes]] = field(default_factory=list)
    mark: str = ""
    author: str = ""
    ours: bool = False


@dataclass
class Ticket:
    """A ticket as its agents see it."""

    id: str
    reference: str
    subject: str
    text: str
    name: str
    email: str
    tags: list[str]
    priority: str
    place: str
    state: str
    files: list[tuple[str, bytes]] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    deleted: bool = False
    into: str | None = None

    @property
    def comments(self) -> list[Said]:
        """What we wrote."""
        return [one for one in self.said if one.ours]


class Desk(Platform):
    """A ticket store; what it answers is said by who inherits."""

    kind: str
    open, closed = "open", "closed"
    """Its own words for a ticket that is at work, and for one that is done."""
    closed_state = "closed"
    """What that means here."""
    urgent = "urgent"
    """Its own priority for what is urgent."""
    carries_files = True
    reopens = True
    merges_tickets = splits_tickets = True
    tells_deletions = True
    """Whether a deletion can be seen before somebody writes to the ticket."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[str, Ticket] = {}
        self.made: Counter[str] = Counter()
        """How often a ticket was made for each of our numbers."""
        self.house: Any = None
        self._numbers = itertools.count(1)

    def number(self) -> str:
        """A fresh number of the store's."""
        return str(next(self._numbers))

    def settings(self, **more: Any) -> dict[str, Any]:
        """Settings of a destination that hands over to this store."""
        raise NotImplementedError

    def of(self, reference: str) -> Ticket:
        """The ticket of a record."""
        (found,) = [one for one in self.tickets.values() if one.reference == reference and not one.deleted]
        return found

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.changes(request):
            _, behaviour = await self._told(request)
        else:
            behaviour = self._always
        raw = await request.read()
        if isinstance(behaviour, Refuse):
            answer = web.Response()
        elif not self.lets_in(request):
            return web.Response(status=401)
        else:
            answer = await self.api(request, raw) if takes(behaviour) else web.Response()
        return await self._after(request, behaviour, answer)

    def changes(self, request: web.Request) -> bool:
        """Whether a request changes something."""
        return request.method != "GET"

    def lets_in(self, request: web.Request) -> bool:
        """Whether a request bears our credentials."""
        raise NotImplementedError

    async def api(self, request: web.Request, raw: bytes) -> web.Response:
        """What the store's API does and answers."""
        raise NotImplementedError

    def hook(self, body: bytes) -> dict[str, str] | None:
        """Headers of its web hook with this body; None where it has none that only says: look now."""
        return None

    # ---- agents

    async def answers(self, ticket: Ticket, text: str, files: Sequence[tuple[str, bytes]] = ()) -> None:
        """An agent writes to the customer."""
        raise NotImplementedError

    async def notes(self, ticket: Ticket, text: str) -> None:
        """An agent writes a note for colleagues."""
        raise NotImplementedError

    async def moves(self, ticket: Ticket, state: str) -> None:
        """An agent gives a ticket a new state, in the store's own words."""
        raise NotImplementedError

    async def merges(self, ticket: Ticket, into: Ticket) -> None:
        """An agent merges a ticket into another."""
        raise NotImplementedError

    async def splits(self, ticket: Ticket) -> Ticket:
        """An agent makes another ticket of a part of one."""
        raise NotImplementedError

    async def deletes(self, ticket: Ticket) -> None:
        """An agent deletes a ticket."""
        raise NotImplementedError

    async def tells_again(self) -> None:
        """Whatever the store told once is told again."""
        raise NotImplementedError

    async def looks_from(self, cursor: dict[str, Any]) -> None:
        """The house looks again from an earlier place, when it is started the next time."""
        table = TABLES["cursor"]
        back = table.update().where(table.c.channel == "returns:desk").values(value=cursor)
        await self.house.store.run(lambda c: c.execute(back), "test")
