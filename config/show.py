"""The effective configuration as YAML, defaults included, secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from typing import Any

import yaml
from pydantic import BaseModel, SecretBytes, SecretStr

from config.secrets import CREDENTIALS, MASK
from config.settings import Settings


def show(settings: Settings) -> str:
    """YAML of every setting as it holds now; it can be read by people, not loaded again: secrets are gone."""
    return yaml.safe_dump(plain(settings), sort_keys=False, allow_unicode=True, width=110)


def plain(value: Any) -> Any:
    """A value as YAML can hold it. Whatever this does not know is shown by its own text, never a secret."""
    match value:
        case SecretStr() | SecretBytes():
            return MASK if value.get_secret_value() else ""
        case BaseModel():
            names = type(value).model_fields
            return {field.alias or name: plain(getattr(value, name)) for name, field in names.items()}
        case Mapping():
            return {str(plain(key)): plain(one) for key, one in value.items()}
        case Enum():
            return plain(value.value)
        case str():
            return CREDENTIALS.sub(MASK, value)  # a proxy's address may hold a password
        case bool() | int() | float() | None:
            return value
        case timedelta():
            return duration(value)
        case set() | frozenset():
            return sorted((plain(one) for one in value), key=str)
        case list() | tuple():
            return [plain(one) for one in value]
        case _:
            return str(value)


def duration(value: timedelta) -> str | int | float:
    """Seconds when short, else ISO 8601 as the file takes it."""
    seconds = value.total_seconds()
    whole = int(seconds)
    if whole != seconds or whole < 0:
        return seconds
    for size, form in ((86_400, "P{}D"), (3_600, "PT{}H"), (60, "PT{}M")):
        if whole >= size and whole % size == 0:
            return form.format(whole // size)
    return whole
