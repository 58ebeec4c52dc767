"""How like texts are, in English and Chinese, and that none is missed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from casework.similar import Matter, Recent
from model import likeness

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def like(one: str, other: str) -> float:
    return likeness.likeness(likeness.terms(one), likeness.terms(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The app crashes when I open the news page", "When I open the news page, your app crashes!"),
        ("Lifts in the north tower are stuck again", "lift in north tower stuck again, please help"),
        ("新闻客户端打开首页就闪退", "你们的新闻客户端一打开首页就闪退了"),
        ("报纸今天没有送到，请尽快补送", "今天的报纸没有送到，请补送"),
        ("ＶＩＰ会员 refund not received", "vip会员 refund not received"),
    ],
)
def test_the_same_matter_in_other_words_is_alike(one: str, other: str) -> None:
    assert like(one, other) >= 0.4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The app crashes when I open the news page", "My invoice for November was never sent"),
        ("新闻客户端打开首页就闪退", "十一月的发票还没有收到"),
        ("Hello, please help me, thank you very much", "Dear Sir, thank you for your help"),
        ("你好", "你好"),
        ("", ""),
    ],
)
def test_other_matters_and_texts_that_say_little_are_not(one: str, other: str) -> None:
    assert like(one, other) < 0.3


def test_numbers_alone_make_no_two_texts_alike() -> None:
    assert likeness.terms("order 12345 67890 is late") == {"order", "late"}


@pytest.mark.parametrize("mark", [0.2, 0.4, 0.5, 0.8, 1.0])
def test_all_that_are_alike_are_found_and_no_others(mark: float) -> None:
    chance = random.Random(7)
    words = [f"w{n}x" for n in range(40)]
    matters = [
        Matter(f"r{n}", NOW, frozenset(chance.sample(words, chance.randrange(3, 15)))) for n in range(300)
    ]
    recent = Recent(1_000)
    for one in matters:
        recent.add(one)
    for asked in matters[:50]:
        expected = [
            one.record
            for one in matters
            if (share := likeness.likeness(asked.terms, one.terms)) >= mark and share > 0
        ]
        assert [one.record for one, _ in recent.like(asked.terms, mark)] == expected


def test_old_matters_and_too_many_are_let_go() -> None:
    recent = Recent(3)
    terms = likeness.terms("lift stuck north tower today")
    for n in range(5):
        recent.add(Matter(f"r{n}", NOW + timedelta(hours=n), terms))
        recent.add(Matter(f"r{n}", NOW + timedelta(hours=n), terms))
    assert [one.record for one, _ in recent.like(terms, 0.9)] == ["r2", "r3", "r4"]
    recent.forget_before(NOW + timedelta(hours=4))
    assert [one.record for one, _ in recent.like(terms, 0.9)] == ["r4"] and len(recent) == 1


def test_a_long_text_is_compared_by_its_beginning() -> None:
    assert len(likeness.terms("word" + " another%d" * 10_000 % tuple(range(10_000)))) <= 60
