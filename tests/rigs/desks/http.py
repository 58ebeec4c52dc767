"""A system of one's own behind the kind `http`: takes CloudEvents by key, and posts back what its agents do."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from tests.rigs.desks.desk import Desk, Said, Ticket
from tests.rigs.http import SECRET
from tests.rigs.platform import takes


class Store(Desk):
    """Takes what is signed well, once a key."""

    kind = "http"
    open, closed = "taken", "closed"
    carries_files = reopens = False

    def __init__(self) -> None:
        super().__init__()
        self._webhook = Webhook(SECRET)
        self._by_key: dict[str, str] = {}
        self._posted: list[tuple[str, bytes]] = []

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "kind": "http",
            "url": f"{self.url}/hook",
            "secret": SECRET,
            "remote_id": "ticket",
            "timeout": 3,
            **more,
        }

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response()
        got, behaviour = await self._told(request)
        at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)
        assert (
            self._webhook.sign(got.headers["webhook-id"], at, got.body.decode())
            == (got.headers["webhook-signature"])
        )
        ticket = self._take(got.headers["idempotency-key"], got.json()) if takes(behaviour) else ""
        return await self._after(request, behaviour, web.json_response({"ticket": ticket}, status=201))

    def _take(self, key: str, event: dict[str, Any]) -> str:
        if key in self._by_key:
            return self._by_key[key]
        record, update = event["data"]["record"], event["data"]["update"]
        if event["type"] == "forebay.record.registered":
            self.made[record["reference"]] += 1
            email = next((i["value"] for i in record["contact"]["identities"] if i["kind"] == "email"), "")
            ticket = Ticket(
                id=f"T-{self.number()}",
                reference=record["reference"],
                subject=record["subject"],
                text=record["full_text"],
                name=record["contact"]["name"],
                email=email,
                tags=record["nature"],
                priority=record["urgency"],
                place=record["department"] or "",
                state="new",
            )
            self.tickets[ticket.id] = ticket
        else:
            ticket = self.tickets[event["data"]["remote_id"]]
            joined = event["type"] == "forebay.message.joined"
            text = update.get("text") or update.get("why") or record["text"]
            ticket.said.append(Said(key, text, False, joined, ours=True))
        self._by_key[key] = ticket.id
        return ticket.id

    # ---- agents

    async def _post(self, **told: Any) -> None:
        number = self.number()
        raw = json.dumps({"id": f"e-{number}", **told}, ensure_ascii=False).encode()
        self._posted.append((f"msg_{number}", raw))
        await self._send(f"msg_{number}", raw)

    async def _send(self, id_: str, raw: bytes) -> None:
        at = datetime.now(UTC)
        headers = {
            "webhook-id": id_,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(id_, at, raw.decode()),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.house.url}/back/desk", data=raw, headers=headers) as answer,
        ):
            assert answer.status == 204, await answer.text()

    async def answers(self, ticket: Ticket, text: str, files: Sequence[tuple[str, bytes]] = ()) -> None:
        sent = [
            {"filename": name, "media_type": "text/plain", "data": base64.b64encode(data).decode()}
            for name, data in files
        ]
        await self._post(type="reply", remote_id=ticket.id, text=text, author="Zhang", files=sent)

    async def notes(self, ticket: Ticket, text: str) -> None:
        await self._post(type="note", remote_id=ticket.id, text=text, author="Zhang")

    async def moves(self, ticket: Ticket, state: str) -> None:
        ticket.state = state
        await self._post(type="state", remote_id=ticket.id, state=state, author="Zhang")

    async def merges(self, ticket: Ticket, into: Ticket) -> None:
        ticket.into = into.id
        await self._post(type="merged", remote_id=ticket.id, other=into.id)

    async def splits(self, ticket: Ticket) -> Ticket:
        part = Ticket(f"T-{self.number()}", "", "part", "", "", "", [], "", "", "new")
        self.tickets[part.id] = part
        await self._post(type="split", remote_id=ticket.id, other=part.id)
        return part

    async def deletes(self, ticket: Ticket) -> None:
        ticket.deleted = True
        await self._post(type="deleted", remote_id=ticket.id)

    async def tells_again(self) -> None:
        for id_, raw in list(self._posted):
            await self._send(id_, raw)
