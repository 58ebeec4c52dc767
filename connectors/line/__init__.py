"""The kind `line`: a LINE Official Account, by the Messaging API."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from connectors.contract import Connector, ConnectorSpec, Limits
from connectors.wire.posted_settings import PostedSettings
from model.delivery import OnUncertain
from model.secret import Secret
from model.tools import Tools


class LineLimits(Limits):
    """Bounds of an account. The numbers are LINE's."""

    text: int = Field(default=5_000, ge=64, description="Longest text of one message, UTF-16 code units.")
    messages: int = Field(
        default=5, ge=1, description="Messages in one call, which counts once in the quota."
    )
    download_bytes: int = Field(default=209_715_200, gt=0, description="Largest file that is fetched, bytes.")


class LineSettings(PostedSettings):
    """Settings of a LINE Official Account."""

    kind: Literal["line"] = Field(default="line", description="The kind of the channel.")
    secrets: tuple[Secret, ...] = Field(
        min_length=1, description="Channel secrets that may sign; two while one takes the place of the other."
    )
    token: Secret = Field(description="The channel access token, long-lived.")
    chats: tuple[Literal["user", "group", "room"], ...] = Field(
        default=("user",),
        min_length=1,
        description="The kinds of chat that are taken in; what is said in others leaves no trace here.",
    )
    reply_within: timedelta = Field(
        default=timedelta(seconds=50),
        ge=timedelta(0),
        description="How long a reply token is used after LINE's time of the event; LINE honours it for a minute. "
        "Replies are free, later messages count in the month's quota.",
    )
    numbered: bool = Field(default=True, description="Whether the pieces of a long text say (1/3).")
    api: str = Field(
        default="https://api.line.me", pattern=r"^https?://[^/?#]+$", description="Address of the calls."
    )
    data: str = Field(
        default="https://api-data.line.me", pattern=r"^https?://[^/?#]+$", description="Address of the files."
    )
    timeout: float = Field(default=30.0, gt=0, le=300, description="Seconds for one call.")
    limits: LineLimits = Field(default_factory=LineLimits, description="Bounds of the channel.")


def _build(settings: LineSettings, tools: Tools) -> Connector:
    from connectors.line.connector import LineConnector

    return LineConnector(settings, tools)


SPEC = ConnectorSpec(
    kind="line",
    settings=LineSettings,
    build=_build,
    # A pushed message bears a key and is safe to repeat; a reply does not, and only that is ever in doubt.
    on_uncertain=OnUncertain.HOLD,
    carries_files=False,
    summary="A LINE Official Account: replies while the reply token is fresh, pushed messages after.",
)
