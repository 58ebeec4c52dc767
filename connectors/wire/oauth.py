"""OAuth 2.0 tokens (RFC 6749): each grant has one owner, who refreshes once at a time and stores before using.

Far sides rotate refresh tokens: the new one is in the vault, durable, before the access token that came with it
serves anybody. Tasks of this process wait for one another here; processes wait at the vault's lease. What the
vault holds counts for the refresh token that the settings name: another one there starts anew.

    tokens = Tokens(grant, tools)
    token = await tokens.get()              # valid for a while yet
    token = await tokens.renew(token)       # the far side refused it; another one, once
    url = tokens.authorise()                # where a person consents (RFC 7636: PKCE)
    await tokens.authorised(answer)         # the address that the browser was sent to, or the code in it
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from model import http
from model.failures import Reason, SendFailure, TemporaryFailure, Uncertain
from model.tools import Tools

#: A token is renewed when this share of its life is over.
SHARE = 0.8
#: What a server may answer at the most, bytes.
ANSWER = 262_144
#: Life of an access token whose server does not tell (RFC 6749 §5.1: recommended, not required).
LIFE = timedelta(minutes=30)
#: Errors of RFC 6749 §5.2 and of OpenID that only a person can mend by consenting again.
CONSENT = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})
CLIENT = frozenset({"invalid_client", "unauthorized_client", "access_denied"})
LATER = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
#: The number that Microsoft gives an error; its description holds names of users.
CODE = re.compile(r"\bAADSTS\d+\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """By what right we ask for tokens."""

    kind: Literal["refresh_token", "client_credentials"]
    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scope: str = ""
    refresh_token: str = field(default="", repr=False)
    """The one of the settings; empty when a person consents by `authorise`."""
    authorize_url: str = ""
    redirect_url: str = "http://localhost/"
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further fields of the address where a person consents."""
    life: timedelta | None = None
    """How long a refresh token lives from its last use, where the server does not say."""
    secret_expires: date | None = None
    """When the client's secret ends, as its console shows it."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What the vault holds."""

    access: str = field(repr=False)
    obtained: datetime
    expires: datetime
    refresh: str = field(repr=False)
    ends: datetime | None
    """When the refresh token ends, as far as known."""

    def fresh(self, now: datetime) -> bool:
        return bool(self.access) and now < self.obtained + (self.expires - self.obtained) * SHARE

    def dump(self, seed: str) -> str:
        return json.dumps(
            {
                "seed": seed, "access": self.access, "obtained": self.obtained.isoformat(),
                "expires": self.expires.isoformat(), "refresh": self.refresh,
                "ends": self.ends.isoformat() if self.ends else None,
            }
        )  # fmt: skip


class Tokens:
    """The one owner of a grant's tokens in this process."""

    def __init__(self, grant: Grant, tools: Tools, name: str = "oauth") -> None:
        self._grant = grant
        self._name = name
        self._channel = tools.name
        self._http = tools.http
        self._vault = tools.vault
        self._clock = tools.clock
        self._ids = tools.ids
        self._seed = hashlib.sha256(f"{grant.client_id}\n{grant.refresh_token}".encode()).hexdigest()[:16]
        self._held: _Held | None = None
        self._unsaved: _Held | None = None
        self._one = asyncio.Lock()
        self._verifier = ""
        self._state = ""

    @property
    def repair(self) -> str:
        """What an operator does when the far side wants consent anew."""
        if self._grant.kind == "client_credentials" or not self._grant.authorize_url:
            return "check oauth.client_id, oauth.client_secret and the application's permissions"
        return f"run `forebay channel authorise {self._channel}` and consent again"

    async def get(self) -> str:
        """A token that is good for a while yet; TemporaryFailure with the repair step when there is none to be had."""
        held = self._held
        if held is not None and held.fresh(self._clock.now()):
            return held.access
        return (await self._renewed("")).access

    async def renew(self, refused: str) -> str:
        """Another token than the one that the far side refused."""
        return (await self._renewed(refused)).access

    async def load(self) -> None:
        """Look what the vault holds, so that its end is known before it is used."""
        self._held = await self._stored()

    def authorised_until(self) -> datetime | None:
        """When this ends unless a person does something: the refresh token's end or the client secret's."""
        ends = [self._held.ends] if self._held is not None and self._held.ends else []
        if self._grant.secret_expires is not None:
            ends.append(datetime.combine(self._grant.secret_expires, time(), UTC))
        return min(ends, default=None)

    # ---- consent of a person

    def authorise(self) -> str:
        """The address where a person consents; ValueError when the grant needs nobody's."""
        grant = self._grant
        if grant.kind != "refresh_token" or not grant.authorize_url:
            raise ValueError("this channel's grant needs no consent of a person")
        self._verifier = _plain(self._ids.draw(48))
        self._state = _plain(self._ids.draw(18))
        fields = {
            "client_id": grant.client_id,
            "response_type": "code",
            "redirect_uri": grant.redirect_url,
            "scope": grant.scope,
            "state": self._state,
            "code_challenge": _plain(hashlib.sha256(self._verifier.encode()).digest()),
            "code_challenge_method": "S256",
            **dict(grant.extra),
        }
        return f"{grant.authorize_url}?{urlencode(fields)}"

    async def authorised(self, answer: str) -> None:
        """Change the code that the browser brought back for tokens; ValueError when it brought none of ours."""
        if not self._verifier:
            raise ValueError("nobody was asked to consent; begin again")
        words = parse_qs(urlsplit(answer.strip()).query)
        if "error" in words:
            raise ValueError(f"consent was refused: {words['error'][0][:80]}")
        if "code" in words and words.get("state") != [self._state]:
            raise ValueError("this answer belongs to another attempt; begin again")
        code = words["code"][0] if "code" in words else answer.strip()
        if not code or "://" in code or any(c.isspace() for c in code):
            raise ValueError("paste the whole address that the browser was sent to, or the code in it")
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._grant.redirect_url,
            "code_verifier": self._verifier,
        }
        async with self._one, self._vault.alone(self._name):
            self._held = await self._ask(fields, None)
        self._verifier = self._state = ""

    # ---- renewing

    async def _renewed(self, refused: str) -> _Held:
        """One refresh at a time, in this process and among all; who waited takes what the other got."""

        def good(held: _Held | None) -> bool:
            return held is not None and held.access != refused and held.fresh(self._clock.now())

        async with self._one:
            held = self._held
            if not good(held):
                async with self._vault.alone(self._name):
                    held = await self._stored()
                    if not good(held):
                        held = await self._ask(self._fields(held), held)
            assert held is not None
            self._held = held
            return held

    def _fields(self, held: _Held | None) -> dict[str, str]:
        if self._grant.kind == "client_credentials":
            return {"grant_type": "client_credentials", "scope": self._grant.scope}
        refresh = (held.refresh if held else "") or self._grant.refresh_token
        if not refresh:
            raise TemporaryFailure(Reason.AUTH, "nobody has consented yet", repair=self.repair)
        fields = {"grant_type": "refresh_token", "refresh_token": refresh}
        return {**fields, "scope": self._grant.scope} if self._grant.scope else fields

    async def _ask(self, fields: dict[str, str], before: _Held | None) -> _Held:
        """Ask the token server, and keep its answer before anybody uses it."""
        fields = {**fields, "client_id": self._grant.client_id}
        if self._grant.client_secret:
            fields["client_secret"] = self._grant.client_secret
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        try:
            answer = await self._http.request(
                "POST", self._grant.token_url, headers=headers, body=urlencode(fields).encode(), limit=ANSWER
            )
        except Uncertain:  # asking again is safe: what was handed out and not heard of is never used
            raise TemporaryFailure(Reason.TIMEOUT, "the token server gave no whole answer") from None
        told = _object(answer.body)
        if answer.status != 200 or not isinstance(told.get("access_token"), str):
            raise self._refusal(answer.status, answer.headers, told)
        held = self._taken(told, before)
        self._unsaved = held
        await self._vault.put(self._name, held.dump(self._seed))
        self._unsaved = None
        return held

    def _taken(self, told: Mapping[str, Any], before: _Held | None) -> _Held:
        now = self._clock.now()
        refresh = told.get("refresh_token")
        rotated = isinstance(refresh, str) and refresh != ""
        life = _seconds(told.get("refresh_token_expires_in")) or self._grant.life
        ends = now + life if life is not None else before.ends if before else None
        return _Held(
            access=told["access_token"],
            obtained=now,
            expires=now + (_seconds(told.get("expires_in")) or LIFE),
            refresh=str(refresh)
            if rotated
            else (before.refresh if before else "") or self._grant.refresh_token,
            ends=ends,
        )

    def _refusal(self, status: int, headers: Mapping[str, str], told: Mapping[str, Any]) -> SendFailure:
        """What the token server's error means; its words hold names, so only its codes are told."""
        error = told.get("error")
        error = error if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,40}", error) else ""
        number = CODE.search(str(told.get("error_description", "")))
        detail = f"the token server says {error or f'HTTP {status}'}{f' ({number[0]})' if number else ''}"
        if error in CONSENT:
            return TemporaryFailure(Reason.AUTH, detail, repair=self.repair)
        if error in CLIENT:
            repair = (
                "check oauth.client_id and oauth.client_secret; secrets end some day, make a new one then"
            )
            return TemporaryFailure(Reason.AUTH, detail, repair=repair)
        if status == 429 or status >= 500 or error in LATER:
            reason = Reason.THROTTLED if status == 429 or error == "slow_down" else Reason.SERVER
            return TemporaryFailure(reason, detail, retry_after=http.retry_after(headers, self._clock.now()))
        return TemporaryFailure(
            Reason.CONFIG,
            detail,
            repair="check oauth.provider, oauth.tenant, oauth.token_url and oauth.scopes",
        )

    async def _stored(self) -> _Held | None:
        """What the vault holds for this grant; what could not be kept before is kept now."""
        if self._unsaved is not None:
            await self._vault.put(self._name, self._unsaved.dump(self._seed))
            held, self._unsaved = self._unsaved, None
            return held
        told = _object((await self._vault.get(self._name) or "").encode())
        if told.get("seed") != self._seed:
            return None
        ends = told.get("ends")
        return _Held(
            access=told["access"],
            obtained=datetime.fromisoformat(told["obtained"]),
            expires=datetime.fromisoformat(told["expires"]),
            refresh=told["refresh"],
            ends=datetime.fromisoformat(ends) if ends else None,
        )


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _seconds(value: Any) -> timedelta | None:
    """Seconds as servers write them, as a number or as digits; at most ten years."""
    text = str(value)
    if not re.fullmatch(r"\d{1,10}", text) or int(text) == 0:
        return None
    return timedelta(seconds=min(int(text), 315_360_000))


def _plain(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
