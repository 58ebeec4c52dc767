"""Calls to the APIs of WeChat and WeCom: the token in the query, errors as `errcode` inside HTTP 200.

No failure repeats an address, since it holds the token, nor the platform's own words, since they may quote ours;
only the code, what it means, and the platform's number of the request, by which its support finds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson

from connectors.contract import Media
from connectors.wire import multipart
from connectors.wire.token_keeper import TokenKeeper
from model import http
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.health import Health, HealthState
from model.tools import HttpAnswer, Loaded, Tools

_FILENAME = re.compile(r'filename="?([^";]{1,200})"?', re.IGNORECASE)
_REQUEST_ID = re.compile(r"(?:rid: ?|hint: ?\[)([\w-]{4,64})")
_IP = re.compile(r"(?:invalid ip |from ip: ?)([0-9a-fA-F.:]{3,45})")
_CHINA = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Cause:
    """What a code means for a message."""

    reason: Reason
    words: str
    lasting: bool = False
    """This message will never be taken."""
    repair: str = ""
    pause: timedelta | None = None
    until_midnight: bool = False
    """The platform counts by the day of Beijing."""


def failure(code: int, told: Mapping[str, Any], causes: Mapping[int, Cause], now: datetime) -> SendFailure:
    """The failure that a code stands for; an unknown one is taken for a fault of the message."""
    cause = causes.get(code) or Cause(Reason.REQUEST, "a code that this release does not know", lasting=True)
    message = str(told.get("errmsg", ""))
    request_id, ip = _REQUEST_ID.search(message), _IP.search(message)
    more = [f"request {request_id[1]}"] if request_id else []
    if ip and "address" in cause.words:
        more.append(f"our address is {ip[1]}")
    detail = "; ".join([f"errcode {code}: {cause.words}", *more])
    if cause.lasting:
        return PermanentFailure(cause.reason, detail, repair=cause.repair)
    pause = _to_midnight(now) if cause.until_midnight else cause.pause
    return TemporaryFailure(cause.reason, detail, retry_after=pause, repair=cause.repair)


def health_of(error: SendFailure) -> Health:
    """Health after a probe that failed."""
    return Health(
        HealthState.FAILING, error.detail, error.repair or "check the address, the network and the proxy"
    )


class Api:
    """One app at one platform."""

    def __init__(
        self,
        tools: Tools,
        base: str,
        keeper: TokenKeeper,
        causes: Mapping[int, Cause],
        refresh: frozenset[int],
        timeout: float,
        already: re.Pattern[str] | None = None,
    ) -> None:
        """`refresh` are the codes that blame the token; `timeout` is in seconds, for one call; `already` finds
        the words by which the platform says that it has a message with our number."""
        self._tools = tools
        self._base = base.rstrip("/")
        self._keeper = keeper
        self._causes = causes
        self._refresh = refresh
        self._timeout = timeout
        self._already = already

    async def ask(
        self, path: str, body: Mapping[str, Any] | None = None, *, sends: bool = False, **query: str
    ) -> Mapping[str, Any]:
        """POST the body as JSON (GET without one). Only where it `sends` a message is no answer `Uncertain`."""
        # Characters as they are: the platforms show \u escapes to the customer, or refuse them.
        content = None if body is None else orjson.dumps(body)
        method = "GET" if body is None else "POST"
        headers = {} if body is None else {"content-type": "application/json; charset=utf-8"}
        return await self._told(method, path, query, content, headers, sends=sends)

    async def upload(self, path: str, file: multipart.File, **query: str) -> Mapping[str, Any]:
        """POST one file as a form; the platform's JSON."""
        content_type, content = multipart.body(file, self._tools.ids.draw(16).hex())
        return await self._told("POST", path, query, content, {"content-type": content_type}, sends=False)

    async def download(self, path: str, limit: int, **query: str) -> Media:
        """GET a file of at most `limit` bytes; films are told by their address, and fetched from there."""
        token = await self._keeper.get()
        loaded = await self._load(path, query, token, limit)
        told = _json_of(loaded)
        if told is not None and _code(told) in self._refresh:
            loaded = await self._load(path, query, await self._keeper.refused(token), limit)
            told = _json_of(loaded)
        if told is not None:
            if code := _code(told):
                raise self._failure(code, told)
            url = told.get("video_url")
            if not isinstance(url, str):
                raise PermanentFailure(Reason.REQUEST, "the platform answered with JSON instead of the file")
            loaded = await self._tools.http.load(url, public_only=True, limit=limit)
            self._check_status(loaded.status, loaded.headers)
        name = _FILENAME.search(loaded.headers.get("content-disposition", ""))
        media_type = loaded.headers.get("content-type", "").partition(";")[0].strip().lower() or None
        return Media(raw=loaded.raw, media_type=media_type, filename=name[1] if name else None)

    async def _told(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        content: bytes | None,
        headers: Mapping[str, str],
        *,
        sends: bool,
    ) -> Mapping[str, Any]:
        token = await self._keeper.get()
        told = await self._call(method, path, query, token, content, headers, sends)
        if _code(told) in self._refresh:
            # Refused by its token, so not taken: once more with another one, and then no more.
            token = await self._keeper.refused(token)
            told = await self._call(method, path, query, token, content, headers, sends)
        code = _code(told)
        if code and not (sends and self._already and self._already.search(str(told.get("errmsg", "")))):
            raise self._failure(code, told)
        return told

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        token: str,
        content: bytes | None,
        headers: Mapping[str, str],
        sends: bool,
    ) -> Mapping[str, Any]:
        try:
            answer = await self._tools.http.request(
                method, self._url(path, query, token), headers=headers, body=content, timeout=self._timeout
            )
            self._check_status(answer.status, answer.headers)
            return told_by(answer)
        except Uncertain as error:
            if sends:
                raise
            raise TemporaryFailure(Reason.UNREACHABLE, error.detail) from None

    async def _load(self, path: str, query: Mapping[str, str], token: str, limit: int) -> Loaded:
        loaded = await self._tools.http.load(self._url(path, query, token), limit=limit)
        self._check_status(loaded.status, loaded.headers)
        return loaded

    def _url(self, path: str, query: Mapping[str, str], token: str) -> str:
        return f"{self._base}{path}?{urlencode({'access_token': token, **query})}"

    def _check_status(self, status: int, headers: Mapping[str, str]) -> None:
        error = http.failure_for(status, headers, self._tools.clock.now())
        if error is not None:
            raise error

    def _failure(self, code: int, told: Mapping[str, Any]) -> SendFailure:
        if code in self._refresh:  # with a fresh token, too
            return TemporaryFailure(
                Reason.AUTH,
                f"errcode {code}: the platform refuses a fresh token",
                repair="check the secret in the settings, and whether another system uses the same app",
            )
        return failure(code, told, self._causes, self._tools.clock.now())


def told_by(answer: HttpAnswer) -> Mapping[str, Any]:
    """The JSON object of an answer; Uncertain when it is none."""
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        raise Uncertain("the platform's answer cannot be read")
    return told


def fetcher(
    tools: Tools,
    ask: Callable[[bool], tuple[str, str, bytes | None]],
    causes: Mapping[int, Cause],
    timeout: float,
) -> Callable[[bool], Any]:
    """For a TokenKeeper: asks for a token by the method, address and body that `ask(force)` names."""
    from connectors.wire.token_keeper import Fresh

    async def fetch(force: bool) -> Fresh:
        method, url, body = ask(force)
        headers = {} if body is None else {"content-type": "application/json"}
        answer = await tools.http.request(method, url, headers=headers, body=body, timeout=timeout)
        error = http.failure_for(answer.status, answer.headers, tools.clock.now())
        if error is not None:
            raise error
        told = told_by(answer)
        if code := _code(told):
            raise failure(code, told, causes, tools.clock.now())
        try:
            return Fresh(str(told["access_token"]), timedelta(seconds=float(told["expires_in"])))
        except (KeyError, TypeError, ValueError):
            raise TemporaryFailure(Reason.SERVER, "the platform's answer holds no token") from None

    return fetch


def _code(told: Mapping[str, Any]) -> int:
    code = told.get("errcode", 0)
    return code if isinstance(code, int) else -1


def _json_of(loaded: Loaded) -> Mapping[str, Any] | None:
    """What a short answer says where it is JSON: an error, or where a film is."""
    if not isinstance(loaded.raw, bytes) or loaded.raw.lstrip()[:1] != b"{":
        return None
    try:
        told = orjson.loads(loaded.raw)
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) and ("errcode" in told or "video_url" in told) else None


def _to_midnight(now: datetime) -> timedelta:
    there = now + _CHINA
    return timedelta(days=1) - timedelta(hours=there.hour, minutes=there.minute, seconds=there.second)
