"""Whatever arrives, stored text is composed, encodable and free of controls."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from normalizer import text


def test_line_ends_become_line_feeds_and_controls_go() -> None:
    assert text.clean("a\r\nb\rc\x00d\x1b[31m\te\x85f\u2028g\n") == "a\nb\ncd[31m\te\nf\ng\n"


def test_letters_are_composed() -> None:
    assert text.clean("cafe\u0301") == "café"


def test_surrogates_are_joined_or_replaced() -> None:
    assert text.clean("\ud83d\ude00 \ud83d!") == "😀 \ufffd!"


def test_marks_without_end_are_cut_and_cost_no_time() -> None:
    begun = time.process_time()
    cleaned = text.clean("a" + "\u0301\u0316" * 100_000 + "b")
    assert time.process_time() - begun < 5  # composing them all takes minutes
    assert len(cleaned) <= text.MAX_MARKS + 2
    assert cleaned.endswith("b")


@given(st.text(st.characters(), max_size=60))
def test_cleaning_is_stable_and_encodable(anything: str) -> None:
    once = text.clean(anything)
    once.encode()
    assert text.clean(once) == once


def test_one_line_has_no_line_ends_and_keeps_its_limit() -> None:
    assert text.one_line(" a\r\nBcc:\tb\u2029c ", 80) == "a Bcc: b c"
    assert text.one_line("abcdef", 4) == "abc…"
    assert text.one_line("abcd", 4) == "abcd"
    assert text.one_line("", 4) == ""
