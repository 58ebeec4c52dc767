"""A customer's own HTML for the desk: sanitised once more, with the pictures that came in the same mail."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import unquote

import nh3

from console.services import Services
from store import views

#: Types of pictures that are shown, and the most bytes of one and of all of them.
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
LARGEST, ALL = 2_000_000, 8_000_000
_SCHEMES = nh3.ALLOWED_URL_SCHEMES | {"cid"}


async def shown(services: Services, record: str, html: str) -> str:
    """The HTML of a record. `cid:` pictures are put into it, so that the frame need fetch nothing."""
    pictures = await _pictures(services, record) if "cid:" in html.lower() else {}

    def resolve(tag: str, attribute: str, value: str) -> str | None:
        if tag != "img" or attribute != "src":
            return None if value.strip().lower().startswith("cid:") else value
        scheme, _, name = value.strip().partition(":")
        return pictures.get(unquote(name)) if scheme.lower() == "cid" else None

    return nh3.clean(html, url_schemes=_SCHEMES, attribute_filter=resolve)


async def _pictures(services: Services, record: str) -> Mapping[str, str]:
    """Data URIs of the pictures of a record, by their content id."""
    found: dict[str, str] = {}
    room = ALL
    for row in await services.store.read(lambda connection: views.pictures(connection, record)):
        kind = row["media_type"].partition(";")[0].strip().lower()
        if kind not in PICTURES or row["size"] > min(LARGEST, room) or row["content_id"] in found:
            continue
        chunks = await services.open_blob(row["sha256"])
        if chunks is None:
            continue
        data = b"".join([chunk async for chunk in chunks])
        room -= len(data)
        found[row["content_id"]] = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return found
