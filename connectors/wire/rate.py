"""A token bucket for each address, in memory and bounded."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from datetime import timedelta


class Buckets:
    """Lets `burst` posts through at once and `per_minute` in the long run, for each address apart.

    At most `most` addresses are remembered, the least recently seen forgotten first: a forgotten one starts
    with a full bucket, which costs less than letting strangers fill our memory.
    """

    def __init__(self, per_minute: float, burst: int, most: int = 10_000) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._most = most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now: float) -> timedelta | None:
        """None when the post may pass, else the wait until the next may. `now` is monotonic, seconds."""
        key = _household(address)
        level, at = self._levels.pop(key, (self._burst, now))
        level = min(self._burst, level + max(now - at, 0.0) * self._per_second)
        passes = level >= 1.0
        self._levels[key] = (level - 1.0 if passes else level, now)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        return None if passes else timedelta(seconds=(1.0 - level) / self._per_second)

    def __len__(self) -> int:
        return len(self._levels)


def _household(address: str) -> str:
    """One IPv4 address, or the /64 of an IPv6 one, of which a single customer has all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
