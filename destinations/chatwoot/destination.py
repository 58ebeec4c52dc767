"""Chatwoot by its application API (/api/v1/accounts/…), in an inbox of the type API.

It has no keys of its own for messages, so the mark stands in the last line of each of ours, where a search finds it. A
conversation is whole when its first message is there; one that was made without it is found by its custom attribute.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from destinations.chatwoot import ChatwootSettings
from destinations.chatwoot.changes import Changes
from destinations.contract import Call, Ours, Returned, Returns
from destinations.wire import multipart
from destinations.wire.rest import Rest, items, text
from destinations.wire.tickets import Comment, Gone, NewTicket, Person, Sent, TicketDestination
from model.failures import PermanentFailure, Reason, TemporaryFailure, Uncertain, Unverified
from model.health import OK, Health
from model.tools import Raw, Tools

#: Pages of messages that are looked through for a mark, the latest first.
_PAGES = 5


class ChatwootDestination(TicketDestination):
    """One account."""

    def __init__(self, settings: ChatwootSettings, tools: Tools) -> None:
        token = settings.token.get_secret_value()
        base = f"{settings.url}/api/v1/accounts/{settings.account}"
        rest = Rest(tools, base, lambda: {"api_access_token": token}, settings.timeout)
        super().__init__(settings, tools, ChatwootDesk(tools, rest), settings.inbox)
        self._changes = Changes(settings, rest, tools.clock)
        self._tools = tools
        self._settings: ChatwootSettings = settings

    async def returns(self, cursor: Mapping[str, Any] | None, ours: Ours) -> Returns:
        """By the time of each conversation's last activity."""
        return await self._changes.since(cursor, ours)

    async def load(self, reference: str) -> Raw:
        """A file, by its address, which is its own key: no credentials go there."""
        loaded = await self._tools.http.load(reference, timeout=self._settings.timeout)
        if loaded.status != 200:
            raise TemporaryFailure(Reason.SERVER, f"HTTP {loaded.status} for a file")
        return loaded.raw

    def verify(self, call: Call) -> None:
        """X-Chatwoot-Signature: sha256=…, the HMAC of X-Chatwoot-Timestamp, a point and the body."""
        if self._settings.secret is None:
            raise Unverified("the destination has no `secret`")
        stamp = call.headers.get("x-chatwoot-timestamp", "").encode(errors="replace")
        key = self._settings.secret.get_secret_value().encode()
        right = "sha256=" + hmac.new(key, stamp + b"." + call.body, hashlib.sha256).hexdigest()
        given = call.headers.get("x-chatwoot-signature", "")
        if not hmac.compare_digest(right.encode(), given.encode(errors="replace")):
            raise Unverified("the signature does not hold")

    def receive(self, call: Call) -> Sequence[Returned]:
        """It only says that there is something to look at."""
        return ()


class ChatwootDesk:
    """The verbs of a conversation's life."""

    def __init__(self, tools: Tools, rest: Rest) -> None:
        self._tools = tools
        self._rest = rest

    async def probe(self) -> Health:
        await self._rest.get("/conversations", status="open", page=1)
        return OK

    async def ticket(self, mark: str) -> str | None:
        found = await self._rest.get("/conversations", status="all", q=line(mark), page=1)
        numbers = sorted(int(one["id"]) for one in items((found.get("data") or {}).get("payload")))
        return str(numbers[0]) if numbers else None

    async def make(self, new: NewTicket, doubt: bool) -> str:
        contact = await self._contact(new.person, new.place)
        conversation = await self._begun(contact, new.mark) if doubt else None
        if conversation is None:
            made = await self._rest.call(
                "POST",
                "/conversations",
                body={
                    "source_id": new.person.own,
                    "inbox_id": int(new.place),
                    "contact_id": int(contact),
                    "status": "open",
                    "custom_attributes": {"forebay": new.mark, "subject": new.subject, **new.fields},
                },
            )
            conversation = text(made.get("id"))
        if new.tags:
            await self._rest.call(
                "POST", f"/conversations/{conversation}/labels", body={"labels": [*new.tags]}
            )
        if new.priority is not None:
            path = f"/conversations/{conversation}/toggle_priority"
            await self._rest.call("POST", path, body={"priority": new.priority})
        # The message last: with it the conversation is whole.
        await self._post(conversation, f"{new.subject}\n\n{new.text}", new.mark, "incoming", False, new.files)
        return conversation

    async def said(self, ticket: str, mark: str) -> str | None:
        before: int | None = None
        for _ in range(_PAGES):
            try:
                found = await self._rest.get(f"/conversations/{quote(ticket)}/messages", before=before)
            except Gone:
                return None
            page = items(found.get("payload"))
            for one in page:
                if text(one.get("content")).endswith(line(mark)):
                    return text(one["id"])
            if not page:
                return None
            before = min(int(one["id"]) for one in page)
        return None

    async def say(self, ticket: str, comment: Comment) -> str:
        kind, private = ("incoming", False) if comment.by_customer else ("outgoing", True)
        return await self._post(ticket, comment.text, comment.mark, kind, private, comment.files)

    async def reopen(self, ticket: str, state: str) -> None:
        found = await self._rest.get(f"/conversations/{quote(ticket)}")
        if found.get("status") == "resolved":
            await self._rest.call(
                "POST", f"/conversations/{quote(ticket)}/toggle_status", body={"status": state}
            )

    async def _post(
        self, ticket: str, said: str, mark: str, kind: str, private: bool, files: Sequence[Sent]
    ) -> str:
        parts = [
            multipart.field("content", f"{said}\n\n{line(mark)}"),
            multipart.field("message_type", kind),
            multipart.field("private", "true" if private else "false"),
            *(multipart.file("attachments[]", one) for one in files),
        ]
        raw = multipart.body(parts, self._tools.ids.draw(16).hex())
        made = await self._rest.call("POST", f"/conversations/{quote(ticket)}/messages", raw=raw)
        return text(made.get("id"))

    # ---- contacts

    async def _contact(self, person: Person, inbox: str) -> str:
        """The contact with the customer's address, or with our own name for them; made where there is none."""
        found = await self._known(person)
        if found is not None:
            return found
        body = {"inbox_id": int(inbox), "name": person.name, "identifier": person.own}
        if person.email:
            body["email"] = person.email
        if person.phone:
            body["phone_number"] = person.phone
        try:
            made = await self._rest.call("POST", "/contacts", body=body)
        except Uncertain as failure:
            # A contact that may have been made is found by the next try.
            raise TemporaryFailure(Reason.TIMEOUT, failure.detail) from None
        except PermanentFailure as failure:
            if failure.reason is Reason.REQUEST and (known := await self._known(person)) is not None:
                return known
            raise
        return text(((made.get("payload") or {}).get("contact") or {}).get("id"))

    async def _known(self, person: Person) -> str | None:
        for name, value in (("email", person.email), ("identifier", person.own)):
            if value is None:
                continue
            found = await self._rest.get("/contacts/search", q=value)
            for one in items(found.get("payload")):
                if text(one.get(name)).lower() == value.lower():
                    return text(one["id"])
        return None

    async def _begun(self, contact: str, mark: str) -> str | None:
        """A conversation of ours that an earlier try began."""
        found = await self._rest.get(f"/contacts/{contact}/conversations")
        for one in items(found.get("payload")):
            if (one.get("custom_attributes") or {}).get("forebay") == mark:
                return text(one["id"])
        return None


def line(mark: str) -> str:
    """The last line of a message of ours."""
    return f"[forebay {mark}]"
