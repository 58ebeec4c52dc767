"""Long texts in pieces that a platform takes."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.wire import splitting
from connectors.wire.splitting import Unit
from model.delivery import Message, OutgoingFile, Purpose

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
FLAG = "🇨🇳"


def measured(text: str, unit: Unit) -> int:
    """The same length in other words."""
    if unit is Unit.BYTES:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 if unit is Unit.UTF16 else len(text)


@pytest.mark.parametrize(
    ("text", "limit", "unit", "sizes"),
    [
        ("😀" * 3_000, 4_096, Unit.UTF16, [4_096, 1_904]),
        ("字" * 2_000, 2_048, Unit.BYTES, [2_046, 2_046, 1_908]),
        ("字" * 2_000, 2_048, Unit.CODE_POINTS, [2_000]),
        ("a" * 2_048, 2_048, Unit.BYTES, [2_048]),
        ("a" * 2_049, 2_048, Unit.BYTES, [2_048, 1]),
        ("", 2_048, Unit.BYTES, [0]),
        ("é" * 100, 100, Unit.BYTES, [100, 100]),
    ],
)
def test_pieces_are_as_long_as_the_unit_allows(text: str, limit: int, unit: Unit, sizes: list[int]) -> None:
    found = splitting.pieces(text, limit, unit)
    assert [measured(piece, unit) for piece in found] == sizes
    assert "".join(found) == text


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("一" * 40 + "。" + "二" * 10 + "\n\n" + "三" * 60, "一" * 40 + "。" + "二" * 10),
        ("一" * 40 + "！" + "二" * 60, "一" * 40 + "！"),
        ("一" * 40 + "好。”" + "二" * 60, "一" * 40 + "好。”"),
        (
            "The lift stands still since Monday at half past nine. " + "Again " * 10,
            "The lift stands still since Monday at half past nine.",
        ),
        ("word " * 20, "word " * 12 + "word"),
        ("See https://example.com/a?b=c.d&e=f.g " + "x" * 80, "See https://example.com/a?b=c.d&e=f.g"),
        ("a" * 80, "a" * 64),
    ],
    ids=["paragraph", "sentence", "closing quote", "latin sentence", "space", "address", "hard"],
)
def test_a_piece_ends_where_a_reader_would_pause(text: str, first: str) -> None:
    assert splitting.pieces(text, 64, Unit.CODE_POINTS)[0] == first


def test_an_early_paragraph_does_not_make_a_short_message() -> None:
    """Platforms count messages, so a heading of its own is not worth one."""
    assert len(splitting.pieces("Hello\n" + "x" * 100, 64, Unit.CODE_POINTS)) == 2


@pytest.mark.parametrize(
    "sign",
    [
        FAMILY,
        FLAG,
        "👍🏽",
        "e\u0301\u0323",
        "각",
        "\u1100\u1161\u11a8",
        "\ud83d\ude00",
        "1\ufe0f\u20e3",
        "🏴\U000e0067\U000e0062\U000e007f",
        "ก็",
    ],
)
@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("before", range(12))
def test_no_cut_inside_what_a_reader_sees_as_one(sign: str, unit: Unit, before: int) -> None:
    found = splitting.pieces("x" * before + sign * 40, 64, unit)
    assert len(found) > 1 or measured("x" * before + sign * 40, unit) <= 64
    for piece in found:
        assert measured(piece, unit) <= 64
        assert not re.sub(re.escape(sign), "", piece).strip("x\r\n")


def test_a_sign_longer_than_a_message_is_cut_all_the_same() -> None:
    found = splitting.pieces("e" + "\u0301" * 500, 64, Unit.BYTES)
    assert all(measured(piece, Unit.BYTES) <= 64 for piece in found)


def test_markers_stay_inside_the_limit_and_tell_the_whole_count() -> None:
    found = splitting.pieces("字" * 1_000, 100, Unit.BYTES, numbered=True)
    assert len(found) > 9
    for n, piece in enumerate(found, 1):
        assert piece.startswith(f"({n}/{len(found)}) ")
        assert measured(piece, Unit.BYTES) <= 100
    assert "".join(piece.partition(") ")[2] for piece in found) == "字" * 1_000
    assert splitting.pieces("short", 100, Unit.BYTES, numbered=True) == ("short",)


@given(
    text=st.text(
        alphabet=st.one_of(st.characters(), st.sampled_from(" \n.!。，字😀\u200d\u0301🇨🇳👍🏽")), max_size=600
    ),
    unit=st.sampled_from(Unit),
    limit=st.integers(64, 200),
    numbered=st.booleans(),
)
def test_nothing_but_white_space_is_lost(text: str, unit: Unit, limit: int, numbered: bool) -> None:
    found = splitting.pieces(text, limit, unit, numbered=numbered)
    assert found and all(measured(piece, unit) <= limit for piece in found)
    if len(found) > 1 and numbered:
        found = tuple(piece.partition(") ")[2] for piece in found)
    assert "".join("".join(found).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    ["!" * 400_000, "🇨" * 200_000, " \n" * 200_000, "\u0301" * 200_000, "a." * 200_000, "。”" * 200_000],
)
def test_a_hostile_text_takes_no_longer_than_a_plain_one(text: str) -> None:
    started = time.process_time()
    splitting.pieces(text, 4_096, Unit.UTF16, numbered=True)
    assert time.process_time() - started < 3


def test_a_limit_that_holds_no_sign_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        splitting.pieces("text", 8, Unit.BYTES)


def test_a_message_becomes_texts_and_then_its_files_one_by_one() -> None:
    files = tuple(OutgoingFile(f"{n}.jpg", "image/jpeg", 3, "0" * 64) for n in range(2))
    message = Message(
        key="k", purpose=Purpose.REPLY, reference="FB-1", to=None, text="字" * 50, html="<p>", files=files
    )
    found = splitting.parts(message, 64, Unit.BYTES)
    assert [(one.text, len(one.files)) for one in found] == [
        ("字" * 21, 0),
        ("字" * 21, 0),
        ("字" * 8, 0),
        ("", 1),
        ("", 1),
    ]
    assert {one.key for one in found} == {"k"} and not any(one.html for one in found)
    assert splitting.parts(Message(key="k", purpose=Purpose.REPLY, reference="", to=None), 64, Unit.BYTES)
