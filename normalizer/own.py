"""The addresses that a person gives as their own in what they write. Nothing else in a text counts as theirs."""

from __future__ import annotations

import re

from model.draft import Identity
from normalizer import identity

_LABEL = r"e-?mail|mail|phone|mobile|cell|tel|telephone|whatsapp"
#: "My phone", or the bare label where a sentence begins: somebody else's phone has its owner before it.
_ENGLISH = (
    rf"(?:\b(?:my\s+(?:{_LABEL})|(?:reach|contact|call|text|e-?mail)\s+me)"
    rf"|(?:^|[\n.,;:!?，。；！？])\s*(?:{_LABEL}))\b"
)
_CHINESE = (
    r"(?<![\u4e00-\u9fff])(?:我的|本人的?|请?联系我?|我)?"
    r"(?:邮箱|电邮|邮件|电子邮件|邮件地址|电话|手机|手机号|手机号码|联系电话|联系方式|号码)"
)
_BETWEEN = r"(?:\s*(?:address|number|no\.?|is|at|by|on|via|地址|号码?|是|为|：|:|，|,|=|-|—))*\s*"
_EMAIL = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"
_PHONE = r"\+?\d[\d ()-]{5,18}\d"
_ADDRESS = rf"(?:(?P<email>{_EMAIL})|(?P<phone>{_PHONE}))"
_GIVEN = re.compile(rf"(?:{_ENGLISH}|{_CHINESE}){_BETWEEN}{_ADDRESS}", re.IGNORECASE)
_ALONE = re.compile(rf"\s*{_ADDRESS}\s*[.。]?\s*")
_MAY_HAVE = re.compile(r"@|\d[\d ()-]{5}")
#: Longer texts are not searched, characters; more addresses than that are nobody's own.
_SEARCHED, _MOST = 4000, 3


def given(text: str) -> tuple[Identity, ...]:
    """The e-mail addresses and telephone numbers that a text gives as its writer's own.

    Either the text is nothing but the address, or a word before it says whose it is.
    """
    if len(text) > _SEARCHED or not _MAY_HAVE.search(text):
        return ()
    alone = _ALONE.fullmatch(text)
    found = [alone] if alone else list(_GIVEN.finditer(text))
    canonical = (_canonical(one) for one in found)
    return tuple(dict.fromkeys(one for one in canonical if one is not None))[:_MOST]


def _canonical(match: re.Match[str]) -> Identity | None:
    return identity.email(match["email"]) if match["email"] else identity.phone(match["phone"])
