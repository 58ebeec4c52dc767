"""Writes to people on Weibo, fetches their files, and asks who they are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from connectors.contract import Media, Profile
from connectors.weibo import WeiboSettings
from connectors.weibo.incoming import Incoming
from connectors.wire import splitting
from model import http
from model.delivery import Message, Receipt
from model.draft import Identity
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.health import Health, HealthState
from model.tools import HttpAnswer, Tools

_RENEW = "take a new access token from the console [粉丝服务平台 - 高级功能 - 开发者模式]: one lasts a year"
#: What Weibo's error codes mean (wiki "Error code"): reason, words, and whether for good.
_CODES: Mapping[int, tuple[Reason, str, bool]] = {
    10001: (Reason.SERVER, "an error in Weibo", False),
    10002: (Reason.SERVER, "Weibo is not available", False),
    10003: (Reason.SERVER, "a service behind Weibo is down", False),
    10009: (Reason.SERVER, "Weibo is busy", False),
    10010: (Reason.SERVER, "Weibo took too long", False),
    10013: (Reason.RECIPIENT, "there is no such person", True),
    10014: (Reason.CONFIG, "the app may not use this call", False),
    10022: (Reason.THROTTLED, "too many calls from our address", False),
    10023: (Reason.THROTTLED, "too many calls of this account", False),
    10024: (Reason.THROTTLED, "too many of these calls", False),
    20003: (Reason.RECIPIENT, "there is no such person", True),
    20008: (Reason.REQUEST, "an empty text", True),
    20012: (Reason.REQUEST, "the text is too long", True),
    20013: (Reason.REQUEST, "the text is too long", True),
}
#: Codes that blame the access token: 21314 to 21319, 21327 (ended), 21332 (not valid), 10006 (missing).
_REFUSED = frozenset({10006, *range(21314, 21320), 21327, 21332})
#: Words by which Weibo says that the quota of messages to somebody is used up: it publishes no code for it.
_QUOTA = re.compile(
    r"quota|out of (?:time|limit)|48 ?h|no right to (?:send|reply)|not allowed to (?:send|reply)", re.I
)


class Writes:
    """Sender, Splitter, Downloader and Profiler, where the settings have the access token."""

    _settings: WeiboSettings
    _tools: Tools

    async def send(self, message: Message) -> Receipt:
        """One text; the token goes in the body, not in the address."""
        if message.files:
            raise PermanentFailure(Reason.REQUEST, "Weibo takes texts only from us, no files")
        form = {
            "access_token": self._token,
            "type": "text",
            "data": json.dumps({"text": message.text}, ensure_ascii=False),
            "receiver_id": _uid(message),
            "save_sender_box": "1" if self._settings.sent_box else "0",
        }
        told = self._told(
            await self._tools.http.request(
                "POST",
                self._settings.send_url,
                headers={"content-type": "application/x-www-form-urlencoded"},
                body=urlencode(form).encode(),
                timeout=self._settings.timeout,
            )
        )
        number = told.get("id") or told.get("message_id")
        return Receipt(remote_id=str(number or message.key), accepted_at=self._tools.clock.now())

    def parts(self, message: Message) -> Sequence[Message]:
        """The text in pieces and each file by itself."""
        settings = self._settings
        return splitting.parts(
            message, settings.text_characters, splitting.Unit.CODE_POINTS, numbered=settings.numbered
        )

    async def download(self, reference: str) -> Media:
        """A picture or voice by its number."""
        url = f"{self._settings.media_url}?{urlencode({'access_token': self._token, 'fid': reference})}"
        loaded = await self._tools.http.load(url, limit=self._settings.media_bytes)
        raw = loaded.raw
        if loaded.status != 200 or (isinstance(raw, bytes) and raw[:1] == b"{" and b"error_code" in raw):
            told = raw if isinstance(raw, bytes) else b""
            self._told(HttpAnswer(loaded.status, loaded.headers, told))
            raise PermanentFailure(Reason.REQUEST, "Weibo answered with JSON instead of the file")
        media_type = loaded.headers.get("content-type", "").partition(";")[0].strip().lower() or None
        return Media(raw=raw, media_type=media_type)

    async def profile(self, identity: Identity) -> Profile:
        """Nickname and language, where Weibo tells them."""
        if identity.kind != "weibo":
            return Profile()
        told = await self._ask_about(identity.value)
        language = str(told.get("language") or "").replace("_", "-")
        return Profile(
            name=str(told.get("nickname") or ""),
            language=language if language.replace("-", "").isalpha() else None,
        )

    async def probe(self) -> Health:
        """Asks about nobody: Weibo says so, or that the token does not hold."""
        try:
            await self._ask_about("1")
        except PermanentFailure:
            pass  # whoever that is: the token held
        except SendFailure as error:
            repair = error.repair or "check the addresses, the network and the proxy"
            return Health(HealthState.FAILING, error.detail, repair)
        return Health(HealthState.OK)

    async def _ask_about(self, uid: str) -> Mapping[str, Any]:
        query = urlencode({"access_token": self._token, "uid": uid})
        try:
            answer = await self._tools.http.request(
                "GET", f"{self._settings.people_url}?{query}", timeout=self._settings.timeout
            )
            return self._told(answer)
        except Uncertain as error:  # nothing was sent, so nothing is uncertain
            raise TemporaryFailure(Reason.UNREACHABLE, error.detail) from None

    @property
    def _token(self) -> str:
        token = self._settings.access_token
        assert token is not None, "made only with the access token"
        return token.get_secret_value()

    def _told(self, answer: HttpAnswer) -> Mapping[str, Any]:
        """What Weibo says; its error codes come with any status."""
        try:
            told = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            told = None
        code = told.get("error_code") if isinstance(told, dict) else None
        if isinstance(told, dict) and isinstance(code, int):
            raise self._failure(code, str(told.get("error", "")))
        error = http.failure_for(answer.status, answer.headers, self._tools.clock.now())
        if error is not None:
            raise error
        if not isinstance(told, dict) or told.get("result") is False:
            raise Uncertain("Weibo's answer cannot be read")
        return told

    def _failure(self, code: int, words: str) -> SendFailure:
        if code in _REFUSED:
            return TemporaryFailure(
                Reason.AUTH, f"error_code {code}: Weibo refuses the access token", repair=_RENEW
            )
        if code in self._settings.window_codes or (code not in _CODES and _QUOTA.search(words)):
            return PermanentFailure(
                Reason.WINDOW, f"error_code {code}: no message until the person writes again"
            )
        reason, meaning, lasting = _CODES.get(
            code, (Reason.REQUEST, "a code that this release does not know", True)
        )
        detail = f"error_code {code}: {meaning}"
        return PermanentFailure(reason, detail) if lasting else TemporaryFailure(reason, detail)


def make(settings: WeiboSettings, tools: Tools) -> Incoming:
    """A connector with just the roles that the settings give it."""
    bases = (Incoming,) if settings.access_token is None else (Writes, Incoming)
    made: Incoming = type("WeiboConnector", bases, {})(settings, tools)
    return made


def _uid(message: Message) -> str:
    told = str(message.thread.get("uid") or "")
    if told:
        return told
    if message.to is not None and message.to.kind == "weibo":
        return message.to.value
    raise PermanentFailure(Reason.RECIPIENT, "nobody here is known on Weibo")
