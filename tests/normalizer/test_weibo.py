"""What Weibo pushes, as drafts."""

from __future__ import annotations

from typing import Any

import pytest

from model.draft import Draft, Identity
from model.failures import Malformed
from normalizer.contract import Source
from normalizer.readers import weibo as reader
from tests.rigs import wechat, weibo
from tests.rigs.tools import NOW


def read(raw: str) -> Draft:
    return reader.read(Source(raw=raw.encode(), media_type="x", received_at=NOW, sent_at=NOW))


def test_a_private_message() -> None:
    draft = read(weibo.push(1, "text", "电梯坏了"))
    assert (draft.text, draft.opens, draft.sent_at) == ("电梯坏了", "message", NOW)
    assert draft.identities == (Identity("weibo", str(weibo.uid(1))),)
    assert draft.conversation == str(weibo.uid(1)) and draft.envelope_to == {"uid": str(weibo.uid(1))}


@pytest.mark.parametrize(
    ("kind", "text", "data", "said", "signal", "opens", "files"),
    [
        ("image", "发来一张图片", {"vfid": 1, "tovfid": 2}, "", None, "message", ["2"]),
        ("voice", "", {"vfid": 1, "tovfid": 2}, "", None, "message", ["2"]),
        (
            "position",
            "我在",
            {"longitude": "116.3", "latitude": "39.9"},
            "我在 (39.9, 116.3)",
            None,
            "message",
            [],
        ),
        ("mention", "@办公室 电梯", {"subtype": "status", "key": "33"}, "@办公室 电梯", None, "mention", []),
        ("event", "关注事件消息", {"subtype": "follow"}, "", "followed", "follow", []),
        ("event", "x", {"subtype": "unfollow"}, "", "unfollowed", "", []),
        ("event", "x", {"subtype": "click", "key": "K"}, "", "menu", "menu", []),
        ("event", "x", {"subtype": "scan", "key": "1", "ticket": "T"}, "", "scanned", "scan", []),
        ("hologram", "x", {"a": {"b": 1}}, "[hologram]\nx\ntype: hologram\na.b: 1", None, "message", []),
    ],
)
def test_every_type(
    kind: str, text: str, data: dict[str, Any], said: str, signal: str | None, opens: str, files: list[str]
) -> None:
    draft = read(weibo.push(1, kind, text, **data))
    assert (draft.text, draft.signal, draft.opens) == (said, signal, opens)
    assert [part.reference for part in draft.parts] == files


def test_an_unknown_event_is_kept_for_a_person_without_an_answer() -> None:
    draft = read(weibo.push(1, "event", "something", subtype="new_thing"))
    assert draft.signal is None and draft.mute and "something" in draft.text


def test_wechats_xml() -> None:
    xml = wechat.xml(
        ToUserName="1", FromUserName="2489518277", CreateTime=1795305600, MsgType="text", Content="好"
    )
    draft = read(xml)
    assert (draft.text, draft.identities[0]) == ("好", Identity("weibo", "2489518277"))


@pytest.mark.parametrize("raw", ["", "{}", "[]", "<xml><A>1</A></xml>", '{"type":"text"}'])
def test_what_is_no_message_is_malformed(raw: str) -> None:
    with pytest.raises(Malformed):
        read(raw)
