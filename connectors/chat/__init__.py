"""The kind `chat`: our own widget on the office's site, one script tag, answers while the page is open."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from connectors.contract import ChannelSettings, Connector, ConnectorSpec, Limits
from connectors.wire.posted import FileLimits, Rate
from model.delivery import OnUncertain
from model.tools import Tools


class ChatLimits(Limits):
    """Bounds of a chat; publishing has no far side that many at once could burden."""

    send_concurrency: int = Field(default=64, gt=0, description="Messages being published at the same time.")


class ChatSettings(ChannelSettings):
    """Settings of a chat."""

    kind: Literal["chat"] = Field(default="chat", description="The kind of the channel.")
    title: Mapping[str, str] = Field(
        default={"en": "Talk to us", "zh": "在线客服"}, description="Heading of the widget, by language."
    )
    greeting: Mapping[str, str] = Field(
        default={}, description="What the empty conversation shows first, by language."
    )
    origins: tuple[str, ...] = Field(
        default=(),
        description="Origins (https://www.example.com) of the sites that may show the widget; '*' for every one.",
    )
    answer_within: float = Field(
        default=3.0,
        ge=0,
        le=30,
        description="Seconds a posted message waits for its acknowledgement, which then appears in the chat at once.",
    )
    unseen_after: timedelta | None = Field(
        default=timedelta(minutes=2),
        gt=timedelta(0),
        description="An answer that nobody saw in the chat for this long goes by the first channel of `fallback` that "
        "reaches an address the customer left, too. null: never.",
    )
    max_characters: int = Field(default=10_000, gt=0, description="Longest text of one message, characters.")
    files: FileLimits = Field(default_factory=FileLimits, description="Limits of files.")
    limits: ChatLimits = Field(default_factory=ChatLimits, description="Bounds of the channel.")
    rate: Rate | None = Field(default_factory=Rate, description="Rate limit of one address; null: none.")
    open_pages: int = Field(
        default=2_000,
        gt=0,
        description="Most pages that wait for answers at once; further ones ask now and then.",
    )
    region: str = Field(
        default="CN",
        pattern="^[A-Z]{2}$",
        description="Country (ISO 3166) of telephone numbers that are written without one.",
    )

    def reading(self) -> Mapping[str, Any]:
        return {"region": self.region}


def _build(settings: ChatSettings, tools: Tools) -> Connector:
    from connectors.chat.connector import ChatConnector

    return ChatConnector(settings, tools)


SPEC = ConnectorSpec(
    kind="chat",
    settings=ChatSettings,
    build=_build,
    # Publishing in the conversation is the store's own deed: twice is as once.
    on_uncertain=OnUncertain.RESEND,
    summary="Our own chat widget on the office's site.",
)
