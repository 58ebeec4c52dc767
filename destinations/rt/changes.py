"""What agents do in Request Tracker, read from its transactions."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from destinations.contract import Came, Ours, Returned, ReturnedFile, Returns
from destinations.wire.html import plain
from destinations.wire.rest import Rest, items, text
from destinations.wire.tickets import Gone
from model.failures import Reason, TemporaryFailure

_PAGE = 100
#: Transactions that were under way while a later one was committed get their numbers before it: as many are read again.
_OVERLAP = 20
_FIELDS = "Type,Field,OldValue,NewValue,Data,ObjectId,Creator,Created"
_LINKED = frozenset({"ReferredToBy", "HasMember"})
_TICKET = re.compile(r"/ticket/(\d+)\Z")
_OURS = re.compile(r"Forebay fb[0-9a-f]{16}\b")
#: Tickets that are known to be none of ours, kept in memory.
_STRANGERS = 50_000
#: How often RT may fail to show a transaction before a line in its place says so, as a note.
_PATIENCE, _UNREADABLE = 5, "(Request Tracker cannot show this.)"


class Changes:
    """Reads transactions, each once."""

    def __init__(self, rest: Rest, own: str | None) -> None:
        self._rest = rest
        self._own = own
        """Our user there: a state that it sets is no news."""
        self._strangers: set[str] = set()
        self._failed: Counter[str] = Counter()

    async def since(self, cursor: Mapping[str, Any] | None, ours: Ours) -> Returns:
        """What happened after the cursor; a fresh one begins with what happens from now on."""
        if cursor is None:
            last = await self._transactions(0, order="DESC", per_page=1)
            begin = _number(last[0]) if last else 0
            return Returns(items=(), cursor={"begin": begin, "after": begin, "seen": []})
        begin, after, seen = int(cursor["begin"]), int(cursor["after"]), set(cursor["seen"])
        page = await self._transactions(max(begin, after - _OVERLAP))
        fresh = [one for one in page if _number(one) not in seen and _tells(one)]
        known = await self._known({text(one["ObjectId"]) for one in fresh}, ours)
        found: list[Returned] = []
        for one in fresh:
            ticket = text(one["ObjectId"])
            if ticket in known:
                made = await self._returned(one, ticket, known[ticket])
                found += [made] if made else []
        seen |= {_number(one) for one in page}
        last_number = max([after, *seen])
        kept = sorted(n for n in seen if n > last_number - _OVERLAP)
        moved = {"begin": begin, "after": last_number, "seen": kept}
        return Returns(items=found, cursor=moved, more=len(page) >= _PAGE)

    async def _transactions(self, after: int, order: str = "ASC", per_page: int = _PAGE) -> Sequence[Any]:
        wanted = [
            {"field": "ObjectType", "value": "RT::Ticket"},
            {"field": "id", "operator": ">", "value": after},
        ]
        found = await self._rest.ask(
            "/transactions", wanted, per_page=per_page, orderby="id", order=order, fields=_FIELDS
        )
        return items(found.get("items"))

    async def _known(self, tickets: set[str], ours: Ours) -> dict[str, str | None]:
        """Those of the tickets that are ours, with our number where only the ticket itself tells it."""
        if not tickets:
            return {}
        known: dict[str, str | None] = dict.fromkeys(await ours(tickets))
        for ticket in sorted(tickets - known.keys() - self._strangers):
            mark = await self._mark(ticket)
            if mark is not None:
                known[ticket] = mark
            elif len(self._strangers) < _STRANGERS:
                self._strangers.add(ticket)
        return known

    async def _mark(self, ticket: str) -> str | None:
        from destinations.rt.destination import URN

        try:
            found = await self._rest.get(f"/ticket/{ticket}")
        except Gone:
            return None
        links = (text(one.get("_url")) for one in items(found.get("_hyperlinks")))
        return next((one.removeprefix(URN) for one in links if one.startswith(URN)), None)

    # ---- one transaction

    async def _returned(self, one: Mapping[str, Any], ticket: str, reference: str | None) -> Returned | None:
        creator = text(one.get("Creator", {}).get("id"))
        common: dict[str, Any] = {
            "source_id": f"transaction-{one['id']}",
            "remote_id": ticket,
            "reference": reference,
            "author": creator,
            "at": _time(text(one.get("Created"))),
        }
        match one["Type"]:
            case "Status" if creator == self._own:
                return None
            case "Status" if one.get("NewValue") == "deleted":
                return Returned(what=Came.DELETED, **common)
            case "Status":
                return Returned(what=Came.STATE, state=text(one.get("NewValue")), **common)
            case "AddLink" if one.get("Field") == "MergedInto":
                other = _linked(one)
                return (
                    Returned(what=Came.MERGED, other=other, **common) if other not in ("", ticket) else None
                )
            case "AddLink":
                other = _linked(one)
                part = other and await self._same_people(ticket, other)
                return Returned(what=Came.SPLIT, other=other, **common) if part else None
        if _OURS.match(text(one.get("Data"))):
            return None
        said, files = await self._read(text(one["id"]))
        # What the customer mails to RT itself stands there as theirs, and is no answer to them.
        public = (
            said != _UNREADABLE
            and one["Type"] == "Correspond"
            and creator not in await self._requestors(ticket)
        )
        return Returned(what=Came.REPLY if public else Came.NOTE, text=said, files=files, **common)

    async def _read(self, transaction: str) -> tuple[str, list[ReturnedFile]]:
        """The words and files of a transaction; one that RT fails to show again and again holds up no other."""
        try:
            return await self._said(transaction)
        except TemporaryFailure as failure:
            if failure.reason is not Reason.SERVER:
                raise
            self._failed[transaction] += 1
            if self._failed[transaction] < _PATIENCE:
                raise
            return _UNREADABLE, []

    async def _said(self, transaction: str) -> tuple[str, list[ReturnedFile]]:
        """The words of a transaction and its files; a part without a file name is the words."""
        found = await self._rest.get(f"/transaction/{transaction}")
        words: dict[str, str] = {}
        files = []
        for link in items(found.get("_hyperlinks")):
            if link.get("ref") != "attachment":
                continue
            number = text(link.get("_url")).rpartition("/")[2]
            part = await self._rest.get(f"/attachment/{number}")
            kind, data = text(part.get("ContentType")), base64.b64decode(text(part.get("Content")))
            if name := text(part.get("Filename")):
                files.append(ReturnedFile(number, name, kind, len(data), data))
            elif kind in ("text/plain", "text/html"):
                words.setdefault(kind, data.decode("utf-8", "replace"))
        said = words.get("text/plain")
        return (said if said is not None else plain(words.get("text/html", ""))).strip(), files

    async def _requestors(self, ticket: str) -> set[str]:
        found = await self._rest.get(f"/ticket/{ticket}")
        return {text(one.get("id")) for one in items(found.get("Requestor"))}

    async def _same_people(self, ticket: str, other: str) -> bool:
        """Whether another ticket is about the same customer: a part of ours, and no task for somebody else."""
        try:
            return bool(await self._requestors(ticket) & await self._requestors(other))
        except Gone:
            return False


def _tells(one: Mapping[str, Any]) -> bool:
    if one["Type"] == "AddLink":
        return one.get("Field") == "MergedInto" or one.get("Field") in _LINKED
    return one["Type"] in ("Correspond", "Comment", "Status")


def _number(one: Mapping[str, Any]) -> int:
    return int(text(one["id"]))


def _linked(one: Mapping[str, Any]) -> str:
    found = _TICKET.search(text(one.get("NewValue")))
    return found[1] if found else ""


def _time(said: str) -> datetime | None:
    try:
        return datetime.fromisoformat(said.replace("Z", "+00:00"))
    except ValueError:
        return None
