"""A reference as it is read out: in groups, letters by the spelling alphabet, digits as they are said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: The ICAO spelling alphabet (Annex 10, Volume II, §5.2.1.3).
_ENGLISH: Mapping[str, str] = {
    one[0].upper(): one
    for one in (
        *("Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India", "Juliett"),
        *("Kilo", "Lima", "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra", "Tango"),
        *("Uniform", "Victor", "Whiskey", "X-ray", "Yankee", "Zulu"),
    )
} | dict(
    zip(
        "0123456789",
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        strict=True,
    )
)
#: Digits as they are said on the telephone: one is yao, for yi sounds like qi, seven.
_CHINESE: Mapping[str, str] = dict(zip("0123456789", "零幺二三四五六七八九", strict=True))


def reference(text: str, language: str) -> Sequence[tuple[str, str]]:
    """Each group of a reference, and how it is read out."""
    return [(group, _group(group, language)) for group in text.split("-") if group]


def _group(group: str, language: str) -> str:
    if language.startswith("zh"):
        return " ".join(_CHINESE.get(one, one) for one in group)
    return " ".join(_ENGLISH.get(one, one) for one in group)
