"""Reads a note of a call, and what a telephone exchange tells of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

from model import calls
from model.calls import ANSWERED, ENDED, RECORDED, STARTED, Told, word
from model.draft import Call, Draft, Part, Thread
from normalizer import filename, identity, text
from normalizer.contract import Source
from normalizer.readers import visit

#: How exchanges write that a number is withheld, Twilio's number for it included.
_WITHHELD = frozenset(
    {
        "anonymous",
        "unknown",
        "unavailable",
        "restricted",
        "private",
        "withheld",
        "asterisk",
        "s",
        "+266696687",
    }
)
#: How calls end that nobody of ours spoke in: Asterisk's CDR and DIALSTATUS, FreeSWITCH's causes, Twilio's states.
_MISSED = frozenset(
    {
        *("no answer", "noanswer", "busy", "failed", "congestion", "cancel", "chanunavail", "no-answer"),
        *("canceled", "abandoned", "originator_cancel", "no_answer", "user_busy", "no_user_response"),
    }
)
_SHORT = 200


def read(source: Source) -> Draft:
    """A note, or a message of an exchange, which is a signal; a missed call is one that nobody has answered yet."""
    exchange = str(source.meta.get("exchange", ""))
    if not exchange:
        return visit.read(source)
    fields = calls.told(exchange, source.media_type, source.raw)
    named = str(source.meta.get("call", "")), str(source.meta.get("event", ""))
    zone, region = str(source.options.get("timezone", "UTC")), str(source.options.get("region", "CN"))
    facts = _READ[exchange](fields, named[1], When(zone, source.received_at))
    if facts.pop("outbound", False):
        return Draft(signal="outbound call", sent_at=source.sent_at)
    heard = Call(id=named[0], event=named[1], **{**facts, "number": _number(facts.get("number", ""), region)})
    phone = identity.phone(heard.number.partition(";")[0], region) if heard.number else None
    called = identity.call(heard.number, region) if heard.number else None
    words = _missed(heard) if heard.missed else ""
    return Draft(
        subject="未接来电 Missed call" if heard.missed else "",
        text=words,
        full_text=words,
        sent_at=heard.ended_at or heard.answered_at or heard.started_at or source.sent_at,
        identities=(phone,) if phone else (),
        reply_to=(called,) if called else (),
        thread=Thread(replies_to=(heard.id,), ids=(heard.id,)),
        signal="missed call" if heard.missed else f"call {heard.event.partition(':')[0]}",
        opens="",
        parts=(recording(heard.recording, bool(source.options.get("recordings"))),)
        if heard.recording
        else (),
        call=heard,
        extra={name: value for name, value in (("line", heard.line), ("agent", heard.agent)) if value},
    )


def recording(named: str, fetched: bool) -> Part:
    """A recording as a file that is only named."""
    name = filename.safe(named.rpartition("/")[2].partition("?")[0] or "recording")
    omitted = None if fetched else f"not fetched: {text.one_line(named, 2_000)}"
    return Part(name, "audio/*", None, omitted=omitted, reference=named if fetched else None)


def _missed(heard: Call) -> str:
    number = heard.number or "—"
    at = heard.started_at or heard.ended_at
    when = f" {at:%Y-%m-%d %H:%M} UTC" if at else ""
    return f"未接来电，号码 {number}{when}。\nMissed call from {number}{when}."


def _number(given: str, region: str) -> str:
    if given.strip().lower() in _WITHHELD:
        return ""
    found = identity.call(given, region)
    return found.value if found else ""


def _asterisk(fields: Told, event: str, when: When) -> dict[str, Any]:
    """Fields that the dial plan posts, or those of AMI's event Cdr; names in lower case."""
    what = event.partition(":")[0]
    disposition = word(fields, "disposition", "dialstatus").lower()
    inner = bool(word(fields, "linkedid")) and word(fields, "linkedid") != word(fields, "uniqueid")
    answered = what == ANSWERED or disposition in ("answered", "answer")
    return {
        "number": word(fields, "src", "source", "callerid"),
        "line": word(fields, "dst", "destination")[:_SHORT],
        "agent": word(fields, "agent", "dstchannel", "destinationchannel")[:_SHORT],
        "started_at": when(fields, "start", "starttime", now=what == STARTED),
        "answered": answered,
        "answered_at": when(fields, "answer", "answertime", now=what == ANSWERED) if answered else None,
        "ended_at": when(fields, "end", "endtime", now=True) if what == ENDED else None,
        "missed": what == ENDED and not inner and disposition in _MISSED,
        "recording": word(fields, "recording", "userfield") or None,
        "outbound": word(fields, "direction").lower() == "outbound",
    }


def _freeswitch(fields: Told, event: str, when: When) -> dict[str, Any]:
    """The record of a leg, or what the dial plan posts before its end."""
    what, leg = event.partition(":")[0], fields.get("variables")
    if not isinstance(leg, dict):
        return {
            "number": word(fields, "caller_id_number"),
            "line": word(fields, "destination_number")[:_SHORT],
            "agent": word(fields, "agent")[:_SHORT],
            "started_at": when(fields, "time", now=True) if what == STARTED else None,
            "answered": what == ANSWERED,
            "answered_at": when(fields, "time", now=True) if what == ANSWERED else None,
            "ended_at": when(fields, "time", now=True) if what == ENDED else None,
            "recording": word(fields, "recording") or None,
        }
    inner = bool(word(leg, "originator", "originating_leg_uuid"))
    # An announcement answers too: where it tells of a bridge, that is when somebody spoke.
    spoke = word(leg, "answer_epoch") if inner else word(leg, "bridge_epoch", "answer_epoch")
    answered = spoke not in ("", "0")
    return {
        "number": "" if inner else word(leg, "caller_id_number", "sip_from_user"),
        "line": "" if inner else word(leg, "destination_number", "sip_to_user")[:_SHORT],
        "agent": word(leg, "cc_agent", "dialed_user", "callee_id_name")[:_SHORT],
        "started_at": None if inner else when(leg, "start_epoch"),
        "answered": answered,
        "answered_at": when({"at": spoke}, "at") if answered else None,
        "ended_at": None if inner else when(leg, "end_epoch", now=True),
        "missed": not inner and not answered,
        "recording": word(leg, "record_path", "recording_file", "cc_record_filename") or None,
        "outbound": word(leg, "direction").lower() == "outbound" and not inner,
    }


def _twilio(fields: Told, event: str, when: When) -> dict[str, Any]:
    """A status callback, the outcome of a `Dial`, or a recording."""
    what, inner = event.partition(":")[0], bool(word(fields, "ParentCallSid"))
    status = (word(fields, "DialCallStatus") or word(fields, "CallStatus")).lower()
    # What our own instructions took up is `in-progress`: that somebody spoke, the inner leg or the outcome tells.
    answered = (what == "dialled" and status in ("completed", "answered")) or (inner and what == ANSWERED)
    outer = not inner and what != RECORDED
    return {
        "number": word(fields, "From") if outer else "",
        "line": word(fields, "To")[:_SHORT] if outer else "",
        "agent": word(fields, "To")[:_SHORT] if inner else "",
        "started_at": when(fields, "Timestamp", now=True) if what == STARTED and outer else None,
        "answered": answered,
        "answered_at": when(fields, "Timestamp", now=True) if answered else None,
        "ended_at": when(fields, "Timestamp", now=True) if what == ENDED and outer else None,
        "missed": outer and status in _MISSED and what in (ENDED, "dialled"),
        "recording": word(fields, "RecordingUrl") or None,
        "outbound": word(fields, "Direction").lower().startswith("outbound") and not inner,
    }


class When:
    """Reads times as exchanges write them; where one tells none, when its message came."""

    def __init__(self, zone: str, received: datetime) -> None:
        self._zone, self._received = ZoneInfo(zone), received

    def __call__(self, fields: Told, *names: str, now: bool = False) -> datetime | None:
        found = self._read(word(fields, *names))
        return found or (self._received if now else None)

    def _read(self, written: str) -> datetime | None:
        """Unix seconds, ISO 8601, or a mail's date (RFC 5322 §3.3), as aware UTC."""
        if not written or written == "0":
            return None
        try:
            if re.fullmatch(r"\d{9,10}(\.\d+)?", written):
                return datetime.fromtimestamp(float(written), UTC)
            moment = datetime.fromisoformat(written)
        except (ValueError, OverflowError, OSError):
            try:
                moment = parsedate_to_datetime(written)
            except (ValueError, TypeError, IndexError, OverflowError):
                return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        try:
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            return None


_READ: Mapping[str, Callable[[Told, str, When], dict[str, Any]]] = {
    "asterisk": _asterisk,
    "freeswitch": _freeswitch,
    "twilio": _twilio,
}
