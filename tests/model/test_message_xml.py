"""The XML of chat platforms."""

from __future__ import annotations

import contextlib
import time

import pytest
import xmltodict
from hypothesis import given
from hypothesis import strategies as st

from model import message_xml
from model.failures import Malformed


def test_tags_are_texts_objects_or_lists() -> None:
    told = message_xml.load(
        b"<xml><A><![CDATA[ x ]]></A><B>1</B><C/><D>\n <E>2</E> </D><F><i>1</i><i>2</i></F></xml>"
    )
    assert told == {"A": " x ", "B": "1", "C": "", "D": {"E": "2"}, "F": {"i": ["1", "2"]}}
    assert message_xml.text(told, "D", "E") == "2"
    assert (
        message_xml.text(told, "D") == message_xml.text(told, "A", "x") == message_xml.text(told, "Z") == ""
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<xml>",
        b"<xml>text</xml>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml><A>&a;</A></xml>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml><A>1</A></xml>',
        b"<xml><A>&undefined;</A></xml>",
        b"<xml><A></xml></A>",
        b"\xff\xfe<\x00x\x00",
        b"<a>" * 100 + b"</a>" * 100,
        b"<xml>" + b"<a/>" * 10_000 + b"</xml>",
    ],
)
def test_what_is_no_plain_message_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        message_xml.load(data)


def test_a_control_character_costs_no_message() -> None:
    assert message_xml.load(b"<xml><A>a\x08b\x00c</A></xml>") == {"A": "abc"}
    assert message_xml.load(b"<xml><A>\xe4\xbd</A></xml>")["A"] == "\ufffd"


@pytest.mark.parametrize(
    "data",
    [b"<xml><A>" + b"&#38;" * 400_000 + b"</A></xml>", b"<xml><A>" + b"]]" * 900_000, b"<" * 2_000_000],
)
def test_long_ones_take_no_longer_than_their_length(data: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(Malformed):
        message_xml.load(data)
    assert time.process_time() - started < 2


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200))
def test_any_text_survives_our_writing_and_anothers_reading(text: str) -> None:
    written = f"<xml><Content>{message_xml.cdata(text)}</Content><To>x</To></xml>"
    assert message_xml.load(written.encode())["Content"] == text.replace("\ufffe", "").replace("\uffff", "")
    assert (xmltodict.parse(written, strip_whitespace=False)["xml"]["Content"] or "") == message_xml.load(
        written.encode()
    )["Content"]


def test_a_text_cannot_leave_its_tag() -> None:
    evil = "]]></Content><ToUserName>other</ToUserName><Content><![CDATA["
    told = message_xml.load(f"<xml><Content>{message_xml.cdata(evil)}</Content></xml>".encode())
    assert told == {"Content": evil}
