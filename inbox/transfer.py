"""A draft as JSON, between a worker process and the daemon: nothing that a parser touched is unpickled."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from model.draft import Child, Draft, Part
from model.tools import Raw, Spooled

_DRAFT: TypeAdapter[Draft] = TypeAdapter(Draft)
#: Attachments up to this size travel inside the JSON, larger ones as files of the spool.
_INLINE = 65_536

#: Keeps bytes in the spool folder.
Keep = Callable[[bytes], Spooled]


def dump(draft: Draft, keep: Keep) -> bytes:
    """The draft as JSON; large attachments go to the spool."""
    parts = [{**asdict(replace(part, data=None)), "data": _packed(part.data, keep)} for part in draft.parts]
    children = [{**asdict(replace(one, data=b"")), "data": _packed(one.data, keep)} for one in draft.children]
    bare = asdict(replace(draft, parts=(), children=()))
    return orjson.dumps({"draft": bare, "parts": parts, "children": children})


def _packed(data: Raw | None, keep: Keep) -> Any:
    if isinstance(data, bytes):
        return {"inline": base64.b64encode(data).decode()} if len(data) <= _INLINE else _spooled(keep(data))
    return None if data is None else _spooled(data)


def _spooled(data: Spooled) -> dict[str, Any]:
    return {"path": str(data.path), "size": data.size, "sha256": data.sha256}


def load(raw: bytes, folder: Path) -> Draft:
    """The draft in a worker's JSON; files outside the spool folder are refused."""
    tree = orjson.loads(raw)
    draft = _DRAFT.validate_python(tree["draft"])
    return replace(
        draft,
        parts=tuple(_part(one, folder) for one in tree["parts"]),
        children=tuple(_child(one, folder) for one in tree["children"]),
    )


def _part(tree: dict[str, Any], folder: Path) -> Part:
    data = _unpacked(tree.pop("data"), folder)
    return Part(**tree, data=data)


def _child(tree: dict[str, Any], folder: Path) -> Child:
    data = _unpacked(tree.pop("data"), folder)
    if data is None:
        raise ValueError("a worker named a child without its bytes")
    return Child(**tree, data=data)


def _unpacked(data: Any, folder: Path) -> Raw | None:
    if data is None:
        return None
    if "inline" in data:
        return base64.b64decode(data["inline"])
    path = Path(data["path"])
    if path.parent != folder:
        raise ValueError("a worker named a file outside the spool")
    return Spooled(path, int(data["size"]), str(data["sha256"]))
