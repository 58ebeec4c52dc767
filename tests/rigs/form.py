"""Rig of the kind `form`: settings, and any number of distinct forms as a door would hand them over."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from connectors.contract import Request
from tests.rigs.tools import NOW

KIND = "form"
BOUNDARY = "----forebay-rig"


def settings(**more: Any) -> dict[str, Any]:
    """Settings without a rate limit, since all posts of a rig come from one address."""
    return {"kind": KIND, "rate": None, **more}


def post(body: bytes, content_type: str, **headers: str) -> Request:
    """A posted body; header names with underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        method="POST",
        path="/in/form",
        headers={"content-type": content_type, **named},
        body=body,
        remote="203.0.113.7",
        received_at=NOW,
    )


def fields(n: int) -> dict[str, str]:
    """What the n-th customer wrote."""
    return {
        "name": f"顾客 {n}",
        "contact": f"customer{n}@example.com",
        "company": "Example Ltd",
        "subject": f"Matter {n}",
        "message": f"The lift in house {n} has stood still since Monday.",
    }


def request(n: int, manner: str = "json") -> Request:
    """The n-th form with a key, as `json`, `urlencoded` or `multipart` (which brings a file along)."""
    key = f"form-{n}"
    if manner == "json":
        return post(json.dumps(fields(n)).encode(), "application/json", idempotency_key=key)
    if manner == "urlencoded":
        return post(urlencode({**fields(n), "key": key}).encode(), "application/x-www-form-urlencoded")
    body = multipart({**fields(n), "key": key}.items(), [("photo", f"photo-{n}.txt", b"pixels %d" % n)])
    return post(body, f"multipart/form-data; boundary={BOUNDARY}")


def multipart(
    values: Iterable[tuple[str, str | bytes]], files: Iterable[tuple[str, str, bytes]] = ()
) -> bytes:
    """A multipart body as a browser writes it, from (field, value) and (field, file name, content)."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + (value if isinstance(value, bytes) else value.encode())
        for name, value in values
    ] + [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'.encode()
        + b"Content-Type: text/plain\r\n\r\n"
        + content
        for name, filename, content in files
    ]
    return b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
