"""The kind `instagram`: a professional Instagram account, its direct messages and the comments below its media."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from connectors.contract import Connector, ConnectorSpec
from connectors.wire.meta_settings import PageSettings
from model.delivery import OnUncertain
from model.tools import Tools


class InstagramSettings(PageSettings):
    """Settings of an Instagram account."""

    kind: Literal["instagram"] = Field(default="instagram", description="The kind of the channel.")
    login: Literal["facebook", "instagram"] = Field(
        default="instagram",
        description="By which login the app reaches the account: that of the account itself (Instagram Login, with "
        "the Instagram app secret), or that of the Facebook page it is linked to.",
    )
    page: str | None = Field(
        default=None,
        pattern=r"^[0-9]{3,32}$",
        description="The linked page's number; needed with `login: facebook`.",
    )
    text_bytes: int = Field(default=1_000, ge=64, description="Longest text of one message, bytes of UTF-8.")
    comment_characters: int = Field(
        default=2_200, ge=64, description="Longest answer below a comment, characters."
    )

    @model_validator(mode="before")
    @classmethod
    def _by_login(cls, given: Any) -> Any:
        """Instagram Login has its own address, and takes no proof of the app secret."""
        if isinstance(given, dict) and given.get("login", "instagram") == "instagram":
            return {"api": "https://graph.instagram.com", "prove": False, **given}
        return given

    @model_validator(mode="after")
    def _page_of_the_login(self) -> InstagramSettings:
        if self.login == "facebook" and self.page is None:
            raise ValueError("page: set the number of the linked Facebook page, or `login: instagram`")
        return self


def _build(settings: InstagramSettings, tools: Tools) -> Connector:
    from connectors.instagram.connector import InstagramConnector

    return InstagramConnector(settings, tools)


SPEC = ConnectorSpec(
    kind="instagram",
    settings=InstagramSettings,
    build=_build,
    # Meta knows no key of ours, and Instagram's echoes do not hand one back.
    on_uncertain=OnUncertain.HOLD,
    summary="An Instagram account: direct messages, story replies, and comments.",
)
