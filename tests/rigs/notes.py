"""Rig of the kinds `call`, `visit` and `partner`: settings, notes of programs, and what exchanges post."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from connectors.contract import Request
from tests.rigs.tools import NOW

#: Bearer key of the program that posts notes, and of the partner.
KEY = "the key of a program of the tests"
#: What the exchanges show: the password of Asterisk and FreeSWITCH, the auth token of Twilio.
PASSWORD, TWILIO = "the exchange of the tests", "12345"
TWILIO_URL = "https://feedback.example.org/in/call/twilio"


def settings(kind: str, **more: Any) -> dict[str, Any]:
    """Settings of a hotline or a counter; what is written down is acknowledged by mail."""
    return {"kind": kind, "keys": {"crm": KEY}, "rate": None, "reply_via": {"email": "mail"}, **more}


def hotline(**more: Any) -> dict[str, Any]:
    """A hotline with all three exchanges."""
    exchanges = {
        "asterisk": {"password": PASSWORD},
        "freeswitch": {"password": PASSWORD},
        "twilio": {"auth_token": TWILIO, "url": TWILIO_URL},
    }
    return settings("call", exchanges=exchanges, timezone="Asia/Shanghai", **more)


def partner(**more: Any) -> dict[str, Any]:
    return {
        "kind": "partner",
        "company": "Acme",
        "keys": {"main": {"secrets": [KEY]}},
        "rate": None,
        "reply_via": {"email": "mail"},
        **more,
    }


def fields(n: int, text: str | None = None) -> dict[str, str]:
    """What the n-th customer said."""
    return {
        "name": f"顾客 {n}",
        "email": f"customer{n}@example.com",
        "phone": f"138{n:08d}",
        "text": f"The lift in house {n} has stood still since Monday." if text is None else text,
    }


def headers(key: str | None = None, bearer: str = KEY) -> dict[str, str]:
    named = {"authorization": f"Bearer {bearer}", "content-type": "application/json"}
    return named if key is None else {**named, "idempotency-key": key}


def request(kind: str, n: int) -> Request:
    """The n-th note as a program posts it."""
    named = {"reference": f"own-{n}"} if kind == "partner" else {}
    return Request(
        method="POST",
        path=f"/in/{kind}",
        headers=headers(f"note-{n}"),
        body=json.dumps({**fields(n), **named}, ensure_ascii=False).encode(),
        remote="203.0.113.7",
        received_at=NOW,
    )


def basic(password: str = PASSWORD) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'pbx:{password}'.encode()).decode()}"}


def form(posted: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    return urlencode(posted).encode(), {"content-type": "application/x-www-form-urlencoded"}


def twilio(
    posted: Mapping[str, str], url: str = TWILIO_URL, token: str = TWILIO
) -> tuple[bytes, dict[str, str]]:
    """Signed as Twilio does: the address, and each field by name, name and value without separators."""
    signed = url + "".join(f"{name}{posted[name]}" for name in sorted(posted))
    mac = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
    raw, named = form(posted)
    return raw, {**named, "x-twilio-signature": base64.b64encode(mac).decode()}
