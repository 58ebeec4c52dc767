"""Answers to customers, as the API and the desk take them in; sent twice, they are one."""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator

from console.problems import Problem
from console.services import Facts, Services
from store import idempotency

#: A claim of a daemon that died is free again after this; the outbox knows the key and sends nothing twice.
_IN_FLIGHT = timedelta(seconds=10)
_KEPT = timedelta(hours=24)


class _Body(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class File(_Body):
    """A file that goes with an answer."""

    filename: str = Field(min_length=1, max_length=255)
    media_type: str = Field(
        default="application/octet-stream", pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=127
    )
    data: bytes = Field(description="The bytes, base64.")

    @field_validator("data", mode="before")
    @classmethod
    def _decode(cls, value: Any) -> Any:
        if isinstance(value, bytes):
            return value
        try:
            return b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise ValueError("is not base64") from None


class Reply(_Body):
    """An answer to a customer."""

    text: str = Field(min_length=1, max_length=500_000)
    html: str | None = Field(default=None, max_length=1_000_000)
    attachments: list[File] = Field(default_factory=list, max_length=50)
    channel: str | None = Field(default=None, description="Another channel than the one it came in by.")
    cc: list[Annotated[str, Field(pattern=r"^[^@\s,<>]+@[^@\s,<>]+$", max_length=254)]] = Field(
        default_factory=list, max_length=50
    )
    expects_answer: bool = Field(default=False, description="The customer is asked for something.")

    @field_validator("text")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("an answer needs some text")
        return value


class Way(_Body):
    """A text of which is asked how it would go."""

    text: str = Field(min_length=1, max_length=500_000)
    channel: str | None = Field(default=None, description="Another channel than the one it came in by.")


async def send(
    services: Services, reference: str, reply: Reply, *, actor: str, key: str, wait: timedelta = timedelta()
) -> Facts:
    """Put an answer in the outbox, or before a second person. Raises LookupError or ValueError as the verb does."""
    return await services.review.reply(
        reference,
        text=reply.text,
        html=reply.html,
        files=[f.model_dump() for f in reply.attachments],
        channel=reply.channel,
        cc=reply.cc,
        expects_answer=reply.expects_answer,
        actor=actor,
        key=key,
        wait=wait,
    )


async def once(
    services: Services, *, scope: str, key: str, request: Sequence[bytes], do: Callable[[], Awaitable[Any]]
) -> tuple[Any, bool]:
    """Do a request once for its key: (answer, whether it is a remembered one).

    The same key with another request is a mistake of the client (422), and one that is still at work asks
    for patience (409). A request that fails is forgotten, so that it can be sent again.
    """
    digest = hashlib.sha256(b"\x1f".join(request)).hexdigest()
    now = services.clock.now()
    known = await services.store.run(
        lambda c: idempotency.claim(
            c, scope=scope, key=key, request_hash=digest, now=now, until=now + _IN_FLIGHT
        ),
        "idempotency",
    )
    if known is not None:
        if known.request_hash != digest:
            raise Problem(422, "this key came with another request before", field="Idempotency-Key")
        if known.status is None:
            raise Problem(
                409, "the first request with this key is still at work", headers={"Retry-After": "1"}
            )
        return known.response, True
    try:
        answer = orjson.loads(orjson.dumps(await do(), default=str))
    except BaseException:
        await services.store.run(lambda c: idempotency.release(c, scope=scope, key=key), "idempotency")
        raise
    await services.store.run(
        lambda c: idempotency.settle(c, scope=scope, key=key, status=202, response=answer, until=now + _KEPT),
        "idempotency",
    )
    return answer, False
