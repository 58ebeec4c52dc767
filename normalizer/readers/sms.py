"""Reads one event of a provider of text messages: what a customer wrote, or what became of a message of ours."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from model import sms_codes, strict_json
from model.draft import Draft, Fate, Identity, Part, Report
from model.expression import scalar
from model.failures import Malformed, Reason
from normalizer import identity, language, text
from normalizer.contract import Source

_SHORT = 200
#: What a word alone is stripped of before it is compared.
_MARKS = re.compile(r"[\s\W_]+")
_TWILIO: Mapping[str, Fate] = {
    "sent": Fate.SENT,
    "delivered": Fate.DELIVERED,
    "read": Fate.READ,
    "undelivered": Fate.FAILED,
    "failed": Fate.FAILED,
    "canceled": Fate.FAILED,
}
_MOST_FILES = 10
#: Unix times in milliseconds are larger than any in seconds.
_MILLISECONDS = 1e11


def read(source: Source) -> Draft:
    """An event as a draft; Malformed when it is none of its provider."""
    event = strict_json.load(source.raw)
    if not isinstance(event, dict):
        raise Malformed("not an event of a provider of text messages")
    draft = _READERS[str(source.options.get("provider", "http"))](event, source)
    return draft if draft.reports else _word(draft, event, source)


def _word(draft: Draft, event: Mapping[str, Any], source: Source) -> Draft:
    """STOP and START, as a word of the customer's or of Twilio's: something that happened, not something said."""
    said = _plain(draft.text)
    named = str(event.get("OptOutType") or "").upper()
    for signal, option, word in (("stopped", "stop_words", "STOP"), ("started", "start_words", "START")):
        if named == word or (said and said in {_plain(one) for one in source.options.get(option, ())}):
            return replace(draft, signal=signal, text="", language=None, opens="")
    return draft


def _plain(words: str) -> str:
    return _MARKS.sub("", unicodedata.normalize("NFKC", words)).casefold()


def _message(
    source: Source, number: str, words: str, *, ours: str = "", sent_at: datetime | None = None
) -> Draft:
    """What somebody wrote. From what is no telephone number (a short code) no answer is ever sent."""
    region = str(source.options.get("region", "CN"))
    person = identity.phone(number, region) or identity.phone(f"+{number}", region)
    words = text.clean(words).strip()
    sender = person or Identity("sms", text.one_line(number, _SHORT))
    way = {"number": person.value if person else None, "ours": ours or None}
    return Draft(
        text=words,
        full_text=words,
        language=language.detect(words),
        sent_at=sent_at or source.sent_at,
        identities=(sender,),
        reply_to=(person,) if person else (),
        conversation=sender.value,
        mute=() if person else ("no telephone number",),
        envelope_to={name: value for name, value in way.items() if value is not None},
    )


def _report(
    fate: Fate,
    *,
    remote_id: str | None,
    key: str | None = None,
    reason: Reason | None = None,
    code: str = "",
    sent_at: datetime | None = None,
) -> Draft:
    told = Report(
        fate=fate,
        remote_id=remote_id or None,
        key=key or None,
        reason=(reason or Reason.SERVER) if fate is Fate.FAILED else None,
        detail=text.one_line(code, _SHORT) if fate is Fate.FAILED else "",
    )
    return Draft(signal="reports", opens="", reports=(told,), sent_at=sent_at)


def _aliyun(event: Mapping[str, Any], source: Source) -> Draft:
    at = _moment(event.get("report_time") or event.get("ReportDate") or event.get("send_time"), source)
    sent = event.get("biz_id") or event.get("MessageId")
    if sent:
        if "Status" in event:  # to numbers abroad
            status = str(event["Status"])
            fate = Fate.DELIVERED if status == "1" else Fate.FAILED
        else:
            fate = Fate.DELIVERED if _true(event.get("success")) else Fate.FAILED
        code = str(event.get("err_code") or event.get("ErrorCode") or "")
        key = str(event.get("out_id") or "")
        return _report(
            fate,
            remote_id=str(sent),
            key=key if not key.startswith("sha256:") else None,
            reason=sms_codes.CARRIER.get(code),
            code=f"carrier: {code}",
            sent_at=at,
        )
    number, words = event.get("phone_number"), event.get("content")
    if not isinstance(number, str | int) or not isinstance(words, str):
        raise Malformed("neither a message nor a report of Aliyun's")
    return _message(source, str(number), words, ours=str(event.get("dest_code") or ""), sent_at=at)


def _twilio(event: Mapping[str, Any], source: Source) -> Draft:
    status = str(event.get("MessageStatus") or "")
    if status and status != "received":
        code = str(event.get("ErrorCode") or "")
        meaning = sms_codes.TWILIO.get(int(code)) if code.isdigit() else None
        return _report(
            _TWILIO.get(status, Fate.DELAYED),
            remote_id=str(event.get("MessageSid") or ""),
            key=str(event.get("key") or ""),
            reason=meaning.reason if meaning else None,
            code=f"Twilio {code}" if code else status,
        )
    number = event.get("From")
    if not isinstance(number, str) or not number:
        raise Malformed("a message of Twilio's without its sender")
    draft = _message(source, number, str(event.get("Body") or ""), ours=str(event.get("To") or ""))
    parts = tuple(_files(event))
    return replace(draft, parts=parts) if parts else draft


def _files(event: Mapping[str, Any]) -> list[Part]:
    count = str(event.get("NumMedia") or "0")
    found = []
    for n in range(min(int(count) if count.isdigit() else 0, _MOST_FILES)):
        url, media_type = event.get(f"MediaUrl{n}"), str(event.get(f"MediaContentType{n}") or "")
        if isinstance(url, str) and url:
            kind = (
                media_type if re.fullmatch(r"[\w.+-]+/[\w.+-]+", media_type) else "application/octet-stream"
            )
            ending = kind.rpartition("/")[2].rpartition("-")[2]
            found.append(Part(f"file-{n + 1}.{ending}", kind, None, reference=url))
    return found


def _http(event: Mapping[str, Any], source: Source) -> Draft:
    reports: Mapping[str, Any] | None = source.options.get("reports")
    incoming: Mapping[str, Any] | None = source.options.get("incoming")
    status = scalar(reports["status"], event) if reports else None
    if reports is not None and status is not None:
        fates = (("sent", Fate.SENT), ("delivered", Fate.DELIVERED), ("failed", Fate.FAILED))
        fate = next((fate for name, fate in fates if status in reports[name]), Fate.DELAYED)
        code = _at(reports, "error", event) or ""
        reason = (source.options.get("errors") or {}).get(code)
        return _report(
            fate,
            remote_id=_at(reports, "remote_id", event),
            key=_at(reports, "key", event),
            reason=Reason(reason) if reason else None,
            code=code or status,
        )
    number = _at(incoming, "number", event) if incoming else None
    if incoming is None or number is None:
        raise Malformed("neither a message nor a report: look at `incoming` and `reports`")
    return _message(
        source,
        number,
        _at(incoming, "text", event) or "",
        ours=_at(incoming, "ours", event) or "",
        sent_at=_moment(_at(incoming, "sent_at", event), source),
    )


def _at(places: Mapping[str, Any], name: str, event: Any) -> str | None:
    expression = places.get(name)
    return scalar(expression, event) if expression else None


def _moment(written: Any, source: Source) -> datetime | None:
    """A time as aware UTC; one without a zone is in the zone of the settings."""
    if written is None:
        return None
    said = str(written).strip()
    try:
        if re.fullmatch(r"\d{9,14}(\.\d+)?", said):
            number = float(said)
            return datetime.fromtimestamp(number / 1_000 if number >= _MILLISECONDS else number, UTC)
        at = datetime.fromisoformat(said)
        zone = ZoneInfo(str(source.options.get("timezone", "Asia/Shanghai")))
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


_READERS: Mapping[str, Callable[[Mapping[str, Any], Source], Draft]] = {
    "aliyun": _aliyun,
    "twilio": _twilio,
    "http": _http,
}
