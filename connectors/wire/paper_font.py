"""The font of our paper: one that has Chinese and English, embedded with the characters that are used.

The font package has the glyphs of Traditional Chinese as its own; those of Simplified Chinese (骨 直 复, and
a full stop at the left below) are its `locl` substitutions for ZHS (OpenType GSUB). They are put into the
character map before the font is cut down, so that no text shaping is needed.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any

import cvttf_NotoSansCJK_Regular as package
from fontTools import subset
from fontTools.ttLib import TTFont

#: What stands for a character that the font does not have.
MISSING = "□"
#: Points to millimetres.
MM = 25.4 / 72
#: Quotation marks are as wide as a character in Chinese, and narrow in English.
_QUOTES = "‘’“”"
_APOSTROPHE = re.compile("(?<=[A-Za-z])’(?=[A-Za-z])")
_TABLES = ["GSUB", "GPOS", "BASE", "VORG", "vhea", "vmtx", "DSIG"]
_DROPPED = ("Cf", "Cs", "Co", "Cn", "Cc", "Zl", "Zp")


@cache
def face(chinese: bool) -> Face:
    """The font as Chinese or as English text wants it; loaded once a process."""
    return Face(chinese)


class Face:
    """Widths, the characters there are, and the font cut down to some of them."""

    def __init__(self, chinese: bool) -> None:
        font = _open()
        self._chinese = chinese
        self._map = _character_map(font, chinese)
        self._widths = {code: font["hmtx"][glyph][0] for code, glyph in self._map.items()}
        self._units = font["head"].unitsPerEm

    def clean(self, text: str) -> tuple[str, int]:
        """A line of text as it can be printed, and how many characters had to be replaced.

        Controls and marks of direction go; what the font does not have (an emoji, Arabic) becomes a visible box.
        """
        if self._chinese:
            text = _APOSTROPHE.sub("'", text)
        kept, replaced = [], 0
        for one in unicodedata.normalize("NFC", text).replace("\t", "    "):
            category = unicodedata.category(one)
            if category == "Zs" and one != "\u3000":
                kept.append(" ")
            elif ord(one) in self._map:
                kept.append(one)
            elif category in ("Cs", "Co", "Cn") or category not in (*_DROPPED, "Mn", "Me"):
                kept.append(MISSING)
                replaced += 1
        return "".join(kept), replaced

    def width(self, text: str, size: float) -> float:
        """The width of a cleaned text at a size in points, in millimetres."""
        return float(sum(self._widths.get(ord(one), self._units) for one in text) / self._units * size * MM)

    def cut_down(self, texts: Iterable[str]) -> bytes:
        """The font with the characters of these texts alone, as an OpenType file."""
        font = _open()
        for table in font["cmap"].tables:
            if table.isUnicode():
                table.cmap = {code: self._map[code] for code in table.cmap if code in self._map}
        options = subset.Options()
        options.layout_features = []
        options.drop_tables += _TABLES
        options.notdef_outline, options.hinting = True, False
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=sorted({ord(one) for text in texts for one in text} | {0x20}))
        cutter.subset(font)
        made = io.BytesIO()
        font.save(made)
        return made.getvalue()


def _open() -> Any:
    return TTFont(package.get_TTF_path(), lazy=True, recalcTimestamp=False)


def _character_map(font: Any, chinese: bool) -> dict[int, str]:
    """Unicode to glyph, with the forms of Simplified Chinese."""
    table = font["GSUB"].table
    localised = _substitutions(table, _localised(table))
    found = {code: localised.get(glyph, glyph) for code, glyph in font.getBestCmap().items()}
    if not chinese:
        narrow = _substitutions(table, _lookups(table, "pwid"))
        found |= {ord(one): narrow.get(found[ord(one)], found[ord(one)]) for one in _QUOTES}
    return found


def _localised(table: Any) -> list[int]:
    script = next(one.Script for one in table.ScriptList.ScriptRecord if one.ScriptTag == "hani")
    system = next(one.LangSys for one in script.LangSysRecord if one.LangSysTag == "ZHS ")
    records = [table.FeatureList.FeatureRecord[i] for i in system.FeatureIndex]
    return [n for one in records if one.FeatureTag == "locl" for n in one.Feature.LookupListIndex]


def _lookups(table: Any, tag: str) -> list[int]:
    records = table.FeatureList.FeatureRecord
    return sorted({n for one in records if one.FeatureTag == tag for n in one.Feature.LookupListIndex})


def _substitutions(table: Any, lookups: Iterable[int]) -> dict[str, str]:
    """One glyph for another, of these lookups."""
    found: dict[str, str] = {}
    for n in lookups:
        for plain in table.LookupList.Lookup[n].SubTable:
            mapping = getattr(getattr(plain, "ExtSubTable", plain), "mapping", {})
            found |= {old: new for old, new in mapping.items() if isinstance(new, str)}
    return found
