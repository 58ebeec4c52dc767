"""Receives notes and what telephone exchanges tell of calls; fetches recordings; call-backs are colleagues' tasks."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from connectors.call import Basic, CallSettings, Recordings, Twilio
from connectors.contract import Answer, Batch, Media, Request, Response
from connectors.wire.notes import NoteConnector
from connectors.wire.posted import named
from model import body, calls, http, signing, strict_json
from model.envelope import Envelope
from model.failures import Malformed, PermanentFailure, Reason, TemporaryFailure, Unverified
from model.signing import Algorithm, Encoding
from model.tools import Tools

#: Fields of what an exchange posts.
_MOST = 2_000
#: A file that was written to so lately may not be whole, seconds.
_STILL = 2.0


class CallConnector(NoteConnector):
    """Receiver, Answerer, Noter, Sender and Downloader of the kind `call`."""

    def __init__(self, settings: CallSettings, tools: Tools) -> None:
        super().__init__(settings, tools)
        self._settings = settings
        known = settings.exchanges
        self._exchanges: Mapping[str, Basic | Twilio] = {
            name: one
            for name, one in (
                ("asterisk", known.asterisk),
                ("freeswitch", known.freeswitch),
                ("twilio", known.twilio),
            )
            if one is not None
        }

    # ---- the door

    def verify(self, request: Request) -> None:
        """A program's note bears a key; an exchange shows its password or signs."""
        exchange = self._exchange(request)
        if exchange is None:
            super().verify(request)
            return
        match self._exchanges.get(exchange):
            case Basic() as basic:
                _check_basic(basic, request)
            case Twilio() as twilio:
                _check_twilio(twilio, request)
            case _:
                raise Unverified("no such exchange is set up for this channel")

    def receive(self, request: Request) -> Batch:
        exchange = self._exchange(request)
        if exchange is None:
            return super().receive(request)
        if request.method != "POST":
            return Batch(response=Response(status=405, headers={"allow": "POST"}))
        content_type = request.headers.get("content-type", "")
        told = calls.told(exchange, content_type, request.body, most=_MOST)
        made = calls.identity(exchange, told)
        if made is None:
            raise Malformed("it does not tell which call it speaks of")
        call, event = f"{self._tools.name}/{made[0]}", made[1]
        envelope = Envelope(
            account=self._tools.name,
            source_id=named(f"{call}:{event}"),
            fingerprint=hashlib.sha256(strict_json.canonical(told)).hexdigest(),
            raw=request.body,
            media_type=content_type or "application/octet-stream",
            order_key=named(f"{self._tools.name}:{call}"),
            meta={"exchange": exchange, "call": call, "event": event},
        )
        return Batch(envelopes=(envelope,))

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response:
        if self._exchange(request) != "twilio":
            return super().answer(request, accepted)
        # What answers an `action` is read as instructions: there are none.
        return Response(headers={"content-type": "text/xml"}, body=b"<Response/>")

    def _exchange(self, request: Request) -> str | None:
        """Which exchange posts: the part of the path after the channel's name."""
        return request.path.removeprefix("/in/").partition("/")[2].strip("/") or None

    # ---- recordings

    async def download(self, reference: str) -> Media:
        """A recording by its address, or by its name in the folder; one try."""
        settings = self._settings.recordings
        if settings is None:
            raise PermanentFailure(Reason.REQUEST, "recordings are not fetched any more")
        if "://" not in reference:
            return await self._from_folder(settings, reference)
        host = urlsplit(reference).hostname
        if host not in settings.hosts:
            raise PermanentFailure(Reason.REQUEST, "the recording's host is not among recordings.hosts")
        path = urlsplit(reference).path
        whole = reference if "." in path.rpartition("/")[2] else f"{reference}{settings.ending}"
        headers = {}
        if settings.user and settings.password is not None:
            both = f"{settings.user}:{settings.password.get_secret_value()}"
            headers["authorization"] = f"Basic {base64.b64encode(both.encode()).decode()}"
        loaded = await self._tools.http.load(
            whole, headers=headers, timeout=settings.timeout, limit=settings.bytes
        )
        if loaded.status == 404:  # often told of before it is there
            raise TemporaryFailure(Reason.REQUEST, "HTTP 404: the recording is not there yet")
        failure = http.failure_for(loaded.status, loaded.headers, self._tools.clock.now())
        if failure is not None:
            raise failure
        return Media(
            raw=loaded.raw, media_type=loaded.headers.get("content-type", "").partition(";")[0] or None
        )

    async def _from_folder(self, settings: Recordings, name: str) -> Media:
        if settings.folder is None:
            raise PermanentFailure(
                Reason.CONFIG, "recordings.folder is not set, and the recording has only a name"
            )
        folder, now = settings.folder, self._tools.clock.now().timestamp()
        data = await asyncio.to_thread(_whole, folder, name, settings.bytes, now)
        return Media(raw=data, media_type=mimetypes.guess_type(name)[0], filename=Path(name).name)


def _whole(folder: Path, name: str, limit: int, now: float) -> bytes:
    """A file of the folder that nobody writes to any more; nothing outside of it, whatever the name says."""
    path = (folder / name.removeprefix(f"{folder}/").lstrip("/")).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise PermanentFailure(Reason.REQUEST, "the recording's name leads out of recordings.folder")
    try:
        about = path.stat()
        if about.st_size == 0 or now - about.st_mtime < _STILL:
            raise TemporaryFailure(Reason.REQUEST, "the recording is still being written")
        if about.st_size > limit:
            raise PermanentFailure(Reason.REQUEST, f"the recording is larger than {limit} bytes")
        return path.read_bytes()
    except FileNotFoundError:
        raise TemporaryFailure(Reason.REQUEST, "the recording is not in recordings.folder yet") from None
    except OSError as error:
        raise TemporaryFailure(Reason.SERVER, f"the recording cannot be read: {error.strerror}") from None


def _check_basic(basic: Basic, request: Request) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise Unverified("the exchange's user name and password are missing (HTTP Basic)") from None
    expected = basic.password.get_secret_value()
    if scheme.lower() != "basic" or not (signing.same(user, basic.user) & signing.same(password, expected)):
        raise Unverified("the exchange's user name or password is wrong")


def _check_twilio(twilio: Twilio, request: Request) -> None:
    """The address as it is set there, and each posted field by name, repeats once (HMAC-SHA1, base64)."""
    try:
        form = body.load_form(request.headers.get("content-type", ""), request.body, most=_MOST)
    except Malformed:
        raise Unverified("what is signed cannot be read") from None
    asked = urlsplit(twilio.url)
    query = request.query
    url = (
        twilio.url
        if asked.query or not query
        else f"{twilio.url}?{'&'.join(f'{k}={v}' for k, v in query.items())}"
    )
    signed = url + "".join(f"{name}{value}" for name, value in sorted(set(form.fields)))
    key = twilio.auth_token.get_secret_value().encode()
    expected = signing.mac(key, signed.encode("utf-8", "replace"), Algorithm.SHA1, Encoding.BASE64)
    if not signing.same(request.headers.get("x-twilio-signature", ""), expected):
        raise Unverified(
            "X-Twilio-Signature is missing or wrong; is `url` the address that is set at Twilio?"
        )
