"""Serves strangers' files so that no browser runs them: as downloads, under harmless types, in a sandbox."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from aiohttp import web
from sqlalchemy import Connection

from console import guard
from console.links import RAW, SENT, Links
from console.problems import Problem
from console.services import Services
from store import views

#: Types that a browser never runs, whatever is in them; everything else goes out as plain bytes.
_HARMLESS = frozenset(
    {
        "application/pdf",
        "application/zip",
        "audio/mpeg",
        "audio/ogg",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "message/rfc822",
        "text/csv",
        "text/plain",
        "video/mp4",
    }
)
_SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"
#: Longest file name given out, in bytes of UTF-8: what common file systems take, with room for a "(1)".
_NAME_BYTES = 180


def safe_name(name: str) -> str:
    """A file name without folders, control characters or marks that turn the writing direction."""
    last = re.split(r"[/\\]", name)[-1]
    clean = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip(" .")
    stem, dot, extension = clean.rpartition(".")
    if not dot or len(extension) > 16:
        stem, extension = clean, ""
    room = _NAME_BYTES - len(extension.encode()) - 1
    stem = stem.encode()[:room].decode(errors="ignore")
    return f"{stem}.{extension}" if extension else stem or "file"


def disposition(name: str) -> str:
    """The Content-Disposition of a download (RFC 6266, RFC 8187): the real name, and an ASCII one beside it."""
    safe = safe_name(name)
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


class Files:
    """The addresses under /files."""

    def __init__(self, services: Services, links: Links) -> None:
        self._services = services
        self._links = links

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/files/{address}", self.serve, allow_head=False)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        named = self._links.read_file(request.match_info["address"])
        if named is None:
            raise Problem(404, "this file does not exist")
        found = await self._services.store.read(lambda c: _find(c, *named))
        chunks = await self._services.open_blob(found["sha256"]) if found else None
        if found is None or chunks is None:
            raise Problem(410, "this file is no longer kept")
        media_type = found["media_type"].partition(";")[0].strip().lower()
        response = web.StreamResponse(
            headers={
                "Content-Type": media_type if media_type in _HARMLESS else "application/octet-stream",
                "Content-Disposition": disposition(found["filename"]),
                "Content-Length": str(found["size"]),
            }
        )
        guard.harden(response, _SANDBOX)
        await response.prepare(request)
        async for chunk in chunks:
            await response.write(chunk)
        await response.write_eof()
        return response


def _find(connection: Connection, owner: str, part: str) -> views.Row | None:
    """Name, type, size and digest of what an address shows; None when it is gone."""
    if part == RAW:
        found = views.raw(connection, owner)
        return found and found | {"filename": found["reference"] + _extension(found["media_type"])}
    if part.startswith(SENT):
        return views.sent_file(connection, owner, int(part.removeprefix(SENT)))
    return views.file(connection, owner, int(part))


def _extension(media_type: str) -> str:
    kinds = {"message/rfc822": ".eml", "application/json": ".json", "text/plain": ".txt", "text/xml": ".xml"}
    return kinds.get(media_type.partition(";")[0].strip().lower(), ".bin")
