"""Words are found whole in spaced scripts and anywhere in Chinese."""

from __future__ import annotations

import pytest

from router.words import Words, fold


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("投诉", "我要投诉你们", True),
        ("投诉", "我要投訴你们", False),
        ("refund", "REFUND!", True),
        ("refund", "Ｒｅｆｕｎｄ please", True),
        ("refund", "refunding", False),
        ("refund*", "refunding", True),
        ("ad", "a bad road", False),
        ("ad", "bad ad", True),
        ("ad", "我看到ad了", True),
        ("app", "app打不开", True),
        ("pop-up*", "Pop-ups everywhere", True),
        ("возврат", "хочу возврат денег", True),
        ("возврат", "возвратный", False),
        ("12315", "打12315了", True),
        ("12315", "9912315", False),
        ("ﬁre", "FIRE", True),
    ],
)
def test_a_word_is_found_where_it_stands(word: str, text: str, found: bool) -> None:
    assert (Words([word]).find(fold(text)) is not None) is found


def test_the_first_word_of_the_list_is_told() -> None:
    assert Words(["a", "投诉", "退款"]).find(fold("退款，投诉")) == "投诉"


def test_of_a_word_and_its_beginning_the_wider_counts() -> None:
    assert Words(["fee*", "fee"]).find("fees") == "fee"
    assert Words(["fee", "fee*"]).find("fees") == "fee"


def test_an_empty_word_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Words(["*"])
