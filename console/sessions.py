"""Who sits at the desk: signed session cookies, tokens against forged posts, and a brake on guessing."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from console.problems import Problem
from console.services import Services, Throttle
from model.ids import same_token, token
from model.roles import Right

COOKIE = "forebay_desk"
#: A log-in page may stay open this long before its form is stale.
_ANONYMOUS = timedelta(hours=2)
#: Addresses remembered by the brake; beyond it the longest quiet are forgotten.
_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """A visit to the desk; `name` is empty until the log-in."""

    name: str
    nonce: str
    expires: int
    """Unix seconds."""
    version: int = 0
    """Of the user; 0 for the administrator's token, which may everything."""
    rights: frozenset[Right] = frozenset()
    departments: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        return bool(self.name)

    def may(self, right: str) -> bool:
        """Whether whoever sits here may see or do something."""
        return right in self.rights


class Sessions:
    """Opens, reads and ends sessions. Nothing is stored: the cookie is signed, and ends by itself; a user's ends
    with the version of the user that it names, too."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def open(self, response: web.StreamResponse, name: str = "", version: int = 0) -> Session:
        """Begin a session and put its cookie on the response."""
        lasting = timedelta(hours=self._services.session_hours) if name else _ANONYMOUS
        expires = int((self._services.clock.now() + lasting).timestamp())
        session = Session(name, self._services.ids.draw(16).hex(), expires, version)
        response.set_cookie(
            COOKIE,
            self._write(session),
            path="/desk",
            max_age=int(lasting.total_seconds()),
            httponly=True,
            samesite="Strict",
            secure=self._services.public_url.startswith("https:"),
        )
        return session

    def close(self, response: web.StreamResponse) -> None:
        response.del_cookie(COOKIE, path="/desk")

    def of(self, request: web.Request) -> Session | None:
        """The session of a request, or None when it has none, is forged or has ended."""
        parts = request.cookies.get(COOKIE, "").split(".")
        if len(parts) != 5:
            return None
        *fields, given = parts
        name, nonce, expires, version = fields
        if not same_token(given, self._sign("session", *fields)):
            return None
        if int(expires) <= self._services.clock.now().timestamp():
            return None
        try:
            return Session(bytes.fromhex(name).decode(), nonce, int(expires), int(version))
        except ValueError:
            return None

    def csrf(self, session: Session) -> str:
        """The token that every form of this session carries."""
        return self._sign("csrf", session.nonce, str(session.expires))

    def check(self, session: Session | None, given: object) -> Session:
        """The session a form was made for; a form from elsewhere is refused."""
        if session is None or not isinstance(given, str) or not same_token(given, self.csrf(session)):
            raise Problem(403, "this form is stale; go back, load the page again and repeat")
        return session

    def _write(self, session: Session) -> str:
        fields = (session.name.encode().hex(), session.nonce, str(session.expires), str(session.version))
        return ".".join((*fields, self._sign("session", *fields)))

    def _sign(self, *parts: str) -> str:
        return token(self._services.secret, *parts)


class Brake:
    """Counts failed log-ins by address, in memory: nothing is lost when a restart forgives."""

    def __init__(self, limits: Throttle) -> None:
        self._limits = limits
        self._failed: OrderedDict[str, list[datetime]] = OrderedDict()

    def wait(self, address: str, now: datetime) -> timedelta | None:
        """How long an address must wait before it may try again, or None."""
        times = self._failed.get(address, [])
        if len(times) < self._limits.failures:
            return None
        left = times[-1] + self._limits.pause - now
        return left if left > timedelta() else None

    def failed(self, address: str, now: datetime) -> None:
        """Count a failure; those that are long ago no longer count."""
        times = [at for at in self._failed.pop(address, []) if now - at < self._limits.within]
        self._failed[address] = [*times, now][-self._limits.failures :]
        while len(self._failed) > _ADDRESSES:
            self._failed.popitem(last=False)

    def succeeded(self, address: str) -> None:
        self._failed.pop(address, None)
