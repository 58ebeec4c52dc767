"""What WeCom brings, as drafts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model.draft import Draft, Fate, Identity
from model.failures import Malformed, Reason
from normalizer.contract import Source
from normalizer.readers import wecom as reader
from tests.rigs import wecom
from tests.rigs.tools import NOW

HEAD = {"msgid": "m1", "open_kfid": "wk1", "external_userid": "wm1", "send_time": 1795305600, "origin": 3}


def read(raw: str | dict[str, Any], meta: dict[str, Any] | None = None, **options: Any) -> Draft:
    data = json.dumps(raw) if isinstance(raw, dict) else raw
    return reader.read(
        Source(raw=data.encode(), media_type="x", received_at=NOW, options=options, meta=meta or {})
    )


def test_a_members_message_is_always_open_for_answers() -> None:
    draft = read(wecom.member(1, Content="打印机坏了", MsgId=7))
    assert draft.text == "打印机坏了" and draft.opens == "member" and draft.sent_at == NOW
    assert draft.identities == (Identity("wecom_userid", f"{wecom.CORP}/member1"),)
    assert draft.envelope_to == {"userid": "member1"} and draft.extra["AgentID"] == "1000002"


def test_a_customers_message() -> None:
    draft = read({**HEAD, "msgtype": "text", "text": {"content": "你好", "menu_id": "7"}})
    assert (draft.text, draft.opens, draft.conversation) == ("你好", "message", "wk1:wm1")
    assert draft.identities == (Identity("external_userid", "wm1"),) and draft.sent_at == NOW
    assert draft.thread.ids == ("m1",) and draft.extra["menu_id"] == "7"
    assert draft.envelope_to == {"open_kfid": "wk1", "external_userid": "wm1"}


@pytest.mark.parametrize(
    ("kind", "inside", "text", "files"),
    [
        ("image", {"media_id": "x"}, "", 1),
        ("voice", {"media_id": "x"}, "", 1),
        ("video", {"media_id": "x"}, "", 1),
        ("file", {"media_id": "x"}, "", 1),
        (
            "location",
            {"latitude": 23.1, "longitude": 113.3, "name": "广州塔", "address": "路"},
            "广州塔 路 (23.1, 113.3)",
            0,
        ),
        ("link", {"title": "T", "desc": "D", "url": "https://e.example"}, "T\nD\nhttps://e.example", 0),
        ("business_card", {"userid": "zhang"}, "[business_card]\nmsgtype: business_card\nuserid: zhang", 0),
        ("hologram", {"a": {"b": [1, 2]}}, "[hologram]\nmsgtype: hologram\na.b.0: 1\na.b.1: 2", 0),
    ],
)
def test_every_type_of_item(kind: str, inside: dict[str, Any], text: str, files: int) -> None:
    draft = read({**HEAD, "msgtype": kind, kind: inside})
    assert (draft.text, len(draft.parts), draft.signal) == (text, files, None)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(4, Reason.WINDOW), (10, Reason.RECIPIENT), (13, Reason.REQUEST), (99, Reason.SERVER)],
)
def test_a_message_that_did_not_arrive_is_reported(code: int, reason: Reason) -> None:
    event = {"event_type": "msg_send_fail", "open_kfid": "wk1", "external_userid": "wm1"}
    item = {
        "msgid": "m2",
        "origin": 4,
        "msgtype": "event",
        "event": {**event, "fail_msgid": "n1", "fail_type": code},
    }
    draft = read(item)
    (report,) = draft.reports
    assert (report.fate, report.remote_id, report.reason) == (Fate.FAILED, "n1", reason)
    assert draft.signal == "reports" and draft.identities[0].value == "wm1"
    (changed,) = read(item, fail_types={str(code): "config"}).reports
    assert changed.reason is Reason.CONFIG


@pytest.mark.parametrize(
    ("kind", "signal"),
    [("enter_session", "entered"), ("session_status_change", "staff"), ("user_recall_msg", "recalled")],
)
def test_events_are_signals_without_their_one_time_codes(kind: str, signal: str) -> None:
    event = {"event_type": kind, "external_userid": "wm1", "welcome_code": "ONCE", "recall_msgid": "m1"}
    draft = read({"msgid": "m3", "origin": 4, "msgtype": "event", "event": event})
    assert draft.signal == signal and draft.opens == "" and "ONCE" not in str(draft)
    assert draft.thread.replies_to == ("m1",)


def test_an_unknown_event_is_a_record_and_a_colleagues_words_are_none() -> None:
    event = read({**HEAD, "msgtype": "event", "event": {"event_type": "new_thing", "why": "because"}})
    assert event.signal is None and event.mute and "why: because" in event.text
    colleague = read(
        {**HEAD, "origin": 5, "servicer_userid": "li", "msgtype": "text", "text": {"content": "好的"}}
    )
    assert colleague.signal == "staff" and colleague.text == "" and colleague.extra["said"] == "好的"


def test_what_came_before_the_channel_gets_no_acknowledgement() -> None:
    assert read({**HEAD, "msgtype": "text", "text": {"content": "x"}}, {"history": True}).mute == (
        reader.HISTORY,
    )


@pytest.mark.parametrize("raw", ["", "{}", '{"msgtype": 3}', "<xml><A>1</A></xml>", "[]"])
def test_what_is_no_message_is_malformed(raw: str) -> None:
    with pytest.raises(Malformed):
        read(raw)
