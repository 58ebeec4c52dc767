"""What an HTTP answer means for a delivery, the same for every kind that speaks HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.health import Health, HealthState

#: No far side may park a message for longer than this with Retry-After.
LONGEST_RETRY_AFTER = timedelta(days=1)

_AUTH = "check the credentials in the settings"

#: Statuses that a later try may get past, with what the operator reads.
_TEMPORARY: Mapping[int, Reason] = {
    408: Reason.TIMEOUT,
    409: Reason.SERVER,  # an earlier try with the same idempotency key is still being worked on
    423: Reason.SERVER,
    425: Reason.THROTTLED,
    429: Reason.THROTTLED,
}
#: Statuses that are the operator's to mend: the message waits until then, and burns no attempt.
_OPERATOR: Mapping[int, tuple[Reason, str]] = {
    401: (Reason.AUTH, _AUTH),
    402: (Reason.CONFIG, "the far side wants to be paid"),
    403: (Reason.AUTH, _AUTH),
    404: (Reason.CONFIG, "check the address in the settings"),
    405: (Reason.CONFIG, "check the method and the address in the settings"),
    407: (Reason.AUTH, "check the credentials of the proxy"),
    410: (Reason.CONFIG, "the far side has closed this address for good"),
}
#: Statuses that blame the address; of one message only, when data chose the address.
_GONE = frozenset({404, 410})


def failure_for(
    status: int, headers: Mapping[str, str], now: datetime, *, address_from_data: bool = False
) -> SendFailure | None:
    """The failure that an answer stands for, or None when the far side took the message (2xx).

    `headers` have lower-case names. `address_from_data` says that the message, not the operator, chose the
    URL: then a missing one is that recipient's fault and must not stop the channel.
    504 means that a proxy got no answer from the far side, so it may have been taken (RFC 9110 §15.6.5).
    """
    if 200 <= status < 300:
        return None
    if address_from_data and status in _GONE:
        return PermanentFailure(Reason.RECIPIENT, f"HTTP {status}")
    if status in _OPERATOR:
        reason, repair = _OPERATOR[status]
        return TemporaryFailure(reason, f"HTTP {status}: {repair}")
    if status in _TEMPORARY:
        return TemporaryFailure(_TEMPORARY[status], f"HTTP {status}", retry_after=retry_after(headers, now))
    if status == 504:
        return Uncertain("HTTP 504: a proxy got no answer from the far side")
    if 300 <= status < 400:
        return TemporaryFailure(Reason.CONFIG, f"HTTP {status}: put the address it points to in the settings")
    if 400 <= status < 500:
        return PermanentFailure(Reason.REQUEST, f"HTTP {status}")
    return TemporaryFailure(Reason.SERVER, f"HTTP {status}", retry_after=retry_after(headers, now))


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The wait that Retry-After asks for, in seconds or as a date (RFC 9110 §10.2.3), at most one day."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(timedelta(seconds=int(value)), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta()), LONGEST_RETRY_AFTER)


def health_for(status: int) -> Health:
    """Health after a probe: any answer below 500 shows that the far side is there, save refused credentials."""
    if status in (401, 403, 407):
        return Health(HealthState.FAILING, f"HTTP {status}", _AUTH)
    if status >= 500:
        return Health(HealthState.FAILING, f"HTTP {status}", "ask whoever runs the far side")
    return Health(HealthState.OK, f"HTTP {status}")


def health_of(failure: SendFailure) -> Health:
    """Health after a probe that got no answer at all."""
    return Health(HealthState.FAILING, str(failure), "check the address, the network and the proxy")


def header_value(text: str) -> str:
    """Text as the value of a header: control characters, CR and LF above all, become one space."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip()
