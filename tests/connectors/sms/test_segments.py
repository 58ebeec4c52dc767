"""Segments: the numbers that the networks count, at their edges."""

from __future__ import annotations

import pytest

from connectors.sms import segments


@pytest.mark.parametrize(
    ("text", "size", "messages", "alphabet"),
    [
        ("", 0, 1, "GSM-7"),
        ("a" * 160, 160, 1, "GSM-7"),
        ("a" * 161, 161, 2, "GSM-7"),
        ("a" * 306, 306, 2, "GSM-7"),
        ("a" * 307, 307, 3, "GSM-7"),
        ("€" * 80, 160, 1, "GSM-7"),
        ("€" * 81, 162, 2, "GSM-7"),
        # A sign of two septets is not parted: 76 of them and one septet that stays free.
        ("€" * 152, 304, 2, "GSM-7"),
        ("€" * 153, 306, 3, "GSM-7"),
        ("café Ç", 6, 1, "GSM-7"),
        ("ç", 1, 1, "UCS-2"),
        ("ê" + "a" * 69, 70, 1, "UCS-2"),
        ("中" * 70, 70, 1, "UCS-2"),
        ("中" * 71, 71, 2, "UCS-2"),
        ("中" * 134, 134, 2, "UCS-2"),
        ("中" * 135, 135, 3, "UCS-2"),
        ("😀" * 35, 70, 1, "UCS-2"),
        ("😀" * 36, 72, 2, "UCS-2"),
        ("😀" * 67, 134, 3, "UCS-2"),
    ],
)
def test_a_text_is_counted_as_the_networks_do(text: str, size: int, messages: int, alphabet: str) -> None:
    found = segments.count(text)
    assert (found.size, found.messages, found.alphabet) == (size, messages, alphabet)


@pytest.mark.parametrize(("characters", "messages"), [(70, 1), (71, 2), (134, 2), (135, 3)])
def test_the_mainland_counts_characters_of_any_letters(characters: int, messages: int) -> None:
    assert segments.characters("a" * characters).messages == messages
    assert segments.characters("中" * characters).messages == messages
