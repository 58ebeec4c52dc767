"""The HTTP door: verify, receive, store, and only then answer."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

import orjson
from aiohttp import web

from connectors.channel import Channel
from connectors.contract import Answer, Batch, Busy, Request, Response
from inbox.accept import Acceptor
from model.delivery import Message
from model.envelope import Accepted
from model.failures import Failure, Malformed, TemporaryFailure, Unverified
from model.tools import Clock, Log
from store.errors import StoreBusy

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Slot(Protocol):
    """A place on the answer to one request, in which an acknowledgement may ride (law 7)."""

    async def message(self, seconds: float) -> Message | None:
        """The message that the outbox put in, within the time; None when the slot closes empty."""

    def done(self, carried: bool) -> None:
        """Tell the outbox whether the answer carries its message."""


class Slots(Protocol):
    """Where the outbox looks for open slots."""

    def offer(self, channel: str, envelope: str) -> Slot: ...


class Door:
    """Serves POST (and the handshakes by GET) of /in/{channel}."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        acceptor: Acceptor,
        slots: Slots,
        *,
        clock: Clock,
        log: Log,
        status_url: Callable[[str], str],
        keep_response: Callable[[str, Mapping[str, Any]], Awaitable[None]],
        count: Callable[[str, str], None],
        trusted_proxies: Sequence[Network] = (),
        body_timeout: float = 30.0,
        behind: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._channels = channels
        self._acceptor = acceptor
        self._slots = slots
        self._clock = clock
        self._log = log
        self._status_url = status_url
        self._keep_response = keep_response
        self._proxies = trusted_proxies
        self._count = count
        self._body_timeout = body_timeout
        self._behind = behind
        """For how long the next to be processed has waited, seconds: no acknowledgement is ready any sooner."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", "/in/{channel}", self.handle),
            web.route("*", "/in/{channel}/{rest:.*}", self.handle),
        ]

    def quick(self, name: str) -> Channel | None:
        """The channel whose door takes requests now; None when there is something else to say, or no such door."""
        channel = self._channels.get(name)
        return channel if channel is not None and channel.receiver is not None and channel.open else None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request to a channel's door."""
        channel = self._channels.get(request.match_info["channel"])
        if channel is None or channel.receiver is None:
            return _problem(404, "there is no such door")
        if not channel.open:
            # Not 404 or 410: some providers switch a web hook off for good at the first of those.
            return _problem(503, "the channel is switched off for now", retry_after=60)
        try:
            incoming = await self._read(request, channel)
        except web.HTTPRequestEntityTooLarge:
            limit = channel.settings.limits.body_bytes
            return _problem(413, f"the request is larger than {limit} bytes")
        except TimeoutError:
            return _problem(408, "the request did not arrive in time")
        return _plain_response(await self.take(channel, incoming))

    async def take(self, channel: Channel, request: Request) -> Response:
        """What the door does with a whole request."""
        connector = channel.receiver
        assert connector is not None
        try:
            connector.verify(request)
            batch = connector.receive(request)
        except Unverified as error:
            self._count(channel.name, "unverified")
            self._log.warning("request.unverified", channel=channel.name, why=error.detail)
            return _problem_response(401, "the request could not be verified")
        except TemporaryFailure as error:
            self._count(channel.name, "throttled")
            wait = error.retry_after or timedelta(seconds=60)
            return _problem_response(429, "too many requests", retry_after=int(wait.total_seconds()) + 1)
        except Malformed as error:
            return await self._malformed(channel, request, error)
        try:
            return await self._accept(channel, request, batch)
        except Busy as error:
            self._count(channel.name, "busy")
            wait_s = int(error.retry_after.total_seconds()) or 1
            return _problem_response(
                503, "nothing can be taken in right now; please try again", retry_after=wait_s
            )

    async def _accept(self, channel: Channel, request: Request, batch: Batch) -> Response:
        if not batch.envelopes:
            if batch.wake:
                await self._acceptor.accept(channel, batch)
            return batch.response or Response(status=200)
        accepted = await self._acceptor.accept(channel, batch)
        for one in accepted:
            self._count(channel.name, "repeat" if one.repeat else "accepted")
        ridden = await self._ride(channel, request, accepted)
        if ridden is not None:
            return ridden
        if batch.response is not None:
            return batch.response
        answers = [
            Answer(reference=a.reference, status_url=self._status_url(a.reference), repeat=a.repeat)
            for a in accepted
        ]
        if channel.answerer is not None:
            return channel.answerer.answer(request, answers)
        return default_answer(answers)

    async def _ride(
        self, channel: Channel, request: Request, accepted: Sequence[Accepted]
    ) -> Response | None:
        """Wait for an acknowledgement that may ride on this answer; a repeat gets the answer of the first."""
        seconds = channel.settings.answer_within
        if len(accepted) != 1 or seconds <= 0 or channel.responder is None:
            return None
        (one,) = accepted
        if one.repeat:
            return _thaw(one.response) if one.response else None
        if self._behind() >= seconds:
            return None  # the source has its answer at once; the acknowledgement goes by itself
        slot = self._slots.offer(channel.name, one.id)
        message = await slot.message(seconds)
        if message is None:
            return None
        carried = False
        try:
            response = channel.responder.respond(request, message)
            await self._keep_response(one.id, _freeze(response))
            carried = True
        except (Failure, StoreBusy) as error:
            # It is stored all the same: the door answers in its own words, and the outbox settles the rest.
            why = error.detail if isinstance(error, Failure) else str(error)
            self._log.error("respond.failed", channel=channel.name, why=why)
            return None
        finally:
            slot.done(carried)
        return response

    async def _wait_for(self, request: web.Request, limit: int) -> bytearray:
        body = bytearray()
        async with asyncio.timeout(self._body_timeout):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    break
        return body

    async def _malformed(self, channel: Channel, request: Request, error: Malformed) -> Response:
        try:
            kept = await self._acceptor.quarantine(channel, request, error.detail)
        except Busy:
            return _problem_response(
                503, "nothing can be taken in right now; please try again", retry_after=5
            )
        self._count(channel.name, "malformed")
        self._log.warning(
            "request.malformed", channel=channel.name, why=error.detail, reference=kept.reference
        )
        status = channel.settings.malformed_status
        if status < 300 and channel.answerer is not None:
            # What the source takes for an end of its tries is not always JSON.
            answer = Answer(reference=kept.reference, status_url=None, repeat=kept.repeat)
            return replace(channel.answerer.answer(request, [answer]), status=status)
        if status < 300:
            return Response(status=status, headers=_JSON, body=orjson.dumps({"reference": kept.reference}))
        return _problem_response(status, error.detail, reference=kept.reference)

    async def _read(self, request: web.Request, channel: Channel) -> Request:
        limit = channel.settings.limits.body_bytes
        if (request.content_length or 0) > limit:
            raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=request.content_length or 0)
        if request.content.is_eof():  # all of it came with the head, as it mostly does
            body = request.content.read_nowait()
        else:
            body = bytes(await self._wait_for(request, limit))
        if len(body) > limit:
            raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=len(body))
        return Request(
            method=request.method,
            path=request.path,
            query=dict(request.query) if "?" in request.raw_path else {},
            query_string=request.raw_path.partition("?")[2],
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            remote=client_address(request, self._proxies),
            received_at=self._clock.now(),
            peer_subject=subject(request.get_extra_info("peercert")) if request.secure else None,
        )


_JSON = {"Content-Type": "application/json"}


def client_address(request: web.Request, proxies: Sequence[Network]) -> str:
    """The client's address: the last one in X-Forwarded-For that is not a proxy of ours."""
    return address_behind(request.remote or "", request.headers.get("X-Forwarded-For", ""), proxies)


def address_behind(remote: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """The same of an address that connected to us and the value of X-Forwarded-For."""
    if not proxies or not _within(remote, proxies):
        return remote
    for hop in reversed([part.strip() for part in forwarded.split(",")]):
        if not hop:
            continue
        if not _within(hop, proxies):
            return hop
        remote = hop
    return remote


def subject(certificate: Mapping[str, Any] | None) -> str | None:
    """The subject of a client's certificate as one line; None without one."""
    parts = (certificate or {}).get("subject", ())
    return ",".join(f"{k}={v}" for part in parts for k, v in part) or None


def _within(address: str, networks: Sequence[Network]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in networks)


def default_answer(answers: Sequence[Answer]) -> Response:
    """202 with the reference, or a list of them when one request held several."""
    rows = [{"reference": a.reference, "status_url": a.status_url, "repeat": a.repeat} for a in answers]
    body: Any = rows[0] if len(rows) == 1 else {"accepted": rows}
    return Response(status=202, headers=_JSON, body=orjson.dumps(body))


def _problem_response(status: int, detail: str, *, retry_after: int = 0, **more: Any) -> Response:
    """An error as RFC 9457 has it."""
    headers = {"Content-Type": "application/problem+json"}
    if retry_after:
        headers["Retry-After"] = str(retry_after)
    return Response(
        status=status, headers=headers, body=orjson.dumps({"status": status, "detail": detail, **more})
    )


def _problem(status: int, detail: str, *, retry_after: int = 0) -> web.Response:
    return _plain_response(_problem_response(status, detail, retry_after=retry_after))


def _plain_response(response: Response) -> web.Response:
    return web.Response(status=response.status, headers=dict(response.headers), body=response.body)


def _freeze(response: Response) -> dict[str, Any]:
    return {
        "status": response.status,
        "headers": dict(response.headers),
        "body": base64.b64encode(response.body).decode(),
    }


def _thaw(stored: Mapping[str, Any]) -> Response:
    return Response(status=stored["status"], headers=stored["headers"], body=base64.b64decode(stored["body"]))
