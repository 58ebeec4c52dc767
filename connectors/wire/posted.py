"""What the kinds share whose customers post forms from a browser: limits, the client's key, the fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Request
from model import body, http, strict_json
from model.failures import Malformed

#: The hidden field, and the header, in which a client names its submission.
KEY_FIELD, KEY_HEADER = "key", "idempotency-key"
#: Fields of a page of ours that tie a post to an earlier one: no column of a strange table may be taken for one.
HIDDEN = frozenset({KEY_FIELD, "token", "reference", "place", "_charset_"})
#: Longer keys of clients are hashed: they go into an index.
_LONGEST_KEY = 200


class Strict(BaseModel):
    """A part of settings."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class FileLimits(Strict):
    """What files may come with a post."""

    count: int = Field(default=10, ge=0, description="Most files in one post.")
    bytes: int = Field(default=10_485_760, gt=0, description="Largest file, bytes.")
    types: tuple[str, ...] = Field(
        default=(),
        description="Allowed file name endings (.pdf) and media types (image/*); empty allows every type.",
    )


class Rate(Strict):
    """How often one address may post."""

    per_minute: float = Field(default=20.0, gt=0, description="Posts a minute in the long run.")
    burst: int = Field(default=20, gt=0, description="Posts at once after a quiet time.")


def check(form: body.Form, files: FileLimits, most_characters: int) -> None:
    """Malformed, in words that may be shown to whoever posted, when a form is outside our limits."""
    if any(len(value) > most_characters for _, value in form.fields):
        raise Malformed(f"a field is longer than {most_characters} characters")
    if not form.files:
        return
    if len(form.files) > files.count:
        raise Malformed(f"more than {files.count} files")
    if any(len(file.data) > files.bytes for file in form.files):
        raise Malformed(f"a file is larger than {files.bytes} bytes")
    if not all(_allowed(file, files) for file in form.files):
        raise Malformed(f"a file is of none of the types {', '.join(files.types)}")


def source_id(request: Request, form: body.Form) -> str | None:
    """The client's own name of its submission, from the header or the hidden field; None without one."""
    key = request.headers.get(KEY_HEADER, "").strip() or form.first(KEY_FIELD).strip()
    return named(key) if key else None


def named(key: str) -> str:
    """A client's key as a source id: itself, or a digest of one that no index would take."""
    if len(key) <= _LONGEST_KEY and key.isprintable():
        return key
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(form: body.Form) -> str:
    """Digest of what the customer made: fields by name and files, without the key, boundary and encoding."""
    fields = sorted([(name, value.replace("\r\n", "\n")) for name, value in form.fields if name != KEY_FIELD])
    files = [(file.field, file.filename, hashlib.sha256(file.data).hexdigest()) for file in form.files]
    return hashlib.sha256(strict_json.canonical([fields, files])).hexdigest()


def cross_origin(request: Request, origins: Sequence[str]) -> Mapping[str, str]:
    """Headers that let the listed origins' pages read our answer (Fetch standard, "CORS protocol")."""
    origin = request.headers.get("origin", "")
    if not origin or not (origin in origins or "*" in origins):
        return {}
    return {"access-control-allow-origin": http.header_value(origin), "vary": "origin"}


def _allowed(file: body.Upload, limits: FileLimits) -> bool:
    if not limits.types:
        return True
    name = file.filename.lower()
    return any(
        name.endswith(one.lower()) if one.startswith(".") else fnmatchcase(file.media_type, one.lower())
        for one in limits.types
    )
