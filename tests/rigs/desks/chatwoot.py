"""Chatwoot's application API: what we use of it, with its manner.

Messages have no keys; a search of conversations looks into messages; a contact's address is unique.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Sequence
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import orjson
from aiohttp import web

from tests.rigs.desks.desk import Desk, Said, Ticket

TOKEN, USER_ID = "a token of the tests", 7
SECRET = "the secret of the web hook"


class Chatwoot(Desk):
    """One account with one inbox of the type API."""

    kind = "chatwoot"
    closed, closed_state = "resolved", "resolved"
    merges_tickets = splits_tickets = tells_deletions = False

    def __init__(self) -> None:
        super().__init__()
        self._contacts: dict[int, dict[str, Any]] = {}
        self._messages: list[dict[str, Any]] = []
        self._marks: dict[str, dict[str, Any]] = {}
        self._active: dict[str, int] = {}
        self._files: dict[str, bytes] = {}

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "kind": "chatwoot",
            "url": self.url,
            "token": TOKEN,
            "secret": SECRET,
            "user_id": USER_ID,
            "account": 3,
            "inbox": "5",
            "timeout": 3,
            **more,
            "priority": {"urgent": "urgent"},
        }

    def hook(self, body: bytes) -> dict[str, str]:
        """HMAC-SHA256 of the timestamp, a point and the body."""
        stamp = str(int(time.time()))
        digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, "sha256").hexdigest()
        return {"X-Chatwoot-Timestamp": stamp, "X-Chatwoot-Signature": f"sha256={digest}"}

    def lets_in(self, request: web.Request) -> bool:
        return request.headers.get("api_access_token") == TOKEN or request.path.startswith("/files/")

    def changes(self, request: web.Request) -> bool:
        return request.method != "GET" and not request.path.endswith("/contacts")

    async def api(self, request: web.Request, raw: bytes) -> web.Response:
        if request.path.startswith("/files/"):
            return web.Response(body=self._files[request.path])
        path = request.path.removeprefix("/api/v1/accounts/3/").split("/")
        form = request.headers.get("Content-Type", "").startswith("multipart")
        body = orjson.loads(raw) if raw and not form else {}
        match request.method, path:
            case "GET", ["contacts", "search"]:
                wanted = request.query["q"]
                found = [
                    one for one in self._contacts.values() if wanted in (one.get("email"), one["identifier"])
                ]
                return _json({"payload": found})
            case "POST", ["contacts"]:
                if any(
                    body.get("email") == one.get("email")
                    for one in self._contacts.values()
                    if "email" in body
                ):
                    return _json({"message": "Email has already been taken"}, 422)
                contact = {**body, "id": len(self._contacts) + 1}
                self._contacts[contact["id"]] = contact
                return _json({"payload": {"contact": contact}})
            case "GET", ["contacts", number, "conversations"]:
                own = [one for one in self.tickets.values() if self._marks[one.id]["contact"] == int(number)]
                return _json({"payload": [self._shown(one) for one in own if not one.deleted]})
            case "GET", ["conversations"]:
                return self._listed(request)
            case "POST", ["conversations"]:
                return self._create(body)
            case method, ["conversations", number, *rest]:
                ticket = self.tickets.get(number)
                if ticket is None or ticket.deleted:
                    return _json({"error": "Resource could not be found"}, 404)
                if rest == ["messages"] and method == "GET":
                    before = int(request.query.get("before", 10**9))
                    own = [
                        one
                        for one in self._messages
                        if one["conversation_id"] == number and one["id"] < before
                    ]
                    return _json({"payload": own[-20:]})
                if rest == ["messages"]:
                    return self._say(ticket, request.headers["Content-Type"], raw)
                if rest == ["labels"]:
                    ticket.tags = body["labels"]
                if rest == ["toggle_priority"]:
                    ticket.priority = body["priority"]
                if rest == ["toggle_status"]:
                    self._set(ticket, body["status"])
                return _json(self._shown(ticket))
        return _json({"error": "Not found"}, 404)

    # ---- the API

    def _listed(self, request: web.Request) -> web.Response:
        assert request.query["status"] in ("all", "open")
        found = [one for one in self.tickets.values() if not one.deleted]
        if (wanted := request.query.get("q")) is not None:
            having = {one["conversation_id"] for one in self._messages if wanted in (one["content"] or "")}
            found = [one for one in found if one.id in having]
        found.sort(key=lambda one: -self._active[one.id])
        begin = (int(request.query.get("page", 1)) - 1) * 25
        return _json(
            {"data": {"payload": [self._shown(one) for one in found[begin : begin + 25]], "meta": {}}}
        )

    def _create(self, body: dict[str, Any]) -> web.Response:
        assert body["source_id"] and body["inbox_id"] == 5
        contact = self._contacts[body["contact_id"]]
        given = body["custom_attributes"]
        ticket = Ticket(
            id=self.number(),
            reference=given["forebay"],
            subject=given["subject"],
            text="",
            name=contact["name"],
            email=contact.get("email", ""),
            tags=[],
            priority="",
            place="5",
            state=body["status"],
        )
        self.made[ticket.reference] += 1
        self.tickets[ticket.id] = ticket
        self._marks[ticket.id] = {"contact": contact["id"], "attributes": given}
        self._active[ticket.id] = int(time.time())
        return _json(self._shown(ticket))

    def _say(self, ticket: Ticket, kind: str, raw: bytes) -> web.Response:
        fields: dict[str, str] = {}
        files: list[tuple[str, bytes]] = []
        message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
        for part in message.iter_parts():
            data: Any = part.get_payload(decode=True)
            name = str(part.get_param("name", header="content-disposition"))
            if name == "attachments[]":
                files.append((part.get_filename() or "", data))
            else:
                fields[name] = data.decode()
        incoming, private = fields["message_type"] == "incoming", fields["private"] == "true"
        content = fields["content"]
        if not ticket.text:
            ticket.text, ticket.files = content, files
        else:
            ticket.said.append(Said("", content, not private, incoming, files, ours=True))
        sender = {"id": 99} if incoming else {"id": USER_ID, "name": "Forebay"}
        if incoming and ticket.state == "resolved":
            ticket.state = "open"
        return _json(self._message(ticket, content, 0 if incoming else 1, private, sender, ()))

    def _message(
        self,
        ticket: Ticket,
        content: str,
        type_: int,
        private: bool,
        sender: dict[str, Any],
        files: Sequence[tuple[str, bytes]],
    ) -> dict[str, Any]:
        number = len(self._messages) + 1
        attached = []
        for name, data in files:
            address = f"/files/{number}/{name}"
            self._files[address] = data
            where = str(self.house.loaded.settings.destinations["desk"].url)
            attached.append({"data_url": where + address, "file_type": "file"})
        now = int(time.time())
        one = {"id": number, "conversation_id": ticket.id, "content": content, "message_type": type_}
        one |= {"private": private, "created_at": now, "sender": sender, "attachments": attached}
        self._messages.append(one)
        self._active[ticket.id] = now
        return one

    def _shown(self, ticket: Ticket) -> dict[str, Any]:
        attributes = self._marks[ticket.id]["attributes"]
        shown = {"id": int(ticket.id), "status": ticket.state, "custom_attributes": attributes}
        return {**shown, "last_activity_at": self._active[ticket.id]}

    def _set(self, ticket: Ticket, state: str) -> None:
        ticket.state = state
        self._message(ticket, f"Conversation was marked {state}", 2, False, {}, ())

    # ---- agents

    async def answers(self, ticket: Ticket, text: str, files: Sequence[tuple[str, bytes]] = ()) -> None:
        self._message(ticket, text, 1, False, {"id": 8, "name": "Zhang"}, files)

    async def notes(self, ticket: Ticket, text: str) -> None:
        self._message(ticket, text, 1, True, {"id": 8, "name": "Zhang"}, ())

    async def moves(self, ticket: Ticket, state: str) -> None:
        self._set(ticket, state)

    async def deletes(self, ticket: Ticket) -> None:
        ticket.deleted = True

    async def tells_again(self) -> None:
        """Whoever looks again from the beginning finds all of it again."""
        await self.looks_from({"begin": 0.0, "after": 0})


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)
