"""Ways to reach a person, in the one form in which they can be compared and used."""

from __future__ import annotations

import re
import unicodedata

import idna
import phonenumbers

from model import address
from model.draft import Identity

#: Characters of an unquoted local part (RFC 5321 §4.1.2, RFC 6531 §3.3); quoted ones are refused.
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_PLAIN_DOMAIN = re.compile(
    r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9-]{1,62}[a-z0-9]"
)
_EMAIL_IN_TEXT = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w.-]{1,253}\w")
#: A mainland mobile number, by far the commonest: known without the metadata of all countries.
_CN_MOBILE = re.compile(r"(?:\+?86)?(1[3-9]\d{9})")
#: How an extension is written, in Chinese [转 分机] and elsewhere.
_EXTENSION = re.compile(
    r"[\s,;]*(?:转|轉|分机|分機|内线|\bext(?:ension)?\b[.=:]?|\bx(?=\s*\d)|#)\s*[:.-]?\s*(\d{1,7})\s*\Z",
    re.IGNORECASE,
)
_DASHES = re.compile("[\u2010-\u2015\u2212]")
_PHONE_MARKS = str.maketrans("", "", " -()./\u00a0")
#: Octets of a local part and of a path (RFC 5321 §4.5.3.1).
_LOCAL_OCTETS, _ADDRESS_OCTETS = 64, 254
#: A contact field longer than this is an essay; the rest is not looked at.
_FIND_CHARACTERS = 2_000


def email(value: str) -> Identity | None:
    """An e-mail address in lower case with its domain in A-labels (RFC 5890), or None for anything else.

    Full-width characters, angle brackets and `mailto:` are tolerated; a local part's case is given up,
    because no provider keeps two people apart by it. Quoted local parts and address literals are refused.
    """
    if len(value) > 4 * _ADDRESS_OCTETS:
        return None
    value = unicodedata.normalize("NFKC", value).strip().removeprefix("<").removesuffix(">")
    local, _, host = value.removeprefix("mailto:").lower().rpartition("@")
    domain = _domain(host)
    if domain is None or not _LOCAL.fullmatch(local) or len(local.encode()) > _LOCAL_OCTETS:
        return None
    address = f"{local}@{domain}"
    return Identity("email", address) if len(address.encode()) <= _ADDRESS_OCTETS else None


def phone(value: str, region: str = "CN") -> Identity | None:
    """A telephone number in E.164 (`+8613800138000`), or None when it cannot be one.

    `region` is the ISO 3166 country of numbers written without one.
    """
    if len(value) > 60:
        return None
    value = _tidy(value)
    if region == "CN" and (mobile := _CN_MOBILE.fullmatch(value.translate(_PHONE_MARKS))):
        return Identity("phone", f"+86{mobile[1]}")
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    return _e164(number) if phonenumbers.is_valid_number(number) else None


def post(value: str, name: str = "") -> Identity | None:
    """A postal address with the name first, or None when no letter could go there."""
    tidied = address.tidy(value[:_FIND_CHARACTERS], name)
    return None if address.wanting(tidied) else Identity(address.KIND, tidied)


def call(value: str, region: str = "CN") -> Identity | None:
    """What a colleague dials: a number with its extension (RFC 3966 §5.3), or, when it is none that anybody
    else could reach, such as an extension of the house, as it was written; None without a digit.
    """
    value = _tidy(value)
    if not any(one.isdigit() for one in value):
        return None
    number = phone(value, region)
    if number is None:
        return Identity("call", " ".join(value.split())[:60])
    found = _EXTENSION.search(value)
    return Identity("call", f"{number.value};ext={found[1]}" if found else number.value)


def find(text: str, region: str = "CN") -> tuple[Identity, ...]:
    """Every e-mail address and telephone number in a free-text contact field, once, in the order written."""
    text = unicodedata.normalize("NFKC", text[:_FIND_CHARACTERS])
    if (single := email(text) or phone(text, region)) is not None:
        return (single,)
    found: list[tuple[int, Identity]] = []
    for match in _EMAIL_IN_TEXT.finditer(text):
        if (address := email(match[0])) is not None:
            found.append((match.start(), address))
    # Digits inside an address are not a number to call.
    rest = _EMAIL_IN_TEXT.sub(lambda match: " " * len(match[0]), text)
    for call in phonenumbers.PhoneNumberMatcher(rest, region):
        found.append((call.start, _e164(call.number)))
    found.sort(key=lambda one: one[0])
    return tuple(dict.fromkeys(identity for _, identity in found))


def _tidy(value: str) -> str:
    """A number in plain characters, its extension as the library knows one."""
    value = unicodedata.normalize("NFKC", value).strip().removeprefix("tel:")
    return _EXTENSION.sub(r" ext. \1", _DASHES.sub("-", value))


def _domain(domain: str) -> str | None:
    if domain.isascii():
        return domain if _PLAIN_DOMAIN.fullmatch(domain) else None
    try:
        encoded = idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
    return encoded if _PLAIN_DOMAIN.fullmatch(encoded) else None


def _e164(number: phonenumbers.PhoneNumber) -> Identity:
    return Identity("phone", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
