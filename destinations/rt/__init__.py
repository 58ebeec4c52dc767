"""The kind `rt`: tickets in Request Tracker 5, by its REST 2 interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from destinations.contract import Destination, DestinationSpec
from destinations.wire.settings import TicketSettings
from model.delivery import OnUncertain
from model.secret import Secret
from model.states import RecordState
from model.tools import Tools


class RtSettings(TicketSettings):
    """Settings of a Request Tracker."""

    kind: Literal["rt"] = Field(default="rt", description="The kind of the destination.")
    token: Secret | None = Field(
        default=None, description="An authentication token of our user, in place of `password`."
    )
    user: str | None = Field(
        default=None, description="Name of our user; beside a token too, so that its own changes are known."
    )
    password: Secret | None = Field(default=None, description="Their password.")
    queue: str = Field(default="General", description="Queue of tickets that `places` names none for.")
    tags_field: str | None = Field(
        default=None, description="Custom field that takes the tags, several values; none: tags are left out."
    )
    requestor: bool = Field(
        default=True,
        description="Whether the customer becomes the requestor. The queue's scrips must send them no mail.",
    )
    reopen: str | None = Field(
        default="open", description="Status that a finished ticket gets when its customer writes again."
    )
    concurrency: int = Field(default=2, gt=0, description="Hand-overs being delivered at the same time.")

    def usual_states(self) -> Mapping[str, RecordState]:
        return {
            "open": RecordState.TAKEN,
            "stalled": RecordState.TAKEN,
            "resolved": RecordState.CLOSED,
            "rejected": RecordState.CLOSED,
        }


def _build(settings: RtSettings, tools: Tools) -> Destination:
    from destinations.rt.destination import RtDestination

    return RtDestination(settings, tools)


SPEC = DestinationSpec(
    kind="rt",
    settings=RtSettings,
    build=_build,
    # Never reached while the store can be asked: what a try may have made is looked up.
    on_uncertain=OnUncertain.RESEND,
    summary="Tickets in Request Tracker 5: comments, answers, states, merges.",
)
