"""What the settings of Messenger, Instagram and WhatsApp share: one app of Meta's, its secrets and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from connectors.contract import ChannelSettings
from model.secret import Secret
from model.window import Window

#: Ends of the hosts that hold customers' files; a token goes to no other.
MEDIA_HOSTS = (".fbsbx.com", ".fbcdn.net", ".facebook.com", ".cdninstagram.com", ".whatsapp.net")


class MetaSettings(ChannelSettings):
    """Settings that every kind of Meta's has."""

    account: str = Field(
        pattern=r"^[0-9]{3,32}$", description="The number by which Meta's web hooks name our account."
    )
    app_secret: Secret = Field(
        description="App secret: App settings > Basic; it signs what Meta posts, and our calls."
    )
    earlier_app_secret: Secret | None = Field(
        default=None, description="The secret before the last reset; still believed of what Meta posts."
    )
    verify_token: Secret = Field(
        description="A password of your own, entered with the address of the web hook in Meta's console."
    )
    token: Secret = Field(description="Access token with the permissions that the kind's page lists.")
    api: str = Field(
        default="https://graph.facebook.com", pattern="^https?://", description="Address of the Graph API."
    )
    version: str = Field(
        default="v26.0", pattern=r"^v\d{1,3}\.\d{1,2}$", description="Version of the Graph API."
    )
    prove: bool = Field(
        default=True, description="Send a proof with each call that we know the app secret (appsecret_proof)."
    )
    timeout: float = Field(default=30.0, gt=0, le=300, description="Seconds for one call.")
    numbered: bool = Field(default=True, description="Whether the pieces of a long text begin with (1/3).")
    media_bytes: int = Field(default=104_857_600, gt=0, description="Largest file that is fetched, bytes.")
    media_hosts: tuple[str, ...] = Field(
        default=MEDIA_HOSTS,
        description="Ends of the hosts that customers' files are fetched from; a token goes to no other.",
    )
    malformed_status: int = Field(
        default=200, ge=200, le=499, description="Answer to what cannot be read but is kept."
    )

    def reading(self) -> Mapping[str, Any]:
        return {"account": self.account}


class PageSettings(MetaSettings):
    """What a page and an Instagram account have beyond that: comments, and people who may answer later."""

    windows: Mapping[str, Window] = Field(
        default={
            "message": Window(lasts=timedelta(hours=24)),
            "ad": Window(lasts=timedelta(days=7)),
            "comment": Window(lasts=timedelta(days=365)),
            "private_reply": Window(lasts=timedelta(days=7), messages=1),
        },
        description="What opens a customer's reply window, and how wide: a message, a message that an ad led to, "
        "a comment that is answered below it, and one that is answered by a private message.",
    )
    human_agent: bool = Field(
        default=False,
        description="Send what a person wrote up to 7 days after the customer's last message (the tag HUMAN_AGENT); "
        "the app needs Meta's leave for it, and `fallback` must begin with template.",
    )
    comments: Literal["thread", "private", "none"] = Field(
        default="thread",
        description="How comments are answered: below them, by one private message, or not at all (they are "
        "ignored then).",
    )
    acknowledge_comments: bool = Field(
        default=False, description="Whether a comment gets an acknowledgement too, for all to see."
    )
    postbacks: Literal["signal", "message"] = Field(
        default="signal",
        description="Whether a tap on the menu or a button is only an event, or a message of its own.",
    )
    comment_characters: int = Field(
        default=8_000, ge=64, description="Longest answer below a comment, characters."
    )
    subscribe: bool = Field(
        default=True,
        description="Subscribe the app to the account's events again when Meta has ended that, as it does after an "
        "hour of failed deliveries.",
    )
    subscribed_fields: tuple[str, ...] = Field(
        default=(), description="The events to subscribe to; empty: the fields that this kind reads."
    )

    def outside_window(self) -> bool:
        return self.human_agent

    def reading(self) -> Mapping[str, Any]:
        return {
            **super().reading(),
            "comments": self.comments,
            "postbacks": self.postbacks,
            "acknowledge_comments": self.acknowledge_comments,
        }

    @model_validator(mode="after")
    def _the_tag_is_used(self) -> PageSettings:
        if self.human_agent and "template" not in self.fallback:
            raise ValueError("human_agent: add `fallback: [template]`, or it is never used")
        return self
