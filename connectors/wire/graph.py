"""Calls to Meta's Graph API, one try each, with its errors as failures of the closed set."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from connectors.wire import multipart
from connectors.wire.meta_settings import MetaSettings
from model import http, meta_codes
from model.failures import PAUSING, PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.health import Health, HealthState
from model.tools import HttpAnswer, Tools

#: Longest wait that Meta's usage header is believed, the same as for Retry-After.
_LONGEST = http.LONGEST_RETRY_AFTER
_USAGE = "x-business-use-case-usage"


class Graph:
    """One account's way to the Graph API. The token goes in a header, where no log of addresses has it."""

    def __init__(self, settings: MetaSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._token = settings.token.get_secret_value()
        self._proof = proof(settings.app_secret.get_secret_value(), self._token) if settings.prove else None

    @property
    def authorisation(self) -> Mapping[str, str]:
        """The header that a file of WhatsApp's is fetched with."""
        return {"authorization": f"Bearer {self._token}"}

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read something; asking twice does no harm, so that no answer is a temporary failure."""
        try:
            return await self._call("GET", path, query, None, {})
        except Uncertain as failure:
            raise TemporaryFailure(Reason.TIMEOUT, failure.detail) from None

    async def post(self, path: str, body: Mapping[str, Any], **query: str) -> dict[str, Any]:
        """Do something; Uncertain when it may have been done."""
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        return await self._call("POST", path, query, content, {"content-type": "application/json"})

    async def upload(self, path: str, fields: Mapping[str, str], file: multipart.File) -> dict[str, Any]:
        """Give it a file to send later; a second copy harms nobody, so that no answer is a temporary failure."""
        boundary = self._tools.ids.draw(16).hex()
        content_type, content = multipart.body(file, boundary)
        content = _fields(fields, boundary) + content
        try:
            return await self._call("POST", path, {}, content, {"content-type": content_type})
        except Uncertain as failure:
            raise TemporaryFailure(Reason.TIMEOUT, failure.detail) from None

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> dict[str, Any]:
        settings = self._settings
        asked = {**query, **({"appsecret_proof": self._proof} if self._proof else {})}
        url = f"{settings.api.rstrip('/')}/{settings.version}/{quote(path, safe='/')}"
        answer = await self._tools.http.request(
            method,
            f"{url}?{urlencode(asked)}" if asked else url,
            headers={**self.authorisation, **headers},
            body=content,
            timeout=settings.timeout,
        )
        return self.read(answer)

    def read(self, answer: HttpAnswer) -> dict[str, Any]:
        """The object that was answered; an error in it counts before the status. Its words are not shown: they
        may quote what a customer wrote."""
        told = _object(answer.body)
        error = told.get("error")
        if isinstance(error, dict) and isinstance(error.get("code"), int):
            raise self._failure(error, answer)
        failure = http.failure_for(answer.status, answer.headers, self._tools.clock.now())
        if failure is not None:
            raise failure
        if not told:
            raise Uncertain(f"HTTP {answer.status}, but its answer cannot be read")
        return told

    def _failure(self, error: Mapping[str, Any], answer: HttpAnswer) -> SendFailure:
        code, subcode = int(error["code"]), error.get("error_subcode")
        subcode = subcode if isinstance(subcode, int) else None
        meaning = meta_codes.meaning(code, subcode, transient=error.get("is_transient") is True)
        trace = error.get("fbtrace_id")
        detail = meta_codes.named(code, subcode, meaning.words)
        if isinstance(trace, str) and trace.isprintable():
            detail += f" (fbtrace_id {trace[:40]})"
        wait = http.retry_after(answer.headers, self._tools.clock.now()) or _regain(answer.headers)
        return meaning.failure(detail, wait if meaning.reason is Reason.THROTTLED else None)


def proof(app_secret: str, token: str) -> str:
    """`appsecret_proof`: HMAC-SHA256 of the token under the app secret, hexadecimal."""
    return hmac.digest(app_secret.encode(), token.encode(), "sha256").hex()


def health_of(failure: SendFailure) -> Health:
    """Health after a probe that failed, with the repair step that the code asks for."""
    repair = failure.repair or "check `api`, the network and the proxy; Meta's own state: metastatus.com"
    return Health(HealthState.FAILING, str(failure), repair)


def harmless(failure: SendFailure) -> SendFailure:
    """A refusal of something that we can do without, as one that pauses no channel: a profile, a receipt."""
    if isinstance(failure, TemporaryFailure) and failure.reason in PAUSING:
        return PermanentFailure(Reason.REQUEST, failure.detail)
    return failure


def _regain(headers: Mapping[str, str]) -> timedelta | None:
    """The minutes after which calls are allowed again, where Meta tells them (X-Business-Use-Case-Usage)."""
    told = _object(headers.get(_USAGE, "").encode())
    minutes = [
        one.get("estimated_time_to_regain_access")
        for uses in told.values()
        if isinstance(uses, list)
        for one in uses
        if isinstance(one, dict)
    ]
    known = [one for one in minutes if isinstance(one, int) and 0 < one < 100_000]
    return min(timedelta(minutes=max(known)), _LONGEST) if known else None


def _fields(fields: Mapping[str, str], boundary: str) -> bytes:
    return b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
