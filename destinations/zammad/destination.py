"""Zammad by its REST API (/api/v1, versions 6 and later).

Our number stands in an attribute of tickets. A search with a `condition` is answered by the database, not by the
search index, so that a ticket is found as soon as it is there. An article of ours bears its mark as its `message_id`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from destinations.contract import Call, Ours, Returned, Returns
from destinations.wire.rest import Rest, items, text
from destinations.wire.tickets import Comment, Gone, NewTicket, Person, Sent, TicketDestination
from destinations.zammad import ZammadSettings
from destinations.zammad.changes import OURS, Changes
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Unverified
from model.health import OK, Health
from model.tools import HttpAnswer, Raw, Tools

_DONE = frozenset({"closed", "merged"})


class ZammadDestination(TicketDestination):
    """One Zammad."""

    def __init__(self, settings: ZammadSettings, tools: Tools) -> None:
        token = settings.token.get_secret_value()
        rest = Rest(
            tools,
            f"{settings.url}/api/v1",
            lambda: {"authorization": f"Token token={token}"},
            settings.timeout,
            _refused,
        )
        super().__init__(settings, tools, ZammadDesk(settings, rest), settings.group)
        self._changes = Changes(settings, rest, tools.clock)
        self._rest = rest
        self._secret = settings.secret

    async def returns(self, cursor: Mapping[str, Any] | None, ours: Ours) -> Returns:
        """By the time of each ticket's last change."""
        return await self._changes.since(cursor, ours)

    async def load(self, reference: str) -> Raw:
        """An attachment, by ticket, article and number."""
        return await self._rest.load(f"/ticket_attachment/{quote(reference)}")

    def verify(self, call: Call) -> None:
        """Zammad signs its web hooks with X-Hub-Signature: sha1=…"""
        if self._secret is None:
            raise Unverified("the destination has no `secret`")
        key = self._secret.get_secret_value().encode()
        right = "sha1=" + hmac.new(key, call.body, hashlib.sha1).hexdigest()
        given = call.headers.get("x-hub-signature", "")
        if not hmac.compare_digest(right.encode(), given.encode(errors="replace")):
            raise Unverified("the signature does not hold")

    def receive(self, call: Call) -> Sequence[Returned]:
        """It only says that there is something to look at."""
        return ()


class ZammadDesk:
    """The verbs of a ticket's life."""

    def __init__(self, settings: ZammadSettings, rest: Rest) -> None:
        self._settings = settings
        self._rest = rest

    async def probe(self) -> Health:
        # With a condition on our attribute, so that a missing one is found out before it is needed.
        await self.ticket("none")
        return OK

    async def ticket(self, mark: str) -> str | None:
        condition = {f"ticket.{self._settings.field}": {"operator": "is", "value": mark}}
        found = await self._rest.ask("/tickets/search", {"condition": condition, "limit": 10, "expand": True})
        numbers = sorted(int(one["id"]) for one in tickets_of(found))
        return str(numbers[0]) if numbers else None

    async def make(self, new: NewTicket, doubt: bool) -> str:
        settings = self._settings
        # An attribute that is not there would be dropped in silence, and no ticket ever found again: this asks for it.
        if not doubt and (found := await self.ticket(new.mark)) is not None:
            return found
        customer = await self._person(new.person)
        ticket: dict[str, Any] = {
            "title": new.subject,
            "group": new.place,
            "customer_id": f"guess:{customer}",
            settings.field: new.mark,
            **new.fields,
            "article": {
                "subject": new.subject,
                "body": new.text,
                "content_type": "text/plain",
                "type": "web",
                "sender": "Customer",
                "internal": False,
                "message_id": f"<{new.mark}{OURS}>",
                "attachments": _attachments(new.files),
            },
        }
        if new.priority is not None:
            ticket["priority"] = new.priority
        if new.tags:
            ticket["tags"] = ",".join(one.replace(",", " ") for one in new.tags)
        made = await self._rest.call("POST", "/tickets", body=ticket)
        return text(made.get("id"))

    async def _person(self, person: Person) -> str:
        """The address by which Zammad knows the customer; made with their name, if they are not there yet."""
        email = person.email or f"{person.own}@forebay.invalid"
        user = {"firstname": person.name, "email": email, "roles": ["Customer"]}
        if person.phone:
            user["phone"] = person.phone
        try:
            await self._rest.ask("/users", user)
        except PermanentFailure as failure:
            if failure.reason is not Reason.REQUEST:
                raise  # 422: this address is used, so they are there
        return email

    async def said(self, ticket: str, mark: str) -> str | None:
        for one in await self._articles(ticket):
            if text(one.get("message_id")) == f"<{mark}{OURS}>":
                return text(one.get("id"))
        return None

    async def say(self, ticket: str, comment: Comment) -> str:
        article: dict[str, Any] = {
            "ticket_id": int(ticket),
            "body": comment.text,
            "content_type": "text/plain",
            "type": "web" if comment.by_customer else "note",
            "sender": "Customer" if comment.by_customer else "Agent",
            "internal": not comment.by_customer,
            "message_id": f"<{comment.mark}{OURS}>",
            "attachments": _attachments(comment.files),
        }
        made = await self._rest.call("POST", "/ticket_articles", body=article)
        return text(made.get("id"))

    async def reopen(self, ticket: str, state: str) -> None:
        found = await self._rest.get(f"/tickets/{quote(ticket)}", expand="true")
        if text(found.get("state")) in _DONE:
            await self._rest.call("PUT", f"/tickets/{quote(ticket)}", body={"state": state})

    async def _articles(self, ticket: str) -> list[Any]:
        try:
            return items(await self._rest.get(f"/ticket_articles/by_ticket/{quote(ticket)}"))
        except Gone:
            return []


def tickets_of(found: Any) -> list[Any]:
    """The tickets of a search: a list, or a mapping with one, as the version has it."""
    return items(found.get("tickets")) if isinstance(found, dict) else items(found)


def _attachments(files: Sequence[Sent]) -> list[dict[str, str]]:
    return [
        {
            "filename": one.filename,
            "data": base64.b64encode(one.data).decode(),
            "mime-type": one.media_type,
        }
        for one in files
    ]


def _refused(answer: HttpAnswer) -> SendFailure | None:
    """What Zammad means by some of its answers."""
    if answer.status in (422, 500) and b"nvalid" in answer.body and b"ttribute" in answer.body:
        repair = (
            "add the attribute that `field` names to the object Ticket (Text), in Zammad's object manager"
        )
        return TemporaryFailure(Reason.CONFIG, "Zammad has no attribute of that name", repair=repair)
    if answer.status == 404 and b"route" in answer.body.lower():
        return TemporaryFailure(Reason.CONFIG, "there is no API at this address")
    return None
