"""The code on paper of ours."""

from __future__ import annotations

import pytest

from model import ids, return_code

RECORD = "0190a6e2-5c1f-7a55-8b0a-5d2f6a1c9e10"
KEY = b"a key that only tests know, 32 b"


def test_what_is_written_is_read_in_any_case() -> None:
    token = ids.seal(KEY, "thread", RECORD)
    text = return_code.write("FB-261122-7K3FQ", token)
    for one in (text, text.upper(), f"  {text}\n"):
        read = return_code.read(one)
        assert read == ("FB-261122-7K3FQ", token)
        assert ids.unseal(KEY, "thread", read[1]) == RECORD


@pytest.mark.parametrize(
    "text", ["", "forebay:", "https://x/", "forebay:FB-261122-7K3FQ.short", "forebay:FB-261122-7K3FQ"]
)
def test_other_codes_are_none_of_ours(text: str) -> None:
    assert return_code.read(text) is None
