"""The OpenAPI 3.1 document of the API, made from its routes: an address is in it by being served.

Scope, summary and path come from the route and its handler; what a request may say stands in `_DETAILS` and in the
models that read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from console import (
    bundles,
    imports,
    notes_api,
    operations,
    person_pages,
    replies,
    review_pages,
    surge_pages,
    user_pages,
)
from model import record as canon
from model.decision import Urgency
from model.states import DeliveryState, EnvelopeState, RecordState
from store.reports import What

#: A part of a path, with its pattern, which may count in braces of its own.
_NAME = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})+))?\}")
_PROBLEM = "#/components/schemas/Problem"

Facts = Mapping[str, Any]


def _number(name: str, default: int, least: int, most: int, about: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return {"name": name, "in": "query", "schema": schema, "description": about}


def _text(name: str, about: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string", **schema}, "description": about}


def _states(values: Iterable[str]) -> dict[str, Any]:
    items = {"type": "string", "enum": sorted(values)}
    about = "Only in this state; may be repeated."
    return {"name": "state", "in": "query", "schema": {"type": "array", "items": items}, "description": about}


#: Handlers that ask for no token.
_OPEN = frozenset({"schema", "description"})
_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_POSITION = 10**17
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "description": "The same key with the same request gives the first answer again; with another request it is a 422, "
    "and while the first is at work a 409.",
}
_LIMIT = _number("limit", 50, 1, 1000, "How many at the most.")
_CHANNEL = _text("channel", "Only of this channel.")

#: Of an address: parameters, the model of its body, the status of success, and its media type where it is not JSON.
_DETAILS: Mapping[tuple[str, str], Facts] = {
    ("GET", "/v1/records"): {
        "summary": "Records, the newest first",
        "parameters": [
            _number("limit", 50, 1, 200, "How many at the most."),
            _text("cursor", "The `next` of the answer before.", pattern=_ID),
            _CHANNEL,
            _text("state", "Only in this state.", enum=sorted(RecordState)),
            _text("nature", "Only of this nature."),
            _text("department", "Only of this department."),
            _text("urgency", "Only this urgent.", enum=sorted(Urgency)),
            _text("since", "Received on this day, or at this time, or later."),
            _text("until", "Received up to the end of this day, or before this time."),
            _text(
                "period",
                "Only what a figure of the report of this period counted.",
                pattern=r"^\d{4}(-(0[1-9]|1[0-2]|Q[1-4]))?$",
            ),
            _text("figure", "What that figure counts.", enum=sorted(What)),
            _text("value", "What it counts it as."),
            _text("q", "A reference, an address or a number of the customer, or words of what was said."),
        ],
        "answer": {
            "type": "object",
            "required": ["records", "next"],
            "properties": {
                "records": {"type": "array", "items": {"$ref": "#/components/schemas/Record"}},
                "next": {"type": ["string", "null"]},
                "not_indexed": {"type": "integer", "description": "Records not found by their words yet."},
            },
        },
    },
    ("GET", "/v1/records/{reference}"): {
        "summary": "One canonical record, with an ETag",
        "parameters": [
            {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}, "description": "An ETag."}
        ],
        "answer": {"$ref": "#/components/schemas/Record"},
        "also": {"304": "It is unchanged."},
    },
    ("GET", "/v1/records/{reference}/timeline"): {
        "summary": "What happened to a record",
        "parameters": [
            _number("after", 0, 0, _POSITION, "Events after this position."),
            _number("limit", 200, 1, 500, "How many events at the most."),
        ],
    },
    ("GET", "/v1/records/{reference}/case"): {
        "parameters": [
            _text("format", "As which file.", enum=["json", "pdf", "xlsx"], default="json"),
            _text("language", "Of its words: en or zh-CN."),
        ],
    },
    ("GET", "/v1/records/{reference}/way"): {
        "parameters": [_text("channel", "Another channel than the one it came in by.")]
    },
    ("POST", "/v1/records/{reference}/replies"): {
        "summary": "Answer a customer",
        "parameters": [_KEY],
        "body": replies.Reply,
        "status": "202",
    },
    ("POST", "/v1/records"): {
        "summary": "Register what somebody said on the telephone or face to face",
        "parameters": [_KEY],
        "body": {"type": "object"},
        "status": "201",
    },
    ("GET", "/v1/events"): {
        "summary": "The feed, in the order of commit",
        "parameters": [
            _number("after", 0, 0, _POSITION, "The last position that was handled."),
            _number("limit", 100, 1, 1000, "How many at the most."),
            _number("wait", 0, 0, 60, "Seconds to wait until something comes."),
        ],
        "answer": {
            "type": "object",
            "required": ["events", "next"],
            "properties": {
                "events": {"type": "array", "items": {"$ref": "#/components/schemas/Event"}},
                "next": {"type": "integer"},
            },
        },
    },
    ("GET", "/v1/inbox"): {
        "summary": "Envelopes, the newest first",
        "parameters": [
            _states(EnvelopeState),
            _CHANNEL,
            _text("since", "Since a time with a zone.", format="date-time"),
            _LIMIT,
        ],
    },
    ("GET", "/v1/outbox"): {
        "summary": "Deliveries, the newest first",
        "parameters": [
            _states(DeliveryState),
            _text("target", "Only to this channel or destination."),
            _text("purpose", "Only of this purpose."),
            _text("suppressed", "Automatic answers that were not sent.", enum=["0", "1", "false", "true"]),
            _LIMIT,
        ],
    },
    ("POST", "/v1/{box}/{verb}"): {
        "summary": "A verb on envelopes or deliveries",
        "body": operations.Selection,
        "values": {
            "verb": ["cancel", "hold", "ignore", "redrive", "release", "replay", "resolve"],
        },
    },
    ("POST", "/v1/contacts/{verb}"): {
        "summary": "Two contacts are, or are not, one person; or somebody is blocked, or heard again",
        "body": operations.Linking,
        "values": {"verb": ["block", "link", "unblock", "unlink"]},
    },
    ("POST", "/v1/channels/{name}/{verb}"): {
        "summary": "A verb on a channel or destination",
        "body": operations.ChannelArguments,
        "values": {"verb": ["authorise", "backfill", "pause", "probe", "resume"]},
    },
    ("POST", "/v1/admin/{verb}"): {
        "summary": "A verb of the command line",
        "body": {"type": "object"},
        "values": {"verb": ["audit", "backfill", "release", "reload", "replay", "waiting"]},
    },
    ("POST", "/v1/callbacks/{id}"): {"body": notes_api.Outcome},
    ("GET", "/v1/callbacks"): {
        "parameters": [_CHANNEL, _number("limit", 100, 1, 1000, "How many at the most.")]
    },
    ("POST", "/v1/users"): {"body": user_pages.NewUser},
    ("POST", "/v1/users/{name}/change"): {"body": user_pages.Change},
    ("POST", "/v1/users/{name}/password"): {"body": user_pages.Password},
    ("POST", "/v1/persons/show"): {"body": person_pages.Named},
    ("POST", "/v1/persons/export"): {"body": person_pages.Named},
    ("POST", "/v1/persons/erase"): {"body": person_pages.Erasure},
    ("POST", "/v1/reviews/{id}/approve"): {"body": review_pages.Approval},
    ("POST", "/v1/reviews/{id}/return"): {"body": review_pages.GivingBack},
    ("POST", "/v1/surges/{id}/preview"): {"body": surge_pages.Answer},
    ("POST", "/v1/surges/{id}/answer"): {"body": surge_pages.Answer, "parameters": [_KEY]},
    ("POST", "/v1/bundles"): {"body": bundles.Closing},
    ("POST", "/v1/bundles/again"): {"body": bundles.Again},
    ("POST", "/v1/bundles/{named}/posted"): {"body": bundles.Posted},
    ("POST", "/v1/imports/{id}/start"): {"body": imports.Start},
}


def document(routes: Iterable[web.RouteDef], version: str) -> dict[str, Any]:
    """The whole document of those of the routes that stand under /v1."""
    paths: dict[str, dict[str, Any]] = {}
    models: dict[str, type[BaseModel]] = {}
    for route in routes:
        if route.path.startswith("/v1/") and route.method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            path = _NAME.sub(r"{\1}", route.path)
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, models)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Forebay",
            "version": version,
            "description": "Times are UTC. Fields are only ever added: ignore those you do not know.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of the configuration."}
            },
            "schemas": _schemas(models),
        },
    }


def _operation(route: web.RouteDef, path: str, models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    details = _DETAILS.get((route.method, path), {})
    handler: Any = route.handler
    scope = getattr(handler, "scope", None)
    answers = getattr(handler, "answers", handler)
    said = (answers.__doc__ or "").strip().splitlines()
    summary = details.get("summary") or (said[0].rstrip(".") if said else answers.__name__.replace("_", " "))
    values = details.get("values", {})
    found: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^a-z]+', '_', path.removeprefix('/v1').lower())}".rstrip(
            "_"
        ),
        "summary": summary,
        "parameters": [*_in_path(route.path, values), *details.get("parameters", ())],
        "responses": _responses(details, answers.__name__ not in _OPEN, route.method),
    }
    if scope is None:
        found["security"] = [] if answers.__name__ in _OPEN else [{"token": []}]
    else:
        found["description"] = f"Needs the scope `{scope.value}`."
    body = details.get("body")
    if body is not None:
        schema: Any = body
        if isinstance(body, type):
            models[body.__name__] = body
            schema = {"$ref": f"#/components/schemas/{body.__name__}"}
        found["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return found


def _in_path(path: str, values: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    found = []
    for name, pattern in _NAME.findall(path):
        schema: dict[str, Any] = {"type": "string", "minLength": 1}
        if name in values:
            schema = {"type": "string", "enum": list(values[name])}
        elif pattern and re.fullmatch(r"[\w|]+", pattern):
            schema = {"type": "string", "enum": pattern.split("|")}
        elif pattern:
            schema["pattern"] = f"^{pattern}$"
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    return found


def _responses(details: Facts, guarded: bool, method: str) -> dict[str, Any]:
    problem = {"content": {"application/problem+json": {"schema": {"$ref": _PROBLEM}}}}
    good = {"description": "Done.", "content": {"application/json": {"schema": details.get("answer", {})}}}
    if "answer" not in details:
        good = {"description": "Done."}
    found: dict[str, Any] = {details.get("status", "200"): good}
    found |= {status: {"description": about} for status, about in details.get("also", {}).items()}
    if guarded:
        found["401"] = {"description": "No known token.", **problem}
        found["403"] = {"description": "A token without the scope.", **problem}
    if method != "GET":
        found["405"] = {"description": "This address does not know the method.", **problem}
        found["400"] = {"description": "The body is not JSON.", **problem}
        found["409"] = {"description": "The first request with this key is still at work.", **problem}
        found["413"] = {"description": "The body is too large.", **problem}
    found["404"] = {"description": "There is no such thing.", **problem}
    found["422"] = {"description": "A field is wrong, or it cannot be done; the detail says why.", **problem}
    found["503"] = {"description": "Busy; try again after Retry-After.", **problem}
    return dict(sorted(found.items()))


def _schemas(models: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """The schemas of bodies and answers, each under its own name."""
    found: dict[str, Any] = {}
    for name, model in models.items():
        _put(found, name, model.model_json_schema(ref_template="#/components/schemas/{model}"))
    record = canon.Record.model_json_schema(
        by_alias=True, mode="serialization", ref_template="#/components/schemas/{model}"
    )
    _put(found, "Record", record)
    found["Event"] = {
        "type": "object",
        "required": ["position", "id", "type", "at", "actor", "data"],
        "properties": {
            "position": {"type": "integer"},
            "id": {"type": "string"},
            "type": {"type": "string"},
            "reference": {"type": ["string", "null"]},
            "record": {"type": ["string", "null"]},
            "at": {"type": "string", "format": "date-time"},
            "actor": {"type": "string"},
            "data": {"type": "object"},
        },
    }
    found["Problem"] = {
        "type": "object",
        "description": "RFC 9457.",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "request_id": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
                },
            },
        },
    }
    return dict(sorted(found.items()))


def _put(found: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    found |= schema.pop("$defs", {})
    found[name] = schema
