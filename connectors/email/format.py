"""How a mail is written down: fields, parts and encodings (RFC 5322, 2045, 2047, 2231).

All in ASCII, but for addresses that have no ASCII form (RFC 6532).

Written for this house instead of taken from the standard library: its policy turns message ids that do
not fit into 78 columns, normal for Outlook, into encoded words, and the thread is lost (seen on Python
3.11 to 3.13); and it takes milliseconds for a mail, where this takes a twentieth.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

WIDTH = 76
#: Octets of UTF-8 in one encoded word: 45 become 60 characters, and 72 with what is around them.
WORD_OCTETS = 45
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: Characters of a display name that need no quotes, RFC 5322 §3.2.3.
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
#: A text with a larger share of non-ASCII octets is shorter in base64 than in quoted-printable.
QUOTED_SHARE = 0.17


def line(text: str, limit: int) -> str:
    """One line without control characters: nothing in it can start another header field."""
    clean = CONTROL.sub(" ", text).encode("utf-8", "replace").decode()
    return re.sub(r"\s+", " ", clean).strip()[:limit]


def field(name: str, *words: str) -> str:
    """A header field, folded between its words and never within one."""
    rows = [f"{name}:"]
    for word in words:
        if len(rows[-1]) + 1 + len(word) > WIDTH + 2 and rows[-1] != f"{name}:":
            rows.append("")
        rows[-1] += f" {word}"
    return "\r\n".join(rows) + "\r\n"


def text_words(text: str) -> list[str]:
    """The words of an unstructured field; as encoded words when it is not plain ASCII."""
    if text.isascii() and "=?" not in text and all(len(word) < 900 for word in text.split(" ")):
        return text.split(" ")
    return encoded_words(text)


def encoded_words(text: str) -> list[str]:
    """Encoded words, cut between characters (RFC 2047 §5)."""
    pieces: list[bytes] = [b""]
    for character in text:
        octets = character.encode()
        if len(pieces[-1]) + len(octets) > WORD_OCTETS:
            pieces.append(b"")
        pieces[-1] += octets
    return [f"=?utf-8?b?{base64.b64encode(piece).decode()}?=" for piece in pieces]


def address_words(name: str, address: str) -> list[str]:
    """The words of a mailbox with its display name; the address must be valid already."""
    if not name:
        return [address]
    if ATOMS.fullmatch(name) and "=?" not in name:
        return [*name.split(" "), f"<{address}>"]
    if name.isascii() and "=?" not in name:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return [f'"{escaped}"', f"<{address}>"]
    return [*encoded_words(name), f"<{address}>"]


def text_part(kind: str, text: str) -> bytes:
    """Header and body of a text, in 7 bit whatever it holds: not every server speaks 8BITMIME."""
    body = "\r\n".join(text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").split("\n"))
    data = body.encode("utf-8", "replace")
    data += b"" if data.endswith(b"\r\n") else b"\r\n"
    if data.isascii() and max(map(len, data.split(b"\r\n"))) <= WIDTH + 2:
        encoding = "7bit"
    elif sum(octet > 127 for octet in data) < QUOTED_SHARE * len(data):
        encoding, data = "quoted-printable", binascii.b2a_qp(data, istext=True)
    else:
        encoding, data = "base64", base64_lines(data)
    head = f'Content-Type: {kind}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return head.encode() + data


def file_part(media_type: str, name: str, data: bytes) -> bytes:
    """Header and body of an attachment; media type and name must have been made safe."""
    head = field("Content-Type", media_type) + field("Content-Transfer-Encoding", "base64")
    head += field("Content-Disposition", "attachment;", *file_name(name))
    return head.encode() + b"\r\n" + base64_lines(data)


def file_name(name: str) -> list[str]:
    """The parameter of a file name, in sections when it is long (RFC 2231 §3)."""
    if ATOMS.fullmatch(name.replace(".", "")) and len(name) < 60:
        return [f'filename="{name}"']
    pieces = [""]
    for character in name:
        octets = quote(character, safe="")
        if len(pieces[-1]) + len(octets) > 50:
            pieces.append("")
        pieces[-1] += octets
    if len(pieces) == 1:
        return [f"filename*=utf-8''{pieces[0]}"]
    first, *rest = pieces
    sections = [f"filename*0*=utf-8''{first}", *(f"filename*{n}*={piece}" for n, piece in enumerate(rest, 1))]
    return [f"{section};" for section in sections[:-1]] + sections[-1:]


def multipart(kind: str, parts: Sequence[bytes], boundary: str) -> bytes:
    """Header and body of several parts."""
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    mark = f"--{boundary}".encode()
    return head + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def base64_lines(data: bytes) -> bytes:
    """Base64 in lines of 76 characters."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def message(fields: Iterable[str], content: bytes) -> bytes:
    """Fields and a part's header and body make a mail."""
    return "".join((*fields, "MIME-Version: 1.0\r\n")).encode() + content
