"""Request Tracker by REST 2 (RT::REST2, versions 5.0 and later).

Our number stands on a ticket as the link `RefersTo urn:forebay:NUMBER`, which needs no set-up there and is found by
TicketSQL at once. A comment of ours bears its mark in its subject, which a transaction keeps as its Data.

Bodies go as multipart/form-data with the field `JSON`: as plain JSON, RT 5.0.3 fails at file names that are not ASCII.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from destinations.contract import Ours, Returns
from destinations.rt import RtSettings
from destinations.rt.changes import Changes
from destinations.wire import multipart
from destinations.wire.rest import Rest, items, text
from destinations.wire.tickets import Comment, Gone, NewTicket, Sent, TicketDestination
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure
from model.health import OK, Health
from model.tools import HttpAnswer, Raw, Tools

#: Before our number in the link that a ticket bears.
URN = "urn:forebay:"


class RtDestination(TicketDestination):
    """One Request Tracker."""

    def __init__(self, settings: RtSettings, tools: Tools) -> None:
        rest = Rest(
            tools, f"{settings.url}/REST/2.0", lambda: _credentials(settings), settings.timeout, _refused
        )
        super().__init__(settings, tools, RtDesk(settings, tools, rest), settings.queue)
        self._changes = Changes(rest, settings.user)
        self._rest = rest

    async def returns(self, cursor: Mapping[str, Any] | None, ours: Ours) -> Returns:
        """By the numbers of transactions, which only grow."""
        return await self._changes.since(cursor, ours)

    async def load(self, reference: str) -> Raw:
        """An attachment by its number."""
        found = await self._rest.get(f"/attachment/{quote(reference, safe='')}")
        return base64.b64decode(text(found.get("Content")))


class RtDesk:
    """The verbs of a ticket's life, in REST 2."""

    def __init__(self, settings: RtSettings, tools: Tools, rest: Rest) -> None:
        self._settings = settings
        self._tools = tools
        self._rest = rest

    async def probe(self) -> Health:
        await self._rest.get("/rt")
        return OK

    async def ticket(self, mark: str) -> str | None:
        # A search leaves deleted tickets out, and finds a merged one as that which it went into.
        found = await self._rest.get("/tickets", query=f"RefersTo = '{URN}{mark}'", per_page=20)
        numbers = sorted(int(text(one.get("id"))) for one in items(found.get("items")))
        return str(numbers[0]) if numbers else None

    async def make(self, new: NewTicket, doubt: bool) -> str:
        settings, person = self._settings, new.person
        fields = dict(new.fields)
        if settings.tags_field and new.tags:
            fields[settings.tags_field] = list(new.tags)
        whole, files = _whole(new.text, new.files)
        body: dict[str, Any] = {
            "Queue": new.place,
            "Subject": new.subject,
            "Content": whole,
            "ContentType": "text/plain",
            "RefersTo": [URN + new.mark],
        }
        if settings.requestor and person.email:
            body["Requestor"] = [_address(person.name, person.email)]
        if new.priority is not None:
            body["Priority"] = new.priority
        if fields:
            body["CustomFields"] = fields
        made = await self._post("/ticket", body, files)
        return text(made.get("id"))

    async def said(self, ticket: str, mark: str) -> str | None:
        wanted = [
            {"field": "ObjectType", "value": "RT::Ticket"},
            {"field": "ObjectId", "value": ticket},
            {"field": "Data", "operator": "LIKE", "value": mark},
        ]
        found = await self._rest.ask("/transactions", wanted, per_page=1)
        return next((text(one.get("id")) for one in items(found.get("items"))), None)

    async def say(self, ticket: str, comment: Comment) -> str:
        # A deleted ticket takes comments, which nobody would see.
        await self._standing(ticket)
        whole, files = _whole(comment.text, comment.files)
        body = {"Subject": f"Forebay {comment.mark}", "Content": whole, "ContentType": "text/plain"}
        await self._post(f"/ticket/{quote(ticket, safe='')}/comment", body, files)
        return comment.mark

    async def reopen(self, ticket: str, state: str) -> None:
        if await self._standing(ticket) in ("resolved", "rejected"):
            await self._rest.call("PUT", f"/ticket/{quote(ticket, safe='')}", body={"Status": state})

    async def _standing(self, ticket: str) -> str:
        found = await self._rest.get(f"/ticket/{quote(ticket, safe='')}")
        if found.get("Status") == "deleted":
            raise Gone
        return text(found.get("Status"))

    async def _post(self, path: str, body: Mapping[str, Any], files: list[Sent]) -> Any:
        boundary = self._tools.ids.draw(16).hex()
        parts = [multipart.field("JSON", json.dumps(body, ensure_ascii=False), "application/json")]
        parts += [multipart.file("Attachments", one) for one in files]
        return await self._rest.call("POST", path, raw=multipart.body(parts, boundary))


def _whole(said: str, files: Any) -> tuple[str, list[Sent]]:
    """The text and the files; RT takes no empty file, so those are named."""
    empty = [one.filename for one in files if not one.data]
    return "\n".join([said, *(f"{name} (0 bytes)" for name in empty)]), [one for one in files if one.data]


def _address(name: str, email: str) -> str:
    plain = "".join(one for one in name if one.isprintable() and one not in '"\\<>@,;:')
    return f'"{plain}" <{email}>' if plain.strip() and name != email else email


def _credentials(settings: RtSettings) -> dict[str, str]:
    if settings.token is not None:
        return {"authorization": f"token {settings.token.get_secret_value()}"}
    password = settings.password.get_secret_value() if settings.password else ""
    pair = base64.b64encode(f"{settings.user or ''}:{password}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


def _refused(answer: HttpAnswer) -> SendFailure | None:
    """RT says 403 for a queue that is not there or not ours, and 400 for a ticket that is not."""
    if answer.status == 403:
        detail = (
            "RT refuses it: check the queue's name, and that the user may create and comment tickets there"
        )
        return TemporaryFailure(Reason.CONFIG, detail)
    if answer.status == 400 and b"could not be recorded" in answer.body:
        return PermanentFailure(Reason.REQUEST, "RT could not record it")
    return None
