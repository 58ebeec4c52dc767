"""JMESPath expressions in settings: checked when the settings are read, compiled once."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> Any:
    import jmespath  # the catalogue of kinds must load no library

    return jmespath.compile(expression)


def search(expression: str, data: Any) -> Any:
    """What the expression finds in JSON data; None when it finds nothing or does not fit the data's types."""
    from jmespath.exceptions import JMESPathError

    try:
        return _compiled(expression).search(data)
    except (JMESPathError, TypeError, ValueError, RecursionError):
        return None


def scalar(expression: str, data: Any) -> str | None:
    """What the expression finds, as text; None unless it is a non-empty text, a number or a truth value."""
    return as_text(search(expression, data))


def as_text(value: Any) -> str | None:
    """A JSON scalar as text, the way JSON writes it; None for null, empty text, lists and objects."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if isinstance(value, int | float) else None


def _check(expression: str) -> str:
    from jmespath.exceptions import JMESPathError, ParseError

    try:
        _check_functions(_compiled(expression).parsed)
    except ParseError as error:
        raise ValueError(f"not a JMESPath expression: look at column {error.lex_position + 1}") from None
    except JMESPathError:
        raise ValueError("not a JMESPath expression") from None
    return expression


def _check_functions(node: Any) -> None:
    """Refuse unknown functions, which JMESPath itself finds only when it evaluates them."""
    from jmespath.functions import Functions

    known: Any = Functions.FUNCTION_TABLE
    if isinstance(node, dict):
        if node.get("type") == "function_expression" and node["value"] not in known:
            raise ValueError("not a JMESPath expression: it calls a function that does not exist")
        for child in node.get("children", ()):
            _check_functions(child)


Expression = Annotated[str, AfterValidator(_check)]
