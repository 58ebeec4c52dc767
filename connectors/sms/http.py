"""Any provider that takes a message by HTTP, as the settings describe it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.contract import Answer, Batch, Connector, Request, Response
from connectors.sms import SmsSettings
from connectors.sms.connector import SmsConnector, number_of, text_of
from connectors.sms.providers import HttpProvider
from connectors.wire import proofs, templates
from model import body, http, strict_json
from model.delivery import Message, Receipt
from model.expression import scalar, search
from model.failures import Malformed, Reason, SendFailure, Uncertain
from model.health import UNKNOWN, Health
from model.sms_codes import Meaning
from model.tools import HttpAnswer, Tools

#: Reasons of a code that a later try may get past.
_LATER = frozenset({Reason.THROTTLED, Reason.SERVER, Reason.UNREACHABLE, Reason.TIMEOUT})


class HttpConnector(SmsConnector):
    """Sender and Previewer; with `verify` a Receiver and Answerer, too."""

    def __init__(self, settings: SmsSettings, provider: HttpProvider, tools: Tools) -> None:
        super().__init__(settings, tools)
        self._provider = provider

    async def send(self, message: Message) -> Receipt:
        """One request; no answer leaves it in doubt, since nothing tells a second try from the first."""
        provider, number, text = self._provider, number_of(message), text_of(message)
        context = {
            **templates.context(message),
            "number": number,
            "digits": number.removeprefix("+"),
            "text": text,
        }
        content = templates.content("provider.body", provider.body, provider.media_type)(context)
        headers = {
            name: http.header_value(
                templates.text(f"provider.headers.{name}", value.get_secret_value())(context)
            )
            for name, value in provider.headers.items()
        }
        url = provider.url
        if provider.method == "GET":
            made = templates.content("provider.body", provider.body, "application/x-www-form-urlencoded")(
                context
            )
            url, content = f"{url}{'&' if '?' in url else '?'}{made.decode()}", b""
        else:
            headers["content-type"] = provider.media_type
        answer = await self._tools.http.request(
            provider.method, url, headers=headers, body=content, timeout=self._settings.timeout
        )
        return Receipt(self._told(answer) or message.key, self._tools.clock.now())

    def _told(self, answer: HttpAnswer) -> str | None:
        """The provider's number; raises what its status or its own words say."""
        provider = self._provider
        try:
            told = strict_json.load(answer.body)
        except Malformed:
            told = None
        code = scalar(provider.error, told) if provider.error and told is not None else None
        if code is not None and code in provider.errors:
            reason = provider.errors[code]
            raise Meaning(reason, temporary=reason in _LATER).failure(f"the provider's code {code[:40]}")
        failure = http.failure_for(answer.status, answer.headers, self._tools.clock.now())
        if failure is not None:
            raise Uncertain(f"HTTP {answer.status}") if answer.status in (500, 502) else failure
        if provider.success is not None:
            if told is None:
                raise Uncertain(f"HTTP {answer.status}, but its answer cannot be read")
            if search(provider.success, told) is not True:
                named = f", code {code[:40]}" if code and code.isprintable() else ""
                raise Meaning(Reason.REQUEST).failure(
                    f"HTTP {answer.status}, but `success` does not hold{named}"
                )
        return scalar(provider.remote_id, told) if provider.remote_id and told is not None else None

    async def probe(self) -> Health:
        if self._provider.probe_url is None:
            return UNKNOWN
        try:
            answer = await self._tools.http.request(
                "HEAD", self._provider.probe_url, timeout=self._settings.timeout
            )
        except SendFailure as failure:
            return http.health_of(failure)
        return http.health_for(answer.status)


class Receives(HttpConnector):
    """Receiver and Answerer."""

    def verify(self, request: Request) -> None:
        assert self._provider.verify is not None, "made only with `verify`"
        proofs.check_all(self._provider.verify, request, self._tools.clock.now())

    def receive(self, request: Request) -> Batch:
        """Each event an envelope; one that is neither a message nor a report is kept for a person."""
        provider = self._provider
        if request.method == "GET":
            data: Any = dict(request.query)
        else:
            data = body.load_event(request.headers.get("content-type", ""), request.body)
        found = data if provider.events is None else search(provider.events, data)
        events = found if isinstance(found, list) else [found]
        if found is None or not all(isinstance(one, dict) for one in events):
            raise Malformed("the expression `events` finds no events in the body")
        if not events:
            return Batch(response=self._ok())
        return Batch(envelopes=[self._event(one, request.remote) for one in events])

    def _event(self, event: Mapping[str, Any], remote: str) -> Any:
        reports, incoming = self._provider.reports, self._provider.incoming
        status = scalar(reports.status, event) if reports else None
        if reports is not None and status is not None:
            ours = [scalar(one, event) or "" for one in (reports.remote_id, reports.key) if one]
            return self._envelope(
                event,
                account=self._tools.name,
                source_id=f"report:{':'.join(ours)}:{status}",
                number="",
                remote=remote,
            )
        # What is neither gets an envelope as well: its reader puts it aside, and the others of its request go on.
        number = scalar(incoming.number, event) if incoming else None
        known = scalar(incoming.id, event) if incoming and incoming.id else None
        return self._envelope(
            event,
            account=self._tools.name,
            source_id=known or self._tools.ids.new(),
            number=number or "",
            remote=remote,
        )

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        return self._ok()

    def _ok(self) -> Response:
        return Response(
            headers={"content-type": self._provider.answer_type}, body=self._provider.answer.encode()
        )


def make(settings: SmsSettings, provider: HttpProvider, tools: Tools) -> Connector:
    """A connector with a door where the settings say how its requests prove themselves."""
    kind = HttpConnector if provider.verify is None else Receives
    return kind(settings, provider, tools)
