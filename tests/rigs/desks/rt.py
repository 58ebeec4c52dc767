"""Request Tracker's REST 2, as RT 5.0.3 was seen to answer: what we use of it, with its oddities.

A file name that is not ASCII in plain JSON is an error 500, a deleted ticket takes comments, a search leaves deleted
tickets out and finds merged ones as that which they went into, and a merged ticket is answered as the other.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from aiohttp import web

from tests.rigs.desks.desk import Desk, Said, Ticket

USER, PASSWORD = "forebay", "a password of the tests"


class Rt(Desk):
    """One Request Tracker with the queue General and the agent zhang."""

    kind = "rt"
    closed = "resolved"
    urgent = "90"

    def __init__(self) -> None:
        super().__init__()
        self._links: dict[str, list[str]] = {}
        self._transactions: list[dict[str, Any]] = []
        self._attachments: list[dict[str, Any]] = []

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "kind": "rt",
            "url": self.url,
            "user": USER,
            "password": PASSWORD,
            "timeout": 3,
            "tags_field": "Tags",
            **more,
            "priority": {"urgent": "90"},
        }

    def lets_in(self, request: web.Request) -> bool:
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return request.headers.get("Authorization") == f"Basic {pair}"

    def changes(self, request: web.Request) -> bool:
        return request.method != "GET" and not request.path.endswith("/transactions")

    async def api(self, request: web.Request, raw: bytes) -> web.Response:
        path = request.path.removeprefix("/REST/2.0/").split("/")
        match request.method, path:
            case "GET", ["rt"]:
                return _json({"Version": "5.0.3", "Plugins": []})
            case "GET", ["tickets"]:
                return self._search(request.query["query"])
            case "POST", ["transactions"]:
                return self._list(request, json.loads(raw))
            case "GET", ["transaction", number]:
                return self._transaction(number)
            case "GET", ["attachment", number]:
                return _json(self._attachments[int(number) - 1])
            case "POST", ["ticket"]:
                return self._create(request, raw)
            case method, ["ticket", number, *rest]:
                ticket = self._effective(number)
                if ticket is None:
                    return _json({"message": "Not Found"}, 404)
                if method == "GET" and not rest:
                    return _json(self._shown(ticket))
                if method == "PUT":
                    self._set(ticket, json.loads(raw)["Status"], USER)
                    return _json([f"Ticket {ticket.id}: Status changed"])
                if rest == ["comment"]:
                    return self._comment(ticket, request, raw)
        return _json({"message": "Not Found"}, 404)

    # ---- the API

    def _effective(self, number: str) -> Ticket | None:
        ticket = self.tickets.get(number)
        while ticket is not None and ticket.into is not None:
            ticket = self.tickets[ticket.into]
        return ticket

    def _search(self, query: str) -> web.Response:
        found = re.fullmatch(r"RefersTo = '([^']*)'", query)
        assert found, query
        ids = []
        for number, links in self._links.items():
            ticket = self._effective(number)
            if found[1] in links and ticket and not ticket.deleted and ticket.id not in ids:
                ids.append(ticket.id)
        return _json({"items": [{"id": one, "type": "ticket"} for one in ids], "total": len(ids)})

    def _list(self, request: web.Request, wanted: list[dict[str, Any]]) -> web.Response:
        found = list(self._transactions)
        for one in wanted:
            field, value = one["field"], str(one["value"])
            match one.get("operator", "="):
                case ">":
                    found = [t for t in found if int(t[field]) > int(value)]
                case "LIKE":
                    found = [t for t in found if value in t[field]]
                case _:
                    found = [t for t in found if t[field] == value]
        if request.query.get("order") == "DESC":
            found.reverse()
        names = {"id", *request.query.get("fields", "").split(",")}
        page = found[: int(request.query.get("per_page", 20))]
        return _json({"items": [{k: v for k, v in t.items() if k in names} for t in page]})

    def _transaction(self, number: str) -> web.Response:
        one = self._transactions[int(number) - 1]
        links = [
            {"ref": "attachment", "_url": f"{self.url}/REST/2.0/attachment/{n}"} for n in one["_attachments"]
        ]
        return _json({**{k: v for k, v in one.items() if k[0] != "_"}, "_hyperlinks": links})

    def _create(self, request: web.Request, raw: bytes) -> web.Response:
        body, files = _parts(request, raw)
        if body["Queue"] != "General":
            return _json({"message": f"No permission to create tickets in the queue '{body['Queue']}'"}, 403)
        for name in ("Subject", "Content", "ContentType"):
            assert isinstance(body[name], str), name
        (requestor,) = body.get("Requestor") or [""]
        named = re.fullmatch(r'"(.*)" <(.*)>|(.*)', requestor)
        assert named
        ticket = Ticket(
            id=self.number(),
            reference=body["RefersTo"][0].removeprefix("urn:forebay:"),
            subject=body["Subject"],
            text=body["Content"],
            name=named[1] or "",
            email=named[2] or named[3] or "",
            tags=body.get("CustomFields", {}).get("Tags", []),
            priority=body.get("Priority", "0"),
            place=body["Queue"],
            state="new",
            files=files,
        )
        self.made[ticket.reference] += 1
        self.tickets[ticket.id] = ticket
        self._links[ticket.id] = list(body["RefersTo"])
        self._note(ticket, "Create", USER, text=body["Content"], files=files)
        self._note(ticket, "EmailRecord", "RT_System")
        return _json({"id": ticket.id, "type": "ticket"}, 201)

    def _comment(self, ticket: Ticket, request: web.Request, raw: bytes) -> web.Response:
        body, files = _parts(request, raw)
        number = self._note(
            ticket, "Comment", USER, data=body["Subject"] + "\n", text=body["Content"], files=files
        )
        ticket.said.append(Said(number, body["Content"], False, False, files, body["Subject"], USER, True))
        return _json(["Comments added"], 201)

    def _shown(self, ticket: Ticket) -> dict[str, Any]:
        people = [{"id": ticket.email, "type": "user"}] if ticket.email else []
        links = [{"ref": "refers-to", "_url": one} for one in self._links.get(ticket.id, ())]
        return {"id": int(ticket.id), "Status": ticket.state, "Requestor": people, "_hyperlinks": links}

    def _note(
        self,
        ticket: Ticket,
        type_: str,
        creator: str,
        *,
        data: str = "",
        text: str | None = None,
        files: Sequence[tuple[str, bytes]] = (),
        **fields: str,
    ) -> str:
        """Add a transaction; its number."""
        number = str(len(self._transactions) + 1)
        parts = [] if text is None else [self._attachment("", "text/plain", text.encode())]
        parts += [self._attachment(name, "text/plain", content) for name, content in files]
        one = {"Field": "", "OldValue": "", "NewValue": "", "Data": data, **fields}
        one |= {"id": number, "Type": type_, "ObjectType": "RT::Ticket", "ObjectId": ticket.id}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        whole: dict[str, Any] = {**one, "Creator": {"id": creator, "type": "user"}, "Created": now}
        self._transactions.append({**whole, "_attachments": parts})
        return number

    def _attachment(self, name: str, kind: str, data: bytes) -> str:
        content = base64.b64encode(data).decode()
        self._attachments.append({"Filename": name, "ContentType": kind, "Content": content})
        return str(len(self._attachments))

    def _set(self, ticket: Ticket, state: str, creator: str) -> None:
        old, ticket.state = ticket.state, state
        self._note(ticket, "Status", creator, Field="Status", OldValue=old, NewValue=state)

    # ---- agents

    async def answers(self, ticket: Ticket, text: str, files: Sequence[tuple[str, bytes]] = ()) -> None:
        number = self._note(ticket, "Correspond", "zhang", data="No Subject", text=text, files=files)
        ticket.said.append(Said(number, text, True, False, list(files), author="zhang"))
        self._note(ticket, "EmailRecord", "RT_System")

    async def notes(self, ticket: Ticket, text: str) -> None:
        number = self._note(ticket, "Comment", "zhang", data="No Subject", text=text)
        ticket.said.append(Said(number, text, False, False, author="zhang"))

    async def moves(self, ticket: Ticket, state: str) -> None:
        self._set(ticket, state, "zhang")

    async def merges(self, ticket: Ticket, into: Ticket) -> None:
        ticket.into = into.id
        link = f"fsck.com-rt://rt.test/ticket/{into.id}"
        for one in (ticket, into):
            self._note(one, "AddLink", "zhang", Field="MergedInto", NewValue=link)

    async def splits(self, ticket: Ticket) -> Ticket:
        part = Ticket(self.number(), "", "part", "", "", ticket.email, [], "", "General", "new")
        self.tickets[part.id] = part
        link = f"fsck.com-rt://rt.test/ticket/{part.id}"
        self._note(ticket, "AddLink", "zhang", Field="ReferredToBy", NewValue=link)
        self._note(part, "Create", "zhang", text="The other matter.")
        return part

    async def deletes(self, ticket: Ticket) -> None:
        ticket.deleted = True
        self._set(ticket, "deleted", "zhang")

    async def tells_again(self) -> None:
        """It tells nothing; whoever looks again from the beginning finds all of it again."""
        await self.looks_from({"begin": 0, "after": 0, "seen": []})


def _parts(request: web.Request, raw: bytes) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
    """The JSON and the files of a body, in either of its forms."""
    kind = request.headers["Content-Type"]
    if not kind.startswith("multipart/form-data"):
        return json.loads(raw), []
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
    body: dict[str, Any] = {}
    files = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        data = data.removesuffix(b"\r\n") if data.endswith(b"\r\n") else data
        if name == "JSON":
            body = json.loads(data)
        else:
            assert name == "Attachments" and data, "RT takes no empty file"
            files.append((part.get_filename() or "", data))
    return body, files


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)
