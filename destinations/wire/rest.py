"""JSON over HTTP to a ticket store: one exchange each, with its refusals as failures of the closed set."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from destinations.wire.tickets import Gone
from model import http, strict_json
from model.failures import Malformed, PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.tools import HttpAnswer, Raw, Tools

#: Longest answer that is read, bytes.
_LONGEST = 16_777_216


class Rest:
    """One store's way to its API. Credentials go in headers, where no log of addresses has them."""

    def __init__(
        self,
        tools: Tools,
        base: str,
        headers: Callable[[], Mapping[str, str]],
        timeout: float,
        refused: Callable[[HttpAnswer], SendFailure | None] = lambda answer: None,
    ) -> None:
        self._tools = tools
        self._base = base
        self._headers = headers
        self._timeout = timeout
        self._refused = refused
        """What a store means by an answer of its own; None where the status says it."""

    async def get(self, path: str, **query: Any) -> Any:
        """Read something; asking twice does no harm, so that no answer is a temporary failure."""
        try:
            return await self.call("GET", path, query)
        except Uncertain as failure:
            raise TemporaryFailure(Reason.TIMEOUT, failure.detail) from None

    async def ask(self, path: str, body: Any, **query: Any) -> Any:
        """Read something that is asked for by a body."""
        try:
            return await self.call("POST", path, query, body)
        except Uncertain as failure:
            raise TemporaryFailure(Reason.TIMEOUT, failure.detail) from None

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        raw: tuple[str, bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """One exchange: the JSON that came, or None. Raises Gone for 404 and 410, and Uncertain.

        `raw` is a body that is no JSON, with its type.
        """
        sent, content = dict(headers or {}), b""
        if raw is not None:
            sent["content-type"], content = raw
        elif body is not None:
            sent["content-type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        chosen = {name: str(value) for name, value in (query or {}).items() if value is not None}
        answer = await self._tools.http.request(
            method,
            self._base + path + (f"?{urlencode(chosen)}" if chosen else ""),
            headers={"accept": "application/json", **self._headers(), **sent},
            body=content or None,
            timeout=self._timeout,
            limit=_LONGEST,
        )
        self.check(answer)
        try:
            return strict_json.load(answer.body) if answer.body.strip() else None
        except Malformed:
            if method == "GET":
                raise TemporaryFailure(Reason.SERVER, "the answer is not the JSON of this API") from None
            raise Uncertain("the answer is not the JSON of this API") from None

    async def load(self, path: str, base: str | None = None) -> Raw:
        """A file."""
        loaded = await self._tools.http.load(
            (self._base if base is None else base) + path, headers=self._headers(), timeout=self._timeout
        )
        self.check(HttpAnswer(loaded.status, loaded.headers, b""))
        return loaded.raw

    def check(self, answer: HttpAnswer) -> None:
        """Raise what the answer stands for, if it is a refusal."""
        if (failure := self._refused(answer)) is not None:
            raise failure
        if answer.status in (404, 410):
            raise Gone
        failure = http.failure_for(answer.status, answer.headers, self._tools.clock.now())
        if isinstance(failure, PermanentFailure):
            raise PermanentFailure(failure.reason, failure.detail)
        if failure is not None:
            raise failure


def items(value: Any) -> list[Any]:
    """A list of the answer, or nothing."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text of the answer, or nothing."""
    return value if isinstance(value, str) else "" if value is None else str(value)
