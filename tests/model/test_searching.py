"""What texts are found by, and what a query asks for."""

from __future__ import annotations

import pytest

from model import searching


def proposed(query: str, text: str) -> bool:
    """Whether an index of terms proposes the text."""
    known = searching.terms(text)
    asked = searching.parse(query).terms
    return bool(asked) and all(
        any(one.startswith(term.text) for one in known) if term.begins else term.text in known
        for term in asked
    )


def found(query: str, text: str) -> bool:
    held = searching.parse(query).holds([searching.folded(text)])
    assert proposed(query, text) or not held, "what holds must be proposed"
    return proposed(query, text) and held


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("投诉", "客户投诉产品"),
        ("诉", "客户投诉产品"),
        ("投诉 退款", "要求退款，否则投诉"),
        ("投诉", "客户投\n诉产品"),
        ("iphone手机", "我的iPhone手机坏了"),
        ("手机a", "手机A坏了"),
        ("refu", "REFUND please"),
        ("re", "re: hello"),
        ("100%", "100% of the invoice"),
        ("café", "CAFÉ au lait"),
        ("Ａ１２", "a123"),  # full-width letters
        ("สวัส", "สวัสดีครับ"),
        ("カメラ", "このカメラは"),
        ("ｶﾒﾗ", "このカメラは"),  # half-width kana
        ("don't", "I don't know"),
    ],
)
def test_found(query: str, text: str) -> None:
    assert found(query, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("投诉产", "投诉了诉产"),  # its pairs are there, but not together
        ("fund", "refund"),  # words are found by their beginning
        ("re", "refund"),  # and from three letters on
        ("1_0%", "100% 1 0"),
        ("手机a", "手机abc"),
        ("投诉 退款", "投诉"),
        ("?!", "?!"),
        ("", "anything"),
    ],
)
def test_not_found(query: str, text: str) -> None:
    assert not found(query, text)


def test_terms_are_bounded_whatever_is_written() -> None:
    endless = searching.terms(" ".join(f"w{n}{'x' * 50}" for n in range(40_000)), "字" * 100_000)
    assert len(endless) <= 20_000 and sum(map(len, endless)) <= 150_000
    assert searching.terms("\x00\ud800 a\x00b") == ["a", "b"]
    assert len(searching.parse("a b c d " * 100 + "词 " * 100).words) <= 12
