"""Updates of Telegram as drafts: everything that a message can hold, and against hostile ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import Update

from model.draft import Draft, Identity
from model.failures import Malformed
from normalizer.catalog import CATALOG
from normalizer.contract import Source
from tests.rigs import telegram as rig
from tests.rigs.tools import NOW

read = CATALOG["telegram"].load()
OPTIONS = {"bot": "7654321", "download_bytes": 20_000_000}


def draft(update: Any) -> Draft:
    raw = json.dumps(update).encode()
    return read(Source(raw=raw, media_type="application/json", received_at=NOW, sent_at=NOW, options=OPTIONS))


def said(**content: Any) -> Draft:
    """A message with this content, which python-telegram-bot reads too."""
    update = {"update_id": 1, "message": rig.message(1, 11, **content)}
    theirs = Update.de_json(update, None)
    assert theirs.message is not None and theirs.message.message_id == 11
    return draft(update)


def test_a_text_of_a_private_chat() -> None:
    found = said(text="电梯坏了\r\n请修")
    assert (found.text, found.language, found.name) == ("电梯坏了\n请修", "zh-CN", "顾客 1")
    assert found.identities == (Identity("telegram", str(rig.chat(1))),)
    assert (found.conversation, found.opens, found.signal) == (str(rig.chat(1)), "message", None)
    assert found.thread.ids == (f"7654321:{rig.chat(1)}:11",)
    assert found.envelope_to == {"chat": rig.chat(1), "message": 11}


def test_an_answer_to_a_message_of_ours_names_it_as_our_receipt_does() -> None:
    ours = {"message_id": 9, "date": 1, "chat": {"id": rig.chat(1), "type": "private"}, "text": "We come."}
    assert said(text="When?", reply_to_message=ours).thread.replies_to == (f"7654321:{rig.chat(1)}:9",)


FILE = {"file_id": "F1", "file_unique_id": "U1", "file_size": 7}
MEDIA: list[tuple[str, Any, str, str]] = [
    (
        "photo",
        [{**FILE, "file_id": "S", "width": 9, "height": 9}, {**FILE, "width": 90, "height": 90}],
        "photo-11.jpg",
        "image/jpeg",
    ),
    ("video", {**FILE, "width": 1, "height": 1, "duration": 1, "file_name": "lift.mp4"}, "lift.mp4", "video/mp4"),
    ("voice", {**FILE, "duration": 3, "mime_type": "audio/ogg"}, "voice-11.oga", "audio/ogg"),
    ("audio", {**FILE, "duration": 3}, "audio-11.mp3", "audio/mpeg"),
    (
        "document",
        {**FILE, "file_name": "../../plan.pdf", "mime_type": "application/pdf"},
        "plan.pdf",
        "application/pdf",
    ),
    ("video_note", {**FILE, "length": 9, "duration": 3}, "video-note-11.mp4", "video/mp4"),
    (
        "sticker",
        {**FILE, "type": "regular", "width": 9, "height": 9, "is_animated": False, "is_video": False, "emoji": "😡"},
        "sticker-11.webp",
        "image/webp",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("member", "value", "name", "media_type"), MEDIA, ids=[one[0] for one in MEDIA])
def test_files_are_named_for_fetching(member: str, value: Any, name: str, media_type: str) -> None:
    found = said(**{member: value}, caption="Look")
    (part,) = found.parts
    assert (part.filename, part.media_type, part.reference, part.data) == (name, media_type, "F1", None)
    assert part.omitted is None and found.text.startswith("Look")


def test_an_animation_is_one_file() -> None:
    gif = {**FILE, "width": 1, "height": 1, "duration": 1}
    assert len(said(animation=gif, document={**FILE, "file_name": "a.gif"}).parts) == 1


def test_a_file_that_bots_cannot_fetch_is_said_to_be_left_out() -> None:
    found = said(document={**FILE, "file_name": "film.mkv", "file_size": 20_000_001})
    (part,) = found.parts
    assert part.reference is None and "20000000" in str(part.omitted)
    assert found.omissions and found.omissions[0].startswith("film.mkv: ")


THINGS: list[tuple[dict[str, Any], str]] = [
    ({"location": {"latitude": 31.23, "longitude": 121.47}}, "📍 31.23, 121.47"),
    (
        {"venue": {"location": {"latitude": 1, "longitude": 2}, "title": "House 7", "address": "Long Street"},
         "location": {"latitude": 1, "longitude": 2}},
        "📍 House 7 Long Street\n📍 1, 2",
    ),
    ({"contact": {"first_name": "王", "phone_number": "+8613800138000"}}, "👤 王 +8613800138000"),
    ({"dice": {"emoji": "🎲", "value": 4}}, "🎲 4"),
    (
        {"poll": {"id": "1", "question": "Lift?", "options": [{"text": "yes", "voter_count": 0, "persistent_id": "1"}],
                  "total_voter_count": 0, "is_closed": False, "is_anonymous": True, "type": "regular",
                  "allows_multiple_answers": False, "allows_revoting": True}},
        "📊 Lift?\n- yes",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("content", "text"), THINGS, ids=[next(iter(one[0])) for one in THINGS])
def test_places_people_and_games_are_words(content: dict[str, Any], text: str) -> None:
    update = {"update_id": 1, "message": rig.message(1, 11, **content)}
    assert draft(update).text == text


def test_only_ones_own_card_is_a_way_to_reach_one() -> None:
    card = {"first_name": "王", "phone_number": "8613800138000"}
    assert len(said(contact=card).identities) == 1
    assert said(contact={**card, "user_id": rig.chat(2)}).identities == (
        Identity("telegram", str(rig.chat(1))),
    )
    assert Identity("phone", "+8613800138000") in said(contact={**card, "user_id": rig.chat(1)}).identities


def test_what_this_release_does_not_know_is_a_record_all_the_same() -> None:
    found = said(hologram={"depth": 3})
    assert found.text == "[hologram]" and found.signal is None
    assert "hologram" in found.omissions[0]
    told = draft({"update_id": 1, "new_kind": {"x": 1}})
    assert told.signal == "new_kind" and told.omissions


def test_an_edit_is_a_signal_with_the_new_words() -> None:
    found = draft({"update_id": 1, "edited_message": rig.message(1, 11, text="The lift", edit_date=5)})
    assert (found.signal, found.text) == ("edited", "The lift")
    assert found.thread.ids == (f"7654321:{rig.chat(1)}:11",)


@pytest.mark.parametrize(
    ("content", "signal"),
    [
        ({"text": "/start"}, "followed"),
        ({"text": "/start counter-7"}, "followed"),
        (
            {"pinned_message": {"message_id": 1, "date": 0, "chat": {"id": 1, "type": "private"}}},
            "pinned_message",
        ),
        ({"new_chat_members": [rig.person(2)]}, "new_chat_members"),
    ],
)
def test_what_nobody_said_is_a_signal(content: dict[str, Any], signal: str) -> None:
    found = said(**content)
    assert (found.signal, found.text) == (signal, "")
    if "counter" in str(content):
        assert found.extra["start"] == "counter-7"


@pytest.mark.parametrize(
    ("chat", "status", "signal"),
    [
        ("private", "kicked", "unfollowed"),
        ("private", "member", "followed"),
        ("supergroup", "left", "left"),
        ("supergroup", "administrator", "joined"),
    ],
)
def test_blocking_and_unblocking_the_bot(chat: str, status: str, signal: str) -> None:
    member = {
        "chat": {"id": rig.chat(1), "type": chat}, "from": rig.person(1), "date": 1,
        "old_chat_member": {"status": "member"}, "new_chat_member": {"status": status},
    }  # fmt: skip
    found = draft({"update_id": 1, "my_chat_member": member})
    assert (found.signal, found.text, found.opens) == (signal, "", "")


def test_a_button_tells_the_choice() -> None:
    button = {"id": "b1", "from": rig.person(1), "message": rig.message(1, 9, text="Solved?"), "data": "yes"}
    found = draft({"update_id": 1, "callback_query": button})
    assert (found.signal, found.extra, found.conversation) == ("menu", {"choice": "yes"}, str(rig.chat(1)))
    assert found.thread.replies_to == (f"7654321:{rig.chat(1)}:9",)


def test_in_a_group_everybody_has_a_conversation_of_their_own_in_each_topic() -> None:
    chat = {"id": -100, "type": "supergroup", "title": "House 7"}
    one = said(text="a", chat=chat)
    other = draft({"update_id": 1, "message": {**rig.message(2, 12, text="b"), "chat": chat}})
    topic = said(text="a", chat=chat, message_thread_id=4, is_topic_message=True)
    assert len({one.conversation, other.conversation, topic.conversation}) == 3
    assert one.extra["chat"] == "House 7" and topic.envelope_to["topic"] == 4


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"update_id": "1"}', b'{"update_id": 1, "message": "cut o"}']
)
def test_what_is_no_update_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read(Source(raw=raw, media_type="application/json", received_at=NOW, options=OPTIONS))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
_NAMES = (
    "from chat text caption photo video document sticker contact poll venue location dice reply_to_message "
    "message_id entities forward_origin checklist paid_media story game"
)
_MEMBERS = st.sampled_from(_NAMES.split())


@given(st.dictionaries(_MEMBERS, _VALUES, max_size=8))
def test_whatever_stands_in_a_message_it_is_read(content: dict[str, Any]) -> None:
    found = draft({"update_id": 1, "message": content})
    assert json.dumps([found.text, found.name, dict(found.extra), dict(found.envelope_to)]).isascii()
    for kind in ("callback_query", "my_chat_member", "edited_message"):
        draft({"update_id": 1, kind: content})
