"""The API of notes, call-backs, and of what partners brought in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection

from console.api import SMALL_BODY, Gate, json, parse_object, read_body, whole_number
from console.problems import Problem, invalid, not_found, verbs_spoken
from console.services import Principal, Scope, Services
from model.delivery import Said
from store import boxes, search, views

_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")


class Outcome(BaseModel):
    """How a try to say something to a customer ended."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    outcome: Said = Field(description="reached, not_reached, wrong_number or declined.")
    note: str = Field(default="", max_length=500, description="A remark.")
    again_at: AwareDatetime | None = Field(default=None, description="When to try again; for not_reached.")


class NotesApi:
    """Handlers of notes, call-backs and partners."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._services = services
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        needs = self._gate.needs
        return [
            web.post("/v1/records", needs(Scope.RECORDS_WRITE, self.note)),
            web.get("/v1/callbacks", needs(Scope.RECORDS_READ, self.call_backs)),
            web.post("/v1/callbacks/{id}", needs(Scope.REPLIES_WRITE, self.said)),
            web.get("/v1/partner/records", self.brought),
            web.get("/v1/partner/records/{named:.+}", self.one),
        ]

    async def note(self, request: web.Request, principal: Principal) -> web.Response:
        """A note into a channel that takes notes; durable when it is answered."""
        key = request.headers.get("Idempotency-Key")
        if key is not None and not _KEY.match(key):
            raise Problem(422, "must be 1 to 255 visible ASCII characters", field="Idempotency-Key")
        given = parse_object(await read_body(request, SMALL_BODY))
        channel = given.pop("channel", None)
        if not isinstance(channel, str) or not channel:
            raise Problem(422, "name the channel that takes the note", field="channel")
        for name, value in given.items():
            if not isinstance(value, str):
                raise Problem(422, "must be a text", field=name[:100])
        told = await self._services.notes.save(channel, given, key=key, by=principal.name)
        return json(told, 200 if told["repeat"] else 201, {"Location": f"/v1/records/{told['reference']}"})

    async def call_backs(self, request: web.Request, principal: Principal) -> web.Response:
        found = await self._services.notes.call_backs(
            target=request.query.get("channel"), limit=whole_number(request, "limit", 100, 1, 1000)
        )
        return json({"callbacks": found})

    async def said(self, request: web.Request, principal: Principal) -> web.Response:
        try:
            told = Outcome.model_validate(parse_object(await read_body(request, SMALL_BODY)))
        except ValidationError as error:
            raise invalid(error) from None
        with verbs_spoken():
            return json(
                await self._services.notes.said(
                    request.match_info["id"],
                    told.outcome.value,
                    note=told.note,
                    again_at=told.again_at,
                    actor=principal.name,
                )
            )

    # ---- partners

    def _partner(self, request: web.Request) -> str:
        """The channel of the partner whose key it is: everything else of ours does not exist for it."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        found = self._services.partners.reader(given.strip()) if scheme.lower() == "bearer" else None
        if isinstance(found, timedelta):
            wait = {"Retry-After": str(int(found.total_seconds()) + 1)}
            raise Problem(429, "too many requests with one key", headers=wait)
        if found is None:
            detail = "send a partner's key that may read as `Authorization: Bearer …`"
            raise Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="forebay"'})
        return found

    async def brought(self, request: web.Request) -> web.Response:
        """What the partner brought in, newest first."""
        channel, limit = self._partner(request), whole_number(request, "limit", 50, 1, 200)
        before = request.query.get("cursor")

        def query(connection: Connection) -> tuple[list[dict[str, Any]], str | None]:
            found = search.page(connection, search.Wanted(channel=channel), limit=limit, before=before)
            return list(found.rows), found.following

        found, following = await self._services.store.read(query)
        return json({"records": [_shown(row) for row in found], "next": following})

    async def one(self, request: web.Request) -> web.Response:
        """One matter of the partner's, by our reference or by its own, and what was answered through it."""
        channel, named = self._partner(request), request.match_info["named"]

        def query(connection: Connection) -> dict[str, Any] | None:
            row = views.record_of_partner(connection, channel, named)
            if row is None:
                return None
            out = boxes.deliveries_of(connection, row["id"])
            answers = [
                {"at": one["settled_at"], "text": one["body"].get("text", "")}
                for one in out
                if one["target"] == channel and one["purpose"] == "reply" and one["state"] == "delivered"
            ]
            return {**_shown(row), "answers": answers}

        found = await self._services.store.read(query)
        if found is None:
            raise not_found("this record")
        return json(found)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    at: datetime = row["received_at"]
    return {
        "reference": row["reference"],
        "partner_reference": row["extra"].get("partner_reference"),
        "state": row["state"],
        "received_at": at.isoformat(),
        "updated_at": row["updated_at"].isoformat(),
    }
