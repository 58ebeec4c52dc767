"""The verbs of the command line: through the running daemon's API, or through our own when none runs.

Both ways speak to the same API, so that what is printed is the same. Without a daemon the data folder is
locked, and the API is served to this process alone over a socket in a folder that nobody else can enter.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
from aiohttp import web

from config.load import Loaded
from console import app as console
from console.services import Services
from gateway.trouble import Exit, Trouble
from store.errors import FolderInUse, StoreError

#: Opens the house without a daemon; raises FolderInUse when one has the folder.
OpenOffline = Callable[[Loaded], AbstractAsyncContextManager[Services]]
Query = Mapping[str, str | int | Sequence[str] | None]

_TIMEOUT = aiohttp.ClientTimeout(total=120, connect=10)
_CODES: Mapping[int, Exit] = {
    401: Exit.NO_PERMISSION,
    403: Exit.NO_PERMISSION,
    404: Exit.NO_INPUT,
    429: Exit.TEMPORARY,
    503: Exit.TEMPORARY,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a running daemon said it listens."""

    pid: int
    url: str


class Control:
    """The API of a house, wherever it runs."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, token: str, *, running: bool, pin: Any = True
    ) -> None:
        self.running = running
        """Whether a daemon answers, and not this process."""
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pin = pin

    async def get(self, path: str, **query: str | int | Sequence[str] | None) -> dict[str, Any]:
        """What stands at an address; Trouble in the API's words when it refuses."""
        return await self._ask("GET", path, params=_pairs(query))

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The answer to a verb; Trouble in the API's words when it refuses."""
        return await self._ask("POST", path, json=body or {}, headers=headers)

    async def upload(self, path: str, file: BinaryIO, **query: str) -> dict[str, Any]:
        """Send a file as the body, piece by piece; it may take as long as it takes."""
        return await self._ask(
            "POST",
            path,
            params=_pairs(query),
            data=file,
            timeout=aiohttp.ClientTimeout(total=None, sock_read=600),
        )

    async def download(
        self, path: str, body: Mapping[str, Any] | None = None, **query: str | int | None
    ) -> tuple[str, bytes]:
        """A file, and the name that the API gives it; asked for by a body where there is one."""
        try:
            async with self._session.request(
                "GET" if body is None else "POST",
                self._url + path,
                params=_pairs(query),
                json=body,
                headers=self._headers,
                ssl=self._pin,
                allow_redirects=False,
            ) as answer:
                if answer.status >= 400:
                    raise Trouble(_words(answer.status, await _json(answer)), _code(answer.status))
                named = answer.content_disposition
                return (named.filename if named else None) or "file", await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Trouble(
                f"the daemon does not answer ({type(error).__name__}); its log says why", Exit.UNAVAILABLE
            ) from None

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> dict[str, Any]:
        sent = {**self._headers, **(headers or {})}
        try:
            async with self._session.request(
                method, self._url + path, headers=sent, ssl=self._pin, allow_redirects=False, **more
            ) as answer:
                told = await _json(answer)
                if answer.status >= 400 or not isinstance(told, dict):
                    raise Trouble(_words(answer.status, told), _code(answer.status))
                return told
        except aiohttp.ServerFingerprintMismatch:
            raise Trouble(
                "the daemon shows another certificate than `listen: {tls: {cert_file: …}}` names; restart it",
                Exit.UNAVAILABLE,
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Trouble(
                f"the daemon does not answer ({type(error).__name__}); its log says why", Exit.UNAVAILABLE
            ) from None


@contextlib.asynccontextmanager
async def connect(loaded: Loaded, open_offline: OpenOffline | None = None) -> AsyncIterator[Control]:
    """The house of a configuration: its running daemon, else its data folder under our lock."""
    place = find_daemon(loaded.settings.data)
    if place is not None:
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session:
            if await _answers(session, place.url, pin := _pinned(loaded)):
                yield Control(session, place.url, read_token(loaded), running=True, pin=pin)
                return
    try:
        async with _offline(loaded, open_offline or _house()) as control:
            yield control
    except FolderInUse as error:
        where = f" at {place.url}" if place else ""
        raise Trouble(f"{error}, which does not answer{where}", Exit.UNAVAILABLE) from None
    except StoreError as error:
        raise Trouble(str(error), Exit.UNAVAILABLE) from None


def find_daemon(folder: Path) -> Place | None:
    """What a daemon that lives wrote about itself; what a dead one left counts for nothing."""
    try:
        told = json.loads((folder / "daemon.json").read_text())
        place = Place(int(told["pid"]), str(told["url"]))
        os.kill(place.pid, 0)
    except PermissionError as error:
        if error.filename is None:  # the process is somebody else's, and so alive
            return place
        raise Trouble(
            f"{error.filename} cannot be read; run this as the daemon's user", Exit.NO_PERMISSION
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return place


def read_token(loaded: Loaded) -> str:
    """The administrator's token, from the configuration or from the file that the daemon made."""
    given = loaded.settings.api.admin_token
    if given is not None and given.get_secret_value():
        return str(given.get_secret_value())
    path = loaded.settings.data / "admin-token"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise Trouble(
            f"{path} cannot be read ({error.strerror}); run this as the daemon's user", Exit.NO_PERMISSION
        ) from None


def _house() -> OpenOffline:
    from gateway.daemon import open_offline

    return open_offline


@contextlib.asynccontextmanager
async def _offline(loaded: Loaded, open_offline: OpenOffline) -> AsyncIterator[Control]:
    async with open_offline(loaded) as services:
        app = web.Application(client_max_size=services.reply_bytes)
        console.install(app, services)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            with tempfile.TemporaryDirectory(prefix="forebay-") as folder:  # 0700
                path = f"{folder}/api"
                await web.UnixSite(runner, path).start()
                connector = aiohttp.UnixConnector(path)
                async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
                    yield Control(session, "http://forebay", read_token(loaded), running=False)
        finally:
            await runner.cleanup()


async def _answers(session: aiohttp.ClientSession, url: str, pin: Any) -> bool:
    """Whether somebody listens there; refused means that the file is a dead daemon's."""
    try:
        async with session.get(f"{url}/healthz", ssl=pin, allow_redirects=False):
            return True
    except aiohttp.ClientConnectorError:
        return False
    except (aiohttp.ClientError, TimeoutError):
        return True  # there, but in trouble: the real request will say so


def _pinned(loaded: Loaded) -> Any:
    """At a door with TLS we want to meet the configured certificate, whatever name it bears."""
    tls = loaded.settings.listen.tls
    if tls is None:
        return True
    pem = tls.cert_file.read_text()
    end = "-----END CERTIFICATE-----"
    first = pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index(end) + len(end)]
    return aiohttp.Fingerprint(hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).digest())


def _pairs(query: Query) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if value is None:
            continue
        many = [value] if isinstance(value, str | int) else value
        pairs += [(name, str(one)) for one in many]
    return pairs


async def _json(answer: aiohttp.ClientResponse) -> Any:
    try:
        return json.loads(await answer.read())
    except ValueError:
        return None


def _code(status: int) -> Exit:
    return _CODES.get(status, Exit.SOFTWARE if status >= 500 else Exit.DATA)


def _words(status: int, told: Any) -> str:
    """The API's own words; they are made to be shown."""
    detail = told.get("detail") if isinstance(told, dict) else None
    if detail:
        return f"{detail}; the log says more" if status == 500 else str(detail)
    return f"the daemon answered HTTP {status}"
