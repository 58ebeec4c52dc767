"""The languages of the pages: which one a visitor reads, and the words in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml
from aiohttp import web

COOKIE = "forebay_language"
#: Tag → (file of its texts, name in the language itself). The first is for everybody else.
LANGUAGES: Mapping[str, tuple[str, str]] = {
    "en": ("en.yaml", "English"),
    "zh-CN": ("zh.yaml", "中文"),
}
DEFAULT = "en"


def match(tag: str) -> str | None:
    """The language of ours that a BCP 47 tag is served by: zh-Hans, zh-SG and zh by zh-CN."""
    primary = tag.strip().lower().partition("-")[0]
    return next((ours for ours in LANGUAGES if ours.lower().partition("-")[0] == primary), None)


def of(request: web.Request) -> str:
    """The visitor's language: what they chose, else the best of Accept-Language (RFC 9110 §12.5.4)."""
    chosen = match(request.cookies.get(COOKIE, ""))
    if chosen:
        return chosen
    wishes = []
    for n, wish in enumerate(request.headers.get("Accept-Language", "")[:500].split(",")):
        tag, _, parameters = wish.partition(";")
        wishes.append((-_quality(parameters), n, tag))
    known = [ours for quality, _, tag in sorted(wishes) if quality < 0 and (ours := match(tag))]
    return known[0] if known else DEFAULT


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


@cache
def texts(language: str) -> Mapping[str, str]:
    """All words of a language by key."""
    source = resources.files("console").joinpath("texts", LANGUAGES[language][0])
    found: dict[str, str] = yaml.safe_load(source.read_text("utf-8"))
    return found


def translate(language: str, key: str, **values: object) -> str:
    """One text, with its {places} filled in. An unknown key is a bug and raises KeyError."""
    text = texts(language)[key]
    return text.format(**values) if values else text


def word(language: str, group: str, value: object, otherwise: str | None = None) -> str:
    """A word for a value of ours (a state, a purpose, …); one without a word is shown as it is."""
    fallback = str(value).replace("_", " ") if otherwise is None else otherwise
    return texts(language).get(f"{group}.{value}", fallback)


def because(language: str, reason: str) -> str:
    """A reason of ours in the visitor's language; what has no words there is shown as the log and the API tell it.

    A reason may name things of ours after a colon: "not sure about: name, phone".
    """
    head, colon, rest = reason.partition(": ")
    known = texts(language).get(f"because.{head}")
    if known is None:
        return reason
    return known + colon + ", ".join(word(language, "correct", one, one) for one in rest.split(", "))
