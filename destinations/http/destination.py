"""Posts hand-overs as CloudEvents 1.0 in structured mode, signed as Standard Webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from destinations.contract import Call, HandOver, Returned
from destinations.http import HttpSettings, returned
from destinations.wire import cloudevents
from model import http, signing, strict_json
from model.delivery import Receipt
from model.expression import scalar
from model.failures import Malformed, SendFailure
from model.health import Health
from model.tools import HttpAnswer, Tools


class HttpDestination:
    """One address downstream."""

    def __init__(self, settings: HttpSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        """Any answer below 500 shows that the far side is there; 401 and 403 that it does not know us."""
        probe = self._settings.probe
        try:
            answer = await self._tools.http.request(
                probe.method,
                probe.url or self._settings.url,
                headers=self._own_headers(),
                timeout=self._settings.timeout,
            )
        except SendFailure as failure:
            return http.health_of(failure)
        return http.health_for(answer.status)

    async def deliver(self, hand_over: HandOver) -> Receipt:
        """One request. Every try bears the same `webhook-id` and `Idempotency-Key`: the hand-over's key."""
        now = self._tools.clock.now()
        data = cloudevents.written(cloudevents.event(hand_over, self._settings.source))
        answer = await self._tools.http.request(
            "POST",
            self._settings.url,
            headers={
                **self._own_headers(),
                "content-type": cloudevents.MEDIA_TYPE,
                "idempotency-key": hand_over.key,
                **self._signature(hand_over.key, now, data),
            },
            body=data,
            timeout=self._settings.timeout,
        )
        now = self._tools.clock.now()
        failure = http.failure_for(answer.status, answer.headers, now)
        if failure is not None:
            raise failure
        ticket = self._ticket(answer)
        told = {"status": answer.status, **({"remote_id": ticket} if ticket else {})}
        return Receipt(remote_id=ticket or hand_over.remote_id or hand_over.key, accepted_at=now, data=told)

    def verify(self, call: Call) -> None:
        """What is posted back bears the same signature as what is handed over."""
        returned.verify(self._settings.secret, call)

    def receive(self, call: Call) -> Sequence[Returned]:
        """One thing that happened there."""
        return returned.receive(call)

    def _own_headers(self) -> dict[str, str]:
        return {
            name.lower(): http.header_value(value.get_secret_value())
            for name, value in self._settings.headers.items()
        }

    def _signature(self, key: str, now: datetime, data: bytes) -> Mapping[str, str]:
        secret = self._settings.secret
        if secret is None:
            return {"webhook-id": key}
        return signing.sign_standard(signing.standard_key(secret.get_secret_value()), key, now, data)

    def _ticket(self, answer: HttpAnswer) -> str | None:
        """The far side's number; a taken hand-over without a readable one stays taken."""
        if self._settings.remote_id is None:
            return None
        try:
            return scalar(self._settings.remote_id, strict_json.load(answer.body))
        except Malformed:
            return None
