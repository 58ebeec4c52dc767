"""Rig of the kind `webhook`: signed events as a door would hand them over, and replies into a sink.

async with Sink() as sink:                            # tests.rigs.http
    connector = SPEC.build(SPEC.settings.model_validate(settings(sink)), bench.tools("hook"))
    batch = connector.receive(request(1))
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from standardwebhooks.webhooks import Webhook

from connectors.contract import Request
from tests.rigs.http import SECRET, Sink
from tests.rigs.tools import NOW

KIND = "webhook"


def settings(sink: Sink | None = None, **more: Any) -> dict[str, Any]:
    """Standard Webhooks in, and, with a sink, signed replies out that tell their ticket number."""
    reply = {
        "url": "" if sink is None else sink.url,
        "body": {"chat": "{{ thread.conversation }}", "text": "{{ message.text }}"},
        "signature": {"scheme": "standard", "secret": SECRET},
        "remote_id": "ticket.id",
        "timeout": 5,
    }
    return {
        "kind": KIND,
        "verify": {"scheme": "standard", "secrets": [SECRET]},
        **({} if sink is None else {"reply": reply}),
        **more,
    }


def event(n: int) -> dict[str, Any]:
    """What the n-th customer wrote, in Standard Webhooks' manner."""
    return {
        "type": "feedback.created",
        "timestamp": "2026-11-22T00:00:00Z",
        "data": {
            "conversation_id": f"chat-{n}",
            "text": f"订单 {n} 还没有收到, still waiting",
            "user": {"name": f"顾客 {n}", "email": f"customer{n}@example.com"},
        },
    }


def request(n: int, at: datetime = NOW) -> Request:
    """The n-th event, signed by the independent library at `at`."""
    return signed(json.dumps(event(n), ensure_ascii=False).encode(), f"msg_{n}", at)


def signed(
    body: bytes, message_id: str, at: datetime = NOW, content_type: str = "application/json"
) -> Request:
    """Any UTF-8 body, signed."""
    return Request(
        method="POST",
        path="/in/hook",
        headers={
            "content-type": content_type,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(message_id, at, body.decode()),
        },
        body=body,
        remote="203.0.113.9",
        received_at=at,
    )
