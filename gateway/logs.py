"""The log: structlog for us and, routed through it, for the libraries; one line an event, no secrets."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

from pydantic import ValidationError

from config.secrets import CREDENTIALS, KEYS, MASK
from config.settings import LogSettings
from model.spared import spared

with spared("rich"):  # for tracebacks with the values of variables, which must not be logged anyway
    import structlog
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, Processor

#: Libraries that tell too much below this level.
QUIET = {
    "aiohttp.access": logging.WARNING,
    "alembic": logging.WARNING,
    "asyncio": logging.WARNING,
    "mail.log": logging.WARNING,  # aiosmtpd
    "sqlalchemy": logging.WARNING,
}
# What secrets look like inside of a text: credentials in an address, a header, a parameter.
_IN_TEXT = (
    (CREDENTIALS, MASK),
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{6,}"), rf"\1 {MASK}"),
    (re.compile(r"(?i)\b((?:access_|refresh_)?token|password|secret|signature)=[^&\s\"']+"), rf"\1={MASK}"),
)
#: Deepest value that is looked into.
_DEPTH = 6


def set_up(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send everything that is logged to `stream`, by default standard error; may be called again."""
    out = stream or sys.stderr
    console = settings.format == "console" or (settings.format == "auto" and out.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        tell_exception,
        mask,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(least, level))
    logging.captureWarnings(True)


def channel_log(name: str, kind: str) -> structlog.stdlib.BoundLogger:
    """The log that a connector or destination gets in its tools."""
    log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("forebay." + kind)
    return log.bind(channel=name)


@contextmanager
def about(reference: str, **facts: Any) -> Iterator[None]:
    """Bind the record's reference, and more, to everything that is logged inside, in this task."""
    with bound_contextvars(reference=reference, **facts):
        yield


def tell_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put the traceback into the event as text, in which pydantic's errors do not repeat their input."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else None
    if error is not None:
        event["exception"] = "\n".join(_tell(error, set()))
    return event


def _tell(error: BaseException, seen: set[int]) -> Iterator[str]:
    """The traceback of an error and of what led to it, outermost last, as Python prints it."""
    seen.add(id(error))
    before, why = error.__cause__, "The above exception was the direct cause of the following exception:"
    if before is None and not error.__suppress_context__:
        before, why = error.__context__, "During handling of the above exception, another exception occurred:"
    if before is not None and id(before) not in seen:
        yield from _tell(before, seen)
        yield f"\n{why}\n"
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):"
        yield "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
    yield _headline(error)
    if isinstance(error, BaseExceptionGroup):
        for n, inner in enumerate(error.exceptions, 1):
            yield f"--- {n} of {len(error.exceptions)} in the group ---"
            if id(inner) not in seen:
                yield from _tell(inner, seen)


def _headline(error: BaseException) -> str:
    name = type(error).__qualname__
    if isinstance(error, ValidationError):
        found = error.errors(include_input=False, include_context=False, include_url=False)
        where = ", ".join(
            f"{'.'.join(map(str, item['loc'])) or 'value'} ({item['type']})" for item in found[:20]
        )
        return f"{name}: {error.title}: {where}"
    return f"{name}: {error}"


def mask(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask what stands under a key that names a secret, and what looks like one inside of a text."""
    return {key: _masked(key, value, _DEPTH) for key, value in event.items()}


def _masked(key: str, value: Any, depth: int) -> Any:
    if key.startswith("_"):  # structlog's own
        return value
    if value and KEYS.search(key) and not isinstance(value, bool | int | float):
        return MASK
    if isinstance(value, str):
        for pattern, instead in _IN_TEXT:
            value = pattern.sub(instead, value)
        return value
    if isinstance(value, ValidationError):
        return _headline(value)
    if isinstance(value, BaseException):
        return _masked(key, f"{type(value).__qualname__}: {value}", depth)
    if depth and isinstance(value, MutableMapping | dict):
        return {k: _masked(str(k), v, depth - 1) for k, v in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_masked("", one, depth - 1) for one in value]
    return value
