"""What every answer of the console has: an id, headers that keep strangers' data harmless, words for errors."""

from __future__ import annotations

import re
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from console import pages
from console.problems import Problem
from console.services import Services
from store.errors import StoreBusy

REQUEST_ID = web.RequestKey("request_id", str)
_GOOD_ID = re.compile(r"[\w.-]{8,64}\Z", re.ASCII)
#: The doors answer for themselves: their callers are machines, and they are the hot path.
_DOORS = ("/in/", "/metrics", "/healthz", "/readyz")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    "Cache-Control": "no-store",
}


def policy(services: Services, *, framed_by: str = "'none'", connects: bool = False) -> str:
    """The content security policy of our pages: nothing inline, nothing from elsewhere.

    Browsers apply form-action to redirects too, so the address that customers use is named beside 'self'.
    `connects` lets a page's own script ask us.
    """
    asks = "connect-src 'self'; " if connects else ""
    return (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; frame-src 'self'; "
        f"{asks}"
        f"form-action 'self' {services.public_url}; base-uri 'none'; frame-ancestors {framed_by}"
    )


def harden(response: web.StreamResponse, content_policy: str) -> None:
    """Set the headers that every answer has, but leave those alone that its handler has chosen."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", content_policy)


def middleware(services: Services) -> Middleware:
    """Ids, errors and headers around every handler but the doors."""
    strict = policy(services)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(_DOORS):
            return await handler(request)
        given = request.headers.get("X-Request-ID", "")
        request[REQUEST_ID] = given if _GOOD_ID.match(given) else services.ids.new()
        try:
            response = await handler(request)
        except Problem as problem:
            response = _shown(services, request, problem)
        except web.HTTPException as answer:
            response = answer if answer.status < 400 else _shown(services, request, _from_http(answer))
        except StoreBusy:
            busy = Problem(503, "busy; try again in a moment", headers={"Retry-After": "5"})
            response = _shown(services, request, busy)
        except Exception as error:
            services.log.error(
                "request failed", request=request[REQUEST_ID], error=type(error).__name__, exc_info=True
            )
            response = _shown(services, request, Problem(500, "something went wrong on our side"))
        if not response.prepared:
            harden(response, strict)
            response.headers["X-Request-ID"] = request[REQUEST_ID]
        return response

    return guard


def _from_http(answer: web.HTTPException) -> Problem:
    words = {404: "there is nothing at this address", 405: "this address does not know the method"}
    headers = {"Allow": answer.headers["Allow"]} if "Allow" in answer.headers else {}
    detail = words.get(answer.status, HTTPStatus(answer.status).description or answer.reason)
    return Problem(answer.status, detail, headers=headers)


def _shown(services: Services, request: web.Request, problem: Problem) -> web.StreamResponse:
    if request.path.startswith("/v1/"):
        return problem.response(request[REQUEST_ID])
    return pages.error(services, request, problem, request[REQUEST_ID])


async def without_server_name(_request: web.Request, response: web.StreamResponse) -> None:
    """Signal on prepare: what answers is nobody's business."""
    response.headers.pop("Server", None)
