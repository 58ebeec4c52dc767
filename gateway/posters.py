"""Posters that lead to a form with the place filled in: `console.services.PosterVerbs` of a house."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import sys
from collections.abc import Mapping, Sequence
from importlib import util
from urllib.parse import quote, urlsplit

import orjson

from connectors.form import FormSettings
from connectors.wire.notes import NoteSettings
from console.services import Facts
from gateway.house import House

#: Libraries of the extra `letter` that a poster is set with.
_NEEDS = ("cvttf_NotoSansCJK_Regular", "fontTools", "fpdf", "PIL", "zxingcpp")
#: Longest that setting one may take, seconds.
_PATIENCE = 120.0
_LANGUAGES, _SIZES = ("en", "zh"), ("a4", "a5")
#: Pages of one file, and characters of a place, as the form's page takes it.
_MOST, _LONGEST = 200, 100


class Posters:
    """Sets one poster at a time, in a process of its own."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._turn = asyncio.Lock()

    def choices(self) -> Facts:
        """Forms that posters may lead to, the places of counters, and whether phones reach our address."""
        every = self._house.channels.items()
        counters = {name: one.settings for name, one in every if isinstance(one.settings, NoteSettings)}
        url = self._house.loaded.settings.address
        return {
            "url": url,
            "reachable": _reachable(url),
            "forms": [{"channel": name, "languages": list(one.title)} for name, one in self._forms().items()],
            "counters": [
                {"channel": name, "places": list(one.places)} for name, one in counters.items() if one.places
            ],
        }

    def _forms(self) -> Mapping[str, FormSettings]:
        every = self._house.channels.items()
        return {name: one.settings for name, one in every if isinstance(one.settings, FormSettings)}

    async def make(
        self,
        form: str,
        *,
        places: Sequence[str],
        languages: Sequence[str],
        size: str,
        heading: str,
        colour: str,
    ) -> tuple[str, bytes]:
        """File name and PDF, a page for each place; one without a place when none is named.

        LookupError for a form that is not there, ValueError in words for whoever asks.
        """
        settings = self._forms().get(form)
        if settings is None:
            known = ", ".join(self._forms())
            raise LookupError(f"there is no form {form}; these are there: {known or 'none'}")
        chosen = _languages(languages, settings)
        told = {
            "url": f"{self._house.loaded.settings.address}/form/{quote(form, safe='')}",
            "places": _places(places),
            "headings": _headings(chosen, settings.title, heading.strip()[:200]),
            "at": self._house.clock.now().isoformat(),
            "size": _size(size),
            "colour": _colour(colour),
        }
        if missing := [name for name in _NEEDS if util.find_spec(name) is None]:
            raise ValueError(
                f"posters are set with libraries that are not installed ({missing[0]}): pip install 'forebay[letter]'"
            )
        async with self._turn:
            return f"poster-{form}.pdf", await _set(orjson.dumps(told))


async def _set(question: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connectors.wire.poster",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_PATIENCE):
            pdf, _ = await process.communicate(question)
    except TimeoutError:
        raise ValueError(
            f"the poster could not be set within {_PATIENCE:g} seconds; try fewer places"
        ) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError("the process that sets posters failed; what it says stands in the log")
    return pdf


def _languages(given: Sequence[str], settings: FormSettings) -> list[str]:
    """The languages of a poster, the largest first; those of the form's title where none are chosen."""
    if wrong := [one for one in given if one not in _LANGUAGES]:
        raise ValueError(f"language: {wrong[0][:20]} is none of {', '.join(_LANGUAGES)}")
    wanted = [*given] or [settings.language or "", *settings.title]
    short = (one.partition("-")[0].lower() for one in wanted)
    return list(dict.fromkeys(one for one in short if one in _LANGUAGES)) or [_LANGUAGES[0]]


def _headings(languages: Sequence[str], titles: Mapping[str, str], given: str) -> dict[str, str]:
    """What stands on top, by language; a heading that was given is in a language of its own, and stands once."""
    if given:
        return {one: "" if n else given for n, one in enumerate(languages)}
    return {one: _titled(titles, one) for one in languages}


def _titled(titles: Mapping[str, str], language: str) -> str:
    found = [text for tag, text in titles.items() if tag.partition("-")[0].lower() == language]
    return (found or [*titles.values(), "Feedback"])[0]


def _places(given: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(" ".join(one.split()) for one in given))
    if len(found) > _MOST:
        raise ValueError(f"place: at most {_MOST} places in one file")
    if wrong := next((one for one in found if len(one) > _LONGEST), None):
        raise ValueError(f"place: {wrong[:20]}… is longer than {_LONGEST} characters")
    return found or [""]


def _size(given: str) -> str:
    if given.lower() not in _SIZES:
        raise ValueError(f"size: one of {', '.join(_SIZES)}")
    return given.lower()


def _colour(given: str) -> str:
    digits = given.removeprefix("#")
    if len(digits) != 6 or any(one not in "0123456789abcdefABCDEF" for one in digits):
        raise ValueError("colour: write six hexadecimal digits, such as #0b6b74")
    return f"#{digits}"


def _reachable(url: str) -> bool:
    """Whether a phone that scans a code of this address can reach it at all."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host != "localhost"
    return not (address.is_loopback or address.is_unspecified)
