"""What telephone exchanges tell of calls, as plain fields: shared by the door, which names a call, and the reader."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from model import body, strict_json
from model.failures import Malformed

#: Events of one call, and the states of Twilio and the words of dial plans that mean them.
STARTED, ANSWERED, ENDED, RECORDED = "started", "answered", "ended", "recorded"
EVENTS: Mapping[str, str] = {
    **dict.fromkeys(("started", "start", "queued", "initiated", "ringing"), STARTED),
    **dict.fromkeys(("answered", "answer", "in-progress"), ANSWERED),
    **dict.fromkeys(
        ("ended", "end", "hangup", "cdr", "completed", "busy", "no-answer", "failed", "canceled"), ENDED
    ),
    **dict.fromkeys(("recorded", "recording"), RECORDED),
}

Told = Mapping[str, Any]
#: What mod_json_cdr calls a form whose value is in base64.
_BASE64 = "application/x-www-form-base64-encoded"


def told(exchange: str, content_type: str, raw: bytes, *, most: int = 2_000) -> dict[str, Any]:
    """The fields of one message, names in lower case for Asterisk; Malformed when it cannot be read."""
    if content_type.partition(";")[0].strip().lower() == _BASE64:
        content_type = "application/x-www-form-urlencoded"
    event = body.load_event(content_type or "application/json", raw, most=most)
    if exchange == "freeswitch":
        event = _leg(event)
    if not isinstance(event, dict):
        raise Malformed("it is no object")
    return {name.lower(): one for name, one in event.items()} if exchange == "asterisk" else event


def _leg(event: Any) -> Any:
    """The record of a leg: as it is, or in the field `cdr`, plain or in base64; values are URL-encoded in it."""
    packed = event.get("cdr") if isinstance(event, dict) else None
    if isinstance(packed, str):
        text = packed.strip()
        if not text.startswith("{"):
            try:
                # Nobody encoded its plus signs, which a form reads as spaces.
                text = base64.b64decode(text.replace(" ", "+"), validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                text = unquote(text)
        event = strict_json.load(text.encode("utf-8", "replace"))
    variables = event.get("variables") if isinstance(event, dict) else None
    if isinstance(variables, dict):
        plain = {name: unquote(one) if isinstance(one, str) else one for name, one in variables.items()}
        return {**event, "variables": plain}
    return event


def word(data: Any, *names: str) -> str:
    """The first of these fields that says something."""
    for name in names:
        value = data.get(name) if isinstance(data, dict) else None
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


def identity(exchange: str, fields: Told) -> tuple[str, str] | None:
    """(call, event): the same call for all its legs, and a name for this message of it; None without one."""
    call, event = _NAMES[exchange](fields)
    return (f"{exchange}:{call}"[:180], event[:180]) if call and event else None


def _asterisk(fields: Told) -> tuple[str, str]:
    # A unique id is unique on one host only.
    host, own = word(fields, "host", "systemname"), word(fields, "uniqueid")
    call = word(fields, "linkedid") or own
    what = EVENTS.get(word(fields, "event").lower(), "")
    return (f"{host}/{call}" if host and call else call), f"{what}:{own or call}" if what else ""


def _freeswitch(fields: Told) -> tuple[str, str]:
    leg = fields.get("variables")
    if isinstance(leg, dict):
        own = word(leg, "uuid")
        call = word(leg, "originator", "originating_leg_uuid", "call_uuid") or own
        return call, f"{ENDED}:{own}" if own else ""
    own = word(fields, "uuid")
    what = EVENTS.get(word(fields, "event").lower(), "")
    return word(fields, "call_uuid") or own, f"{what}:{own}" if what else ""


def _twilio(fields: Told) -> tuple[str, str]:
    own = word(fields, "CallSid")
    call = word(fields, "ParentCallSid") or own
    if recording := word(fields, "RecordingSid"):
        return call, f"{RECORDED}:{recording}"
    if word(fields, "DialCallStatus"):
        return call, f"dialled:{own}"
    what = EVENTS.get(word(fields, "CallStatus").lower(), "")
    return call, f"{what}:{own}" if what else ""


_NAMES = {"asterisk": _asterisk, "freeswitch": _freeswitch, "twilio": _twilio}
