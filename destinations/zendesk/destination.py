"""Zendesk by its Ticketing API (developer.zendesk.com/api-reference/ticketing).

Tickets are made with an Idempotency-Key, and bear our number as their external_id, which is looked up exactly. An
update bears its mark in the custom metadata of its audit. A closed ticket takes nothing more: a follow-up is made.
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
from destinations.zendesk import ZendeskSettings
from destinations.zendesk.changes import Changes
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain, Unverified
from model.health import OK, Health
from model.tools import HttpAnswer, Raw, Tools

#: The name of our mark in the custom metadata of an audit.
MARK = "forebay"


class ZendeskDestination(TicketDestination):
    """One Zendesk account."""

    def __init__(self, settings: ZendeskSettings, tools: Tools) -> None:
        pair = f"{settings.user}/token:{settings.token.get_secret_value()}".encode()
        basic = f"Basic {base64.b64encode(pair).decode()}"
        rest = Rest(
            tools,
            f"{settings.url}/api/v2",
            lambda: {"authorization": basic},
            settings.timeout,
            _refused,
        )
        super().__init__(settings, tools, ZendeskDesk(settings, rest), settings.group)
        self._changes = Changes(settings, rest, tools.clock)
        self._tools = tools
        self._settings: ZendeskSettings = settings

    async def returns(self, cursor: Mapping[str, Any] | None, ours: Ours) -> Returns:
        """By the export of ticket events."""
        return await self._changes.since(cursor, ours)

    async def load(self, reference: str) -> Raw:
        """An attachment, by its address, which is its own key: no credentials go there."""
        if not reference.startswith(("https://", self._settings.url)):
            raise PermanentFailure(Reason.REQUEST, "the file's address is none of Zendesk's")
        loaded = await self._tools.http.load(reference, timeout=self._settings.timeout)
        if loaded.status != 200:
            raise TemporaryFailure(Reason.SERVER, f"HTTP {loaded.status} for a file")
        return loaded.raw

    def verify(self, call: Call) -> None:
        """Base64 of the HMAC-SHA256 of the timestamp and the body."""
        if self._settings.secret is None:
            raise Unverified("the destination has no `secret`")
        stamp = call.headers.get("x-zendesk-webhook-signature-timestamp", "").encode(errors="replace")
        key = self._settings.secret.get_secret_value().encode()
        right = base64.b64encode(hmac.new(key, stamp + call.body, hashlib.sha256).digest())
        given = call.headers.get("x-zendesk-webhook-signature", "")
        if not hmac.compare_digest(right, given.encode(errors="replace")):
            raise Unverified("the signature does not hold")

    def receive(self, call: Call) -> Sequence[Returned]:
        """It only says that there is something to look at."""
        return ()


class ZendeskDesk:
    """The verbs of a ticket's life."""

    def __init__(self, settings: ZendeskSettings, rest: Rest) -> None:
        self._settings = settings
        self._rest = rest

    async def probe(self) -> Health:
        found = await self._rest.get("/users/me")
        if text((found.get("user") or {}).get("email")).lower() != self._settings.user.lower():
            # Without credentials that hold, Zendesk answers as to an anonymous user.
            raise TemporaryFailure(Reason.AUTH, "Zendesk does not know us: check `user` and `token`")
        return OK

    async def ticket(self, mark: str) -> str | None:
        found = await self._rest.get("/tickets", external_id=mark)
        # The latest: a follow-up goes on with the matter of those before it.
        numbers = sorted(int(one["id"]) for one in items(found.get("tickets")) if one["status"] != "deleted")
        return str(numbers[-1]) if numbers else None

    async def make(self, new: NewTicket, doubt: bool) -> str:
        ticket: dict[str, Any] = {
            "subject": new.subject,
            "external_id": new.mark,
            "requester": _requester(new.person),
            "comment": {"body": new.text, "public": False, "uploads": await self._uploads(new.files)},
            "tags": [_tag(one) for one in new.tags],
            "metadata": {MARK: new.mark},
        }
        if new.priority is not None:
            ticket["priority"] = new.priority
        if new.place:
            ticket["group_id"] = int(new.place)
        if new.fields:
            ticket["custom_fields"] = [
                {"id": int(name), "value": value} for name, value in new.fields.items()
            ]
        if new.follows is not None and await self._status(new.follows) == "closed":
            ticket["via_followup_source_id"] = int(new.follows)
        key = hashlib.sha256(f"{new.key}:{new.follows or ''}".encode()).hexdigest()
        made = await self._rest.call(
            "POST", "/tickets", body={"ticket": ticket}, headers={"idempotency-key": key}
        )
        return text(made["ticket"]["id"])

    async def said(self, ticket: str, mark: str) -> str | None:
        path, query = f"/tickets/{quote(ticket)}/audits", {"page[size]": 100, "sort": "-created_at"}
        try:
            found = await self._rest.get(path, **query)
        except Gone:
            return None
        for audit in items(found.get("audits")):
            if (audit.get("metadata", {}).get("custom") or {}).get(MARK) == mark:
                return text(audit["id"])
        return None

    async def say(self, ticket: str, comment: Comment) -> str:
        if await self._status(ticket) in ("closed", "deleted"):
            raise Gone
        body = {
            "comment": {
                "body": comment.text,
                "public": False,
                "uploads": await self._uploads(comment.files),
            },
            "metadata": {MARK: comment.mark},
        }
        made = await self._rest.call("PUT", f"/tickets/{quote(ticket)}", body={"ticket": body})
        return text((made.get("audit") or {}).get("id"))

    async def reopen(self, ticket: str, state: str) -> None:
        if await self._status(ticket) == "solved":
            body = {"ticket": {"status": state, "metadata": {MARK: "reopened"}}}
            await self._rest.call("PUT", f"/tickets/{quote(ticket)}", body=body)

    async def _status(self, ticket: str) -> str:
        try:
            found = await self._rest.get(f"/tickets/{quote(ticket)}")
        except Gone:
            return "deleted"
        return text(found["ticket"]["status"])

    async def _uploads(self, files: Sequence[Sent]) -> list[str]:
        """A file goes up first; one that was uploaded twice, and is not used, Zendesk removes by itself."""
        tokens = []
        for one in files:
            path, query = "/uploads", {"filename": one.filename}
            try:
                made = await self._rest.call("POST", path, query, raw=("application/binary", one.data))
            except Uncertain as failure:
                raise TemporaryFailure(Reason.TIMEOUT, failure.detail) from None
            tokens.append(text(made["upload"]["token"]))
        return tokens


def _requester(person: Person) -> dict[str, Any]:
    """Matched by address, else made; who left none gets an address that no mail goes to."""
    return {"name": person.name, "email": person.email or f"{person.own}@forebay.invalid"}


def _tag(tag: str) -> str:
    return "_".join(tag.split())


def _refused(answer: HttpAnswer) -> SendFailure | None:
    """An earlier request with the key is still at work: 409 by the API's own account, which the status tells."""
    if answer.status == 422 and b"RecordInvalid" in answer.body and b"closed" in answer.body:
        return Gone()
    return None
