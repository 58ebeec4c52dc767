"""Ways to reach a person come in many spellings and leave in one."""

from __future__ import annotations

import pytest

from model.draft import Identity
from normalizer import identity


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("Li.Wei@Example.COM", "li.wei@example.com"),
        (" <a@b.cn> ", "a@b.cn"),
        ("mailto:a@b.cn", "a@b.cn"),
        ("ａ＠ｂ．ｃｎ", "a@b.cn"),
        ("张三@例子.中国", "张三@xn--fsqu00a.xn--fiqs8s"),
        ("info@straße.de", "info@xn--strae-oqa.de"),
        ("o'neil+tag@mail.example.org", "o'neil+tag@mail.example.org"),
    ],
)
def test_an_address_has_one_form(written: str, stored: str) -> None:
    assert identity.email(written) == Identity("email", stored)


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        "@",
        "a@",
        "@b.cn",
        "a@b",
        "a b@c.cn",
        "a@@b.cn",
        "a@b..cn",
        ".a@b.cn",
        "a@-b.cn",
        "a@b_c.com",
        "a@[1.2.3.4]",
        "a@1.2.3.4",
        '"a b"@c.cn',
        "a@b.cn\nBcc: x@y.example",
        "a@b.cn\x00",
        "a@b.cn, c@d.cn",
        "x" * 65 + "@b.cn",
        "a@" + "b." * 130 + "cn",
        "a" * 100_000,
    ],
)
def test_rubbish_is_no_address(rubbish: str) -> None:
    assert identity.email(rubbish) is None


@pytest.mark.parametrize(
    ("written", "region", "stored"),
    [
        ("138 0013 8000", "CN", "+8613800138000"),
        ("+86 138-0013-8000", "CN", "+8613800138000"),
        ("１３８００１３８０００", "CN", "+8613800138000"),
        ("010-12345678", "CN", "+861012345678"),
        ("(0755) 8888 8888", "CN", "+8675588888888"),
        ("400-810-8888", "CN", "+864008108888"),
        ("tel:+44 20 7946 0958", "CN", "+442079460958"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("13800138000", "GB", None),
        ("95588", "CN", None),
        ("abc", "CN", None),
        ("1" * 100, "CN", None),
    ],
)
def test_a_number_has_one_form(written: str, region: str, stored: str | None) -> None:
    assert identity.phone(written, region) == (Identity("phone", stored) if stored else None)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("电话13800138000张三，邮箱：Li@example.com", ["+8613800138000", "li@example.com"]),
        ("a@b.cn 或 13800138000 或 A@b.cn", ["a@b.cn", "+8613800138000"]),
        ("13800138000@qq.com", ["13800138000@qq.com"]),
        ("138 0013 8000", ["+8613800138000"]),
        ("020-12345678 / +44 20 7946 0958", ["+862012345678", "+442079460958"]),
        ("订单20261122123456789", []),
        ("无", []),
        ("", []),
    ],
)
def test_a_free_contact_field_gives_each_once_in_the_order_written(field: str, values: list[str]) -> None:
    assert [one.value for one in identity.find(field, "CN")] == values
