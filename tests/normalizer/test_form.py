"""Forms as drafts: what people really type, and what others try."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.form import FormSettings
from model.draft import Draft, Identity
from model.failures import Malformed
from normalizer.catalog import CATALOG
from normalizer.contract import Source
from tests.rigs import form as rig
from tests.rigs.tools import NOW

MULTIPART = f"multipart/form-data; boundary={rig.BOUNDARY}"
read = CATALOG["form"].load()


def source(raw: bytes, media_type: str = "application/json", **more: Any) -> Source:
    return Source(raw=raw, media_type=media_type, received_at=NOW, **more)


def draft(fields: dict[str, Any], **more: Any) -> Draft:
    return read(source(json.dumps(fields).encode(), **more))


@pytest.mark.parametrize("manner", ["json", "urlencoded", "multipart"])
def test_a_form_reads_the_same_in_every_encoding(manner: str) -> None:
    request = rig.request(1, manner)
    made = read(source(request.body, request.headers["content-type"], options=FormSettings().reading()))
    assert made.name == "顾客 1"
    assert made.company == "Example Ltd"
    assert made.subject == "Matter 1"
    assert made.text == made.full_text == "The lift in house 1 has stood still since Monday."
    assert made.identities == made.reply_to == (Identity("email", "customer1@example.com"),)
    assert made.language == "en"
    assert made.html is None
    assert made.extra == {}
    assert [(part.filename, part.data) for part in made.parts] == (
        [("photo-1.txt", b"pixels 1")] if manner == "multipart" else []
    )


@pytest.mark.parametrize(
    ("contact", "found"),
    [
        ("li.lei@example.com", [("email", "li.lei@example.com")]),
        ("138 0013 8000", [("phone", "+8613800138000")]),
        (
            "手机：13800138000，邮箱：Li@Example.com",
            [("phone", "+8613800138000"), ("email", "li@example.com")],
        ),
        ("010-65529988", [("phone", "+861065529988")]),
        ("+49 (0)30 123456", [("phone", "+4930123456")]),
        ("li@example.com / 13800138000", [("email", "li@example.com"), ("phone", "+8613800138000")]),
        ("room 12, ask for Li", []),
        ("a@b", []),
        ("x" * 100_000 + "@", []),
    ],
)
def test_a_contact_is_read_in_whatever_habit_it_is_written(
    contact: str, found: list[tuple[str, str]]
) -> None:
    made = draft({"message": "hi", "contact": contact})
    assert [(one.kind, one.value) for one in made.reply_to] == found
    assert ("contact" in made.extra) is not bool(found)


def test_fields_made_for_it_come_before_the_free_one_and_the_region_decides() -> None:
    fields = {"message": "x", "contact": "030 123456", "phone": "0151 23456789", "email": "a@example.de"}
    made = draft(fields, options=FormSettings(region="DE").reading())
    assert [one.value for one in made.identities] == ["a@example.de", "+4915123456789", "+4930123456"]


def test_a_name_cannot_bring_a_header_and_html_stays_text() -> None:
    made = draft(
        {
            "name": "Li\r\nBcc: all@example.com\x00",
            "subject": "Hello\nX-Evil: 1",
            "company": "<script>alert(1)</script>",
            "message": "<b>bold</b>\r\nnext\x00\x07",
        }
    )
    assert made.name == "Li Bcc: all@example.com"
    assert made.subject == "Hello X-Evil: 1"
    assert made.company == "<script>alert(1)</script>"
    assert made.text == "<b>bold</b>\nnext"
    assert made.html is None


@pytest.mark.parametrize(
    ("filename", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a\x00.exe.txt", "a.exe.txt"),
        ("..", "file"),
        (".htaccess", "htaccess"),
        ("re\u0301sume\u0301.pdf", "résumé.pdf"),
        ("报告" * 200 + ".pdf", "报告" * 32 + "报.pdf"),
    ],
)
def test_file_names_are_made_safe(filename: str, safe: str) -> None:
    made = read(source(rig.multipart([("message", "x")], [("f", filename, b"1")]), MULTIPART))
    assert made.parts[0].filename == safe


def test_further_fields_are_kept_and_ours_are_not() -> None:
    made = draft(
        {"message": "x", "order": "A-1", "tags": ["a", "b"], "key": "k", "website": "", "empty": " "},
        meta={"place": "hall 3"},
        options=FormSettings().reading(),
    )
    assert made.extra == {"order": "A-1", "tags": "a, b", "place": "hall 3"}


def test_a_form_of_other_fields_only_is_readable_too() -> None:
    made = draft({"rating": 2, "reason": "slow"})
    assert made.text == "rating: 2\nreason: slow"


def test_other_field_names_are_a_setting() -> None:
    options = FormSettings.model_validate({"kind": "form", "fields": {"message": "nachricht"}}).reading()
    assert draft({"nachricht": "Der Aufzug steht"}, options=options).text == "Der Aufzug steht"


def test_the_status_pages_fields_tie_a_follow_up_to_its_record() -> None:
    made = draft({"message": "and?", "token": "abc", "reference": "fb-261122-7k3fq "})
    assert made.thread.tokens == ("abc",)
    assert made.thread.mentioned == ("FB-261122-7K3FQ",)


@pytest.mark.parametrize(
    ("accepted", "language"), [("de-CH,de;q=0.9", "de-CH"), ("*", None), ("<script>", None), ("", None)]
)
def test_a_browsers_language_helps_where_the_words_tell_none(accepted: str, language: str | None) -> None:
    assert draft({"message": "12345"}, meta={"accept_language": accepted}).language == language
    assert draft({"message": "电梯坏了，请尽快维修"}, meta={"accept_language": accepted}).language == "zh-CN"


def test_a_page_in_another_charset_is_read_and_what_is_lost_is_told() -> None:
    words = "电梯坏了".encode("gb18030")
    made = read(source(rig.multipart([("message", words), ("other", b"x\xff\xff\x80y")]), MULTIPART))
    assert made.text == "电梯坏了"
    assert made.omissions == ("field 2 is in no known charset: unreadable characters were replaced",)


@pytest.mark.parametrize(
    "raw", [b'{"message": "cut', b'{"message": NaN}', b'{"a":' * 10_000, b'{"a": 1, "a": 1}', b"[]", b""]
)
def test_what_cannot_be_read_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read(source(raw))


def test_huge_numbers_and_lone_surrogates_become_text_that_can_be_stored() -> None:
    made = read(source(rb'{"message": "a\ud800b", "n": 123456789012345678901234567890, "\udfffkey": "v"}'))
    assert made.extra["n"] == "123456789012345678901234567890"
    repr(made).encode()
    made.text.encode()


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=8))
def test_any_fields_make_a_draft_that_can_be_stored_and_read_again(fields: dict[str, str]) -> None:
    made = draft(fields)
    assert made == draft(fields)
    for text in (made.subject, made.text, made.name, *made.extra, *made.extra.values()):
        text.encode()
        assert "\x00" not in text
    assert "\n" not in made.name + made.subject
