"""The kind `visit`: what somebody says at a counter, at an event or anywhere face to face, noted by a colleague."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from connectors.contract import Connector, ConnectorSpec
from connectors.wire.notes import NoteSettings
from model.delivery import OnUncertain
from model.tools import Tools


class VisitSettings(NoteSettings):
    """Settings of counters and events."""

    kind: Literal["visit"] = Field(default="visit", description="The kind of the channel.")


def _build(settings: VisitSettings, tools: Tools) -> Connector:
    from connectors.wire.notes import NoteConnector

    return NoteConnector(settings, tools)


SPEC = ConnectorSpec(
    kind="visit",
    settings=VisitSettings,
    build=_build,
    # A colleague who says it twice does no harm, and one who does not tell is asked.
    on_uncertain=OnUncertain.HOLD,
    summary="What somebody says face to face, noted at the desk.",
)
