"""Jinja texts in settings: checked when the settings are read, rendered in a sandbox."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

from pydantic import AfterValidator, JsonValue

from model.delivery import Message
from model.failures import PermanentFailure, Reason
from model.secret import Secret

if TYPE_CHECKING:
    import jinja2


@lru_cache(maxsize=3)
def _environment(manner: str) -> jinja2.Environment:
    """A sandbox that writes values as they are (`plain`), escaped (`markup`) or percent-encoded (`url`)."""
    import jinja2  # the catalogue of kinds must load no library
    import jinja2.sandbox

    return jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=manner == "markup",
        finalize=_in_url if manner == "url" else None,
        keep_trailing_newline=True,
    )


def _in_url(value: Any) -> str:
    """A value inside an address: it can neither add a segment nor climb; `| safe` marks a whole address."""
    from markupsafe import Markup

    if isinstance(value, Markup):
        return value
    text = str(value)
    if not text.strip(".") and text != "":
        raise PermanentFailure(Reason.REQUEST, "a value for the address is nothing but dots")
    return quote(text.encode("utf-8", "replace"), safe="")


def _check(source: str) -> str:
    import jinja2

    try:
        _environment("plain").parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"not a Jinja template: line {error.lineno}: look at its braces and tags") from None
    return source


def _check_tree(tree: Any) -> Any:
    if isinstance(tree, str):
        return _check(tree)
    for child in tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ():
        _check_tree(child)
    return tree


def _check_secret(secret: Any) -> Any:
    _check(secret.get_secret_value())
    return secret


#: A Jinja text that may hold credentials.
SecretTemplate = Annotated[Secret, AfterValidator(_check_secret)]
#: A Jinja text.
Template = Annotated[str, AfterValidator(_check)]
#: JSON whose texts are Jinja texts.
TemplateTree = Annotated[dict[str, JsonValue] | list[JsonValue], AfterValidator(_check_tree)]


@lru_cache(maxsize=256)
def takes_data(source: str) -> bool:
    """Whether anything but the template's own words takes part in what it gives."""
    from jinja2 import meta

    return bool(meta.find_undeclared_variables(_environment("plain").parse(source)))


@lru_cache(maxsize=1024)
def text(name: str, source: str, manner: str = "plain") -> Callable[[Mapping[str, Any]], str]:
    """A function that renders the template; PermanentFailure naming the setting, never a value."""
    import jinja2

    template = _environment(manner).from_string(source)

    def render(context: Mapping[str, Any]) -> str:
        try:
            return template.render(context)
        except jinja2.UndefinedError:
            raise PermanentFailure(
                Reason.REQUEST, f"{name}: this message lacks a value that it needs"
            ) from None
        except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise PermanentFailure(
                Reason.REQUEST, f"{name}: the template fails with {type(error).__name__}"
            ) from None

    return render


def content(name: str, source: Any, media_type: str) -> Callable[[Mapping[str, Any]], bytes]:
    """A function that renders a body: a text in the escaping of its media type, or a tree as JSON, or as a form."""
    if isinstance(source, str):
        markup = any(word in media_type for word in ("html", "xml"))
        render = text(name, source, "markup" if markup else "plain")
        return lambda context: render(context).encode("utf-8", "replace")
    tree = _tree(name, source)
    if "urlencoded" in media_type and isinstance(source, Mapping):
        return lambda context: urlencode(tree(context)).encode()
    return lambda context: json.dumps(tree(context), ensure_ascii=False).encode("utf-8", "replace")


def _tree(name: str, source: Any) -> Callable[[Mapping[str, Any]], Any]:
    if isinstance(source, str):
        return text(name, source)
    if isinstance(source, Mapping):
        members = {key: _tree(f"{name}.{key}", child) for key, child in source.items()}
        return lambda context: {key: member(context) for key, member in members.items()}
    if isinstance(source, list | tuple):
        items = [_tree(f"{name}[{index}]", child) for index, child in enumerate(source)]
        return lambda context: [item(context) for item in items]
    return lambda _: source


def context(message: Message) -> Mapping[str, Any]:
    """What templates see: `message` and `thread`."""
    return {
        "message": {
            "key": message.key,
            "purpose": message.purpose.value,
            "reference": message.reference,
            "to": None if message.to is None else {"kind": message.to.kind, "value": message.to.value},
            "name": message.name,
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
            "language": message.language,
            "token": message.token,
            "files": [
                {
                    "filename": file.filename,
                    "media_type": file.media_type,
                    "size": file.size,
                    "base64": base64.b64encode(file.data).decode(),
                }
                for file in message.files
            ],
        },
        "thread": dict(message.thread),
    }
