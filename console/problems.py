"""What went wrong, for the caller: problem+json for the API (RFC 9457), the same words on a page for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from casework.passing import Overtaken

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An answer that says what is wrong and with which field; its words are shown to the caller."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        field: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors or ([{"field": field, "detail": detail}] if field else [])
        self.headers = dict(headers or {})

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase

    def response(self, request_id: str) -> web.Response:
        """The answer of the API."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return web.Response(
            status=self.status, body=orjson.dumps(body), content_type=MEDIA_TYPE, headers=self.headers
        )


def invalid(error: ValidationError) -> Problem:
    """A problem that names every wrong field, without echoing what was given."""
    errors = [
        {"field": ".".join(map(str, e["loc"])) or "body", "detail": e["msg"]}
        for e in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return Problem(422, "; ".join(f"{e['field']}: {e['detail']}" for e in errors), errors=errors)


@contextmanager
def verbs_spoken() -> Iterator[None]:
    """Turns a verb's refusal into a problem with its words; bugs that share its base classes stay bugs."""
    try:
        yield
    except (KeyError, IndexError, UnicodeError, ValidationError):
        raise
    except LookupError as error:
        raise Problem(404, str(error) or "there is no such thing") from error
    except Overtaken as error:
        raise Problem(409, str(error)) from error
    except ValueError as error:
        raise Problem(422, str(error)) from error


def not_found(what: str) -> Problem:
    return Problem(404, f"{what} does not exist")
