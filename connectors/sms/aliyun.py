"""Aliyun's Short Message Service, version 2017-05-25: approved templates out, unsigned arrays of events in.

Facts: https://help.aliyun.com/zh/sms/developer-reference/ (SendSms, QuerySendDetails, SmsUp, SmsReport) and
https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature (ACS3-HMAC-SHA256).
HTTP is 200 for its own errors: `Code` tells. Events must be answered within 700 ms, else they come again, 3 times.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from connectors.contract import Answer, Batch, Preview, Request, Response
from connectors.sms import SmsSettings, segments
from connectors.sms.connector import NO_FILES, Doubts, SmsConnector, number_of, previewed
from connectors.sms.providers import Aliyun, SmsTemplate
from connectors.wire import notices
from model import http, signing, sms_codes, strict_json
from model.delivery import Message, Receipt
from model.failures import (
    Malformed,
    PermanentFailure,
    Reason,
    SendFailure,
    TemporaryFailure,
    Uncertain,
    Unverified,
)
from model.health import Health, HealthState
from model.sms_codes import Meaning
from model.tools import Tools

_VERSION = "2017-05-25"
_EMPTY = hashlib.sha256(b"").hexdigest()
#: Bytes of OutId, which comes back with the report and in the list.
_OUT_ID = 250
#: Messages of one number and day that are looked through; Aliyun gives at most 50 at once.
_PAGE, _PAGES = 50, 4
_OK = Response(
    headers={"content-type": "application/json"},
    body='{"code":0,"msg":"接收成功"}'.encode(),
)
#: How long the limit holds that the words name.
_LIMITS = (("天级", timedelta(days=1)), ("小时级", timedelta(hours=1)), ("分钟级", timedelta(minutes=1)))
#: Where all times of Aliyun are.
BEIJING = ZoneInfo("Asia/Shanghai")


class AliyunConnector(SmsConnector):
    """Receiver, Answerer, Sender, Resolver and Previewer."""

    def __init__(self, settings: SmsSettings, provider: Aliyun, tools: Tools) -> None:
        super().__init__(settings, tools)
        self._provider = provider
        self._doubts = Doubts(tools.clock, provider.look_up)

    # ---- in

    def verify(self, request: Request) -> None:
        """A word in the address: Aliyun signs nothing, so that whoever knows the word can post anything."""
        given = request.query.get("token", "")
        if not signing.any_same(given, [one.get_secret_value() for one in self._provider.tokens]):
            raise Unverified("?token= of the address is not ours")

    def receive(self, request: Request) -> Batch:
        """Each of the array an envelope: messages of customers, and reports."""
        told = strict_json.load(request.body)
        events = told if isinstance(told, list) else [told]
        if not all(isinstance(one, dict) and _number(one) for one in events):
            raise Malformed("neither messages nor reports of Aliyun")
        if not events:
            return Batch(response=_OK)
        return Batch(envelopes=[self._event(one, request.remote) for one in events])

    def _event(self, event: Mapping[str, Any], remote: str) -> Any:
        number = _number(event)
        sent = event.get("biz_id") or event.get("MessageId")
        said = event.get("sequence_id")
        name = f"report:{sent}:{number}" if sent else f"{said}:{number}" if said else None
        return self._envelope(
            event,
            account=self._provider.sign_name,
            source_id=name,
            number=number,
            transport=frozenset() if sent else frozenset({"sequence_id", "send_time"}),
            remote=remote,
        )

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        return _OK

    # ---- out

    def parts(self, message: Message) -> Sequence[Message]:
        """One: a template is never cut in two."""
        return [message]

    async def send(self, message: Message) -> Receipt:
        """One SendSms; the receipt has Aliyun's BizId."""
        number = number_of(message)
        if message.files:
            raise PermanentFailure(Reason.REQUEST, NO_FILES)
        template, values = self._chosen(message, number)
        asked = {
            "PhoneNumbers": _dialled(number),
            "SignName": self._provider.sign_name,
            "TemplateCode": template.code,
            "OutId": out_id(message.key),
        }
        if values:
            asked["TemplateParam"] = json.dumps(values, ensure_ascii=False)
        told = await self._call("SendSms", asked)
        number_there = told.get("BizId")
        if not isinstance(number_there, str) or not number_there:
            raise Uncertain("Aliyun took it, but its answer has no BizId")
        return Receipt(number_there, self._tools.clock.now(), {"template": template.code})

    async def resolve(self, message: Message) -> Receipt | None:
        """Looks for our OutId in what was sent to the number today and yesterday (Beijing)."""
        number, wanted = number_of(message), out_id(message.key)
        today = self._tools.clock.now().astimezone(BEIJING).date()
        for day in (today, today - timedelta(days=1)):
            if await self._was_sent(number, wanted, f"{day:%Y%m%d}"):
                self._doubts.settled(message.key)
                return Receipt(wanted, self._tools.clock.now())
        self._doubts.not_there(message.key)
        return None

    async def _was_sent(self, number: str, wanted: str, day: str) -> bool:
        for page in range(1, _PAGES + 1):
            asked = {
                "PhoneNumber": _dialled(number),
                "SendDate": day,
                "PageSize": str(_PAGE),
                "CurrentPage": str(page),
            }
            try:
                told = await self._call("QuerySendDetails", asked)
            except Uncertain as doubt:
                raise TemporaryFailure(Reason.SERVER, doubt.detail) from None  # a question changes nothing
            found = _listed(told)
            if any(str(one.get("OutId") or "") == wanted for one in found):
                return True
            if len(found) < _PAGE:
                return False
        raise Uncertain("too many messages went to the number to find this one among them")

    def preview(self, message: Message) -> Preview:
        """The template that the text fits, with our values in it; else why none takes it."""
        try:
            template, values = self._chosen(message, number_of(message))
        except PermanentFailure as failure:
            return previewed("", [segments.characters(message.text)], failure.detail)
        if not template.content:
            refused = NO_FILES if message.files else ""
            return Preview(text=" ".join(values.values()), unit=f"template {template.code}", refused=refused)
        text = f"【{self._provider.sign_name}】" + re.sub(
            r"\{(\w+)\}", lambda place: values[place[1]], template.content
        )
        return previewed(text, [segments.characters(text)], NO_FILES if message.files else "")

    def _chosen(self, message: Message, number: str) -> tuple[SmsTemplate, Mapping[str, str]]:
        """The first template that the message fits, with its values; PermanentFailure (window) when none does."""
        countries = "mainland" if number.startswith("+86") else "abroad"
        why: list[str] = []
        for template in self._provider.templates:
            if message.purpose not in template.purposes or template.countries != countries:
                continue
            values = {
                name: notices.fill(pattern, message, 100_000) for name, pattern in template.variables.items()
            }
            trouble = self._trouble(template, values)
            if not trouble:
                return template, values
            why.append(f"{template.code}: {trouble}")
        if not why:
            why = [f"none is for a {message.purpose.value} to numbers {countries}"]
        detail = "no approved template takes this text: " + "; ".join(why)
        raise PermanentFailure(Reason.WINDOW, detail, repair="shorten the text, or answer by another channel")

    def _trouble(self, template: SmsTemplate, values: Mapping[str, str]) -> str:
        for name, value in values.items():
            if len(value) > template.longest:
                return f"{name} has {len(value)} characters, {template.longest} are allowed"
            if re.search(self._provider.refused, value):
                return f"{name} has what Aliyun refuses in a variable, such as a link"
        return ""

    # ---- calls

    async def _call(self, action: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
        provider, now = self._provider, self._tools.clock.now()
        query = canonical(asked)
        headers = signed(
            "POST",
            urlsplit(provider.api).netloc,
            query,
            {
                "x-acs-action": action,
                "x-acs-version": _VERSION,
                "x-acs-date": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "x-acs-signature-nonce": self._tools.ids.draw(16).hex(),
            },
            provider.access_key_id,
            provider.access_key_secret.get_secret_value(),
        )
        answer = await self._tools.http.request(
            "POST", f"{provider.api}/?{query}", headers=headers, body=b"", timeout=self._settings.timeout
        )
        try:
            told = strict_json.load(answer.body)
        except Malformed:
            told = None
        code = told.get("Code") if isinstance(told, dict) else None
        if code == "OK" and answer.status == 200:
            return told if isinstance(told, dict) else {}
        if isinstance(code, str):
            words = told.get("Message") if isinstance(told, dict) else None
            raise _failure(code, words if isinstance(words, str) else "")
        if answer.status in (500, 502, 504) or 200 <= answer.status < 300:
            raise Uncertain(f"HTTP {answer.status}, and no answer of Aliyun's in it")
        raise http.failure_for(answer.status, answer.headers, now) or Uncertain("no answer of Aliyun's")

    async def probe(self) -> Health:
        """Asks for what was sent to a number that nobody has; nothing is sent."""
        asked = {
            "PhoneNumber": "13000000000",
            "SendDate": f"{self._tools.clock.now().astimezone(BEIJING):%Y%m%d}",
            "PageSize": "1",
            "CurrentPage": "1",
        }
        try:
            await self._call("QuerySendDetails", asked)
        except SendFailure as failure:
            repair = failure.repair or "check `api`, the network and the proxy"
            return Health(HealthState.FAILING, failure.detail, repair)
        return Health(HealthState.OK, f"the keys hold; 【{self._provider.sign_name}】")


# ---- ACS3-HMAC-SHA256


def canonical(asked: Mapping[str, str]) -> str:
    """Parameters sorted by name, percent-encoded after RFC 3986."""
    return "&".join(f"{quote(name, safe='~')}={quote(asked[name], safe='~')}" for name in sorted(asked))


def signed(
    method: str,
    host: str,
    query: str,
    more: Mapping[str, str],
    key_id: str,
    secret: str,
    digest: str = _EMPTY,
) -> dict[str, str]:
    """The headers of a call with its signature over method, path, query, headers and the body's digest."""
    headers = {"host": host, "x-acs-content-sha256": digest, **more}
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    request = "\n".join((method, "/", query, lines, ";".join(names), digest))
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.digest(secret.encode(), to_sign.encode(), "sha256").hex()
    return {
        **headers,
        "authorization": f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={';'.join(names)},Signature={signature}",
    }


def out_id(key: str) -> str:
    """Our key as Aliyun takes it along."""
    fits = len(key.encode()) <= _OUT_ID and key.isascii() and key.isprintable()
    return key if fits else "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def _failure(code: str, words: str) -> SendFailure:
    """Codes by the table; what is unknown is this message's fault when it begins with isv, else Aliyun's."""
    detail = f"Aliyun: {code}"
    meaning = sms_codes.ALIYUN.get(code)
    if meaning is None and code.startswith("Throttling"):
        meaning = Meaning(Reason.THROTTLED, temporary=True)
    if meaning is None:
        meaning = (
            Meaning(Reason.REQUEST) if code.startswith("isv.") else Meaning(Reason.SERVER, temporary=True)
        )
    if code == "isv.BUSINESS_LIMIT_CONTROL":
        wait = next((span for name, span in _LIMITS if name in words), meaning.wait)
        meaning = Meaning(meaning.reason, True, wait, only_recipient=True)
    return meaning.failure(detail)


def _dialled(number: str) -> str:
    """A number as Aliyun wants it: of the mainland without the country's code, of others without the plus."""
    return number.removeprefix("+86") if number.startswith("+86") else number.removeprefix("+")


def _number(event: Mapping[str, Any]) -> str:
    found = event.get("phone_number") or event.get("PhoneNumber") or event.get("To")
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def _listed(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    inner = told.get("SmsSendDetailDTOs")
    found = inner.get("SmsSendDetailDTO") if isinstance(inner, dict) else inner
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
