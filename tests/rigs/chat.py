"""Rig of the kind `chat`: settings, and what visitors' browsers post."""

from __future__ import annotations

import json
from typing import Any

from connectors.contract import Request
from tests.rigs.tools import NOW

KIND = "chat"


def settings(**more: Any) -> dict[str, Any]:
    """Settings without a rate limit, since all posts of a rig come from one address, and without copies."""
    return {"kind": KIND, "rate": None, "fallback": ["mail"], "unseen_after": None, **more}


def secret(n: int) -> str:
    """What the n-th visitor's browser made up."""
    return f"visitor-{n}-" + "s" * 32


def headers(n: int, key: str | None = None) -> dict[str, str]:
    named = {"authorization": f"Bearer {secret(n)}", "content-type": "application/json"}
    return named if key is None else {**named, "idempotency-key": key}


def request(n: int, text: str | None = None, key: str | None = None, **fields: str) -> Request:
    """A message of the n-th visitor."""
    words = f"The lift in house {n} has stood still since Monday." if text is None else text
    return Request(
        method="POST",
        path="/in/chat",
        headers=headers(n, key),
        body=json.dumps({"message": words, **fields}, ensure_ascii=False).encode(),
        remote="203.0.113.7",
        received_at=NOW,
    )
