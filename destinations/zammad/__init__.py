"""The kind `zammad`: tickets in Zammad, by its REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from destinations.contract import Destination, DestinationSpec
from destinations.wire.settings import TicketSettings
from model.delivery import OnUncertain
from model.secret import Secret
from model.states import RecordState
from model.tools import Tools


class ZammadSettings(TicketSettings):
    """Settings of a Zammad."""

    kind: Literal["zammad"] = Field(default="zammad", description="The kind of the destination.")
    token: Secret = Field(description="Access token of our user, with the permission ticket.agent.")
    user: str | None = Field(
        default=None, description="E-mail address of our user there, so that its own changes are known."
    )
    group: str = Field(default="Users", description="Group of tickets that `places` names none for.")
    field: str = Field(
        default="forebay",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Attribute of tickets (object `Ticket`, format `Text`) that bears our number.",
    )
    secret: Secret | None = Field(
        default=None, description="HMAC-SHA1 secret of Zammad's web hook, which only says: look now."
    )
    answer_types: Sequence[str] = Field(
        default=("note", "web", "email"),
        description="Types of agents' articles that are for the customer, unless they are internal.",
    )
    reopen: str | None = Field(
        default="open", description="State that a finished ticket gets when its customer writes again."
    )

    def usual_states(self) -> Mapping[str, RecordState]:
        return {
            "open": RecordState.TAKEN,
            "pending reminder": RecordState.TAKEN,
            "pending close": RecordState.TAKEN,
            "closed": RecordState.CLOSED,
        }


def _build(settings: ZammadSettings, tools: Tools) -> Destination:
    from destinations.zammad.destination import ZammadDestination

    return ZammadDestination(settings, tools)


SPEC = DestinationSpec(
    kind="zammad",
    settings=ZammadSettings,
    build=_build,
    on_uncertain=OnUncertain.RESEND,
    summary="Tickets in Zammad: articles, answers, states, merges.",
)
