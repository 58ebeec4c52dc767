"""Rigs of the kind `sms`: fakes of Aliyun, Twilio and a plain provider, and what they post to our door.

    async with Twilio() as far:
        connector = SPEC.build(SPEC.settings.model_validate(settings(far)), bench.tools("sms"))
        request = signed({"MessageSid": "SM…", "From": "+8613800138001", …})
        assert [one.text for one in far.sent] == ["已收到"]

Built from the vendors' pages (SendSms, QuerySendDetails, SmsUp, SmsReport, "V3 request structure and signature";
"Message resource", "Security"). Every call's signature is computed anew, from the request as it arrived, and what does
not hold is refused in the vendor's words.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus, urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from connectors.contract import Request
from tests.rigs.platform import Platform, takes
from tests.rigs.tools import NOW

KIND = "sms"
ACCOUNT, AUTH_TOKEN = "AC" + "0123456789abcdef" * 2, "the auth token of the tests"
SENDER = "+14155550100"
ADDRESS = "https://office.example/in/sms"
KEY_ID, KEY_SECRET = "LTAI_TEST_KEY", "TEST_SECRET"
WORD = "the word in the address of the tests"
SIGN_NAME = "测试签名"
BEIJING = ZoneInfo("Asia/Shanghai")


def number(n: int) -> str:
    """The n-th customer's."""
    return f"+86138{n:08d}"


@dataclass
class Sent:
    """One message that a provider took."""

    id: str
    to: str
    text: str
    at: datetime
    key: str = ""
    """Ours, where the provider hands it back."""
    more: dict[str, str] = field(default_factory=dict)


def _now() -> datetime:
    return datetime.now(UTC)


# ---- Twilio


class Twilio(Platform):
    """Twilio, as one account sees it."""

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        super().__init__()
        self._clock = now
        self.sent: list[Sent] = []
        self.stopped: set[str] = set()
        """Numbers that sent STOP: Twilio itself refuses to write to them."""
        self.files: dict[str, tuple[str, bytes]] = {}
        self.status = "active"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        account = f"/2010-04-01/Accounts/{ACCOUNT}"
        given = request.headers.get("Authorization", "")
        if base64.b64decode(given.removeprefix("Basic ")) != f"{ACCOUNT}:{AUTH_TOKEN}".encode():
            return _twilio_error(401, 20003, "Authenticate")
        if request.path == f"{account}.json":
            return web.json_response({"friendly_name": "Office", "status": self.status})
        if request.path in self.files:
            media_type, content = self.files[request.path]
            return web.Response(body=content, content_type=media_type)
        if request.path != f"{account}/Messages.json":
            return _twilio_error(404, 20404, "The requested resource was not found")
        if request.method == "GET":
            to = request.query.get("To")
            newest = [_resource(one) for one in reversed(self.sent) if one.to == to]
            return web.json_response({"messages": newest[: int(request.query.get("PageSize", "50"))]})
        got, behaviour = await self._told(request)
        answer = (
            self._take(dict(parse_qsl(got.body.decode()))) if takes(behaviour) else _twilio_error(500, 0, "")
        )
        return await self._after(request, behaviour, answer)

    def _take(self, form: dict[str, str]) -> web.Response:
        to, text = form.get("To", ""), form.get("Body", "")
        if not re.fullmatch(r"\+[1-9]\d{7,14}", to):
            return _twilio_error(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if form.get("From", SENDER) != SENDER:
            return _twilio_error(400, 21606, "The 'From' phone number is not a valid, SMS-capable number")
        if not text:
            return _twilio_error(400, 21602, "Message body is required.")
        if len(text) > 1_600:
            return _twilio_error(
                400, 21617, "The concatenated message body exceeds the 1600 character limit."
            )
        if to in self.stopped:
            return _twilio_error(400, 21610, "Attempt to send to unsubscribed recipient")
        callback = form.get("StatusCallback", "")
        sid = f"SM{len(self.sent) + 1:032x}"
        one = Sent(sid, to, text, self._clock(), unquote_plus(callback.partition("?key=")[2]))
        one.more = {"from": form.get("From", ""), "callback": callback}
        self.sent.append(one)
        return web.json_response(_resource(one), status=201)

    def report(self, one: Sent, status: str, error: str = "") -> Request:
        """What became of a message, posted to the address that came with it."""
        fields = {"MessageSid": one.id, "AccountSid": ACCOUNT, "To": one.to, "From": SENDER}
        fields |= {"MessageStatus": status, "SmsStatus": status} | ({"ErrorCode": error} if error else {})
        return signed(fields, one.more["callback"])


def _resource(one: Sent) -> dict[str, Any]:
    return {
        "sid": one.id,
        "to": one.to,
        "from": one.more.get("from", SENDER),
        "body": one.text,
        "status": "queued",
        "direction": "outbound-api",
        "date_created": format_datetime(one.at.replace(microsecond=0)),
        "error_code": None,
    }


def _twilio_error(status: int, code: int, words: str) -> web.Response:
    told = {"code": code, "message": words, "more_info": f"https://www.twilio.com/docs/errors/{code}"}
    return web.json_response({**told, "status": status}, status=status)


def message(n: int, text: str, sid: str = "", **more: str) -> dict[str, str]:
    """The fields of a message that the n-th customer wrote."""
    return {
        "MessageSid": sid or f"SM{n:032d}",
        "AccountSid": ACCOUNT,
        "From": number(n),
        "To": SENDER,
        "Body": text,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsStatus": "received",
        **more,
    }


def signed(fields: dict[str, str], address: str = ADDRESS, token: str = AUTH_TOKEN) -> Request:
    """Fields as Twilio posts them: address and fields by name, HMAC-SHA1."""
    said = address + "".join(name + fields[name] for name in sorted(fields))
    mac = hmac.new(token.encode(), said.encode(), hashlib.sha1).digest()
    return _posted(
        urlencode(fields).encode(),
        address.partition("?")[2],
        {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": base64.b64encode(mac).decode(),
        },
    )


def _posted(body: bytes, query: str, headers: dict[str, str]) -> Request:
    return Request(
        method="POST",
        path="/in/sms",
        query=dict(parse_qsl(query, keep_blank_values=True)),
        query_string=query,
        headers=headers,
        body=body,
        remote="203.0.113.7",
        received_at=NOW,
    )


def settings(far: Twilio, api: str = "", **more: Any) -> dict[str, Any]:
    """Settings of an account at Twilio; `provider` in `more` is merged."""
    provider = {
        "name": "twilio",
        "account_sid": ACCOUNT,
        "auth_tokens": [AUTH_TOKEN],
        "sender": SENDER,
        "address": ADDRESS,
        "api": api or far.url,
        **more.pop("provider", {}),
    }
    return {"kind": KIND, "provider": provider, "timeout": 5, "burst": "PT0S", **more}


# ---- Aliyun


class Aliyun(Platform):
    """Aliyun's Short Message Service, as one access key sees it."""

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        super().__init__()
        self._clock = now
        self.sent: list[Sent] = []
        self.templates = {
            "SMS_1": "您的反馈${id}已有回复：${text}",
            "SMS_2": "您的反馈${id}已有回复，请来电查询。",
        }
        self.refusals: dict[str, tuple[str, str]] = {}
        """Number to the code and the words that a message to it is refused with."""
        self.nonces: set[str] = set()
        self.listed = True
        """Whether what was sent shows in the list already."""

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        wrong = self._unsigned(request, await request.read())
        if wrong:
            return _aliyun_error(400, wrong, "see https://error-center.aliyun.com")
        action = request.headers.get("x-acs-action")
        if action == "QuerySendDetails":
            return web.json_response(self._details(dict(request.query)))
        if action != "SendSms":
            return _aliyun_error(404, "InvalidAction.NotFound", "Specified api is not found")
        _, behaviour = await self._told(request)
        if takes(behaviour):
            return await self._after(request, behaviour, self._take(dict(request.query)))
        return await self._after(request, behaviour, web.Response(status=500))

    def _unsigned(self, request: web.Request, body: bytes) -> str:
        """The code for a call whose ACS3 signature, computed from the request as it came, does not hold."""
        head = request.headers
        found = re.fullmatch(
            r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})",
            head.get("Authorization", ""),
        )
        if not found:
            return "IncompleteSignature"
        key_id, names, given = found[1], found[2].split(";"), found[3]
        if key_id != KEY_ID:
            return "InvalidAccessKeyId.NotFound"
        needed = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"}
        if names != sorted(names) or not needed <= set(names):
            return "IncompleteSignature"
        if head["x-acs-content-sha256"] != hashlib.sha256(body).hexdigest():
            return "SignatureDoesNotMatch"
        pairs = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
        query = "&".join(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(pairs)
        )
        lines = [request.method, request.rel_url.raw_path, query]
        lines += [f"{name}:{head[name].strip()}" for name in names]
        lines += ["", ";".join(names), head["x-acs-content-sha256"]]
        said = "ACS3-HMAC-SHA256\n" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
        if hmac.new(KEY_SECRET.encode(), said.encode(), hashlib.sha256).hexdigest() != given:
            return "SignatureDoesNotMatch"
        at = datetime.strptime(head["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if abs(self._clock() - at) > timedelta(minutes=15):
            return "InvalidTimeStamp.Expired"
        if (nonce := head["x-acs-signature-nonce"]) in self.nonces:
            return "SignatureNonceUsed"
        self.nonces.add(nonce)
        return ""

    def _take(self, asked: dict[str, str]) -> web.Response:
        to, code = asked.get("PhoneNumbers", ""), asked.get("TemplateCode", "")
        if not re.fullmatch(r"1[3-9]\d{9}|[1-9]\d{6,14}", to):
            return _aliyun_error(200, "isv.MOBILE_NUMBER_ILLEGAL", f"{to}invalid mobile number")
        if to in self.refusals:
            return _aliyun_error(200, *self.refusals[to])
        if asked.get("SignName") != SIGN_NAME:
            return _aliyun_error(200, "isv.SMS_SIGNATURE_ILLEGAL", "该账号下找不到对应签名")
        if code not in self.templates:
            return _aliyun_error(200, "isv.SMS_TEMPLATE_ILLEGAL", "该账号下找不到对应模板")
        values = json.loads(asked.get("TemplateParam", "{}"))
        wanted = set(re.findall(r"\$\{(\w+)\}", self.templates[code]))
        if wanted - set(values):
            return _aliyun_error(200, "isv.TEMPLATE_MISSING_PARAMETERS", "模板变量缺少对应参数值")
        for value in values.values():
            if not 1 <= len(value) <= 35:
                return _aliyun_error(200, "isv.PARAM_LENGTH_LIMIT", "参数超过长度限制")
            if "://" in value:
                return _aliyun_error(200, "isv.PARAM_NOT_SUPPORT_URL", "变量不支持传入URL")
        text = re.sub(r"\$\{(\w+)\}", lambda place: values[place[1]], self.templates[code])
        number = f"{9_000_000_000 + len(self.sent)}^0"
        self.sent.append(Sent(number, to, text, self._clock(), asked.get("OutId", ""), {"code": code}))
        return web.json_response({"Code": "OK", "Message": "OK", "BizId": number, "RequestId": "R-1"})

    def _details(self, asked: dict[str, str]) -> dict[str, Any]:
        day, size, page = asked["SendDate"], int(asked["PageSize"]), int(asked["CurrentPage"])
        found = [
            {
                "PhoneNum": one.to,
                "SendStatus": 1,
                "OutId": one.key,
                "TemplateCode": one.more["code"],
                "Content": f"【{SIGN_NAME}】{one.text}",
                "SendDate": f"{one.at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
            }
            for one in self.sent
            if self.listed
            and one.to == asked["PhoneNumber"]
            and f"{one.at.astimezone(BEIJING):%Y%m%d}" == day
        ]
        shown = found[(page - 1) * size : page * size]
        return {
            "Code": "OK",
            "Message": "OK",
            "TotalCount": str(len(found)),
            "SmsSendDetailDTOs": {"SmsSendDetailDTO": shown},
        }

    def report(self, one: Sent, code: str = "DELIVERED") -> dict[str, Any]:
        """What became of a message, as one item of a push."""
        at = f"{self._clock().astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
        return {
            "phone_number": one.to,
            "send_time": at,
            "report_time": at,
            "success": code == "DELIVERED",
            "err_code": code,
            "err_msg": "",
            "sms_size": "1",
            "biz_id": one.id,
            "out_id": one.key,
        }


def _aliyun_error(status: int, code: str, words: str) -> web.Response:
    return web.json_response({"Code": code, "Message": words, "RequestId": "R-1"}, status=status)


def up(n: int, text: str, sequence: int | str = 0, at: datetime = NOW) -> dict[str, Any]:
    """A message that the n-th customer wrote, as one item of a push."""
    return {
        "phone_number": number(n).removeprefix("+86"),
        "send_time": f"{at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
        "content": text,
        "dest_code": "10690000123",
        "sequence_id": str(sequence or 1_000 + n),
    }


def pushed(*events: dict[str, Any], word: str = WORD) -> Request:
    """Events as Aliyun pushes them: an array, and no signature."""
    body = json.dumps(list(events), ensure_ascii=False).encode()
    return _posted(body, urlencode({"token": word}), {"content-type": "application/json"})


def aliyun(far: Aliyun, api: str = "", **more: Any) -> dict[str, Any]:
    """Settings of an account at Aliyun; `provider` in `more` is merged."""
    provider = {
        "name": "aliyun",
        "access_key_id": KEY_ID,
        "access_key_secret": KEY_SECRET,
        "sign_name": SIGN_NAME,
        "tokens": [WORD],
        "api": api or far.url,
        "templates": [
            {
                "code": "SMS_1",
                "content": far.templates["SMS_1"].replace("$", ""),
                "variables": {"id": "{reference}", "text": "{text}"},
                "purposes": ["reply"],
            },
            {"code": "SMS_2", "content": far.templates["SMS_2"].replace("$", ""), "variables": {"id": "{reference}"},
             "purposes": ["acknowledgement"]},
        ],
        **more.pop("provider", {}),
    }  # fmt: skip
    return {"kind": KIND, "provider": provider, "timeout": 5, "burst": "PT0S", **more}


# ---- any other


class Carrier(Platform):
    """A provider with an API of its own: JSON, errors inside HTTP 200."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Sent] = []
        self.code = ""
        """What the next messages are refused with."""

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response()
        got, behaviour = await self._told(request)
        answer = self._take(got.headers, got.json()) if takes(behaviour) else web.Response(status=500)
        return await self._after(request, behaviour, answer)

    def _take(self, headers: dict[str, str], told: dict[str, Any]) -> web.Response:
        if headers.get("authorization") != "Bearer carrier-token":
            return web.json_response({"status": "error", "error": {"code": "AUTH"}}, status=401)
        if self.code:
            return web.json_response({"status": "error", "error": {"code": self.code}})
        number = f"m-{len(self.sent) + 1}"
        self.sent.append(Sent(number, told["to"], told["text"], NOW, told["key"]))
        return web.json_response({"status": "ok", "message": {"id": number}})


def carrier(far: Carrier, **more: Any) -> dict[str, Any]:
    """Settings of it; `provider` in `more` is merged."""
    provider = {
        "name": "http",
        "url": f"{far.url}/send",
        "headers": {"Authorization": "Bearer carrier-token"},
        "remote_id": "message.id",
        "success": "status == 'ok'",
        "error": "error.code",
        "errors": {"LIMIT": "throttled", "NUMBER": "recipient", "AUTH": "auth"},
        "verify": {"scheme": "token", "secrets": [WORD], "place": "query.token"},
        "events": "events",
        "incoming": {"number": "from", "text": "text", "id": "id", "ours": "to", "sent_at": "at"},
        "reports": {
            "status": "status",
            "remote_id": "message",
            "error": "code",
            "delivered": ["DELIVRD"],
            "failed": ["UNDELIV"],
        },
        "answer": "OK",
        "probe_url": f"{far.url}/",
        **more.pop("provider", {}),
    }
    return {"kind": KIND, "provider": provider, "timeout": 5, "burst": "PT0S", **more}


def carried(*events: dict[str, Any], word: str = WORD) -> Request:
    """Events as that provider posts them."""
    body = json.dumps({"events": list(events)}, ensure_ascii=False).encode()
    return _posted(body, urlencode({"token": word}), {"content-type": "application/json"})
