"""Bearer keys of programs that post to a door: several valid at once, so that one can be changed without a pause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator

from connectors.contract import Request
from connectors.wire.posted import Rate
from connectors.wire.rate import Buckets
from model import signing
from model.failures import Reason, TemporaryFailure, Unverified
from model.secret import Secret

#: A key that a stranger could guess is none.
KEY_LENGTH = 16


def _long_enough(key: Secret) -> Secret:
    if len(key.get_secret_value()) < KEY_LENGTH:
        raise ValueError(f"a key needs {KEY_LENGTH} characters or more; `openssl rand -hex 24` makes one")
    return key


Key = Annotated[Secret, AfterValidator(_long_enough)]


class Keys:
    """Knows whose key a request bears, and how often each may come."""

    def __init__(self, keys: Mapping[str, Sequence[Secret]], rate: Rate | None) -> None:
        self._keys = [(name, one.get_secret_value()) for name, those in keys.items() for one in those]
        self._buckets = None if rate is None else Buckets(rate.per_minute, rate.burst)

    def holder(self, given: str) -> str | None:
        """Whose key it is; every known one is compared, each in constant time."""
        found = None
        for name, key in self._keys:
            if signing.same(given, key):
                found = name
        return found

    def of(self, request: Request) -> str:
        """Whose key a request bears as `Authorization: Bearer`; Unverified when it is nobody's (RFC 6750)."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        found = self.holder(given.strip()) if scheme.lower() == "bearer" and given.strip() else None
        if found is None:
            raise Unverified("send a key of this channel as `Authorization: Bearer …`")
        return found

    def take(self, holder: str, now: float) -> None:
        """Count one request; TemporaryFailure (throttled) when a holder comes too often. `now` is monotonic."""
        wait = None if self._buckets is None else self._buckets.take(holder, now)
        if wait is not None:
            raise TemporaryFailure(Reason.THROTTLED, "too many requests with one key", retry_after=wait)


def repeated(keys: Mapping[str, Sequence[Secret]]) -> Iterator[str]:
    """Holders one of whose keys somebody else has too: nobody could tell who came."""
    seen: dict[str, str] = {}
    for name, those in keys.items():
        for one in those:
            if seen.setdefault(one.get_secret_value(), name) != name:
                yield name
