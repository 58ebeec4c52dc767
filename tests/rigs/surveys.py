"""Rig of survey tools: answered questionnaires as their vendors post them, signed in their ways.

Shapes: Typeform's example payload (https://www.typeform.com/developers/webhooks/example-payload/), 问卷星's 答卷api推送
(https://www.showdoc.com.cn/wjxopenapi/7664690808275512) and 金数据's API v1. 金数据 signs nothing.

    body, headers, query = typeform(1)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

SECRET = "a-survey-secret"
#: A request as its tool makes it: body, headers, what stands in the address.
Posted = tuple[bytes, dict[str, str], dict[str, str]]

_JSON = {"Content-Type": "application/json"}


def person(n: int) -> dict[str, str]:
    """Who the n-th person is, whichever tool they used."""
    return {
        "name": f"顾客 {n}",
        "email": f"customer{n}@example.com",
        "phone": f"+8613800{n:06d}",
        "text": f"电梯 {n} 坏了",
    }


def typeform(n: int, **more: Any) -> Posted:
    """A response to a form; the whole body is signed."""
    who = {**person(n), **more}
    answers = [
        _answer("short_text", "name", "text", who["name"]),
        _answer("long_text", "feedback", "text", who["text"]),
        _answer("email", "mail", "email", who["email"]),
        _answer("phone_number", "tel", "phone_number", who["phone"]),
        _answer("rating", "stars", "number", 2),
    ]
    event = {
        "event_id": f"01HTYPEFORM{n}",
        "event_type": "form_response",
        "form_response": {
            "form_id": "lT4Z3j",
            "token": f"token-{n}",
            "landed_at": "2026-11-21T23:58:00Z",
            "submitted_at": "2026-11-22T00:00:00Z",
            "hidden": {"order": f"A-{n}"},
            "definition": {
                "id": "lT4Z3j",
                "title": "How was your visit?",
                "fields": [{**one["field"], "title": one["field"]["ref"]} for one in answers],
            },
            "answers": answers,
        },
    }
    body = json.dumps(event).encode()
    signature = base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()
    return body, {**_JSON, "Typeform-Signature": f"sha256={signature}"}, {}


def _answer(kind: str, ref: str, type_: str, value: Any) -> dict[str, Any]:
    return {"type": type_, type_: value, "field": {"id": f"id-{ref}", "type": kind, "ref": ref}}


def wjx(n: int, **more: Any) -> Posted:
    """An answered questionnaire; only the numbers of survey and answer are signed."""
    who = {**person(n), **more}
    event = {
        "activity": "5657754",
        "name": "满意度调查",
        "timetaken": "528",
        "submittime": "2026-11-22 08:00:00",
        "q1": who["name"],
        "q2": who["phone"].removeprefix("+86"),
        "q3": who["text"],
        "q4": "1,2",
        "index": str(n),
        "joinid": f"10181248{n:04d}",
        "totalvalue": "15",
        "sojumpparm": f"A-{n}",
    }
    event["sign"] = hashlib.sha1(f"{event['activity']}{event['index']}{SECRET}".encode()).hexdigest()
    return json.dumps(event, ensure_ascii=False).encode(), dict(_JSON), {}


def jinshuju(n: int, updated: str = "2026-11-22T00:00:00.000Z", **more: Any) -> Posted:
    """An entry of a form; nothing is signed, the address holds a word."""
    who = {**person(n), **more}
    event = {
        "form": "RygpW3",
        "form_name": "意见箱",
        "entry": {
            "token": f"entry-{n}",
            "serial_number": n,
            "field_1": who["name"],
            "field_2": {"value": who["phone"].removeprefix("+86"), "verified": False},
            "field_3": who["text"],
            "creator_name": "",
            "created_at": "2026-11-22T00:00:00.000Z",
            "updated_at": updated,
            "info_remote_ip": "203.0.113.7",
        },
    }
    return json.dumps(event, ensure_ascii=False).encode(), dict(_JSON), {"token": SECRET}
