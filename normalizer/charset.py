"""Bytes of an unsure charset become text: what the label says, corrected by what is found in the wild."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping

from charset_normalizer import from_bytes

#: Labels and the codecs that read what is really sent under them, best first. Where a label names a
#: subset that senders overstep (gb2312 holding GBK, Latin-1 holding Windows-1252) the superset stands here.
_SENT_AS: tuple[tuple[str, str], ...] = (
    (
        "gb2312 gb-2312 gb2312-80 gb-2312-80 gbk x-gbk cp936 ms936 windows-936 euc-cn cn-gb csgb2312 gb18030 chinese",
        "gb18030",
    ),
    ("big5 big-5 big5-eten cn-big5 csbig5 x-x-big5 cp950 big5-hkscs big5hkscs", "big5hkscs cp950"),
    ("shift-jis sjis x-sjis shiftjis ms-kanji windows-31j cp932", "cp932 shift_jis_2004"),
    ("iso-2022-jp csiso2022jp iso-2022-jp-1 iso-2022-jp-2", "iso2022_jp_ext iso2022_jp_2"),
    ("euc-jp x-euc-jp eucjp", "euc_jp euc_jis_2004"),
    ("ks-c-5601-1987 ks-c-5601 euc-kr korean cp949 ksc5601", "cp949"),
    (
        "iso-8859-1 iso8859-1 latin1 latin-1 l1 us-ascii ascii ansi-x3.4-1968 windows-1252 cp1252 x-ansi ansi",
        "cp1252 latin-1",
    ),
    ("iso-8859-9 latin5", "cp1254 iso8859_9"),
    ("iso-8859-8-i iso-8859-8-e logical", "iso8859_8 cp1255"),
    ("iso-8859-6-i iso-8859-6-e", "iso8859_6"),
    ("tis-620 iso-8859-11 windows-874", "cp874 tis_620"),
    ("utf-7 unicode-1-1-utf-7 x-unicode-2-0-utf-7", "utf-7"),
    ("utf-8 utf8 utf-8-sig x-utf-8 utf8mb4 unicode-1-1-utf-8", "utf-8"),
    ("utf-16 ucs-2 unicode", "utf-16"),
    ("macintosh x-mac-roman mac", "mac_roman"),
    ("x-mac-cyrillic", "mac_cyrillic"),
    ("koi8-u koi8-ru", "koi8_u"),
)
CODECS: Mapping[str, tuple[str, ...]] = {
    label: tuple(names.split()) for labels, names in _SENT_AS for label in labels.split()
}
#: Codecs of East Asian two-byte sets: short text in them can look like two-byte UTF-8.
TWO_BYTE = frozenset({"gb18030", "big5hkscs", "cp932", "cp949", "euc_jp"})
#: Escape sequences of ISO-2022-JP and its kin, which are plain ASCII bytes.
ESCAPES = re.compile(rb"\x1b(?:\$[@B]|\$\([A-DI]|\([JI])")
HIGH_RUN = re.compile(rb"[\x80-\xff]+")
#: Up to this share of unreadable characters the label is believed and the text marked as decoded with loss.
BEARABLE_LOSS = 0.02
#: Bytes that detection looks at: enough to be sure, and bounded whatever a stranger sends.
SAMPLE = 16_384


def decode(data: bytes, label: str | None = None) -> tuple[str, bool]:
    """Text of `data`, and whether something was lost on the way.

    Valid UTF-8 is UTF-8 whatever the label says; then the label's codec or its superset; then gb18030 and
    detection; at last Latin-1, which reads anything. Any bytes and any label give an answer.
    """
    name = clean_label(label)
    if data.isascii():
        return _decode_ascii(data, name)
    if data.startswith(codecs.BOM_UTF8):
        data = data[3:]
    elif data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return data.decode("utf-16", "replace"), False
    wanted = codecs_of(name)
    utf8 = _try(data, ("utf-8",))
    if utf8 is not None and (not wanted or wanted[0] not in TWO_BYTE or max(utf8) >= "\u0800"):
        return utf8, False
    text = _try(data, wanted)
    if text is not None and not (wanted[0] == "cp1252" and name in ("us-ascii", "ascii", "")):
        return text, False
    if wanted:
        text = data.decode(wanted[0], "replace")
        if text.count("\ufffd") <= len(text) * BEARABLE_LOSS and name not in ("us-ascii", "ascii"):
            return text, True
    return _guess(data)


def clean_label(label: str | None) -> str:
    """A charset label as the tables above spell it."""
    name = (label or "").strip().strip("\"'").lower().replace("_", "-").partition("*")[0]
    return name.removeprefix("charset=").strip()


def codecs_of(name: str) -> tuple[str, ...]:
    """Python codecs for a clean label; empty when nobody knows it."""
    if name in CODECS:
        return CODECS[name]
    try:
        info = codecs.lookup(name) if name.isascii() and "\0" not in name else None
    except (LookupError, ValueError):
        return ()
    # Codecs such as rot13 or zlib are not charsets, and idna or punycode can be made to run for long.
    if info is None or not info._is_text_encoding or info.name in ("idna", "punycode", "undefined"):
        return ()
    if "escape" in info.name:
        return ()
    return (info.name,)


def _decode_ascii(data: bytes, name: str) -> tuple[str, bool]:
    stateful: tuple[str, ...] = ()
    if ESCAPES.search(data):
        stateful = ("iso2022_jp_2", "iso2022_jp_ext", "iso2022_kr")
    if name.startswith(("iso-2022", "utf-7", "unicode-1-1-utf-7", "hz", "utf-16", "utf-32")):
        stateful = (*codecs_of(name), *stateful)
    text = _try(data, stateful)
    return (data.decode("ascii"), False) if text is None else (text, False)


def looks_chinese(data: bytes) -> bool:
    """Whether high bytes come in pairs, as in Chinese, and not alone, as umlauts do."""
    runs = HIGH_RUN.findall(data[:SAMPLE])
    high = sum(map(len, runs))
    return high >= 4 and sum(len(run) for run in runs if len(run) % 2 == 0) >= 0.8 * high


def _guess(data: bytes) -> tuple[str, bool]:
    if looks_chinese(data):
        text = _try(data, ("gb18030",))
        if text is not None:
            return text, False
    sample = data[:SAMPLE]
    if (
        max(map(len, HIGH_RUN.findall(sample)), default=0) > 2
    ):  # else single accents: detection would only guess
        best = from_bytes(sample).best()
        text = _try(data, (best.encoding,) if best is not None else ())
        if text is not None:
            return text, False
    text = _try(data, ("cp1252",))
    return (data.decode("latin-1"), True) if text is None else (text, False)


def _try(data: bytes, names: Iterable[str]) -> str | None:
    for name in names:
        try:
            text = data.decode(name)
            return (
                text
                if name != "utf-7"
                else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            )
        except (UnicodeError, LookupError, ValueError):
            continue
    return None
