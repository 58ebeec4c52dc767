"""A secret in settings: given as a value, or as {env: NAME} or {file: PATH}, and never shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, SecretStr, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

#: Reads {"env": NAME} or {"file": PATH}; raises ValueError with the remedy. Config hands it in as the
#: validation context's "secrets"; without it a reference cannot be used, because nouns do no I/O.
Resolve = Callable[[Mapping[str, Any]], str]


def _resolve(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, Mapping):
        return value
    if len(value) != 1 or next(iter(value)) not in ("env", "file"):
        raise ValueError("a secret is a text, {env: NAME} or {file: PATH}")
    resolve: Resolve | None = (info.context or {}).get("secrets")
    if resolve is None:
        raise ValueError("secret references can be read only from a configuration file")
    return resolve(value)


class _Schema:
    """Tells editors about the three forms."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        def one(name: str) -> JsonSchemaValue:
            return {
                "type": "object",
                "properties": {name: {"type": "string"}},
                "required": [name],
                "additionalProperties": False,
            }

        return {"anyOf": [{"type": "string", "writeOnly": True}, one("env"), one("file")]}


Secret = Annotated[SecretStr, BeforeValidator(_resolve), _Schema()]
