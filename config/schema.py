"""The JSON Schema of a whole configuration file, for editors and for the reference pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from config.settings import NAME, Settings
from connectors.catalog import CATALOG as CONNECTORS
from connectors.contract import ChannelSettings, ConnectorSpec
from destinations.catalog import CATALOG as DESTINATIONS
from destinations.contract import DestinationSettings, DestinationSpec

#: Name under which editors find it; the shipped files point at the copy beside them.
ID = "https://forebay.example/schema/config/1"
_PLACEHOLDER = {"$ref": "#/$defs/Placeholder"}
_TYPED = frozenset({"integer", "number", "boolean"})


def json_schema(
    connectors: Mapping[str, ConnectorSpec] = CONNECTORS,
    destinations: Mapping[str, DestinationSpec] = DESTINATIONS,
) -> dict[str, Any]:
    """The schema; every value that is not a text may be given by a placeholder too."""
    kinds: list[type[BaseModel]] = [spec.settings for spec in connectors.values()]
    kinds += [spec.settings for spec in destinations.values()]
    shared: list[type[BaseModel]] = [ChannelSettings, DestinationSettings]
    models: list[type[BaseModel]] = list(dict.fromkeys([Settings, *shared, *kinds]))
    refs, top = models_json_schema([(model, "validation") for model in models])
    defs = top["$defs"]

    def ref(model: type[BaseModel]) -> str:
        return str(refs[(model, "validation")]["$ref"]).rpartition("/")[2]

    root = defs.pop(ref(Settings))
    named: dict[str, Sequence[ConnectorSpec | DestinationSpec]] = {
        "channels": list(connectors.values()),
        "destinations": list(destinations.values()),
    }
    for key, specs in named.items():
        forms = []
        for spec in specs:
            name = f"{key}.{spec.kind}"
            defs[name] = _of_kind(defs[ref(spec.settings)], spec.kind, spec.summary)
            forms.append({"$ref": f"#/$defs/{name}"})
        root["properties"][key]["patternProperties"] = {NAME: {"anyOf": forms}}
        root["properties"][key]["additionalProperties"] = False
    rules = root["properties"]["rules"]
    inline = {key: rules.pop(key) for key in ("$ref", "allOf") if key in rules}
    rules["anyOf"] = [inline, _file()]
    defs["Placeholder"] = {
        "type": "string",
        "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^{}]*)?\}$",
        "description": "Filled in from the environment.",
    }
    for name in {ref(model) for model in (*shared, *kinds)}:
        defs.pop(name, None)
    loose = {name: one if name == "Placeholder" else _loosen(one) for name, one in defs.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        **_loosen(root),
        "title": "Forebay configuration",
        "$defs": dict(sorted(loose.items())),
    }


def _of_kind(schema: Mapping[str, Any], kind: str, summary: str) -> dict[str, Any]:
    """The settings of a kind, with `kind` fixed, which is how an editor tells the forms apart."""
    properties = {
        **schema.get("properties", {}),
        "kind": {"const": kind, "description": "The kind."},
    }
    required = sorted({*schema.get("required", ()), "kind"})
    return {**schema, "description": summary, "properties": properties, "required": required}


def _file() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"file": {"type": "string", "description": "YAML file, relative to this one."}},
        "required": ["file"],
        "additionalProperties": False,
    }


def _loosen(schema: Any) -> Any:
    """Let numbers, truth values, durations and choices be placeholders, and durations be seconds."""
    if isinstance(schema, list):
        return [_loosen(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: v if k in ("default", "enum", "const", "required") else _loosen(v) for k, v in schema.items()}
    if not isinstance(schema.get("type"), str) or isinstance(schema.get("properties"), dict):
        return kept
    typed = schema["type"] in _TYPED or "enum" in schema or "format" in schema or "pattern" in schema
    if not typed or "const" in schema:
        return kept
    about = {k: kept.pop(k) for k in ("title", "description", "default") if k in kept}
    forms = [kept, _PLACEHOLDER]
    if schema.get("format") == "duration":
        forms = [{"type": "string"}, {"type": "number"}]
    elif schema.get("format") == "network":
        forms = [{"type": "string"}]
    return {**about, "anyOf": forms}
