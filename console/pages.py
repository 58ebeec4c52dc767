"""Renders pages: templates with automatic escaping, in the visitor's language."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from importlib import resources
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from console import languages
from console.problems import Problem
from console.services import Services

_STATIC = {"app.css": "text/css"} | dict.fromkeys(
    ("form.js", "chat.js", "note.js", "record.js", "talk.js"), "text/javascript"
)


@cache
def environment() -> Environment:
    """The templates; a name that is not there is an error, and everything is escaped."""
    return Environment(
        loader=PackageLoader("console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def static(name: str) -> tuple[bytes, str, str] | None:
    """A file of ours: bytes, media type and version; None when there is none of this name."""
    if name not in _STATIC:
        return None
    data = resources.files("console").joinpath("static", name).read_bytes()
    return data, _STATIC[name], hashlib.sha256(data).hexdigest()[:12]


def static_url(name: str) -> str:
    """Address of a file of ours; it changes with the content, so that it can be cached for ever."""
    found = static(name)
    if found is None:
        raise KeyError(name)
    return f"/static/{name}?v={found[2]}"


def size(octets: int) -> str:
    """A file size for people."""
    if octets < 1024:
        return f"{octets} B"
    value, unit = float(octets), "B"
    for unit in ("KB", "MB", "GB"):  # noqa: B007
        value /= 1024
        if value < 1024:
            break
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


def render(
    services: Services,
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> web.Response:
    """One page. Templates get `t` (a text), `word` (a value's name), `because` (a reason), `when` (a time), values."""
    language = languages.of(request)
    html = (
        environment()
        .get_template(template)
        .render(
            language=language,
            languages={tag: name for tag, (_, name) in languages.LANGUAGES.items()},
            here=request.rel_url.path_qs,
            t=partial(languages.translate, language),
            word=partial(languages.word, language),
            because=partial(languages.because, language),
            when=partial(when, services),
            iso=lambda at: at.isoformat(),
            size=size,
            named=partial(named, language),
            static=static_url,
            **{"session": None, "mend_count": 0, "prints": False, "embedded": False, **values},
        )
    )
    return web.Response(
        text=html,
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={"Vary": "Accept-Language, Cookie", "Content-Language": language, **(headers or {})},
    )


def named(language: str, titles: Mapping[str, str], name: str) -> str:
    """What something is called in the visitor's language: its title there, any title, or its name."""
    spoken = language.partition("-")[0]
    own = next((text for tag, text in titles.items() if tag.partition("-")[0] == spoken), None)
    return own or next(iter(titles.values()), name)


def when(services: Services, at: datetime | None) -> str:
    """A time as people of this installation read it."""
    return "" if at is None else f"{at.astimezone(services.zone):%Y-%m-%d %H:%M}"


def error(services: Services, request: web.Request, problem: Problem, request_id: str) -> web.Response:
    """The page that says what went wrong."""
    return render(
        services,
        request,
        "error.html",
        status=problem.status,
        headers=problem.headers,
        problem=problem,
        request_id=request_id,
    )
