"""A person's values are found in raw bytes, wherever the pieces that are read begin and end."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from store.persons import Mentions

VALUES = ("ann@example.com", "+8613800138000", "li-9")


def found(pieces: Iterable[bytes], values: Iterable[str] = VALUES) -> bool:
    looking = Mentions(list(values))
    return any(looking.see(one) for one in pieces) or looking.see(b"", last=True)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 1_000])
@pytest.mark.parametrize(
    ("text", "there"),
    [
        (b"From: Ann <ANN@example.com>\r\n", True),
        (b"ann@example.com", True),
        (b"tel:+8613800138000", True),
        (b"joann@example.com is another", False),
        (b"ann@example.com.cn", True),
        (b"ann@example.community", False),
        (b"ann@example.comm and, further on, LI-9", True),
        (b"+86138001380001", False),
        (b"xli-9 li-90 li-9z", False),
        (b"", False),
    ],
)
def test_values_are_found_across_pieces(text: bytes, there: bool, size: int) -> None:
    for before in (b"", b"x" * 40 + b" "):
        whole = before + text
        assert found(whole[n : n + size] for n in range(0, len(whole), size)) == there


def test_without_a_value_nothing_is_found() -> None:
    assert not found([b"anything"], [])
