"""The JSON API of records, answers and events, under /v1."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import Connection

from console import asking, replies, shapes
from console.links import Links
from console.problems import Problem, invalid, not_found, verbs_spoken
from console.services import Principal, Scope, Services
from model import record as canon
from store import boxes, search, views

Answer = Callable[[web.Request, Principal], Awaitable[web.StreamResponse]]

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
_LONGEST_WAIT = 60.0
#: No body but that of an answer is larger.
SMALL_BODY = 1_048_576


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=as_json(value), content_type="application/json", headers=headers)


def as_json(value: Any) -> bytes:
    """A value as JSON."""
    # Rows of the database have keys of a text type of their own.
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body, or a problem when it is larger than `limit` bytes."""
    too_large = Problem(413, f"the body is larger than {limit} bytes")
    if (request.content_length or 0) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON object, or a problem."""
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON: {error.msg} at line {error.lineno}") from None
    if not isinstance(value, dict):
        raise Problem(422, "the body must be a JSON object", field="body")
    return value


def whole_number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """A number of the query, within bounds."""
    given = request.query.get(name)
    if given is None:
        return default
    if not given.isascii() or not given.isdigit() or len(given) > 18 or not least <= int(given) <= most:
        raise Problem(422, f"{name} must be a number from {least} to {most}", field=name)
    return int(given)


class Gate:
    """Lets in who has a token with the scope that an address needs (RFC 6750)."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def needs(self, scope: Scope, answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A handler that answers only to holders of `scope`, and puts the verbs' failures into words."""

        async def handler(request: web.Request) -> web.StreamResponse:
            principal = self._principal(request)
            if not principal.may(scope):
                challenge = f'Bearer error="insufficient_scope", scope="{scope.value}"'
                raise Problem(
                    403, f"this token lacks the scope {scope.value}", headers={"WWW-Authenticate": challenge}
                )
            with verbs_spoken():
                return await answer(request, principal)

        # What the description of the API is made from.
        named: Any = handler
        named.scope, named.answers = scope, answer
        return handler

    def _principal(self, request: web.Request) -> Principal:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        principal = self._services.tokens.check(given.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            detail = "send a token of the configuration as `Authorization: Bearer …`"
            raise Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="forebay"'})
        return principal


class Api:
    """Handlers of records, answers and events."""

    def __init__(self, services: Services, links: Links, gate: Gate) -> None:
        self._services = services
        self._links = links
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        read, write, feed = Scope.RECORDS_READ, Scope.REPLIES_WRITE, Scope.EVENTS_READ
        needs = self._gate.needs
        return [
            web.get("/v1/schema/record", self.schema),
            web.get("/v1/records", needs(read, self.records)),
            web.get("/v1/records/{reference}", needs(read, self.record)),
            web.get("/v1/records/{reference}/timeline", needs(read, self.timeline)),
            web.get("/v1/records/{reference}/way", needs(read, self.way)),
            web.post("/v1/records/{reference}/way", needs(read, self.way_of)),
            web.post("/v1/records/{reference}/replies", needs(write, self.reply)),
            web.get("/v1/events", needs(feed, self.events)),
        ]

    async def schema(self, request: web.Request) -> web.Response:
        """The JSON Schema of the record; no secret, so no token."""
        return json(canon.json_schema(), headers={"Cache-Control": "public, max-age=3600"})

    async def records(self, request: web.Request, principal: Principal) -> web.Response:
        limit = whole_number(request, "limit", 50, 1, 200)
        before = request.query.get("cursor")
        if before is not None and not _ID.match(before):
            raise Problem(422, "cursor must be the `next` of an earlier answer", field="cursor")
        wanted = asking.wanted(asking.chosen(request.query), self._services.zone)

        def query(connection: Connection) -> tuple[list[canon.Record], str | None, int]:
            found = search.page(connection, wanted, limit=limit, before=before)
            unread = search.unread(connection) if wanted.text else 0
            return views.canonicals(connection, found.rows, self._links), found.following, unread

        found, following, unread = await self._services.store.read(query)
        answer = {"records": [one.model_dump(by_alias=True) for one in found], "next": following}
        return json({**answer, "not_indexed": unread} if unread else answer)

    async def record(self, request: web.Request, principal: Principal) -> web.Response:
        reference = request.match_info["reference"]

        def query(connection: Connection) -> canon.Record | None:
            row = views.record(connection, reference)
            return None if row is None else views.canonical(connection, row, self._links)

        found = await self._services.store.read(query)
        if found is None:
            raise not_found("this record")
        answer = json(found.model_dump(by_alias=True))
        body = answer.body if isinstance(answer.body, bytes) else b""
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        wanted = [
            one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")
        ]
        if tag in wanted or "*" in wanted:
            return web.Response(status=304, headers={"ETag": tag})
        answer.headers["ETag"] = tag
        answer.headers["Cache-Control"] = "private, no-cache"
        return answer

    async def timeline(self, request: web.Request, principal: Principal) -> web.Response:
        after = whole_number(request, "after", 0, 0, 10**17)
        limit = whole_number(request, "limit", 200, 1, 500)
        reference = request.match_info["reference"]

        def query(connection: Connection) -> dict[str, Any] | None:
            row = views.record(connection, reference)
            if row is None:
                return None
            found = views.timeline(connection, row["id"], after=after, limit=limit)
            return {
                "reference": row["reference"],
                "events": [shapes.event(one) for one in found],
                "next": found[-1]["position"] if len(found) == limit else None,
                "messages": [shapes.message(one) for one in views.messages(connection, row["id"])],
                "deliveries": [shapes.delivery(one) for one in boxes.deliveries_of(connection, row["id"])],
            }

        found = await self._services.store.read(query)
        if found is None:
            raise not_found("this record")
        return json(found)

    async def way(self, request: web.Request, principal: Principal) -> web.Response:
        """How an answer would go now: to be shown before somebody writes it."""
        with verbs_spoken():
            return json(
                await self._services.outbox.way(
                    request.match_info["reference"], request.query.get("channel") or None
                )
            )

    async def way_of(self, request: web.Request, principal: Principal) -> web.Response:
        """The same for a text: as how many messages it would go, or why it cannot; posted, no address has it."""
        body = await read_body(request, self._services.reply_bytes)
        try:
            asked = replies.Way.model_validate(parse_object(body))
        except ValidationError as error:
            raise invalid(error) from None
        with verbs_spoken():
            reference = request.match_info["reference"]
            return json(await self._services.outbox.way(reference, asked.channel, asked.text))

    async def reply(self, request: web.Request, principal: Principal) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        if key is not None and not _KEY.match(key):
            raise Problem(422, "must be 1 to 255 visible ASCII characters", field="Idempotency-Key")
        body = await read_body(request, self._services.reply_bytes)
        try:
            reply = replies.Reply.model_validate(parse_object(body))
        except ValidationError as error:
            raise invalid(error) from None
        reference = request.match_info["reference"]
        named = key or self._services.ids.new()

        async def do() -> Any:
            return await replies.send(
                self._services, reference, reply, actor=principal.name, key=f"api:{principal.name}:{named}"
            )

        if key is None:
            return json(await do(), 202)
        answer, remembered = await replies.once(
            self._services,
            scope=f"replies:{principal.name}",
            key=key,
            request=(reference.encode(), body),
            do=do,
        )
        return json(answer, 202, {"Idempotency-Replayed": "true"} if remembered else {})

    async def events(self, request: web.Request, principal: Principal) -> web.Response:
        """The feed after a position; with `wait`, held open until something comes (long poll)."""
        after = whole_number(request, "after", 0, 0, 10**17)
        limit = whole_number(request, "limit", 100, 1, 1000)
        wait = whole_number(request, "wait", 0, 0, int(_LONGEST_WAIT))
        until = self._services.clock.monotonic() + wait
        found = await self._services.store.read(lambda c: views.events(c, after, limit))
        while not found and (left := until - self._services.clock.monotonic()) > 0:
            await self._services.wait_for_event(after, left)
            found = await self._services.store.read(lambda c: views.events(c, after, limit))
        following = found[-1]["position"] if found else after
        return json({"events": [shapes.event(one) for one in found], "next": following})
