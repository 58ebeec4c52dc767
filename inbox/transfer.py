"""A draft as JSON, between a worker process and the daemon: nothing that a parser touched is unpickled."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from model.draft import Draft, Part
from model.tools import Spooled

_DRAFT: TypeAdapter[Draft] = TypeAdapter(Draft)
#: Attachments up to this size travel inside the JSON, larger ones as files of the spool.
_INLINE = 65_536

#: Keeps bytes in the spool folder.
Keep = Callable[[bytes], Spooled]


def dump(draft: Draft, keep: Keep) -> bytes:
    """The draft as JSON; large attachments go to the spool."""
    parts = []
    for part in draft.parts:
        data: Any = part.data
        if isinstance(data, bytes):
            data = (
                {"inline": base64.b64encode(data).decode()} if len(data) <= _INLINE else _spooled(keep(data))
            )
        elif isinstance(data, Spooled):
            data = _spooled(data)
        parts.append({**asdict(replace(part, data=None)), "data": data})
    return orjson.dumps({"draft": asdict(replace(draft, parts=())), "parts": parts})


def _spooled(data: Spooled) -> dict[str, Any]:
    return {"path": str(data.path), "size": data.size, "sha256": data.sha256}


def load(raw: bytes, folder: Path) -> Draft:
    """The draft in a worker's JSON; files outside the spool folder are refused."""
    tree = orjson.loads(raw)
    draft = _DRAFT.validate_python(tree["draft"])
    return replace(draft, parts=tuple(_part(part, folder) for part in tree["parts"]))


def _part(tree: dict[str, Any], folder: Path) -> Part:
    data = tree.pop("data")
    if data is None:
        return Part(**tree, data=None)
    if "inline" in data:
        return Part(**tree, data=base64.b64decode(data["inline"]))
    path = Path(data["path"])
    if path.parent != folder:
        raise ValueError("a worker named a file outside the spool")
    return Part(**tree, data=Spooled(path, int(data["size"]), str(data["sha256"])))
