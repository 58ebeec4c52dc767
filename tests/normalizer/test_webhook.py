"""Events as drafts: by usual names, by the settings' expressions, and against hostile ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.webhook import WebhookSettings
from model.draft import Draft, Identity
from model.failures import Malformed
from normalizer.catalog import CATALOG
from normalizer.contract import Source
from tests.rigs import webhook as rig
from tests.rigs.tools import NOW

read = CATALOG["webhook"].load()


def source(
    raw: bytes, media_type: str = "application/json", part: int | None = None, **settings: Any
) -> Source:
    options = WebhookSettings.model_validate(
        {"verify": {"scheme": "none"}, "weak": False, **settings}
    ).reading()
    meta = {} if part is None else {"part": part}
    return Source(raw=raw, media_type=media_type, received_at=NOW, meta=meta, options=options)


def draft(event: Any, part: int | None = None, **settings: Any) -> Draft:
    return read(source(json.dumps(event).encode(), part=part, **settings))


def test_an_event_in_the_standards_manner_needs_no_settings() -> None:
    made = draft(rig.event(1))
    assert made.text == "订单 1 还没有收到, still waiting"
    assert made.name == "顾客 1"
    assert made.identities == made.reply_to == (Identity("email", "customer1@example.com"),)
    assert made.conversation == "chat-1"
    assert made.envelope_to == {"conversation": "chat-1"}
    assert made.sent_at == NOW
    assert made.extra == {"type": "feedback.created"}


@pytest.mark.parametrize(
    ("event", "text", "name"),
    [
        ({"message": "hello there", "name": "Li"}, "hello there", "Li"),
        ({"message": {"text": "nested"}, "from": {"name": "Li"}}, "nested", "Li"),
        ({"title": "S", "description": "D", "customer": {"name": "Li"}}, "D", "Li"),
        ("just a text", "just a text", ""),
        ({"score": 2, "ok": False}, "score: 2\nok: false", ""),
        ([1, 2], "", ""),
        (None, "", ""),
    ],
)
def test_usual_names_are_known(event: Any, text: str, name: str) -> None:
    made = draft(event)
    assert (made.text, made.name) == (text, name)


def test_expressions_say_where_each_part_stands() -> None:
    fields = {
        "subject": "join(' ', ['Entry', entry.no])",
        "text": "entry.field_1",
        "phone": "entry.field_2.value",
        "identity": {"kind": "jinshuju", "value": "entry.creator"},
        "sent_at": "entry.created_at",
        "conversation": "form",
        "extra": {"rating": "entry.field_3", "none": "entry.nothing"},
        "thread": {"token": "entry.token"},
    }
    event = {
        "form": "f1",
        "name": "not this one",
        "entry": {
            "no": "12",
            "field_1": "服务很好",
            "field_2": {"value": "13800138000"},
            "field_3": 4,
            "creator": "u-7",
            "token": "t0",
            "created_at": "2026-11-22 08:00:00",
        },
    }
    made = draft(event, fields=fields, timezone="Asia/Shanghai")
    assert (made.subject, made.text, made.name) == ("Entry 12", "服务很好", "not this one")
    assert made.identities == (Identity("jinshuju", "u-7"), Identity("phone", "+8613800138000"))
    assert made.reply_to == (Identity("phone", "+8613800138000"),)
    assert made.sent_at == NOW
    assert made.extra == {"rating": "4"}
    assert made.envelope_to == {"token": "t0", "conversation": "f1", "subject": "Entry 12"}


def test_an_expression_that_finds_nothing_does_not_fall_back_to_a_guess() -> None:
    made = draft({"text": "the guess", "other": "x"}, fields={"text": "missing"})
    assert "the guess" not in made.text.splitlines()


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        (1795305600, NOW),
        (1795305600123, datetime(2026, 11, 22, 0, 0, 0, 123000, UTC)),
        ("1795305600", NOW),
        ("2026-11-22T08:00:00+08:00", NOW),
        ("2026-11-22", NOW),
        (20261122, NOW),
        ("yesterday", None),
        (10**40, None),
        ("9" * 4_000, None),
        ("nan", None),
        (-5, None),
        ("9999-12-31T23:59:59-12:00", None),
    ],
)
def test_times_are_read_in_the_usual_writings(written: Any, moment: datetime | None) -> None:
    assert draft({"text": "x", "sent_at": written}).sent_at == moment


def test_each_envelope_of_a_list_reads_its_own_event() -> None:
    body = {"list": [{"text": "one"}, {"text": "two"}]}
    assert [draft(body, part, events="list").text for part in (0, 1)] == ["one", "two"]
    for wrong in ({"list": []}, {}):
        with pytest.raises(Malformed, match="events"):
            draft(wrong, 0, events="list")


def test_html_is_made_safe_and_laid_out_as_text() -> None:
    made = draft({"html": "<p>Hello <b>you</b></p><script>alert(1)</script><img src=http://x/ onerror=a()>"})
    assert made.html is not None
    assert "script" not in made.html
    assert "onerror" not in made.html
    assert made.text == "Hello you"


def test_files_are_named_and_never_fetched() -> None:
    made = draft(
        {
            "text": "see",
            "attachments": [
                "https://files.example/a%2F..%2Fb.png?sig=1",
                {
                    "url": "http://169.254.169.254/latest",
                    "name": "../../etc/passwd",
                    "content_type": "x/y\r\nz",
                },
                {"no": "address"},
                "http://[bad",
            ],
        }
    )
    assert [(part.filename, part.media_type, part.data) for part in made.parts] == [
        ("b.png", "application/octet-stream", None),
        ("passwd", "x/y z", None),
        ("file", "application/octet-stream", None),
    ]
    assert all(part.omitted and part.omitted.startswith("not fetched: ") for part in made.parts)


def test_a_name_cannot_bring_a_header_and_nothing_holds_controls() -> None:
    made = draft({"name": "Li\r\nBcc: x\x00", "text": "a\x00b", "note\r\n": "c\x07", "chat_id": "c\x00\n1"})
    assert made.name == "Li Bcc: x"
    assert made.text == "ab"
    assert made.extra == {"note": "c"}
    assert made.conversation == "c\n1"


def test_a_long_key_of_a_conversation_becomes_a_digest() -> None:
    one, other = (draft({"text": "x", "chat_id": "c" * 5_000 + end}).conversation for end in "ab")
    assert one != other
    assert one is not None
    assert len(one) == 36


@pytest.mark.parametrize(
    "raw", [b'{"text": "cut', b'{"n": NaN}', b"[" * 100_000, b'{"a": 1, "a": 2}', b"", b"\xff\xfe"]
)
def test_what_cannot_be_read_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read(source(raw))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(["text", "name", "email", "data", "user", "sent_at", "attachments", "html", "x"]),
            children,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_any_event_makes_a_draft_that_can_be_stored(event: Any) -> None:
    made = draft(event)
    assert made == draft(event)
    for text in (made.subject, made.text, made.name, made.html or "", *made.extra, *made.extra.values()):
        str(text).encode()
