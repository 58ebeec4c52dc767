"""Types of the settings that tell how far sides are reached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationInfo


def _proxy(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = bool(parts.scheme in ("http", "https", "socks5") and parts.hostname and parts.port)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT")
    return value


def _beside(value: str, info: ValidationInfo) -> str:
    """A path as seen from the folder of the configuration file, which config hands in as "folder"."""
    return str(Path((info.context or {}).get("folder", "")) / Path(value).expanduser())


#: Address of a proxy; it may hold a user and a password, so no message repeats it.
Proxy = Annotated[str, AfterValidator(_proxy)]
#: Path of a file with certificates.
CaFile = Annotated[str, AfterValidator(_beside)]
