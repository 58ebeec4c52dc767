"""A client of the API in a few functions, without libraries: python examples/client.py http://127.0.0.1:8080 TOKEN"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen


class Refused(Exception):
    """The API said no: `status`, and the problem in its words (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail')}")
        self.status, self.problem = status, problem


@dataclass(frozen=True)
class Forebay:
    """One Forebay, with a token that has the scopes for what is called."""

    url: str
    token: str

    def records(self, **where: str) -> Iterator[dict[str, Any]]:
        """Every record, the newest first; `channel`, `state` or `q` choose some."""
        cursor: dict[str, str] = {}
        while True:
            page = self.call("GET", f"/v1/records?{urlencode({**where, **cursor})}")
            yield from page["records"]
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    def record(self, reference: str) -> dict[str, Any]:
        """One record."""
        return dict(self.call("GET", f"/v1/records/{quote(reference, safe='')}"))

    def reply(self, reference: str, text: str, key: str = "") -> dict[str, Any]:
        """Answer a customer. The same key twice sends one answer: keep it until you know that it was taken."""
        path = f"/v1/records/{quote(reference, safe='')}/replies"
        return dict(self.call("POST", path, {"text": text}, key or str(uuid.uuid4())))

    def events(self, after: int = 0, wait: int = 60) -> Iterator[dict[str, Any]]:
        """Everything that happens, for ever, from a position; keep the position of what you have handled."""
        while True:
            page = self.call("GET", f"/v1/events?after={after}&wait={wait}")
            yield from page["events"]
            after = page["next"]

    def call(self, method: str, path: str, body: Any = None, key: str = "") -> Any:
        """One request; raises Refused."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path, data, headers, method=method), timeout=90) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            raise Refused(error.code, json.loads(error.read() or b"{}")) from None


if __name__ == "__main__":
    for one in Forebay(sys.argv[1], sys.argv[2]).records():
        print(one["reference"], one["state"], one["subject"])
