"""What pydantic found wrong, in words for operators: never the value that was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from config import fields
from config.problems import Path, Problem, Step, suggest
from config.secrets import Resolver
from config.source import Source

Context = Mapping[str, Any]

_DURATION = 'write seconds (300), "00:05:00" or PT5M'
_QUOTES = "put it in quotes if a text is meant"

#: Type of error to message and remedy, filled in from what pydantic knows about the rule, not the value.
WORDS: Mapping[str, tuple[str, str]] = {
    "missing": ("is missing", ""),
    "string_type": ("must be a text", _QUOTES),
    "string_sub_type": ("must be a text", _QUOTES),
    "string_too_short": ("must have {min_length} characters or more", ""),
    "string_too_long": ("must have {max_length} characters or fewer", ""),
    "string_pattern_mismatch": ("must match {pattern}", ""),
    "int_type": ("must be a whole number", ""),
    "int_parsing": ("must be a whole number", ""),
    "int_from_float": ("must be a whole number", ""),
    "int_parsing_size": ("is too large a number", ""),
    "float_type": ("must be a number", ""),
    "float_parsing": ("must be a number", ""),
    "finite_number": ("must be a finite number", ""),
    "bool_type": ("must be true or false", ""),
    "bool_parsing": ("must be true or false", ""),
    "greater_than": ("must be more than {gt}", ""),
    "greater_than_equal": ("must be {ge} or more", ""),
    "less_than": ("must be less than {lt}", ""),
    "less_than_equal": ("must be {le} or less", ""),
    "multiple_of": ("must be a multiple of {multiple_of}", ""),
    "too_short": ("must have {min_length} entries or more", ""),
    "too_long": ("must have {max_length} entries or fewer", ""),
    "literal_error": ("must be {expected}", ""),
    "enum": ("must be {expected}", ""),
    "time_delta_type": ("must be a duration", _DURATION),
    "time_delta_parsing": ("must be a duration", _DURATION),
    "date_type": ("must be a date", "write 2026-10-01"),
    "date_parsing": ("must be a date", "write 2026-10-01"),
    "date_from_datetime_parsing": ("must be a date", "write 2026-10-01"),
    "time_type": ("must be a time of day", 'write "09:00"'),
    "time_parsing": ("must be a time of day", 'write "09:00"'),
    "ip_v4_network": ("must be an IPv4 network", "write 10.0.0.0/8"),
    "ip_v6_network": ("must be an IPv6 network", "write fd00::/8"),
    "ip_any_address": ("must be an IP address", ""),
    "url_parsing": ("must be an address", "write https://…"),
    "url_scheme": ("must be an address that begins with {expected_schemes}", ""),
    "path_type": ("must be a path", _QUOTES),
    "union_tag_invalid": ("must be one of {expected_tags}", ""),
    "union_tag_not_found": ("lacks the key that tells its form", ""),
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type", "model_attributes_type"), ("must be a mapping", "")
    ),
    **dict.fromkeys(
        (
            "list_type",
            "tuple_type",
            "set_type",
            "frozen_set_type",
            "sequence_str",
            "is_instance_of",
            "iterable_type",
        ),
        ("must be a list", "write each entry after a dash, or [a, b]"),
    ),
}
#: These were worded by the one who wrote the rule.
_OWN_WORDS = frozenset({"value_error", "assertion_error"})


def problems(
    error: ValidationError,
    source: Source,
    base: Path,
    schema: Callable[[], Mapping[str, Any]],
    secrets: Resolver,
) -> Iterator[Problem]:
    """The problems of one model, found at `base` of the source; `schema` gives its JSON Schema when needed.

    What every form of a choice refused is told as one problem.
    """
    found: dict[tuple[Path, bool], list[tuple[str, str]]] = {}
    within = source.value
    for step in base:
        within = within[step]
    for item in error.errors(include_input=False, include_url=False):
        loc, kind, context = item["loc"], item["type"], item.get("ctx", {})
        path = base + _locate(within, loc, kind, schema())
        at_key = kind == "extra_forbidden" or (bool(loc) and loc[-1] == "[key]")
        if kind == "extra_forbidden":
            known = fields.names(schema(), path[len(base) : -1], within)
            words = ("unknown key", suggest(str(path[-1]), known))
        elif kind in _OWN_WORDS:
            message, _, remedy = str(context.get("error", "is not valid")).partition("; ")
            words = (message, remedy)
        else:
            message, remedy = WORDS.get(kind, (f"is not valid ({kind})", ""))
            words = (_message(message, context), remedy)
            if kind == "missing":
                words = (message, fields.description(schema(), path[len(base) :], within))
        found.setdefault((path, at_key), []).append(words)
    for (path, at_key), all_words in found.items():
        message = ", or ".join(dict.fromkeys(words[0] for words in all_words))
        remedy = next((words[1] for words in all_words if words[1]), "")
        yield source.problem(path, secrets.mask(message), secrets.mask(remedy), at_key=at_key)


def _message(template: str, context: Context) -> str:
    """The message with the rule's bounds in it."""
    if context.get("min_length") == 1:
        return "must not be empty"
    return template.format_map(_Context(context))


class _Context(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"


def _locate(value: Any, loc: Sequence[Step], kind: str, schema: Mapping[str, Any]) -> Path:
    """The path in the file of a location in a model: without the names of the forms of a choice.

    A form may be called like a key that stands there too; then the schema says which was meant.
    """
    steps = loc[:-1] if loc and loc[-1] == "[key]" else loc
    paths = list(_readings(value, steps, missing=kind == "missing"))
    up = None
    if kind == "extra_forbidden":  # the schema knows its parent only
        paths = [path for path in paths if path and path[-1] == steps[-1]]
        up = -1
    rank = {path: (bool(fields.at(schema, path[:up], value)), len(path)) for path in paths}
    return max(paths, key=rank.__getitem__, default=())


def _readings(value: Any, loc: Sequence[Step], *, missing: bool) -> Iterator[Path]:
    """Every way to follow a location into a value: each step is a key, or the name of a form."""
    if not loc:
        yield ()
        return
    step, rest = loc[0], loc[1:]
    if missing and not rest:
        if isinstance(value, dict):
            yield (step,)
        return
    if isinstance(value, dict) and step in value:
        yield from ((step, *path) for path in _readings(value[step], rest, missing=missing))
    elif isinstance(value, list) and isinstance(step, int) and step < len(value):
        yield from ((step, *path) for path in _readings(value[step], rest, missing=missing))
        return
    yield from _readings(value, rest, missing=missing)
