"""The kind `chatwoot`: conversations in an API inbox of Chatwoot, by its application API."""

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


class ChatwootSettings(TicketSettings):
    """Settings of a Chatwoot."""

    kind: Literal["chatwoot"] = Field(default="chatwoot", description="The kind of the destination.")
    token: Secret = Field(description="Access token of our user, an agent of the inbox.")
    user_id: int | None = Field(
        default=None, description="Number of our user there, so that its own messages are known."
    )
    account: int = Field(gt=0, description="Number of the account.")
    inbox: str = Field(
        pattern=r"^[0-9]+$", description="Number of the inbox, of the type API, that `places` names none for."
    )
    secret: Secret | None = Field(
        default=None, description="Secret of Chatwoot's web hook, which only says: look now."
    )
    reopen: str | None = Field(
        default="open", description="Status that a resolved conversation gets when its customer writes again."
    )

    def usual_states(self) -> Mapping[str, RecordState]:
        return {
            "open": RecordState.TAKEN,
            "pending": RecordState.TAKEN,
            "snoozed": RecordState.TAKEN,
            "resolved": RecordState.RESOLVED,
        }


def _build(settings: ChatwootSettings, tools: Tools) -> Destination:
    from destinations.chatwoot.destination import ChatwootDestination

    return ChatwootDestination(settings, tools)


SPEC = DestinationSpec(
    kind="chatwoot",
    settings=ChatwootSettings,
    build=_build,
    on_uncertain=OnUncertain.RESEND,
    summary="Conversations in Chatwoot: messages, answers, states.",
)
