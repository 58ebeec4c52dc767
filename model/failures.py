"""What can go wrong between us and a far side: a closed set, raised by connectors and destinations.

    Failure
    ├── Unverified          the request cannot be proved to come from the source (401, nothing stored)
    ├── Malformed           the bytes cannot be read (quarantined with them)
    └── SendFailure
        ├── TemporaryFailure    the far side did not take it; try again later
        ├── PermanentFailure    the far side will never take it
        └── Uncertain           the request went out and no answer came

Anything else that escapes a connector counts as temporary, keeps its traceback, and ends as a dead letter.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Reason(StrEnum):
    """Why a far side did not take a message: the metric label, and what the operator reads."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    THROTTLED = "throttled"
    AUTH = "auth"
    WINDOW = "window"
    RECIPIENT = "recipient"
    REQUEST = "request"
    CONFIG = "config"
    SERVER = "server"


#: Reasons that are the operator's to mend: they pause the channel and never burn a message's attempts.
PAUSING = frozenset({Reason.AUTH, Reason.CONFIG})


class Failure(Exception):
    """Base of everything a connector or destination may raise on purpose.

    `detail` is shown to operators: it must never hold a secret or the text of a customer.
    """

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or (self.__doc__ or "").splitlines()[0])
        self.detail = detail


class Unverified(Failure):
    """The request cannot be proved to come from the source."""


class Malformed(Failure):
    """The bytes cannot be read."""


class SendFailure(Failure):
    """A message was not, or perhaps not, taken by the far side."""

    repair = ""
    """What the operator can do about it, where the connector knows it better than the reason tells."""


class TemporaryFailure(SendFailure):
    """The far side did not take it; a later try may succeed."""

    def __init__(
        self,
        reason: Reason,
        detail: str = "",
        *,
        retry_after: timedelta | None = None,
        repair: str = "",
        only_recipient: bool = False,
    ) -> None:
        super().__init__(detail or reason.value)
        self.reason = reason
        self.retry_after = retry_after
        self.repair = repair
        self.only_recipient = only_recipient
        """The far side asks for a pause with this one recipient; messages to others may go on."""


class PermanentFailure(SendFailure):
    """The far side will never take this message."""

    def __init__(self, reason: Reason, detail: str = "", *, repair: str = "") -> None:
        super().__init__(detail or reason.value)
        self.reason = reason
        self.repair = repair


class Uncertain(SendFailure):
    """The request went out and no answer came: it may have been taken."""
