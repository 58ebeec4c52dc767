"""The kind `call`: the hotline. A colleague notes what is said; the telephone exchange tells who called, and when."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from connectors.contract import Connector, ConnectorSpec
from connectors.wire.keys import Key
from connectors.wire.notes import NoteSettings
from connectors.wire.posted import Strict
from model.delivery import OnUncertain
from model.draft import Identity
from model.secret import Secret
from model.tools import Tools

#: Kinds of identity that can be called.
REACHES = ("call", "phone")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone such as Asia/Shanghai") from None
    return name


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


class Basic(Strict):
    """User name and password that the exchange shows (HTTP Basic)."""

    user: str = Field(default="pbx", min_length=1, description="User name.")
    password: Key = Field(description="Password, 16 characters or more.")


class Twilio(Strict):
    """Status callbacks of Twilio Voice."""

    auth_token: Secret = Field(description="The account's auth token, which signs the callbacks.")
    url: str = Field(
        pattern=r"^https?://[^/?#\s]+/in/[^\s#]+$",
        description="Address of the callbacks as it is set at Twilio, https://…/in/CHANNEL/twilio: it is part of what "
        "is signed, and a proxy may show us another.",
    )


class Exchanges(Strict):
    """Telephone exchanges that tell of calls, each at an address of its own below the channel's."""

    asterisk: Basic | None = Field(default=None, description="Asterisk, at /in/CHANNEL/asterisk.")
    freeswitch: Basic | None = Field(default=None, description="FreeSWITCH, at /in/CHANNEL/freeswitch.")
    twilio: Twilio | None = Field(default=None, description="Twilio Voice, at /in/CHANNEL/twilio.")


class Recordings(Strict):
    """How recordings are fetched."""

    folder: Annotated[Path, AfterValidator(_absolute)] | None = Field(
        default=None,
        description="Folder of the exchange's recordings: a recording that has only a name is there.",
    )
    hosts: tuple[str, ...] = Field(
        default=(),
        description="Hosts that recordings are fetched from, with `user` and `password`; an address elsewhere is not "
        "fetched. They may be inside the house.",
    )
    user: str = Field(default="", description="User name at those hosts (HTTP Basic).")
    password: Secret | None = Field(default=None, description="Password at those hosts.")
    ending: str = Field(
        default="",
        pattern=r"^(\.[a-z0-9]{2,5})?$",
        description="Put after an address without one: .mp3 for Twilio.",
    )
    bytes: int = Field(default=104_857_600, gt=0, description="Largest recording, bytes.")
    timeout: float = Field(default=60.0, gt=0, description="Seconds for fetching one.")


class CallSettings(NoteSettings):
    """Settings of a hotline."""

    kind: Literal["call"] = Field(default="call", description="The kind of the channel.")
    exchanges: Exchanges = Field(
        default_factory=Exchanges, description="Telephone exchanges that tell of calls."
    )
    recordings: Recordings | None = Field(
        default=None, description="How recordings are fetched; null: only their addresses are kept."
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="Time zone of times that an exchange writes without one."
    )

    def reading(self) -> Mapping[str, Any]:
        return {**super().reading(), "timezone": self.timezone, "recordings": self.recordings is not None}

    def cannot_reach(self, to: Identity | None) -> str:
        return "" if to is not None and to.kind in REACHES else "no telephone number is known"


def _build(settings: CallSettings, tools: Tools) -> Connector:
    from connectors.call.connector import CallConnector

    return CallConnector(settings, tools)


SPEC = ConnectorSpec(
    kind="call",
    settings=CallSettings,
    build=_build,
    # A colleague who says it twice does no harm, and one who does not tell is asked.
    on_uncertain=OnUncertain.HOLD,
    summary="A hotline: notes of colleagues, word of the telephone exchange, and call-backs.",
    reaches=REACHES,
)
