"""Zammad's REST API: what we use of it, with its manner.

An attribute that the object manager does not know is dropped in silence from what is posted, and refused in a
condition; a user's address that is used already is 422; a search with a condition tells what is there now.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.rigs.desks.desk import Desk, Said, Ticket

TOKEN, SECRET = "a token of the tests", "the secret of the web hook"
USER, AGENT = "forebay@office.example", "zhang@office.example"


class Zammad(Desk):
    """One Zammad with the group Users, the attribute `forebay`, and the agent Zhang."""

    kind = "zammad"
    urgent = "3 high"
    tells_deletions = False

    def __init__(self) -> None:
        super().__init__()
        self.attributes = {"forebay"}
        self._users: dict[str, dict[str, Any]] = {}
        self._articles: list[dict[str, Any]] = []
        self._history: list[dict[str, Any]] = []
        self._links: list[tuple[str, str, str]] = []
        self._files: dict[str, bytes] = {}
        self._changed: dict[str, str] = {}

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "kind": "zammad",
            "url": self.url,
            "token": TOKEN,
            "secret": SECRET,
            "user": USER,
            "timeout": 3,
            **more,
            "priority": {"urgent": "3 high"},
        }

    def hook(self, body: bytes) -> dict[str, str]:
        """As docs.zammad.org has it: HMAC-SHA1 of the body."""
        return {"X-Hub-Signature": "sha1=" + hmac.new(SECRET.encode(), body, "sha1").hexdigest()}

    def lets_in(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Token token={TOKEN}"

    def changes(self, request: web.Request) -> bool:
        reads = request.path.endswith(("/search", "/users"))
        return request.method != "GET" and not reads

    async def api(self, request: web.Request, raw: bytes) -> web.Response:
        path = request.path.removeprefix("/api/v1/").split("/")
        body = json.loads(raw) if raw else {}
        match request.method, path:
            case "POST", ["tickets", "search"]:
                return self._search(body)
            case "POST", ["users"]:
                return self._user(body)
            case "POST", ["tickets"]:
                return self._create(body)
            case "POST", ["ticket_articles"]:
                return self._say(body)
            case "GET", ["links"]:
                return self._linked(request.query["link_object_value"])
            case "GET", ["ticket_attachment", *place]:
                return web.Response(body=self._files["/".join(place)])
            case method, [what, *rest] if what in ("tickets", "ticket_articles", "ticket_history"):
                ticket = self.tickets.get(rest[-1])
                if ticket is None or ticket.deleted:
                    return _json({"error": "Couldn't find Ticket"}, 404)
                if method == "PUT":
                    self._set(ticket, body["state"], USER)
                if what == "ticket_articles":
                    return _json([one for one in self._articles if str(one["ticket_id"]) == ticket.id])
                if what == "ticket_history":
                    return _json(self._told_of(ticket))
                return _json(self._shown(ticket))
        return _json({"error": "No route matches"}, 404)

    # ---- the API

    def _search(self, body: dict[str, Any]) -> web.Response:
        found = [one for one in self.tickets.values() if not one.deleted]
        for name, wanted in body["condition"].items():
            attribute, value = name.removeprefix("ticket."), wanted["value"]
            if attribute == "updated_at":
                found = [one for one in found if self._changed[one.id] > value]
            elif attribute not in self.attributes:
                return _json({"error": f"Invalid ticket attribute '{attribute}'"}, 422)
            elif wanted["operator"] == "is":
                found = [one for one in found if one.reference == value]
            else:
                found = [one for one in found if value in one.reference]
        found.sort(key=lambda one: self._changed[one.id])
        begin = (body.get("page", 1) - 1) * body["limit"]
        return _json([self._shown(one) for one in found[begin : begin + body["limit"]]])

    def _user(self, body: dict[str, Any]) -> web.Response:
        if body["email"] in self._users:
            return _json({"error": f"Email address '{body['email']}' is already used for another user."}, 422)
        assert body["roles"] == ["Customer"]
        self._users[body["email"]] = body
        return _json({"id": len(self._users), **body}, 201)

    def _create(self, body: dict[str, Any]) -> web.Response:
        email = body["customer_id"].removeprefix("guess:")
        article = body["article"]
        files = _files(article)
        ticket = Ticket(
            id=self.number(),
            reference=body.get("forebay", "") if "forebay" in self.attributes else "",
            subject=body["title"],
            text=article["body"],
            name=self._users[email]["firstname"],
            email=email,
            tags=body.get("tags", "").split(","),
            priority=body.get("priority", "2 normal"),
            place=body["group"],
            state="new",
            files=files,
        )
        self.made[ticket.reference] += 1
        self.tickets[ticket.id] = ticket
        self._article(ticket, article["body"], "Customer", article, files, USER)
        return _json(self._shown(ticket), 201)

    def _say(self, body: dict[str, Any]) -> web.Response:
        ticket = self.tickets.get(str(body["ticket_id"]))
        if ticket is None or ticket.deleted:
            return _json({"error": "Couldn't find Ticket"}, 404)
        files = _files(body)
        one = self._article(ticket, body["body"], body["sender"], body, files, USER)
        said = Said(str(one["id"]), body["body"], not body["internal"], body["sender"] == "Customer", files)
        said.ours = True
        ticket.said.append(said)
        return _json(one, 201)

    def _shown(self, ticket: Ticket) -> dict[str, Any]:
        return {
            "id": int(ticket.id),
            "state": ticket.state,
            "customer_id": ticket.email,
            "updated_at": self._changed[ticket.id],
            **({"forebay": ticket.reference} if "forebay" in self.attributes else {}),
        }

    def _told_of(self, ticket: Ticket) -> dict[str, Any]:
        lines = [one for one in self._history if one["o_id"] == int(ticket.id)]
        people = {"1": {"email": USER}, "2": {"email": AGENT}}
        return {"history": lines, "assets": {"User": people}}

    def _linked(self, number: str) -> web.Response:
        found = []
        for kind, source, target in self._links:
            if source == number:
                other = {"parent": "child", "child": "parent"}[kind]
                found.append({"link_type": other, "link_object": "Ticket", "link_object_value": int(target)})
            if target == number:
                found.append({"link_type": kind, "link_object": "Ticket", "link_object_value": int(source)})
        return _json({"links": found, "assets": {}})

    def _touch(self, ticket: Ticket) -> str:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._changed[ticket.id] = now
        return now

    def _article(
        self,
        ticket: Ticket,
        body: str,
        sender: str,
        more: dict[str, Any],
        files: Sequence[tuple[str, bytes]],
        by: str,
    ) -> dict[str, Any]:
        number = len(self._articles) + 1
        one = {
            "id": number,
            "ticket_id": int(ticket.id),
            "body": body,
            "sender": sender,
            "type": more.get("type", "note"),
            "internal": more["internal"],
            "content_type": more.get("content_type", "text/html"),
            "message_id": more.get("message_id"),
            "created_by": by,
            "created_at": self._touch(ticket),
            "attachments": [
                {
                    "id": n,
                    "filename": name,
                    "size": str(len(data)),
                    "preferences": {"Content-Type": "text/plain"},
                }
                for n, (name, data) in enumerate(files)
            ],
        }
        self._articles.append(one)
        for n, (_, data) in enumerate(files):
            self._files[f"{ticket.id}/{number}/{n}"] = data
        return one

    def _set(self, ticket: Ticket, state: str, by: str) -> None:
        line = {"object": "Ticket", "type": "updated", "attribute": "state", "value_from": ticket.state}
        line |= {"id": len(self._history) + 1, "o_id": int(ticket.id), "value_to": state}
        line |= {"created_at": self._touch(ticket), "created_by_id": 1 if by == USER else 2}
        self._history.append(line)
        ticket.state = state

    # ---- agents

    async def answers(self, ticket: Ticket, text: str, files: Sequence[tuple[str, bytes]] = ()) -> None:
        self._article(ticket, f"<p>{text}</p>", "Agent", {"internal": False}, files, AGENT)
        ticket.said.append(Said("", text, True, False, list(files), author=AGENT))

    async def notes(self, ticket: Ticket, text: str) -> None:
        self._article(ticket, text, "Agent", {"internal": True}, (), AGENT)

    async def moves(self, ticket: Ticket, state: str) -> None:
        self._set(ticket, state, AGENT)

    async def merges(self, ticket: Ticket, into: Ticket) -> None:
        self._links.append(("parent", into.id, ticket.id))
        self._set(ticket, "merged", AGENT)
        self._touch(into)
        ticket.into = into.id

    async def splits(self, ticket: Ticket) -> Ticket:
        part = Ticket(self.number(), ticket.reference, "part", "", "", ticket.email, [], "", "Users", "new")
        part.reference = (
            f"{ticket.reference} part"  # a copied attribute would do no harm, but agents change it
        )
        self.tickets[part.id] = part
        self._touch(part)
        self._links.append(("child", part.id, ticket.id))
        self._touch(ticket)
        return part

    async def deletes(self, ticket: Ticket) -> None:
        ticket.deleted = True

    async def tells_again(self) -> None:
        """Whoever looks again from the beginning finds all of it again."""
        await self.looks_from({"begin": "2020-01-01T00:00:00Z", "after": None, "page": 1})


def _files(article: dict[str, Any]) -> list[tuple[str, bytes]]:
    for one in article.get("attachments", ()):
        assert set(one) == {"filename", "data", "mime-type"}
    return [(one["filename"], base64.b64decode(one["data"])) for one in article.get("attachments", ())]


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)
