"""What agents do in Zammad, read from the articles and the history of tickets that changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from destinations.contract import Came, Ours, Returned, ReturnedFile, Returns
from destinations.wire.html import plain
from destinations.wire.rest import Rest, items, text
from destinations.wire.tickets import Gone
from destinations.zammad import ZammadSettings
from model.tools import Clock

#: Ends the message id of every article of ours.
OURS = "@forebay"
_PAGE = 50
#: Changes that were under way while a later one was committed bear an earlier time: so much is read again.
_OVERLAP = timedelta(seconds=10)


class Changes:
    """Reads tickets that changed. What it tells twice is known by its number."""

    def __init__(self, settings: ZammadSettings, rest: Rest, clock: Clock) -> None:
        self._settings = settings
        self._rest = rest
        self._clock = clock

    async def since(self, cursor: Mapping[str, Any] | None, ours: Ours) -> Returns:
        """What happened after the cursor; a fresh one begins with what happens from now on."""
        if cursor is None:
            return Returns(items=(), cursor={"begin": _said(self._clock.now()), "after": None, "page": 1})
        after = datetime.fromisoformat(cursor["after"] or cursor["begin"])
        page, begin = int(cursor["page"]), datetime.fromisoformat(cursor["begin"])
        changed = await self._changed(after - _OVERLAP if cursor["after"] else after, page)
        found: list[Returned] = []
        latest = after
        for ticket in changed:
            latest = max(latest, _time(ticket.get("updated_at")) or latest)
            found += await self._of(ticket, begin)
        full = len(changed) >= _PAGE
        moved = {
            "begin": cursor["begin"],
            # Within one list of pages the beginning stays where it was.
            "after": cursor["after"] if full else _said(max(latest, after)),
            "page": page + 1 if full else 1,
        }
        return Returns(items=found, cursor=moved, more=full)

    async def _changed(self, after: datetime, page: int) -> list[Any]:
        from destinations.zammad.destination import tickets_of

        body = {
            "condition": {
                f"ticket.{self._settings.field}": {"operator": "contains", "value": "-"},
                "ticket.updated_at": {"operator": "after (absolute)", "value": _said(after)},
            },
            "sort_by": "updated_at",
            "order_by": "asc",
            "limit": _PAGE,
            "page": page,
            "expand": True,
        }
        return tickets_of(await self._rest.ask("/tickets/search", body))

    async def _of(self, ticket: Mapping[str, Any], begin: datetime) -> list[Returned]:
        number, reference = text(ticket["id"]), text(ticket.get(self._settings.field))
        common: dict[str, Any] = {"remote_id": number, "reference": reference}
        try:
            articles = items(await self._rest.get(f"/ticket_articles/by_ticket/{number}"))
            told = await self._rest.get(f"/ticket_history/{number}")
        except Gone:
            return []
        found = [one for article in articles if (one := self._article(article, common, begin)) is not None]
        for line in items(told.get("history") if isinstance(told, dict) else told):
            one = self._line(line, common, begin, _people(told))
            found += [one] if one is not None else []
        if text(ticket.get("state")) == "merged":
            found += await self._links(number, common, "parent", Came.MERGED)
        else:
            found += await self._links(number, common, "child", Came.SPLIT, text(ticket.get("customer_id")))
        return sorted(found, key=lambda one: one.at or begin)

    def _article(
        self, article: Mapping[str, Any], common: Mapping[str, Any], begin: datetime
    ) -> Returned | None:
        at = _time(article.get("created_at"))
        if text(article.get("message_id")).rstrip(">").endswith(OURS) or (at is not None and at < begin):
            return None
        if text(article.get("sender")) == "System":
            return None  # what triggers sent
        public = (
            text(article.get("sender")) == "Agent"
            and not article.get("internal")
            and text(article.get("type")) in self._settings.answer_types
        )
        body = text(article.get("body"))
        html = "html" in text(article.get("content_type"))
        return Returned(
            source_id=f"article-{article['id']}",
            what=Came.REPLY if public else Came.NOTE,
            text=(plain(body) if html else body).strip(),
            author=text(article.get("created_by") or article.get("from")),
            at=at,
            files=[_file(common["remote_id"], article, one) for one in items(article.get("attachments"))],
            **common,
        )

    def _line(
        self, line: Mapping[str, Any], common: Mapping[str, Any], begin: datetime, people: Mapping[str, str]
    ) -> Returned | None:
        at = _time(line.get("created_at"))
        if (
            line.get("object") != "Ticket"
            or line.get("attribute") != "state"
            or line.get("type") != "updated"
        ):
            return None
        author = people.get(text(line.get("created_by_id")), "")
        own = self._settings.user is not None and author == self._settings.user
        if own or at is None or at < begin or line.get("value_to") == "merged":
            return None
        return Returned(
            source_id=f"history-{line['id']}",
            what=Came.STATE,
            state=text(line.get("value_to")),
            author=author,
            at=at,
            **common,
        )

    async def _links(
        self, number: str, common: Mapping[str, Any], kind: str, what: Came, customer: str = ""
    ) -> list[Returned]:
        told = await self._rest.get("/links", link_object="Ticket", link_object_value=number)
        found = []
        for one in items(told.get("links")):
            other = text(one.get("link_object_value"))
            if one.get("link_type") != kind:
                continue
            if customer:
                part = await self._rest.get(f"/tickets/{other}", expand="true")
                if text(part.get("customer_id")) != customer or text(part.get("state")) == "merged":
                    continue  # a task for somebody else, or what was merged into this one
            found.append(Returned(source_id=f"{what}-{number}-{other}", what=what, other=other, **common))
        return found


def _people(told: Any) -> dict[str, str]:
    users = told.get("assets", {}).get("User", {}) if isinstance(told, dict) else {}
    return {number: text(one.get("email") or one.get("login")) for number, one in users.items()}


def _file(ticket: str, article: Mapping[str, Any], one: Mapping[str, Any]) -> ReturnedFile:
    preferences = one.get("preferences") or {}
    return ReturnedFile(
        f"{ticket}/{article['id']}/{one['id']}",
        text(one.get("filename")),
        text(preferences.get("Content-Type") or preferences.get("Mime-Type") or "application/octet-stream"),
        int(text(one.get("size")) or 0),
    )


def _said(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _time(said: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text(said).replace("Z", "+00:00"))
    except ValueError:
        return None
