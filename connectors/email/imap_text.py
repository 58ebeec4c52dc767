"""What IMAP puts on the wire (RFC 3501 §9), read and written purely: answers to FETCH, sets of UIDs, names."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from aioimaplib.aioimaplib import quoted

MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTHS = {name: number for number, name in enumerate(MONTH_NAMES, 1)}
INTERNALDATE = re.compile(
    rb'INTERNALDATE "([ \d]\d)-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"', re.I
)
FETCHED = re.compile(rb"\d+ FETCH \(", re.I)
UID = re.compile(rb"\bUID (\d+)", re.I)
SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)", re.I)
INLINE = re.compile(rb'BODY\[\](?:<\d+>)? "((?:[^"\\]|\\.)*)"', re.I)


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail as FETCH gave it."""

    uid: int
    body: bytes | None
    arrived: datetime | None
    size: int | None


def parse(lines: Sequence[bytes | bytearray]) -> list[Fetched]:
    """The mails in the lines of a FETCH answer; literals come as bytearray, in any order with the items."""
    found: list[Fetched] = []
    items = b""
    literal: bytes | None = None

    def close() -> None:
        uid = UID.search(items)
        if uid is None:
            return  # news of flags, that nobody asked for
        size = SIZE.search(items)
        inline = INLINE.search(items)
        body = literal if literal is not None else re.sub(rb"\\(.)", rb"\1", inline[1]) if inline else None
        found.append(Fetched(int(uid[1]), body, internaldate(items), int(size[1]) if size else None))

    for line in lines:
        if isinstance(line, bytearray):
            literal = bytes(line)
            continue
        if FETCHED.match(line):
            close()
            items, literal = b"", None
        items += line + b" "
    close()
    return found


def internaldate(items: bytes) -> datetime | None:
    """INTERNALDATE among the items of a FETCH answer, in UTC."""
    match = INTERNALDATE.search(items)
    if match is None:
        return None
    day, name, *numbers = (part.decode() for part in match.groups())
    year, hour, minute, second = map(int, numbers[:4])
    offset = timedelta(hours=int(numbers[5]), minutes=int(numbers[6])) * (-1 if numbers[4] == "-" else 1)
    try:
        zone = timezone(offset)
        return datetime(year, MONTHS[name.title()], int(day), hour, minute, second, tzinfo=zone).astimezone(
            UTC
        )
    except (ValueError, KeyError, OverflowError):
        return None


def uid_set(uids: Sequence[int]) -> str:
    """UIDs as IMAP writes a set, runs shortened."""
    runs: list[list[int]] = []
    for uid in sorted(set(uids)):
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in runs)


def mailbox_name(name: str) -> str:
    """A folder's name as the wire wants it: quoted, in modified UTF-7 (RFC 3501 §5.1.3)."""
    return str(quoted(modified_utf7(name)))


def modified_utf7(name: str) -> str:
    """`已发送` becomes `&XfJT0ZAB-`."""
    out: list[str] = []
    for plain, other in re.findall(r"([\x20-\x7e]+)|([^\x20-\x7e]+)", name):
        if plain:
            out.append(plain.replace("&", "&-"))
        else:
            coded = base64.b64encode(other.encode("utf-16-be")).decode()
            out.append(f"&{coded.rstrip('=').replace('/', ',')}-")
    return "".join(out)
