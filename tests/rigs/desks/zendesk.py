"""Zendesk's Ticketing API: what we use of it, by its reference pages.

Tickets are made once an Idempotency-Key; a closed ticket takes nothing more; files go up before they are used.
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

USER, TOKEN, USER_ID, AGENT_ID = "forebay@office.example", "a token of the tests", 7, 8
SECRET = "the secret of the web hook"


class Zendesk(Desk):
    """One account."""

    kind = "zendesk"
    closed = "solved"
    closed_state = "resolved"

    def __init__(self) -> None:
        super().__init__()
        self._keys: dict[str, Ticket] = {}
        self._people: dict[str, int] = {}
        self._audits: dict[str, list[dict[str, Any]]] = {}
        self._uploads: dict[str, tuple[str, bytes]] = {}
        self._via: dict[str, dict[str, Any]] = {}
        self._stream: list[str] = []
        """Numbers of tickets in the order of their changes."""

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "kind": "zendesk",
            "url": self.url,
            "user": USER,
            "token": TOKEN,
            "secret": SECRET,
            "user_id": USER_ID,
            "timeout": 3,
            **more,
            "priority": {"urgent": "urgent"},
        }

    def hook(self, body: bytes) -> dict[str, str]:
        """As developer.zendesk.com has it: Base64 of the HMAC-SHA256 of timestamp and body."""
        stamp = "2026-11-22T00:00:00Z"
        digest = hmac.new(SECRET.encode(), stamp.encode() + body, "sha256").digest()
        return {
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
            "X-Zendesk-Webhook-Signature": base64.b64encode(digest).decode(),
        }

    def lets_in(self, request: web.Request) -> bool:
        pair = base64.b64encode(f"{USER}/token:{TOKEN}".encode()).decode()
        return request.headers.get("Authorization") == f"Basic {pair}" or "/files/" in request.path

    async def api(self, request: web.Request, raw: bytes) -> web.Response:
        path = request.path.removeprefix("/api/v2/").split("/")
        if request.path.startswith("/files/"):
            return web.Response(body=self._uploads[path[-1]][1])
        match request.method, path:
            case "GET", ["users", "me"]:
                return _json({"user": {"id": USER_ID, "email": USER}})
            case "GET", ["tickets"]:
                mark = request.query["external_id"]
                found = [one for one in self.tickets.values() if one.reference == mark and not one.deleted]
                return _json({"tickets": [self._shown(one) for one in found], "next_page": None})
            case "POST", ["tickets"]:
                return self._create(request.headers["Idempotency-Key"], json.loads(raw)["ticket"])
            case "POST", ["uploads"]:
                token = f"upload-{self.number()}"
                self._uploads[token] = (request.query["filename"], raw)
                return _json({"upload": {"token": token}}, 201)
            case "GET", ["incremental", "tickets", "cursor"]:
                return self._export(request)
            case method, ["tickets", number, *rest]:
                ticket = self.tickets.get(number)
                if ticket is None or ticket.deleted:
                    return _json({"error": "RecordNotFound", "description": "Not found"}, 404)
                if rest == ["audits"]:
                    return _json({"audits": self._audits[number][::-1], "meta": {"has_more": False}})
                if method == "PUT":
                    return self._update(ticket, json.loads(raw)["ticket"])
                return _json({"ticket": self._shown(ticket)})
        return _json({"error": "InvalidEndpoint"}, 404)

    # ---- the API

    def _create(self, key: str, body: dict[str, Any]) -> web.Response:
        ticket = self._keys.get(key)
        if ticket is None:
            requester = body["requester"]
            self._people.setdefault(requester["email"], 100 + len(self._people))
            ticket = Ticket(
                id=self.number(),
                reference=body["external_id"],
                subject=body["subject"],
                text=body["comment"]["body"],
                name=requester["name"],
                email=requester["email"],
                tags=body["tags"],
                priority=body.get("priority", ""),
                place=str(body.get("group_id", "")),
                state="new",
                files=[self._uploads[one] for one in body["comment"]["uploads"]],
            )
            self._keys[key] = self.tickets[ticket.id] = ticket
            self.made[ticket.reference] += 1
            self._audit(ticket, USER_ID, [], body["metadata"])
        return _json({"ticket": self._shown(ticket)}, 201)

    def _update(self, ticket: Ticket, body: dict[str, Any]) -> web.Response:
        if ticket.state == "closed":
            return _json({"error": "RecordInvalid", "description": "closed prevents ticket update"}, 422)
        events = []
        if "status" in body:
            events.append(self._change(ticket, body["status"]))
        if (comment := body.get("comment")) is not None:
            files = [self._uploads[one] for one in comment["uploads"]]
            said = Said("", comment["body"], comment["public"], False, files, body["metadata"]["forebay"])
            said.ours = True
            ticket.said.append(said)
            events.append({"id": int(self.number()), "type": "Comment", "public": comment["public"]})
        audit = self._audit(ticket, USER_ID, events, body.get("metadata", {}))
        return _json({"ticket": self._shown(ticket), "audit": audit})

    def _shown(self, ticket: Ticket) -> dict[str, Any]:
        return {
            "id": int(ticket.id),
            "external_id": ticket.reference or None,
            "status": "deleted" if ticket.deleted else ticket.state,
            "requester_id": self._people.get(ticket.email),
            "via": self._via.get(
                ticket.id, {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}}
            ),
        }

    def _export(self, request: web.Request) -> web.Response:
        after = int(request.query.get("cursor", 0))
        assert "cursor" in request.query or int(request.query["start_time"]) > 0
        numbers = list(dict.fromkeys(self._stream[after:]))
        return _json(
            {
                "tickets": [self._shown(self.tickets[one]) for one in numbers],
                "after_cursor": str(len(self._stream)),
                "end_of_stream": True,
            }
        )

    def _audit(
        self, ticket: Ticket, by: int, events: list[dict[str, Any]], custom: dict[str, Any], via: Any = None
    ) -> dict[str, Any]:
        audit = {
            "id": int(self.number()),
            "ticket_id": int(ticket.id),
            "author_id": by,
            "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "metadata": {"system": {}, "custom": custom},
            "via": via or {"channel": "web", "source": {"from": {}, "to": {}, "rel": None}},
            "events": events,
        }
        self._audits.setdefault(ticket.id, []).append(audit)
        self._stream.append(ticket.id)
        return audit

    def _change(self, ticket: Ticket, state: str) -> dict[str, Any]:
        old, ticket.state = ticket.state, state
        change = {"type": "Change", "field_name": "status", "value": state, "previous_value": old}
        return {"id": int(self.number()), **change}

    # ---- agents

    async def answers(self, ticket: Ticket, text: str, files: Sequence[tuple[str, bytes]] = ()) -> None:
        self._comment(ticket, text, True, files)

    async def notes(self, ticket: Ticket, text: str) -> None:
        self._comment(ticket, text, False, ())

    def _comment(self, ticket: Ticket, text: str, public: bool, files: Sequence[tuple[str, bytes]]) -> None:
        attached = []
        for name, data in files:
            token = f"file-{self.number()}"
            self._uploads[token] = (name, data)
            address = f"{self.house_url}/files/{token}"
            attached.append({"file_name": name, "content_type": "text/plain", "content_url": address})
        event = {"id": int(self.number()), "type": "Comment", "author_id": AGENT_ID, "public": public}
        event |= {"plain_body": text, "html_body": f"<p>{text}</p>", "attachments": attached}
        self._audit(ticket, AGENT_ID, [event], {})

    @property
    def house_url(self) -> str:
        """Where the house finds us."""
        return str(self.house.loaded.settings.destinations["desk"].url)

    async def moves(self, ticket: Ticket, state: str) -> None:
        self._audit(ticket, AGENT_ID, [self._change(ticket, state)], {})

    async def merges(self, ticket: Ticket, into: Ticket) -> None:
        ticket.into = into.id
        self._audit(ticket, AGENT_ID, [self._change(ticket, "closed")], {})
        via = {
            "channel": "web",
            "source": {"from": {"ticket_ids": [int(ticket.id)]}, "to": {}, "rel": "merge"},
        }
        said = {"id": int(self.number()), "type": "Comment", "public": False, "body": "was merged"}
        self._audit(into, AGENT_ID, [said], {}, via)

    async def splits(self, ticket: Ticket) -> Ticket:
        part = Ticket(self.number(), "", "part", "", "", ticket.email, [], "", "", "new")
        self.tickets[part.id] = part
        origin = {"from": {"ticket_id": int(ticket.id)}, "to": {}, "rel": "follow_up"}
        self._via[part.id] = {"channel": "web", "source": origin}
        self._audit(part, AGENT_ID, [], {})
        return part

    async def deletes(self, ticket: Ticket) -> None:
        ticket.deleted = True
        self._stream.append(ticket.id)

    async def tells_again(self) -> None:
        """Whoever looks again from the beginning finds all of it again."""
        await self.looks_from({"begin": "2020-01-01T00:00:00+00:00", "after": None})


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)
