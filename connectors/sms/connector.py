"""What all providers share: life, envelopes of what was posted, whom a message goes to, and its pieces."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from connectors.contract import Preview
from connectors.sms import SmsSettings, segments
from connectors.sms.segments import Count
from connectors.wire import callbacks, splitting
from connectors.wire.splitting import Unit
from model import strict_json
from model.delivery import Message
from model.envelope import Envelope
from model.failures import PermanentFailure, Reason, TemporaryFailure
from model.health import Health, HealthState
from model.tools import Clock, Tools

_E164 = re.compile(r"\+[1-9]\d{5,14}")
#: Messages in doubt that are remembered at the most.
_MOST = 10_000


class SmsConnector:
    """Life, Splitter and Previewer; a provider's class adds sending, the door and the probe."""

    def __init__(self, settings: SmsSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        return Health(HealthState.UNKNOWN)

    # ---- in

    def _envelope(
        self,
        event: Mapping[str, Any],
        *,
        account: str,
        source_id: str | None,
        number: str,
        transport: frozenset[str] = frozenset(),
        remote: str = "",
    ) -> Envelope:
        """One event; `transport` names members that another delivery of the same message may have otherwise."""
        made = {name: value for name, value in event.items() if name not in transport}
        fingerprint = hashlib.sha256(strict_json.canonical(made)).hexdigest()
        return Envelope(
            account=account,
            source_id=callbacks.short(source_id)
            if source_id
            else hashlib.sha256(strict_json.canonical(event)).hexdigest(),
            fingerprint=fingerprint,
            raw=strict_json.canonical(event),
            media_type="application/json",
            order_key=f"{self._tools.name}:{callbacks.short(number)}" if number else None,
            meta={"remote": remote} if remote else {},
        )

    # ---- out

    def parts(self, message: Message) -> Sequence[Message]:
        """Text in pieces; files are refused in words by `send`, and the text goes all the same."""
        return splitting.parts(
            message, self._settings.longest, Unit.CODE_POINTS, numbered=self._settings.numbered
        )

    def preview(self, message: Message) -> Preview:
        """The text, as the networks count it."""
        pieces = splitting.pieces(
            message.text, self._settings.longest, Unit.CODE_POINTS, numbered=self._settings.numbered
        )
        counts = [segments.count(piece) for piece in pieces]
        return previewed(message.text, counts, "" if not message.files else NO_FILES)


def previewed(text: str, counts: Sequence[Count], refused: str = "") -> Preview:
    """What a text that is counted so tells its writer."""
    largest = max(counts, key=lambda one: one.messages)
    return Preview(
        text=text,
        messages=sum(one.messages for one in counts),
        size=sum(one.size for one in counts),
        unit=largest.unit,
        refused=refused,
    )


NO_FILES = "a text message carries no files: put a link in the text"


def number_of(message: Message) -> str:
    """Whom it goes to, in E.164; PermanentFailure when that is no telephone number."""
    to = message.to
    number = to.value if to is not None and to.kind == "phone" else message.thread.get("number")
    if not isinstance(number, str) or not _E164.fullmatch(number):
        raise PermanentFailure(Reason.REQUEST, "only a telephone number can be written to")
    return number


def text_of(message: Message) -> str:
    """What is sent; PermanentFailure for what no text message can be."""
    if message.files:
        raise PermanentFailure(Reason.REQUEST, NO_FILES)
    if not message.text.strip():
        raise PermanentFailure(Reason.REQUEST, "the message has no text")
    return message.text


class Doubts:
    """How long messages in doubt have been looked for: a provider's list shows what it took a little later.

    Kept in memory: after a start the time begins again, which only makes us more careful.
    """

    def __init__(self, clock: Clock, patience: timedelta) -> None:
        self._clock = clock
        self._patience = patience
        self._since: dict[str, datetime] = {}

    def not_there(self, key: str) -> None:
        """TemporaryFailure while it may still turn up; returns once it surely was not taken."""
        now = self._clock.now()
        since = self._since.setdefault(key, now)
        if now - since < self._patience:
            raise TemporaryFailure(Reason.SERVER, "not in the provider's list yet; it is looked for again")
        self.settled(key)

    def settled(self, key: str) -> None:
        """Forget a message whose end is known, and the oldest of too many."""
        self._since.pop(key, None)
        while len(self._since) > _MOST:
            self._since.pop(next(iter(self._since)))
