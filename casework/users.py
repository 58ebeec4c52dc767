"""Who may log in at the desk: added, changed, disabled; passwords kept as argon2id hashes (RFC 9106)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from model.roles import RIGHTS, Right, Role
from model.tools import Clock, Ids
from store import users
from store.store import Store
from store.units import Guard, Insert, Unit

Facts = Mapping[str, Any]
Row = Mapping[str, Any]

_NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}\Z")
#: NIST SP 800-63B-4 §3.1.1.2: fifteen characters where a password is all there is; no rules of composition.
SHORTEST, LONGEST = 15, 200
#: Passwords that are hashed at once: each takes 64 MiB, and anybody may try to log in.
_HASHES = 2
#: Nobody is called so: these stand in timelines for the house, the customer and the administrator's token.
_TAKEN = frozenset({"admin", "forebay", "customer"})


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who logged in."""

    name: str
    role: Role
    departments: tuple[str, ...]
    version: int

    @property
    def rights(self) -> frozenset[Right]:
        return RIGHTS[self.role]


class UserVerbs:
    """The verbs on users. Each is one line of the audit trail, without the password."""

    def __init__(
        self,
        store: Store,
        departments: Callable[[], Collection[str]],
        tokens: Callable[[], Collection[str]],
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """`tokens` are the names of the API's tokens, which nobody else may bear."""
        self._store = store
        self._departments = departments
        self._tokens = tokens
        self._clock = clock
        self._ids = ids
        self._hasher = PasswordHasher()
        self._hashes = asyncio.Semaphore(_HASHES)
        self._nobody = self._hasher.hash("nobody's")

    async def list(self) -> Sequence[Facts]:
        """All users: name, role, departments, enabled, created_at, changed_at."""
        return [_shown(row) for row in await self._store.read(users.every)]

    async def add(
        self, name: str, *, role: str, departments: Sequence[str], password: str, actor: str
    ) -> Facts:
        """A new user. ValueError in words for what is wrong."""
        if not _NAME.match(name):
            raise ValueError("name: 2 to 32 small letters, digits and . _ -, a letter first")
        if name in _TAKEN or name in self._tokens():
            raise ValueError(f"name: {name} is taken by the house or by a token of the API")
        given = self._placed(role, departments)
        hashed = await self._hashed(password)
        now = self._clock.now()
        row = {
            "name": name, **given, "hash": hashed, "version": 1, "enabled": True, "created_at": now, "changed_at": now,
        }  # fmt: skip
        if await self._store.read(lambda c: users.by_name(c, name)):
            raise ValueError(f"name: there is a user {name} already")
        made = (Insert("user", row), self._audit(actor, "user.add", name, given))
        await self._store.submit(Unit(None, made, label="user"))
        return _shown(row)

    async def change(self, name: str, *, role: str, departments: Sequence[str], actor: str) -> Facts:
        """Another role or other departments."""
        given = self._placed(role, departments)
        return await self._changed(name, given, "user.change", actor, given)

    async def set_password(self, name: str, password: str, *, actor: str) -> Facts:
        """A new password; whoever is logged in by the old one is logged out."""
        return await self._changed(name, {"hash": await self._hashed(password)}, "user.password", actor, {})

    async def enable(self, name: str, enabled: bool, *, actor: str) -> Facts:
        """Let somebody log in again, or no more; disabled, they are logged out at once."""
        verb = "user.enable" if enabled else "user.disable"
        return await self._changed(name, {"enabled": enabled}, verb, actor, {})

    async def check(self, name: str, password: str) -> User | None:
        """Whose name and password these are. It takes as long for a name that nobody has."""
        row = await self._store.read(lambda c: users.by_name(c, name)) if _NAME.match(name) else None
        hashed = row["hash"] if row else self._nobody
        async with self._hashes:
            good = await asyncio.to_thread(self._verify, hashed, password[:LONGEST])
        if row is None or not good or not row["enabled"]:
            return None
        if self._hasher.check_needs_rehash(hashed):
            await self._store.submit(
                Unit(
                    Guard(
                        "user",
                        {"name": name, "hash": hashed},
                        {"hash": await self._hashed(password, known=True)},
                    ),
                    label="user",
                )
            )
        return _user(row)

    async def of(self, name: str, version: int) -> User | None:
        """Somebody whose session says so; None when it ended: disabled, another password or role."""
        row = await self._store.read(lambda c: users.by_name(c, name))
        if row is None or not row["enabled"] or row["version"] != version:
            return None
        return _user(row)

    async def note(self, actor: str, verb: str, data: Facts) -> None:
        """A line of the trail about a log-in."""
        await self._store.submit(Unit(None, (self._audit(actor, verb, actor, data),), label="user"))

    # ----

    def _placed(self, role: str, departments: Sequence[str]) -> dict[str, Any]:
        if role not in list(Role):
            raise ValueError(f"role: must be one of {', '.join(Role)}")
        known = self._departments()
        if unknown := [one for one in departments if one not in known]:
            raise ValueError(
                f"departments: there is no department {unknown[0]!r} ({', '.join(known) or 'none'})"
            )
        if role == Role.DEPARTMENT and not departments:
            raise ValueError("departments: name at least one for somebody of a department")
        return {"role": role, "departments": list(dict.fromkeys(departments))}

    async def _hashed(self, password: str, *, known: bool = False) -> str:
        if not known and not SHORTEST <= len(password) <= LONGEST:
            raise ValueError(
                f"password: {SHORTEST} to {LONGEST} characters; a few words that make no sense do well"
            )
        async with self._hashes:
            return await asyncio.to_thread(self._hasher.hash, password)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _changed(self, name: str, values: Facts, verb: str, actor: str, told: Facts) -> Facts:
        row = await self._store.read(lambda c: users.by_name(c, name))
        if row is None:
            raise LookupError(f"there is no user {name}")
        new = {**values, "version": row["version"] + 1, "changed_at": self._clock.now()}
        guard = Guard("user", {"name": name, "version": row["version"]}, new)
        if not await self._store.submit(Unit(guard, (self._audit(actor, verb, name, told),), label="user")):
            raise ValueError("somebody changed this user at the same time; look again")
        return _shown({**row, **new})

    def _audit(self, actor: str, verb: str, target: str, data: Facts) -> Insert:
        row = {
            "id": self._ids.new(), "at": self._clock.now(), "actor": actor, "verb": verb, "target": target,
            "data": dict(data),
        }  # fmt: skip
        return Insert("audit", row)


def _user(row: Row) -> User:
    return User(row["name"], Role(row["role"]), tuple(row["departments"]), row["version"])


def _shown(row: Row) -> dict[str, Any]:
    """A user without the password's hash."""
    names = ("name", "role", "departments", "enabled", "created_at", "changed_at")
    return {name: row[name] for name in names}
