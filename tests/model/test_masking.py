"""What is left of a person's data for those who need it not."""

from __future__ import annotations

import pytest

from model import masking


@pytest.mark.parametrize(
    ("kind", "whole", "shown"),
    [
        ("email", "li.wei@example.com", "l***@e***"),
        ("phone", "+8613812345678", "***78"),
        ("wechat", "oABC123def", "***ef"),
        ("name", "short", "***"),
    ],
)
def test_an_address_is_not_readable(kind: str, whole: str, shown: str) -> None:
    assert masking.value(kind, whole) == shown


def test_a_text_loses_addresses_numbers_and_known_names() -> None:
    said = "我是李伟，电话138-1234-5678，邮箱 li.wei@example.com。身份证11010519491231002X。"
    said += "Order 4711 of 2026-11-22 is late."
    shown = masking.text(said, "李伟", "")
    for hidden in ("李伟", "1234", "5678", "example.com", "li.wei", "110105"):
        assert hidden not in shown
    assert shown.startswith("我是李***，电话***") and shown.endswith("Order 4711 of 2026-11-22 is late.")


def test_nothing_stays_nothing() -> None:
    assert masking.name("") == "" and masking.text("") == ""
