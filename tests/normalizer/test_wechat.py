"""Messages and events of WeChat as drafts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model.draft import Draft, Fate, Identity
from model.failures import Malformed, Reason
from normalizer.contract import Source
from normalizer.readers import wechat as reader
from tests.rigs import wechat
from tests.rigs.tools import NOW

#: Samples that others made; they stand in a folder beside the project, where there is one.
SAMPLES = [
    sample
    for folder in list(Path(__file__).parents)[3:5]
    for sample in sorted(folder.glob("*/corpora/wechat/*.xml"))
]


def read(xml: str | bytes, **options: Any) -> Draft:
    raw = xml.encode() if isinstance(xml, str) else xml
    return reader.read(Source(raw=raw, media_type="text/xml", received_at=NOW, options=options))


def test_a_text_says_who_what_and_when() -> None:
    draft = read(wechat.text(1, "电梯坏了 😀\r\n请修", id=77))
    assert draft.text == draft.full_text == "电梯坏了 😀\n请修"
    assert draft.language == "zh-CN" and draft.sent_at == NOW
    assert draft.identities == draft.reply_to == (Identity("openid", wechat.openid(1)),)
    assert draft.conversation == wechat.openid(1) and draft.thread.ids == ("77",)
    assert draft.envelope_to == {"openid": wechat.openid(1)}
    assert draft.signal is None and draft.opens == "message" and not draft.mute


@pytest.mark.parametrize(
    ("kind", "fields", "text", "part"),
    [
        ("image", {"PicUrl": "http://cdn.example/1", "MediaId": "m"}, "", ("picture.jpg", "image/jpeg")),
        ("voice", {"MediaId": "m", "Format": "amr"}, "", ("voice.amr", "audio/amr")),
        (
            "voice",
            {"MediaId": "m", "Format": "speex", "Recognition": "修电梯"},
            "修电梯",
            ("voice.amr", "audio/speex"),
        ),
        ("voice", {"MediaId": "m", "Format": "amr", "Recognition": ""}, "", ("voice.amr", "audio/amr")),
        ("video", {"MediaId": "m", "ThumbMediaId": "t"}, "", ("film.mp4", "video/mp4")),
        ("shortvideo", {"MediaId": "m", "ThumbMediaId": "t"}, "", ("film.mp4", "video/mp4")),
        (
            "file",
            {"MediaId": "m", "Title": "../合同.pdf"},
            "../合同.pdf",
            ("合同.pdf", "application/octet-stream"),
        ),
        (
            "location",
            {"Location_X": 23.1, "Location_Y": 113.3, "Scale": 20, "Label": "广州"},
            "广州 (23.1, 113.3)",
            None,
        ),
        (
            "link",
            {"Title": "T", "Description": "D", "Url": "https://e.example"},
            "T\nD\nhttps://e.example",
            None,
        ),
        ("text", {"Content": ""}, "", None),
        ("text", {}, "", None),
    ],
)
def test_every_type_of_message(kind: str, fields: dict[str, Any], text: str, part: Any) -> None:
    draft = read(wechat.push(1, kind, MsgId=1, **fields))
    assert (draft.text, draft.signal) == (text, None)
    assert [(one.filename, one.media_type, one.reference) for one in draft.parts] == (
        [(*part, "m")] if part else []
    )


@pytest.mark.parametrize(
    ("event", "fields", "signal", "opens"),
    [
        ("subscribe", {"EventKey": ""}, "followed", "follow"),
        ("subscribe", {"EventKey": "qrscene_12", "Ticket": "T"}, "scanned", "follow"),
        ("unsubscribe", {}, "unfollowed", ""),
        ("SCAN", {"EventKey": "12", "Ticket": "T"}, "scanned", "scan"),
        ("CLICK", {"EventKey": "K"}, "menu", "menu"),
        ("VIEW", {"EventKey": "https://e.example", "MenuId": "1"}, "menu", ""),
        ("scancode_push", {"EventKey": "6", "ScanCodeInfo": {"ScanType": "qrcode"}}, "menu", "menu"),
        ("LOCATION", {"Latitude": 1.0, "Longitude": 2.0, "Precision": 3.0}, "location", ""),
        ("MASSSENDJOBFINISH", {"MsgID": 1, "Status": "send success"}, "broadcast", ""),
        ("kf_close_session", {"KfAccount": "a@b"}, "staff", ""),
        ("user_authorization_revoke", {"OpenID": "o"}, "revoked", ""),
    ],
)
def test_events_are_signals_and_open_what_wechat_says(
    event: str, fields: dict[str, Any], signal: str, opens: str
) -> None:
    draft = read(wechat.event(1, event, **fields))
    assert (draft.signal, draft.opens, draft.text) == (signal, opens, "")
    assert draft.extra["Event"] == event


def test_a_tap_on_the_menu_is_a_message_where_the_settings_say_so() -> None:
    tap = wechat.event(1, "CLICK", EventKey="COMPLAIN")
    assert read(tap).signal == "menu"
    assert read(tap, menu="message").text == "[COMPLAIN]"
    named = read(tap, menu_texts={"COMPLAIN": "我要投诉"})
    assert (named.text, named.signal, named.opens) == ("我要投诉", None, "menu")
    assert read(wechat.event(1, "CLICK", EventKey="OTHER"), menu_texts={"COMPLAIN": "x"}).signal == "menu"


@pytest.mark.parametrize(
    ("status", "fate", "reason"),
    [
        ("success", Fate.DELIVERED, None),
        ("failed:user block", Fate.FAILED, Reason.RECIPIENT),
        ("failed: system failed", Fate.FAILED, Reason.SERVER),
    ],
)
def test_what_became_of_a_template_is_a_report(status: str, fate: Fate, reason: Reason | None) -> None:
    draft = read(wechat.event(1, "TEMPLATESENDJOBFINISH", MsgID=200163836, Status=status))
    (report,) = draft.reports
    assert (report.remote_id, report.fate, report.reason) == ("200163836", fate, reason)
    assert draft.signal == "reports"


def test_what_became_of_subscription_notices_is_a_report_each() -> None:
    one = {"TemplateId": "tpl", "MsgID": 1, "ErrorCode": 0, "ErrorStatus": "success"}
    xml = wechat.event(
        1, "subscribe_msg_sent_event", SubscribeMsgSentEvent={"List": [one, {**one, "ErrorCode": 3}]}
    )
    assert [report.fate for report in read(xml).reports] == [Fate.DELIVERED, Fate.FAILED]


def test_what_nobody_knows_becomes_a_record_with_all_that_it_holds() -> None:
    message = read(
        wechat.push(1, "hologram", MsgId=5, MediaId="m", Depth={"Front": "3 m", "Back": ["a", "b"]})
    )
    assert message.signal is None and message.opens == "message" and not message.mute
    assert "Depth.Front: 3 m" in message.text and "Depth.Back.1: b" in message.text
    event = read(wechat.event(1, "new_thing", Why="because"))
    assert event.signal is None and event.mute and "Why: because" in event.text and "new_thing" in event.text


@pytest.mark.parametrize(
    "raw", [b"", b"hello", b"<xml><MsgType>text</MsgType></xml>", b"{}", b"[1]", b"<a>1</a>"]
)
def test_what_is_no_message_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read(raw)


def test_a_comment_is_a_conversation_of_its_own_and_gets_no_automatic_answer() -> None:
    comment = {"user_comment_id": 7, "content": "写得好", "openid": wechat.openid(1), "create_time": 1}
    draft = read(json.dumps({"comment": comment, "article": "22/0", "title": "通知"}).encode())
    assert (draft.text, draft.subject, draft.conversation) == ("写得好", "通知", "comment:22/0:7")
    assert draft.mute and draft.opens == "comment"
    assert draft.envelope_to == {"comment": {"article": "22/0", "number": 7}}
    hidden = read(json.dumps({"comment": {**comment, "openid": ""}, "article": "22/0", "title": ""}).encode())
    assert hidden.identities == ()


# ---- samples that nobody here made

#: Where our record has what the samples' makers call otherwise; the others are our names in lower case with `_`.
NAMES = {
    "key": "EventKey",
    "account": "KfAccount",
    "from_account": "FromKfAccount",
    "to_account": "ToKfAccount",
    "id": "MsgID",
    "count": "SendPicsInfo.Count",
    "scan_type": "ScanCodeInfo.ScanType",
    "scan_result": "ScanCodeInfo.ScanResult",
    "scale": "SendLocationInfo.Scale",
    "label": "SendLocationInfo.Label",
    "scene_id": "EventKey",
    "type": "MsgType",
    "url": "EventKey",
    "agent": "AgentID",
    "calendar_id": "CalId",
    "app_id": "AuthorizeAppId",
    "shop_id": "PlaceId",
    "bssid": "DeviceNo",
    "success_order_id": "SuccOrderId",
}


def found(draft: Draft, name: str) -> str | None:
    """The fact in our draft that the samples' makers call so."""
    if name == "source":
        return draft.identities[0].value
    if name in NAMES and NAMES[name] in draft.extra:
        return str(draft.extra[NAMES[name]])
    plain = {key.rpartition(".")[2].lower().replace("_", ""): value for key, value in draft.extra.items()}
    return plain.get(name.replace("_", ""))


def same(name: str, expected: Any, draft: Draft) -> bool:
    got = found(draft, name)
    if name == "target":  # the account itself: not a fact about the customer
        return True
    if name == "event":
        return (got or "").lower() == str(expected).removesuffix("_scan")
    if name == "scene_id":
        return (got or "").removeprefix("qrscene_") == expected
    if name == "content":  # base64 in the push, as a device sent it
        import base64

        return base64.b64encode(expected.encode()).decode() in draft.text
    if isinstance(expected, int | float):
        return got is not None and float(got) == float(expected)
    return (got or "") == str(expected)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_facts_of_every_sample_are_in_its_record(sample: Path) -> None:
    expected = json.loads(sample.with_suffix(".expected.json").read_text(encoding="utf-8"))
    draft = read(sample.read_bytes())
    wrong = {
        name: (value, found(draft, name)) for name, value in expected.items() if not same(name, value, draft)
    }
    assert not wrong
