"""What stands in a cell: as text, as a time, as a telephone number."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

from normalizer import identity

#: Day 0 of spreadsheet programs: they hold 1900 for a leap year, so that all later days count from here.
_DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 — as written: its zone is known later
#: Days (1927 to 2119) and seconds that are taken for a date written as a number.
_SERIALS, _SECONDS, _MILLISECONDS = (10_000, 80_000), (1e8, 1e10), (1e11, 1e13)
_ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_YMD = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*[日号]?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?)?")
_SHORT = re.compile(r"(\d{1,2})\s*[-/.]\s*(\d{1,2})\s*[-/.]\s*(\d{4}|\d{2})\b")
_NAMED = re.compile(
    r"(?:(\d{1,2})\.?\s+)?([A-Za-z]{3,9})\.?\s+(?:(\d{1,2})(?:st|nd|rd|th)?,?\s+)?(\d{4})\b,?"
)
_TIME = re.compile(
    r"(上午|下午|晚上|凌晨|中午|[AaPp]\.?[Mm]\.?)?\s*(\d{1,2})\s*[:：时点h]\s*(\d{1,2})?\s*(?:[:：分]\s*(\d{1,2}))?"
    r"(?:[.,]\d+)?\s*[分秒]?\s*([AaPp]\.?[Mm]\.?)?"
)
_ZONE = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{2}):?(\d{2})?\s*$|(Z|UTC|GMT)\s*$")
_WEEKDAY = re.compile(
    r"\s*[(（]?(?:星期|周)[一二三四五六日天][)）]?\s*|^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+", re.I
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LATER = ("下午", "晚上", "p")
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?[eE]\+?\d{1,2}")
_EXTENSION = re.compile(r"\s*(?:转|轉|分机|ext\.?|extension|x|#)\s*[:：]?\s*\d{1,6}\s*$", re.I)
_SEPARATORS = re.compile(r"[,;，；、|\n]|\s/\s|(?<=\d{7})/(?=\+?\d{7})")
#: What people write where there is nothing.
NOTHING = frozenset(
    {"", "-", "--", "/", "无", "無", "没有", "不详", "未知", "暂无", "n/a", "na", "none", "null", "nil"}
)
#: What a spreadsheet shows where a formula failed.
_FAILED = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"})


class Wrong(ValueError):
    """What a cell holds cannot be what its column is mapped to; the words are for whoever corrects it."""


def text(value: Any) -> str:
    """The one text of a cell: numbers without a needless fraction, dates in ISO 8601, failed formulas empty."""
    if value is None:
        return ""
    if isinstance(value, str):
        return "" if value in _FAILED else value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds") if value.time() != time() else value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def moment(written: str, zone: str | None, order: str, epoch: datetime = _DAY_ZERO) -> datetime | None:
    """A time in UTC; None for an empty cell. `zone` is the IANA name of times without one, None the machine's.

    `order` says what 3/4/2025 means: `dmy`, `mdy`, or empty when nobody said. Raises Wrong.
    """
    line = unicodedata.normalize("NFKC", written).strip()
    if line.lower() in NOTHING:
        return None
    try:
        found = _number(line, epoch) or _iso(line) or _mail(line) or _written(line, order)
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, Wrong) else Wrong(_no_date(written)) from None
    if found is None:
        raise Wrong(_no_date(written))
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(zone)) if zone else found.astimezone()
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise Wrong(_no_date(written)) from None


def _no_date(written: str) -> str:
    return f"{written[:60]!r} is no date or time that could be read"


def _number(line: str, epoch: datetime) -> datetime | None:
    try:
        number = float(line)
    except ValueError:
        return None
    if _SERIALS[0] <= number < _SERIALS[1]:
        return epoch + timedelta(seconds=round(number * 86_400))
    if _SECONDS[0] <= number < _SECONDS[1]:
        return datetime.fromtimestamp(number, UTC)
    if _MILLISECONDS[0] <= number < _MILLISECONDS[1]:
        return datetime.fromtimestamp(number / 1_000, UTC)
    if compact := _COMPACT.fullmatch(line):
        year, month, day, hour, minute, second = (int(part or 0) for part in compact.groups())
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    return None


def _iso(line: str) -> datetime | None:
    if not _ISO.match(line):
        return None
    try:
        return datetime.fromisoformat(line.removesuffix(" UTC") + ("+00:00" if line.endswith(" UTC") else ""))
    except ValueError:
        return None


def _mail(line: str) -> datetime | None:
    """RFC 5322, as `Tue, 3 Mar 2026 09:00:00 +0800`."""
    if not line[:1].isalpha() or line.count(":") < 1 or not re.search(r"[+-]\d{4}|GMT", line):
        return None
    try:
        return parsedate_to_datetime(line)
    except ValueError:
        return None


def _written(line: str, order: str) -> datetime | None:
    """A date as people write it, with a time behind it or none."""
    line = _WEEKDAY.sub(" ", line).strip()
    if found := _YMD.match(line):
        year, month, day = (int(part) for part in found.groups())
    elif found := _SHORT.match(line):
        year, month, day = _short(found, order)
    elif (found := _NAMED.match(line)) and (name := found[2][:3].lower()) in _MONTHS:
        year, month, day = int(found[4]), _MONTHS.index(name) + 1, int(found[1] or found[3] or 1)
    else:
        return None
    rest = line[found.end() :].strip(" ,T")
    whole = datetime(year, month, day)  # noqa: DTZ001
    return whole if not rest else _with_time(whole, rest)


def _short(found: re.Match[str], order: str) -> tuple[int, int, int]:
    first, second, year = (int(part) for part in found.groups())
    year += 2000 if year < 100 else 0
    if first > 12 or (second <= 12 and order == "dmy"):
        return year, second, first
    if second > 12 or order == "mdy" or first == second:
        return year, first, second
    raise Wrong(f"{found[0]!r} may be two dates; say with --dates whether the day or the month comes first")


def _with_time(day: datetime, rest: str) -> datetime | None:
    zone = _ZONE.search(rest)
    clock = _TIME.fullmatch(rest[: zone.start()].strip() if zone else rest)
    if clock is None:
        return None
    half, hours, minutes, seconds, after = clock.groups()
    hour, mark = int(hours), (half or after or "").lower()
    if mark.startswith(_LATER) and hour < 12:
        hour += 12
    if (mark.startswith("a") or mark == "凌晨") and hour == 12:
        hour = 0
    at = day + timedelta(hours=hour, minutes=int(minutes or 0), seconds=int(seconds or 0))
    if hour > 24 or int(minutes or 0) > 59:
        return None
    if zone is None:
        return at
    behind = timedelta(hours=int(zone[2] or 0), minutes=int(zone[3] or 0))
    return (at + behind if zone[1] == "-" else at - behind).replace(tzinfo=UTC)


def day_order(samples: list[str]) -> str:
    """Whether a column writes the day or the month first, told by the dates that can be but one; empty if none can."""
    found = set()
    for sample in samples:
        if match := _SHORT.match(unicodedata.normalize("NFKC", sample).strip()):
            first, second = int(match[1]), int(match[2])
            found |= {"dmy"} if first > 12 >= second else {"mdy"} if second > 12 >= first else set()
    return found.pop() if len(found) == 1 else ""


def whole_number(written: str) -> str:
    """Digits that a spreadsheet showed as a number: `1.3812345678E+10`, `13812345678.0`; anything else as it is.

    Raises Wrong when digits were lost.
    """
    line = unicodedata.normalize("NFKC", written).strip()
    if line.endswith(".0") and line[:-2].isdigit():
        return line[:-2]
    if not _SCIENTIFIC.fullmatch(line):
        return line
    try:
        number = Decimal(line)
    except InvalidOperation:
        return line
    digits = len(line.lower().partition("e")[0].replace(".", ""))
    if int(number.adjusted()) + 1 > digits:
        raise Wrong(
            f"{line} has lost its digits in a spreadsheet; make the column text there, and export it again"
        )
    return str(int(number))


def phones(written: str, region: str) -> tuple[list[str], str]:
    """The telephone numbers of a cell in E.164, and what is left that is none. Raises Wrong when digits were lost."""
    line = whole_number(written)
    if line.lower() in NOTHING:
        return [], ""
    found, left = [], []
    for piece in _SEPARATORS.split(line):
        plain = _EXTENSION.sub("", piece.strip().lstrip("'’`").strip())
        one = identity.phone(plain, region)
        if one is not None:
            found.append(one.value)
            if plain != piece.strip() and _EXTENSION.search(piece):
                left.append(piece.strip())  # the extension would be lost
        elif piece.strip():
            left.append(piece.strip())
    return list(dict.fromkeys(found)), "; ".join(left)
