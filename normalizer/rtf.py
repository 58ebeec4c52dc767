"""Rich text as Outlook packs it (MS-OXRTFCP) made readable; formatting is of no interest here."""

from __future__ import annotations

import re
import struct

from normalizer import charset

#: Longest text that is unpacked, bytes.
LIMIT = 8_000_000
_HEADER = struct.Struct("<II4sI")
#: What the dictionary holds before the first byte (MS-OXRTFCP §2.1.2.1).
_FIRST = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    rb"MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_TOKEN = re.compile(
    rb"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-f]{2})|\\([^a-z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.I
)
#: Groups that are no text of the letter.
_SILENT = frozenset(
    b"fonttbl colortbl stylesheet info pict object themedata colorschememapping latentstyles datastore "
    b"listtable listoverridetable rsidtbl generator xmlnstbl mmathPr fldinst htmltag mhtmltag".split()
)
_BREAKS = {b"par": "\n", b"line": "\n", b"tab": "\t", b"cell": "\t", b"row": "\n", b"page": "\n"}
_SIGNS = {
    b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”",
    b"bullet": "•", b"emspace": " ", b"enspace": " ",
}  # fmt: skip


def unpack(packed: bytes) -> bytes | None:
    """The RTF in a compressed property; None when it is none."""
    if len(packed) < _HEADER.size:
        return None
    _, size, form, _ = _HEADER.unpack_from(packed)
    if form == b"MELA":
        return packed[_HEADER.size : _HEADER.size + min(size, LIMIT)]
    if form != b"LZFu":
        return None
    window = bytearray(4096)
    window[: len(_FIRST)] = _FIRST
    write, position = len(_FIRST), _HEADER.size
    out = bytearray()
    while position < len(packed) and len(out) < min(size, LIMIT):
        control = packed[position]
        position += 1
        for bit in range(8):
            if position >= len(packed):
                break
            if not control >> bit & 1:
                window[write] = packed[position]
                out.append(packed[position])
                write, position = (write + 1) % 4096, position + 1
                continue
            if position + 1 >= len(packed):
                return bytes(out)
            offset = packed[position] << 4 | packed[position + 1] >> 4
            length = (packed[position + 1] & 15) + 2
            position += 2
            if offset == write:
                return bytes(out)  # the sign of the end
            for step in range(length):
                byte = window[(offset + step) % 4096]
                out.append(byte)
                window[write] = byte
                write = (write + 1) % 4096
    return bytes(out[:size])


def to_text(rtf: bytes) -> str:
    """The words of an RTF document, without its formatting; HTML that Outlook wrapped in RTF loses its tags."""
    out: list[str] = []
    pending = bytearray()
    codepage = "cp1252"
    silent: list[bool] = [False]
    skip = 0

    def settle() -> None:
        if pending:
            out.append(charset.decode(bytes(pending), codepage)[0])
            pending.clear()

    for match in _TOKEN.finditer(rtf[:LIMIT]):
        word, number, code, sign, brace, text = match.groups()
        if brace == b"{":
            silent.append(silent[-1])
        elif brace == b"}":
            if len(silent) > 1:
                silent.pop()
        elif sign == b"*" or word in _SILENT:
            silent[-1] = True
        elif word == b"ansicpg" and number:
            codepage = f"cp{int(number)}"
        elif silent[-1] or (word == b"htmlrtf" and number != b"0"):
            if word == b"htmlrtf":
                silent[-1] = True
        elif word == b"htmlrtf":
            silent[-1] = False
        elif code is not None:
            if skip:
                skip -= 1
            else:
                pending.append(int(code, 16))
        elif word == b"u" and number:
            settle()
            out.append(chr(int(number) % 65536))
            skip = 1
        elif word is not None and (word in _BREAKS or word in _SIGNS):
            settle()
            out.append(_BREAKS.get(word) or _SIGNS[word])
        elif sign is not None and sign in b"\\{}~-_":
            pending.extend(b" " if sign == b"~" else b"" if sign in b"-" else sign)
        elif text is not None:
            if skip:
                text, skip = text[1:], 0
            pending.extend(text)
    settle()
    return "".join(out).strip()
