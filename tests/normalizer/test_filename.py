"""File names of strangers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalizer import filename


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\li\\a.doc", "a.doc"),
        ("a/", "file"),
        ("...", "file"),
        ("", "file"),
        ("\u202egpj.exe", "gpj.exe"),
        ('a"b<c>:d|e?f*.txt', "abcdef.txt"),
        ("a\r\nContent-Type: text", "a Content-Type text"),
        ("n" * 500 + ".tar", "n" * 196 + ".tar"),
        ("n" * 500, "n" * 200),
        ("a." + "e" * 300, "a." + "e" * 198),
    ],
)
def test_a_name_becomes_a_safe_one(name: str, safe: str) -> None:
    assert filename.safe(name) == safe


@given(st.text(max_size=400))
def test_whatever_the_name_it_is_one_safe_component(name: str) -> None:
    safe = filename.safe(name)
    assert 0 < len(safe.encode()) <= filename.LONGEST
    assert not set(safe) & set('/\\\x00\r\n"')
    assert not safe.startswith(".")
    assert filename.safe(safe) == safe
