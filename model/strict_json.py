"""Strict JSON from strangers, and JSON data as the same bytes every time."""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any, Never

import orjson

from model.failures import Malformed

#: Containers inside one another; real events have fewer than ten.
DEEPEST = 64
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def load(data: bytes) -> Any:
    """Strict JSON in UTF-8 (RFC 8259); Malformed, naming the place, for anything two parsers might disagree on.

    Refused: NaN and infinities, numbers beyond a double or 4,300 digits, duplicate keys, deep nesting.
    """
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"the JSON is not UTF-8: see byte {error.start}") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        cut = " (cut off?)" if error.pos >= len(text.rstrip()) else ""
        raise Malformed(f"the JSON cannot be read: {error.msg} at {place}{cut}") from None
    except RecursionError:
        raise Malformed(f"the JSON is nested more than {DEEPEST} deep") from None
    except ValueError:
        raise Malformed("the JSON holds a number that is too long") from None
    # Only what opens so many containers can have them inside one another.
    if data.count(b"{") + data.count(b"[") > DEEPEST and _deeper_than(value, DEEPEST):
        raise Malformed(f"the JSON is nested more than {DEEPEST} deep")
    # A lone surrogate can be escaped in JSON but exists in no text, and no database would take it.
    return _without_surrogates(value) if b"\\u" in data and _SURROGATE.search(data) else value


def canonical(value: Any) -> bytes:
    """JSON data as the same bytes whatever order and spacing it came in."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half characters and numbers of more than 64 bits, which the fast one does not write
        return _CANONICAL.encode(value).encode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Malformed("the JSON holds an object with the same key twice")
    return made


def _no_constant(name: str) -> Never:
    raise Malformed(f"the JSON holds {name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Malformed("the JSON holds a number that is too large")
    return number


# Made once: `json.loads` and `json.dumps` make one on every call that is not plain.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        containers = [one for one in level if isinstance(one, dict | list)]
        if not containers:
            return False
        level = [child for one in containers for child in (one.values() if isinstance(one, dict) else one)]
    return True


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
    return value
