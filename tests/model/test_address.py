"""Postal addresses, and the code on our sheets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import address, ids, sheet_code
from normalizer import identity

KEY = b"k" * 32


def test_an_address_is_its_lines_with_the_name_first() -> None:
    found = identity.post("  Hauptstr. 5 ,\r\n10115\tBerlin\n\nGermany ", "Anna Schmidt")
    assert found is not None and found.kind == "post"
    assert found.value.split("\n") == ["Anna Schmidt", "Hauptstr. 5", "10115 Berlin", "Germany"]
    again = identity.post(found.value, "anna schmidt")
    assert again == found, "the name is there already"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no postal address is known"),
        ("\u200b\n \x00", "no postal address is known"),
        ("Berlin", "the postal address has one line only"),
        ("123\n456", "the postal address has no words"),
        ("Hauptstr. 5\n10115 Berlin", ""),
        ("北京市海淀区中关村大街27号 100080", ""),
        ("中国", "the postal address has one line only"),
    ],
)
def test_what_no_letter_can_go_to_is_told(text: str, why: str) -> None:
    assert address.wanting(address.tidy(text)) == why


@given(st.text(max_size=400), st.text(max_size=40))
def test_whatever_is_typed_becomes_short_lines_that_stay_as_they_are(text: str, name: str) -> None:
    tidied = address.tidy(text, name)
    found = tidied.split("\n")
    assert len(found) <= address.MOST_LINES and all(len(one) <= address.LONGEST for one in found)
    assert all(one.isprintable() for one in found)
    assert address.tidy(tidied) == tidied


def test_a_sheets_code_gives_the_reference_and_the_token_that_proves_the_record() -> None:
    record = "01a21468-2e8b-75ed-8a49-26c925508af3"
    token = ids.seal(KEY, "thread", record)
    code = sheet_code.write("FB-261122-7K3FQ", token)
    assert set(code) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
    read = sheet_code.read(f" {code.lower()}\n")
    assert read is not None and read[0] == "FB-261122-7K3FQ"
    assert ids.unseal(KEY, "thread", read[1]) == record
    assert sheet_code.read("https://example.com/") is None
    with pytest.raises(ValueError, match="token"):
        sheet_code.write("FB-261122-7K3FQ", "short")


@given(st.text(max_size=120))
def test_nobody_elses_code_is_taken_for_ours(text: str) -> None:
    found = sheet_code.read(text)
    assert found is None or text.strip().upper().startswith("FOREBAY:")
