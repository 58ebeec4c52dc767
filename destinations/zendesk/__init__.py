"""The kind `zendesk`: tickets in Zendesk Support, by its Ticketing API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field

from destinations.contract import Destination, DestinationSpec
from destinations.wire.settings import TicketSettings
from model.delivery import OnUncertain
from model.secret import Secret
from model.states import RecordState
from model.tools import Tools


class ZendeskSettings(TicketSettings):
    """Settings of a Zendesk."""

    kind: Literal["zendesk"] = Field(default="zendesk", description="The kind of the destination.")
    user: str = Field(description="E-mail address of our user there, an agent.")
    token: Secret = Field(description="API token of the account.")
    user_id: int | None = Field(
        default=None, description="Number of our user there, so that its own changes are known."
    )
    group: str = Field(
        default="", description="Number of the group of tickets that `places` names none for; empty: none."
    )
    secret: Secret | None = Field(
        default=None, description="Signing secret of Zendesk's web hook, which only says: look now."
    )
    reopen: str | None = Field(
        default="open", description="Status that a solved ticket gets when its customer writes again."
    )
    # The export of ticket events takes ten requests a minute.
    poll: timedelta = Field(
        default=timedelta(seconds=60),
        ge=timedelta(milliseconds=50),
        description="How often it is asked what agents did there.",
    )

    def usual_states(self) -> Mapping[str, RecordState]:
        return {
            "open": RecordState.TAKEN,
            "pending": RecordState.TAKEN,
            "hold": RecordState.TAKEN,
            "solved": RecordState.RESOLVED,
            "closed": RecordState.CLOSED,
        }


def _build(settings: ZendeskSettings, tools: Tools) -> Destination:
    from destinations.zendesk.destination import ZendeskDestination

    return ZendeskDestination(settings, tools)


SPEC = DestinationSpec(
    kind="zendesk",
    settings=ZendeskSettings,
    build=_build,
    on_uncertain=OnUncertain.RESEND,
    summary="Tickets in Zendesk: comments, answers, states, merges.",
)
