"""The kind `messenger`: a Facebook page, its messages and the comments below its posts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from connectors.contract import Connector, ConnectorSpec
from connectors.wire.meta_settings import PageSettings
from model.delivery import OnUncertain
from model.tools import Tools


class MessengerSettings(PageSettings):
    """Settings of a Facebook page."""

    kind: Literal["messenger"] = Field(default="messenger", description="The kind of the channel.")
    text_characters: int = Field(default=2_000, ge=64, description="Longest text of one message, characters.")


def _build(settings: MessengerSettings, tools: Tools) -> Connector:
    from connectors.messenger.connector import MessengerConnector

    return MessengerConnector(settings, tools)


SPEC = ConnectorSpec(
    kind="messenger",
    settings=MessengerSettings,
    build=_build,
    # Meta knows no key of ours; an echo tells later what became of a message in doubt.
    on_uncertain=OnUncertain.HOLD,
    summary="A Facebook page: Messenger, and comments below its posts.",
)
