"""Twilio's Programmable Messaging: one call a message, signed web hooks for messages and for what became of ours.

Facts: https://www.twilio.com/docs/messaging/api/message-resource , …/docs/usage/security (signatures) and
…/docs/messaging/guides/track-outbound-message-status . A call bears no key of ours; the address of the report does.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from connectors.contract import Answer, Batch, Media, Request, Response
from connectors.sms import SmsSettings
from connectors.sms.connector import Doubts, SmsConnector, number_of, text_of
from connectors.sms.providers import Twilio
from model import http, signing, sms_codes, strict_json
from model.delivery import Message, Receipt
from model.envelope import Envelope
from model.failures import (
    PAUSING,
    Malformed,
    PermanentFailure,
    Reason,
    SendFailure,
    TemporaryFailure,
    Uncertain,
    Unverified,
)
from model.health import Health, HealthState
from model.signing import Algorithm, Encoding
from model.tools import HttpAnswer, Tools

#: Nothing is said to the customer by the answer itself.
_OK = Response(headers={"content-type": "text/xml"}, body=b"<?xml version='1.0'?><Response/>")
#: Steps of a message on its way that tell nothing new.
_ON_ITS_WAY = frozenset({"accepted", "scheduled", "queued", "sending"})
_FIELDS = 200
_PAGE = 50
#: Tries whose beginning is remembered, and how much Twilio's clock may be behind ours.
_MOST, _SKEW = 10_000, timedelta(minutes=2)


class TwilioConnector(SmsConnector):
    """Receiver, Answerer, Sender, Resolver, Downloader and Previewer."""

    def __init__(self, settings: SmsSettings, provider: Twilio, tools: Tools) -> None:
        super().__init__(settings, tools)
        self._provider = provider
        self._doubts = Doubts(tools.clock, provider.look_up)
        self._began: dict[str, datetime] = {}

    # ---- in

    def verify(self, request: Request) -> None:
        """`X-Twilio-Signature`: HMAC-SHA1 with the auth token over our address and the fields by name, in base64."""
        address = self._provider.address + (f"?{request.query_string}" if request.query_string else "")
        signed = address.encode() + b"".join(
            f"{name}{value}".encode("utf-8", "surrogatepass") for name, value in sorted(set(_fields(request)))
        )
        expected = [
            signing.mac(one.get_secret_value().encode(), signed, Algorithm.SHA1, Encoding.BASE64)
            for one in self._provider.auth_tokens
        ]
        if not signing.any_same(request.headers.get("x-twilio-signature", ""), expected):
            raise Unverified(
                "X-Twilio-Signature does not hold: check `auth_tokens`, and `address` to the letter"
            )

    def receive(self, request: Request) -> Batch:
        fields = dict(_fields(request))
        number = fields.get("MessageSid") or fields.get("SmsSid") or ""
        if not number:
            raise Malformed("not a message of Twilio's, nor what became of one")
        status = fields.get("MessageStatus", "")
        if status in _ON_ITS_WAY:
            return Batch(response=_OK)
        if status and status != "received":
            fields |= {"key": request.query["key"]} if request.query.get("key") else {}
            return Batch(envelopes=[self._event(fields, f"report:{number}:{status}", "To", request.remote)])
        return Batch(envelopes=[self._event(fields, number, "From", request.remote)])

    def _event(self, fields: Mapping[str, str], name: str, other: str, remote: str) -> Envelope:
        return self._envelope(
            fields,
            account=self._provider.account_sid,
            source_id=name,
            number=fields.get(other, ""),
            transport=frozenset({"MessageSid", "SmsSid", "SmsMessageSid", "ApiVersion"}),
            remote=remote,
        )

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        return _OK

    async def download(self, reference: str) -> Media:
        """A picture that came with a message; our log-in goes to Twilio's own hosts only."""
        if not self._trusted(reference):
            raise PermanentFailure(Reason.REQUEST, "the file is not at one of `media_hosts`")
        loaded = await self._tools.http.load(
            reference,
            headers=self._authorised(),
            timeout=self._settings.timeout * 4,
            limit=self._settings.limits.body_bytes,
        )
        failure = http.failure_for(
            loaded.status, loaded.headers, self._tools.clock.now(), address_from_data=True
        )
        if failure is not None:
            if isinstance(failure, TemporaryFailure) and failure.reason in PAUSING:
                raise PermanentFailure(Reason.REQUEST, failure.detail)
            raise failure
        media_type = loaded.headers.get("content-type", "").partition(";")[0].strip()
        return Media(raw=loaded.raw, media_type=media_type or None)

    def _trusted(self, url: str) -> bool:
        host = (urlsplit(url).hostname or "").lower()
        if url.startswith(self._provider.api + "/"):
            return True
        named = any(host == one or host.endswith(f".{one}") for one in self._provider.media_hosts)
        return named and url.startswith("https://")

    # ---- out

    async def send(self, message: Message) -> Receipt:
        """One message. Twilio's 201 says that it is queued; what became of it comes as a report."""
        number, text = number_of(message), text_of(message)
        self._remember(message.key)
        form = {"To": number, **self._sender(message), "Body": text}
        if self._provider.reports:
            form["StatusCallback"] = f"{self._provider.address}?key={quote(message.key, safe='')}"
        told = await self._post(f"{self._path}.json", form)
        sid = told.get("sid")
        if not isinstance(sid, str) or not sid:
            raise Uncertain("Twilio took it, but its answer has no sid")
        self._began.pop(message.key, None)
        return Receipt(sid, self._tools.clock.now())

    def _sender(self, message: Message) -> dict[str, str]:
        """Who sends: the number that the customer wrote to, where they wrote to one."""
        ours, sender = message.thread.get("ours"), self._provider.sender
        if sender.startswith("MG"):
            return {"MessagingServiceSid": sender}
        return {"From": ours if isinstance(ours, str) and ours.startswith("+") else sender}

    def _remember(self, key: str) -> None:
        self._began.setdefault(key, self._tools.clock.now())
        while len(self._began) > _MOST:
            self._began.pop(next(iter(self._began)))

    async def resolve(self, message: Message) -> Receipt | None:
        """Looks for the same words to the same number, sent since the try began.

        After a start nobody knows when that was: then only words that hold the reference, which no other message
        has, are believed.
        """
        number, since = number_of(message), self._began.get(message.key)
        if since is None and (not message.reference or message.reference not in message.text):
            raise Uncertain("sent before a start of ours; its words alone do not tell it from others")
        query = urlencode({"To": number, "PageSize": _PAGE})
        told = await self._get(f"{self._path}.json?{query}")
        found = told.get("messages")
        for one in found if isinstance(found, list) else []:
            if isinstance(one, dict) and one.get("body") == message.text and _is_ours(one, since):
                self._doubts.settled(message.key)
                self._began.pop(message.key, None)
                return Receipt(str(one.get("sid")), self._tools.clock.now())
        self._doubts.not_there(message.key)
        self._began.pop(message.key, None)
        return None

    # ---- calls

    @property
    def _path(self) -> str:
        return f"/2010-04-01/Accounts/{self._provider.account_sid}/Messages"

    def _authorised(self) -> dict[str, str]:
        login = f"{self._provider.account_sid}:{self._provider.auth_tokens[0].get_secret_value()}"
        return {"authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}

    async def _post(self, path: str, form: Mapping[str, str]) -> Mapping[str, Any]:
        answer = await self._tools.http.request(
            "POST",
            self._provider.api + path,
            headers={**self._authorised(), "content-type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
            timeout=self._settings.timeout,
        )
        return self._read(answer)

    async def _get(self, path: str) -> Mapping[str, Any]:
        try:
            answer = await self._tools.http.request(
                "GET", self._provider.api + path, headers=self._authorised(), timeout=self._settings.timeout
            )
            return self._read(answer)
        except Uncertain as doubt:
            raise TemporaryFailure(Reason.SERVER, doubt.detail) from None  # a question changes nothing

    def _read(self, answer: HttpAnswer) -> Mapping[str, Any]:
        try:
            told = strict_json.load(answer.body)
        except Malformed:
            told = None
        told = told if isinstance(told, dict) else {}
        if 200 <= answer.status < 300:
            if not told:
                raise Uncertain(f"HTTP {answer.status}, but its answer cannot be read")
            return told
        now, code = self._tools.clock.now(), told.get("code")
        if isinstance(code, int) and code in sms_codes.TWILIO:
            # Its words may quote the customer's number.
            failure = sms_codes.TWILIO[code].failure(f"Twilio {code}")
            if isinstance(failure, TemporaryFailure) and failure.reason is Reason.THROTTLED:
                failure.retry_after = http.retry_after(answer.headers, now) or failure.retry_after
            raise failure
        if answer.status in (500, 502, 504):
            raise Uncertain(f"HTTP {answer.status}: it may have been taken")
        known = f"Twilio {code}" if isinstance(code, int) else ""
        failed = http.failure_for(answer.status, answer.headers, now)
        if known and isinstance(failed, PermanentFailure):
            raise PermanentFailure(failed.reason, known)
        raise failed or Uncertain(f"HTTP {answer.status}")

    async def probe(self) -> Health:
        """Asks for the account's name and state."""
        try:
            told = await self._get(f"/2010-04-01/Accounts/{self._provider.account_sid}.json")
        except SendFailure as failure:
            repair = (
                failure.repair or "check `account_sid`, the first of `auth_tokens`, the network and the proxy"
            )
            return Health(HealthState.FAILING, failure.detail, repair)
        name, state = str(told.get("friendly_name") or "")[:80], told.get("status")
        if state != "active":
            return Health(HealthState.FAILING, f"{name}: the account is {state}", "look at it in the console")
        return Health(HealthState.OK, name)


def _fields(request: Request) -> list[tuple[str, str]]:
    """The posted fields; what is no form has none, and its signature is over the address alone."""
    if request.media_type != "application/x-www-form-urlencoded":
        return []
    try:
        return parse_qsl(
            request.body.decode("utf-8", "surrogateescape"), keep_blank_values=True, max_num_fields=_FIELDS
        )
    except ValueError:
        return []


def _is_ours(one: Mapping[str, Any], since: datetime | None) -> bool:
    """Whether a message of the list was sent by us, and not before the try began."""
    if not str(one.get("direction") or "").startswith("outbound"):
        return False
    if since is None:
        return True
    try:
        at = parsedate_to_datetime(str(one.get("date_created")))
    except ValueError:
        return False
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) >= since - _SKEW
