"""Events of Facebook pages, Instagram accounts and WhatsApp numbers as drafts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.wire.meta_door import envelopes
from model.draft import Draft, Fate, Identity
from model.failures import Malformed, Reason
from model.tools import Spooled
from normalizer.contract import Source
from normalizer.readers import instagram, messenger, whatsapp
from tests.rigs import graph
from tests.rigs.tools import NOW

READERS = {"messenger": messenger.read, "instagram": instagram.read, "whatsapp": whatsapp.read}
PAGES = ("messenger", "instagram")
#: Samples that others made; they stand in a folder beside the project, where there is one.
SAMPLES = [
    sample
    for folder in list(Path(__file__).parents)[3:5]
    for sample in sorted(folder.glob("*/corpora/whatsapp/*.json"))
    if not sample.name.endswith(".expected.json")
]


def drafts(kind: str, data: Any, **options: Any) -> list[Draft]:
    """What the door and the reader make of a body together."""
    found = []
    for one in envelopes(kind, data if isinstance(data, bytes) else graph.written(data)):
        assert not isinstance(one.raw, Spooled)
        source = Source(
            raw=one.raw,
            media_type=one.media_type,
            received_at=NOW,
            sent_at=one.sent_at,
            meta=one.meta,
            options={"account": graph.ACCOUNTS[kind], **options},
        )
        found.append(READERS[kind](source))
    return found


def read(kind: str, *events: dict[str, Any], **options: Any) -> Draft:
    (draft,) = drafts(kind, graph.body(kind, *events), **options)
    return draft


# ---- all three


@pytest.mark.parametrize("kind", READERS)
def test_a_text_says_who_what_and_when(kind: str) -> None:
    draft = read(kind, graph.message(kind, 1, "电梯坏了 😀"))
    assert draft.text == draft.full_text == "电梯坏了 😀"
    assert draft.language == "zh-CN" and draft.sent_at == NOW
    assert draft.signal is None and draft.opens == "message" and not draft.mute
    kinds = {"messenger": "psid", "instagram": "igsid", "whatsapp": "bsuid"}
    who = graph.user(1) if kind == "whatsapp" else graph.person(kind, 1)
    assert draft.identities[0] == Identity(kinds[kind], who) and draft.reply_to == draft.identities
    assert draft.conversation == who
    assert draft.thread.ids == ("wamid.1" if kind == "whatsapp" else "m_1",)


@pytest.mark.parametrize("kind", READERS)
def test_what_is_for_another_account_of_the_app_is_left_alone(kind: str) -> None:
    (draft,) = drafts(kind, graph.body(kind, graph.message(kind, 1), account="999888777"))
    assert draft.signal == "other_account" and draft.conversation is None and not draft.text


@pytest.mark.parametrize("kind", READERS)
def test_one_bad_event_does_not_spoil_the_others(kind: str) -> None:
    data = graph.body(kind, graph.message(kind, 1), graph.message(kind, 2))
    entry = data["entry"][0]
    (entry["messaging"] if kind != "whatsapp" else entry["changes"][0]["value"]["messages"]).insert(
        1, "what?"
    )
    found = envelopes(kind, graph.written(data))
    assert len(found) == 3

    def one(n: int) -> Draft:
        source = Source(
            raw=graph.written(data), media_type="application/json", received_at=NOW, meta=found[n].meta
        )
        return READERS[kind](source)

    assert one(0).conversation != one(2).conversation
    with pytest.raises(Malformed):
        one(1)


@pytest.mark.parametrize("kind", READERS)
def test_an_unknown_type_is_a_message_with_its_raw_content(kind: str) -> None:
    if kind == "whatsapp":
        draft = read(kind, graph.message(kind, 1, type="hologram", hologram={"depth": 3}))
    else:
        new = [{"type": "hologram", "payload": {"depth": 3}}]
        draft = read(kind, graph.message(kind, 1, text=None, attachments=new) | {})
        draft = read(kind, graph.happening(kind, 1, message={"mid": "m_1", "attachments": new}))
    assert draft.signal is None and "hologram" in draft.text and "depth" in draft.extra["unsupported"]


# ---- pages and Instagram


@pytest.mark.parametrize("kind", PAGES)
def test_files_are_named_and_not_fetched_by_the_reader(kind: str) -> None:
    files = [
        {"type": "image", "payload": {"url": "https://cdn.fbsbx.com/a?x=1"}},
        {"type": "file", "payload": {"url": "https://cdn.fbsbx.com/v/%E5%90%88%E5%90%8C.pdf?oh=1"}},
        {"type": "location", "title": "Here", "payload": {"coordinates": {"lat": 39.9, "long": 116.4}}},
    ]
    draft = read(kind, graph.happening(kind, 1, message={"mid": "m_1", "attachments": files}))
    assert [(one.filename, one.reference) for one in draft.parts] == [
        ("image.jpg", "https://cdn.fbsbx.com/a?x=1"),
        ("合同.pdf", "https://cdn.fbsbx.com/v/%E5%90%88%E5%90%8C.pdf?oh=1"),
    ]
    assert "39.9, 116.4" in draft.text and draft.text.startswith("[图片 image]")


@pytest.mark.parametrize("kind", PAGES)
def test_an_answer_to_a_message_names_it_and_a_quick_reply_its_payload(kind: str) -> None:
    more = {"reply_to": {"mid": "m_old"}, "quick_reply": {"payload": "YES"}}
    draft = read(kind, graph.message(kind, 1, "yes", **more))
    assert draft.thread.replies_to == ("m_old",) and draft.extra["quick_reply"] == "YES"


def test_a_story_reply_says_so_beside_the_words() -> None:
    story = {"story": {"id": "178", "url": "https://cdn.fbsbx.com/story"}}
    draft = read("instagram", graph.message("instagram", 1, "谢谢", reply_to=story))
    assert draft.text == "谢谢" and draft.full_text.startswith("[快拍回复") and draft.extra["story"] == "178"


def test_a_message_that_an_advertisement_led_to_opens_the_longer_window() -> None:
    draft = read(
        "messenger", graph.message("messenger", 1, referral={"source": "ADS", "ad_id": "77", "ref": "r"})
    )
    assert draft.opens == "ad" and draft.extra["referral_ad"] == "77"


def test_another_app_has_the_conversation_so_that_nothing_automatic_goes() -> None:
    data = graph.body("messenger", graph.message("messenger", 1))
    data["entry"][0]["standby"] = data["entry"][0].pop("messaging")
    (draft,) = drafts("messenger", data)
    assert draft.mute and draft.text


def test_echoes_are_reports_and_never_a_customers_words() -> None:
    message = {"mid": "m_9", "is_echo": True, "text": "We come tomorrow", "metadata": "reply:1"}
    draft = read("messenger", graph.happening("messenger", 1, echo=True, message=message))
    assert draft.signal == "echo" and not draft.text and draft.conversation == graph.person("messenger", 1)
    (report,) = draft.reports
    assert (report.fate, report.remote_id, report.key) == (Fate.DELIVERED, "m_9", "reply:1")
    assert draft.full_text == "We come tomorrow"


def test_deliveries_and_reads_are_reports() -> None:
    told = read(
        "messenger", graph.happening("messenger", 1, delivery={"mids": ["m_1", "m_2"], "watermark": 5})
    )
    assert [(one.fate, one.remote_id) for one in told.reports] == [
        (Fate.DELIVERED, "m_1"),
        (Fate.DELIVERED, "m_2"),
    ]
    seen = read("instagram", graph.happening("instagram", 1, read={"mid": "m_1"}))
    assert [(one.fate, one.remote_id) for one in seen.reports] == [(Fate.READ, "m_1")]
    page = read("messenger", graph.happening("messenger", 1, read={"watermark": 5}))
    assert page.signal == "read" and not page.reports and page.opens == ""


def test_edits_unsent_messages_reactions_and_taps_are_signals() -> None:
    edit = read(
        "messenger",
        graph.happening("messenger", 1, message_edit={"mid": "m_1", "text": "new", "num_edit": 1}),
    )
    assert (edit.signal, edit.text, edit.thread.replies_to) == ("edited", "new", ("m_1",))
    gone = read("instagram", graph.happening("instagram", 1, message={"mid": "m_1", "is_deleted": True}))
    assert (gone.signal, gone.text, gone.thread.replies_to) == ("deleted", "", ("m_1",))
    heart = {"mid": "m_5", "action": "react", "emoji": "❤", "reaction": "love"}
    liked = read("messenger", graph.happening("messenger", 1, reaction=heart))
    assert (liked.signal, liked.opens, liked.thread.replies_to) == ("reaction", "message", ("m_5",))
    tap = graph.happening("messenger", 1, postback={"mid": "m_7", "title": "My parcel", "payload": "P"})
    assert read("messenger", tap).signal == "menu"
    said = read("messenger", tap, postbacks="message")
    assert (said.signal, said.text, said.extra["payload"]) == (None, "My parcel", "P")
    odd = read("messenger", graph.happening("messenger", 1, policy_enforcement={"action": "warning"}))
    assert odd.signal == "policy_enforcement" and "warning" in odd.extra["unsupported"]


@pytest.mark.parametrize("kind", PAGES)
def test_a_comment_is_a_conversation_of_its_own_and_gets_nothing_automatic(kind: str) -> None:
    (draft,) = drafts(kind, graph.comment(kind, 1))
    assert draft.text == "灯坏了 the lamp is broken" and draft.mute
    assert draft.conversation and draft.conversation.startswith("comment:")
    assert draft.envelope_to["comment"] == ("55_1" if kind == "messenger" else "1781")
    assert draft.opens == "comment" and not draft.reply_to
    (loud,) = drafts(kind, graph.comment(kind, 1), acknowledge_comments=True, comments="private")
    assert not loud.mute and loud.opens == "private_reply"
    (none,) = drafts(kind, graph.comment(kind, 1), comments="none")
    assert none.signal == "comment" and not none.text and none.conversation is None


def test_a_reply_in_the_thread_of_a_comment_stays_with_its_author() -> None:
    (first,) = drafts("messenger", graph.comment("messenger", 1))
    again = graph.comment("messenger", 1, "still broken", parent_id="55_1", comment_id="55_8")
    other = graph.comment("messenger", 2, "here too", parent_id="55_1", comment_id="55_9")
    assert drafts("messenger", again)[0].conversation == first.conversation
    assert drafts("messenger", other)[0].conversation != first.conversation


def test_comments_of_our_own_are_echoes_and_removed_ones_signals() -> None:
    ours = graph.comment("messenger", 1, **{"from": {"id": graph.ACCOUNTS["messenger"], "name": "Us"}})
    (draft,) = drafts("messenger", ours)
    assert draft.signal == "echo" and draft.reports[0].remote_id == "55_1" and not draft.text
    (gone,) = drafts("messenger", graph.comment("messenger", 1, verb="remove"))
    assert gone.signal == "deleted" and gone.thread.replies_to == ("55_1",)
    (new,) = drafts("messenger", graph.comment("messenger", 1, "now fixed", verb="edited"))
    assert new.signal == "edited" and new.text == "now fixed"
    (like,) = drafts("messenger", graph.comment("messenger", 1, item="reaction"))
    assert like.signal == "feed" and not like.text


def test_a_visitors_post_is_a_message_and_a_mention_one_that_nobody_can_be_answered_for() -> None:
    post = graph.comment(
        "messenger", 1, "no water", item="post", comment_id=None, parent_id=None, post_id="9_77"
    )
    (draft,) = drafts("messenger", post)
    assert draft.text == "no water" and draft.envelope_to == {"comment": "", "post": "9_77"}
    value = {"media_id": "17", "comment_id": "18"}
    data = {
        "object": "instagram",
        "entry": [
            {"id": graph.ACCOUNTS["instagram"], "time": 1795305600, "field": "mentions", "value": value}
        ],
    }
    (mention,) = drafts("instagram", data)
    assert "18" in mention.text and mention.mute and mention.opens == ""


# ---- WhatsApp


@pytest.mark.parametrize(
    ("type_", "detail", "text", "full"),
    [
        ("image", {"id": "77", "mime_type": "image/jpeg", "caption": "here"}, "here", "[图片 image]\nhere"),
        (
            "audio",
            {"id": "77", "mime_type": "audio/ogg; codecs=opus", "voice": True},
            "[语音 voice message]",
            None,
        ),
        ("button", {"payload": "P", "text": "Call me"}, "Call me", None),
        ("interactive", {"type": "list_reply", "list_reply": {"id": "1", "title": "Water"}}, "Water", None),
        (
            "interactive",
            {"type": "nfm_reply", "nfm_reply": {"body": "Sent", "response_json": "{}"}},
            "Sent",
            None,
        ),
        (
            "location",
            {"latitude": 1.5, "longitude": 2.5, "name": "Gate"},
            "[位置 location] Gate 1.5, 2.5",
            None,
        ),
        ("request_welcome", {}, "[暂不支持的消息 unsupported message] request_welcome", None),
    ],
)
def test_every_type_has_words(type_: str, detail: dict[str, Any], text: str, full: str | None) -> None:
    draft = read("whatsapp", graph.message("whatsapp", 1, type=type_, **{type_: detail}))
    assert draft.text == text and draft.full_text == (full or text)
    assert draft.extra["type"] == type_
    if "id" in detail:
        assert [one.reference for one in draft.parts] == ["77"]


def test_whoever_hides_the_number_is_known_by_the_user_id() -> None:
    hidden = graph.body("whatsapp", graph.message("whatsapp", 1))
    value = hidden["entry"][0]["changes"][0]["value"]
    del value["contacts"][0]["wa_id"], value["messages"][0]["from"]
    (draft,) = drafts("whatsapp", hidden)
    assert draft.identities == (Identity("bsuid", graph.user(1)),)
    assert draft.envelope_to == {"user": graph.user(1)} and draft.name == "顾客 1"
    full = read("whatsapp", graph.message("whatsapp", 1))
    number = graph.person("whatsapp", 1)
    assert full.conversation == draft.conversation
    assert full.identities[1:] == (Identity("whatsapp", number), Identity("phone", f"+{number}"))


@pytest.mark.parametrize(
    ("what", "code", "fate", "reason"),
    [
        ("sent", None, Fate.SENT, None),
        ("delivered", None, Fate.DELIVERED, None),
        ("read", None, Fate.READ, None),
        ("played", None, Fate.READ, None),
        ("failed", 131026, Fate.FAILED, Reason.RECIPIENT),
        ("failed", 131047, Fate.FAILED, Reason.WINDOW),
        ("failed", 131049, Fate.FAILED, Reason.WINDOW),
        ("failed", 131042, Fate.FAILED, Reason.CONFIG),
        ("failed", None, Fate.FAILED, Reason.SERVER),
    ],
)
def test_statuses_are_reports(what: str, code: int | None, fate: Fate, reason: Reason | None) -> None:
    draft = read("whatsapp", graph.status("wamid.9", what, code=code, key="reply:1"))
    (report,) = draft.reports
    assert (report.fate, report.remote_id, report.key, report.reason) == (fate, "wamid.9", "reply:1", reason)
    assert draft.signal == "status" and draft.opens == "" and not draft.text
    if code:
        assert str(code) in report.detail


def test_edits_taken_back_messages_and_changed_numbers_are_signals() -> None:
    inner = {"type": "text", "text": {"body": "new"}}
    edit = {"original_message_id": "wamid.1", "message": inner}
    draft = read("whatsapp", graph.message("whatsapp", 1, id="2", type="edit", edit=edit))
    assert (draft.signal, draft.text, draft.thread.replies_to) == ("edited", "new", ("wamid.1",))
    gone = graph.message("whatsapp", 1, id="3", type="revoke", revoke={"original_message_id": "wamid.1"})
    assert read("whatsapp", gone).signal == "deleted"
    system = {"type": "user_changed_number", "body": "changed", "wa_id": "8613900000000"}
    moved = read("whatsapp", graph.message("whatsapp", 1, id="4", type="system", system=system))
    assert moved.signal == "number_changed" and moved.extra["new_number"] == "8613900000000"


def test_what_a_colleague_typed_in_the_app_is_an_echo_and_news_of_the_account_a_signal() -> None:
    sent = {"from": "8610", "to": graph.person("whatsapp", 1), "id": "wamid.e", "timestamp": "1795305600"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": graph.ACCOUNTS["whatsapp"]},
        "message_echoes": [{**sent, "type": "text", "text": {"body": "hello"}}],
    }
    entry = {"id": "998877", "changes": [{"field": "smb_message_echoes", "value": value}]}
    (draft,) = drafts("whatsapp", {"object": "whatsapp_business_account", "entry": [entry]})
    assert draft.signal == "echo" and draft.full_text == "hello" and not draft.text
    entry = {"id": "998877", "changes": [{"field": "account_update", "value": {"event": "DISABLED_UPDATE"}}]}
    (news,) = drafts("whatsapp", {"object": "whatsapp_business_account", "entry": [entry]})
    assert news.signal == "account_update" and news.conversation is None


@pytest.mark.skipif(not SAMPLES, reason="the samples that others made are not beside the project")
def test_samples_say_what_their_makers_expect() -> None:
    for path in SAMPLES:
        raw = path.read_bytes()
        expected: Mapping[str, Any] = json.loads(path.with_name(f"{path.stem}.expected.json").read_text())
        (one,) = envelopes("whatsapp", raw)
        draft = whatsapp.read(Source(raw=raw, media_type=one.media_type, received_at=NOW, meta=one.meta))
        assert one.source_id == expected["id"], path.name
        assert one.fingerprint != hashlib.sha256(raw).hexdigest()
        assert Identity("whatsapp", expected["sender"]) in draft.identities, path.name
        assert draft.sent_at == datetime.fromtimestamp(int(expected["timestamp"]), UTC), path.name
        assert draft.name == expected["name"] and draft.extra["type"] == expected["type"], path.name
        if "text" in expected:
            assert draft.text == expected["text"], path.name
        if "reply_to" in expected:
            assert draft.thread.replies_to == (expected["reply_to"],), path.name
            assert draft.extra["reply_to"] == expected["reply_to"]
        assert draft.text or draft.signal, path.name
