"""Calls of LINE's Messaging API over the house's HTTP, and what its refusals mean.

Facts from https://developers.line.biz/en/reference/messaging-api/ : errors have no code, only a `message`; a 429 has no
Retry-After; a call with a retry key that was taken before is answered with 409 and the number of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connectors.line import LineSettings
from model import strict_json
from model.failures import Malformed, PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.tools import HttpAnswer, Loaded, Tools

_TOKEN = "issue a channel access token anew in the LINE Developers Console, and put it in the settings"  # noqa: S105
_QUOTA = "take a larger plan in the LINE Official Account Manager, or wait for the next month"
#: Beginnings of what LINE says, in lower case, about whom we write to instead of about what.
_NOBODY = ("the property, 'to'", "failed to send messages", "the user hasn't added")
_LONGEST = 200


class Taken(Exception):
    """The call was taken before, under this number."""

    def __init__(self, request: str) -> None:
        super().__init__("taken before")
        self.request = request


class TokenSpent(Exception):
    """The reply token was used, or is too old."""


class Api:
    """One account."""

    def __init__(self, settings: LineSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a question; raises a SendFailure unless it is 200 or 404."""
        try:
            answer = await self._tools.http.request(
                "GET", self._settings.api + path, headers=self._authorised(), timeout=self._settings.timeout
            )
            if answer.status not in (200, 404):
                raise failure_for(answer)
        except Uncertain as doubt:
            raise TemporaryFailure(Reason.SERVER, doubt.detail) from None  # a question changes nothing
        return answer.status, _json(answer)

    async def post(self, path: str, value: Any, retry_key: str | None = None) -> tuple[Any, HttpAnswer]:
        """JSON of a call that was taken. Raises a SendFailure, Taken or TokenSpent."""
        headers = {**self._authorised(), "content-type": "application/json"}
        if retry_key is not None:
            headers["x-line-retry-key"] = retry_key
        answer = await self._tools.http.request(
            "POST",
            self._settings.api + path,
            headers=headers,
            body=strict_json.canonical(value),
            timeout=self._settings.timeout,
        )
        if answer.status == 200:
            return _json(answer), answer
        if answer.status == 409 and retry_key is not None:
            raise Taken(answer.headers.get("x-line-accepted-request-id", ""))
        raise failure_for(answer)

    async def file(self, path: str) -> Loaded:
        return await self._tools.http.load(
            self._settings.data + path, headers=self._authorised(), limit=self._settings.limits.download_bytes
        )

    def _authorised(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._settings.token.get_secret_value()}"}


def failure_for(answer: HttpAnswer) -> SendFailure | TokenSpent:
    """What a refusal means. LINE's words name properties of ours, never a customer's text."""
    told = _json(answer)
    said = str(told.get("message") or "")[:_LONGEST] if isinstance(told, Mapping) else ""
    detail = f"LINE {answer.status}: {said}" if said else f"HTTP {answer.status}"
    match answer.status:
        case 401:
            return TemporaryFailure(Reason.AUTH, detail, repair=_TOKEN)
        case 403:
            return TemporaryFailure(Reason.CONFIG, detail, repair="check the account's plan and permissions")
        case 404:
            return TemporaryFailure(Reason.CONFIG, detail, repair="check `api` in the settings")
        case 429 if "monthly limit" in said.lower():
            # Replies are still free: nothing but pushed messages stops.
            return PermanentFailure(Reason.WINDOW, detail, repair=_QUOTA)
        case 429:
            return TemporaryFailure(Reason.THROTTLED, detail)
        case 400 if "invalid reply token" in said.lower():
            return TokenSpent()
    if 400 <= answer.status < 500:
        nobody = said.lower().startswith(_NOBODY)
        return PermanentFailure(Reason.RECIPIENT if nobody else Reason.REQUEST, detail)
    return Uncertain(detail)


def file_failure(status: int) -> SendFailure:
    """Why a file was not given."""
    match status:
        case 202:
            wait = timedelta(seconds=5)
            return TemporaryFailure(Reason.SERVER, "LINE still prepares the file", retry_after=wait)
        case 400 | 404 | 410:
            return PermanentFailure(Reason.REQUEST, "the file is gone")
        case 401 | 403:
            return TemporaryFailure(Reason.AUTH, f"HTTP {status} for a file", repair=_TOKEN)
    return TemporaryFailure(Reason.SERVER, f"HTTP {status} for a file")


def _json(answer: HttpAnswer) -> Any:
    try:
        return strict_json.load(answer.body)
    except Malformed:
        return None
