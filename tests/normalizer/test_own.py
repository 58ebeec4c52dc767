"""Which addresses in a text are its writer's own."""

from __future__ import annotations

import pytest

from normalizer.own import given


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("my e-mail is Wang.Fang@example.com", "email", "wang.fang@example.com"),
        ("Please reach me at wang@example.com, thanks", "email", "wang@example.com"),
        ("wang@example.com", "email", "wang@example.com"),
        ("Lift is broken. Phone: 13800138000", "phone", "+8613800138000"),
        ("call me on +44 20 7946 0018", "phone", "+442079460018"),
        ("我的邮箱是wang@example.com", "email", "wang@example.com"),
        ("电梯坏了，联系电话：13800138000", "phone", "+8613800138000"),
        ("手机 138 0013 8000", "phone", "+8613800138000"),
        ("13800138000", "phone", "+8613800138000"),
    ],
)
def test_an_address_said_to_be_ones_own_is(text: str, kind: str, value: str) -> None:
    assert [(one.kind, one.value) for one in given(text)] == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "The caretaker boss@example.com never answers.",
        "I wrote to support@example.com on Monday.",
        "物业电话13800138000没人接",
        "Order 13800138000 did not arrive",
        "The lift phone 13800138000 is dead",
        "his phone is 13800138000",
        "nothing here",
        "my e-mail is wang@example.com" + " " * 5000,
    ],
)
def test_what_may_be_somebody_elses_is_nobodys(text: str) -> None:
    assert given(text) == ()
