"""Publishes hand-overs to JetStream as CloudEvents in structured mode (CloudEvents NATS binding §3.2).

`Nats-Msg-Id` is the event's id, by which the stream drops repeats, and consumers those that come later. One
conversation has one subject, and its hand-overs go one after the other: so they stand in order.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import nats
from nats.aio.client import Client
from nats.errors import AuthorizationError, Error, MaxPayloadError, NoServersError
from nats.js import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError, ServiceUnavailableError

from destinations.contract import HandOver
from destinations.nats import NatsSettings
from destinations.wire import cloudevents
from model.delivery import Receipt
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.health import OK, Health
from model.http import health_of
from model.tools import Tools

#: What is left out of a record, in turn, until an event is small enough for the servers.
_LEAVE_OUT = ("html", "full_text")


class NatsDestination:
    """One stream."""

    def __init__(self, settings: NatsSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def probe(self) -> Health:
        """Whether the stream is there."""
        try:
            stream = await self._stream()
            async with asyncio.timeout(self._settings.timeout):
                await stream.stream_info(self._settings.stream)
        except SendFailure as failure:
            return health_of(failure)
        except (Error, TimeoutError) as error:
            return health_of(_failure(error))
        return OK

    async def deliver(self, hand_over: HandOver) -> Receipt:
        """One event; taken when the stream has stored it."""
        stream = await self._stream()
        assert self._client is not None
        data = _fitting(hand_over, self._settings.source, self._client.max_payload)
        try:
            taken = await stream.publish(
                subject(self._settings.subject, hand_over.record),
                data,
                timeout=self._settings.timeout,
                stream=self._settings.stream,
                headers={"Nats-Msg-Id": hand_over.key, "content-type": cloudevents.MEDIA_TYPE},
            )
        except (Error, TimeoutError, OSError) as error:
            raise _failure(error) from None
        return Receipt(f"{taken.stream}:{taken.seq}", self._tools.clock.now())

    async def _stream(self) -> JetStreamContext:
        """The stream, over a connection that stands; connected anew where there is none."""
        async with self._connecting:
            if self._client is None or not self._client.is_connected:
                await self._connect()
            assert self._client is not None
            return self._client.jetstream(timeout=self._settings.timeout)

    async def _connect(self) -> None:
        settings = self._settings
        options: dict[str, Any] = {
            "user": settings.user,
            "password": settings.password.get_secret_value() if settings.password else None,
            "token": settings.token.get_secret_value() if settings.token else None,
            "user_credentials": str(settings.credentials) if settings.credentials else None,
            "connect_timeout": max(1, int(settings.timeout)),
            # When to try again is the house's to decide.
            "allow_reconnect": False,
            "error_cb": _quiet,
            "name": f"forebay {self._tools.name}",
        }
        if settings.ca_file is not None:
            options["tls"] = ssl.create_default_context(cafile=str(settings.ca_file))
        try:
            async with asyncio.timeout(settings.timeout):
                client = await nats.connect(list(settings.servers), **options)
        except (Error, OSError, TimeoutError, EOFError) as error:
            raise _unconnected(error) from None
        self._client = client
        try:
            async with asyncio.timeout(settings.timeout):
                await self._there(client.jetstream(timeout=settings.timeout))
        except (Error, TimeoutError) as error:
            self._client = None
            await client.close()
            failure = _failure(error)
            # Nothing was published yet.
            raise (
                TemporaryFailure(Reason.TIMEOUT, failure.detail)
                if isinstance(failure, Uncertain)
                else failure
            ) from None

    async def _there(self, stream: JetStreamContext) -> None:
        """Make the stream, if it is ours to make and missing."""
        settings = self._settings
        try:
            await stream.stream_info(settings.stream)
        except NotFoundError:
            if not settings.create:
                raise
            await stream.add_stream(
                name=settings.stream,
                subjects=[f"{settings.subject}.>"],
                num_replicas=settings.replicas,
                max_age=settings.keep.total_seconds() if settings.keep else 0,
                duplicate_window=settings.duplicates.total_seconds(),
            )


async def _quiet(error: Exception) -> None:
    """What goes wrong is raised where something was asked for."""


def subject(prefix: str, record: Mapping[str, Any]) -> str:
    """The subject of a record's conversation; of the record itself where its channel has none."""
    channel = str((record.get("channel") or {}).get("name") or "unknown")
    conversation = (record.get("conversation") or {}).get("id") or record.get("id") or "unknown"
    return f"{prefix}.{_token(channel)}.{_token(str(conversation))}"


def _token(name: str) -> str:
    """A name as one token of a subject."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name) or "_"


def _fitting(hand_over: HandOver, source: str, limit: int) -> bytes:
    """The event, without the longest renderings of the text where it would be too large."""
    found = cloudevents.event(hand_over, source)
    record = hand_over.record
    found["partitionkey"] = str((record.get("conversation") or {}).get("id") or record.get("id") or "")
    data = cloudevents.written(found)
    for name in _LEAVE_OUT:
        if len(data) + 1024 <= limit:
            break
        record = {**record, name: None if name == "html" else ""}
        found["data"] = {**found["data"], "record": record, "left_out": True}
        data = cloudevents.written(found)
    if len(data) + 1024 > limit:
        raise PermanentFailure(Reason.REQUEST, f"the event is larger than the servers' {limit} bytes")
    return data


def _failure(error: Exception) -> SendFailure:
    """What an error while publishing means."""
    if isinstance(error, NotFoundError):
        return TemporaryFailure(
            Reason.CONFIG, "there is no such stream", repair="make it, or set `create: true`"
        )
    if isinstance(error, NoStreamResponseError | ServiceUnavailableError):
        return TemporaryFailure(
            Reason.UNREACHABLE, "no JetStream answers: it is switched off, or has no leader"
        )
    if isinstance(error, APIError):
        # 10060: the subject belongs to another stream; the rest is about room and limits.
        reason = Reason.CONFIG if error.err_code in (10060, 10065, 10052) else Reason.SERVER
        return TemporaryFailure(reason, f"the stream refuses it: {error.description}"[:300])
    if isinstance(error, MaxPayloadError):
        return PermanentFailure(Reason.REQUEST, "the event is larger than the servers take")
    return Uncertain("no answer from the stream")


def _unconnected(error: Exception) -> TemporaryFailure:
    text = str(error).lower()
    if isinstance(error, AuthorizationError) or "authorization" in text or "authentication" in text:
        return TemporaryFailure(Reason.AUTH, "the servers refuse our credentials")
    if isinstance(error, NoServersError | OSError | TimeoutError | EOFError):
        return TemporaryFailure(Reason.UNREACHABLE, "cannot connect")
    return TemporaryFailure(Reason.UNREACHABLE, f"cannot connect: {type(error).__name__}")
