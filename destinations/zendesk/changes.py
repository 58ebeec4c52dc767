"""What agents do in Zendesk: the cursor-based export tells which tickets changed, their audits tell what happened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from destinations.contract import Came, Ours, Returned, ReturnedFile, Returns
from destinations.wire.html import plain
from destinations.wire.rest import Rest, items, text
from destinations.wire.tickets import Gone
from destinations.zendesk import ZendeskSettings
from model.tools import Clock

_PAGE = 100
#: Pages of audits of one ticket that are read at the most, the latest first.
_PAGES = 5


class Changes:
    """Reads tickets that changed. What it tells twice is known by its number."""

    def __init__(self, settings: ZendeskSettings, rest: Rest, clock: Clock) -> None:
        self._settings = settings
        self._rest = rest
        self._clock = clock

    async def since(self, cursor: Mapping[str, Any] | None, ours: Ours) -> Returns:
        """What happened after the cursor; a fresh one begins with what happens from now on."""
        if cursor is None:
            return Returns(items=(), cursor={"begin": self._clock.now().isoformat(), "after": None})
        begin = datetime.fromisoformat(cursor["begin"])
        place: dict[str, Any] = {"cursor": cursor["after"]}
        if cursor["after"] is None:
            place = {"start_time": int(begin.timestamp())}
        found = await self._rest.get("/incremental/tickets/cursor", per_page=_PAGE, **place)
        changed = items(found.get("tickets"))
        known = await ours([text(one["id"]) for one in changed]) if changed else set()
        told: list[Returned] = []
        for ticket in changed:
            told += _follow_up(ticket)
            if text(ticket["id"]) in known or ticket.get("external_id"):
                told += await self._of(ticket, begin)
        moved = {"begin": cursor["begin"], "after": found.get("after_cursor") or cursor["after"]}
        return Returns(items=told, cursor=moved, more=not found.get("end_of_stream", True))

    async def _of(self, ticket: Mapping[str, Any], begin: datetime) -> list[Returned]:
        common: dict[str, Any] = {"remote_id": text(ticket["id"]), "reference": ticket.get("external_id")}
        if ticket.get("status") == "deleted":
            return [Returned(source_id=f"deleted-{ticket['id']}", what=Came.DELETED, **common)]
        found: list[Returned] = []
        for audit in await self._audits(common["remote_id"], begin):
            if (audit.get("metadata", {}).get("custom") or {}).get("forebay"):
                continue  # ours
            if (merged := _merged(audit, common["remote_id"])) is not None:
                found += merged
                continue
            if audit.get("author_id") == self._settings.user_id is not None:
                continue
            for event in items(audit.get("events")):
                one = _event(event, audit, ticket, common)
                found += [one] if one is not None else []
        return found

    async def _audits(self, ticket: str, begin: datetime) -> list[Any]:
        """The audits since the beginning, oldest first."""
        found: list[Any] = []
        after: str | None = None
        for _ in range(_PAGES):
            query = {"page[size]": _PAGE, "page[after]": after, "sort": "-created_at"}
            try:
                page = await self._rest.get(f"/tickets/{ticket}/audits", **query)
            except Gone:
                break
            fresh = [one for one in items(page.get("audits")) if _time(one.get("created_at")) >= begin]
            found += fresh
            meta = page.get("meta") or {}
            after = meta.get("after_cursor")
            if not meta.get("has_more") or len(fresh) < _PAGE:
                break
        return found[::-1]


def _follow_up(ticket: Mapping[str, Any]) -> list[Returned]:
    """A ticket that goes on with another one."""
    source = (ticket.get("via") or {}).get("source") or {}
    first = text((source.get("from") or {}).get("ticket_id"))
    if source.get("rel") != "follow_up" or not first:
        return []
    number = text(ticket["id"])
    return [Returned(source_id=f"follow-up-{number}", what=Came.SPLIT, remote_id=first, other=number)]


def _merged(audit: Mapping[str, Any], ticket: str) -> list[Returned] | None:
    """What was merged into a ticket, by the audit that says so there; None for any other audit."""
    source = (audit.get("via") or {}).get("source") or {}
    if source.get("rel") != "merge":
        return None
    origin = source.get("from") or {}
    numbers = [text(one) for one in items(origin.get("ticket_ids")) or [origin.get("ticket_id")] if one]
    at = _time(audit.get("created_at"))
    return [
        Returned(source_id=f"merge-{one}-{ticket}", what=Came.MERGED, remote_id=one, other=ticket, at=at)
        for one in numbers
        if one != ticket
    ]


def _event(
    event: Mapping[str, Any],
    audit: Mapping[str, Any],
    ticket: Mapping[str, Any],
    common: Mapping[str, Any],
) -> Returned | None:
    told: dict[str, Any] = {
        "source_id": f"event-{event['id']}",
        "author": text(audit.get("author_id")),
        "at": _time(audit.get("created_at")),
        **common,
    }
    if event.get("type") == "Change" and event.get("field_name") == "status":
        return Returned(what=Came.STATE, state=text(event.get("value")), **told)
    if event.get("type") != "Comment":
        return None
    # What the requester writes there by mail is theirs, and no answer to them.
    public = bool(event.get("public")) and event.get("author_id") != ticket.get("requester_id")
    return Returned(
        what=Came.REPLY if public else Came.NOTE,
        text=(
            text(event.get("plain_body") or event.get("body")) or plain(text(event.get("html_body")))
        ).strip(),
        files=[_file(one) for one in items(event.get("attachments"))],
        **told,
    )


def _file(one: Mapping[str, Any]) -> ReturnedFile:
    return ReturnedFile(
        text(one.get("content_url")),
        text(one.get("file_name")),
        text(one.get("content_type")) or "application/octet-stream",
        int(one.get("size") or 0),
    )


def _time(said: Any) -> datetime:
    return datetime.fromisoformat(text(said).replace("Z", "+00:00"))
