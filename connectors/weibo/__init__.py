"""The kind `weibo`: private messages to a verified Weibo account, by its fans service [粉丝服务平台]."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field

from connectors.contract import Connector, ConnectorSpec
from connectors.wire.posted_settings import CallbackSettings
from model.delivery import OnUncertain
from model.secret import Secret
from model.tools import Tools
from model.window import Window

_TWO_DAYS = timedelta(hours=48)


class WeiboSettings(CallbackSettings):
    """Settings of a Weibo account."""

    kind: Literal["weibo"] = Field(default="weibo", description="The kind of the channel.")
    app_secret: Secret = Field(description="AppSecret of the app, with which Weibo signs what it posts.")
    access_token: Secret | None = Field(
        default=None,
        description="Access token of the developer mode [开发者模式]; without it we can only answer a message while "
        "Weibo waits.",
    )
    windows: Mapping[str, Window] = Field(
        default={
            "message": Window(lasts=_TWO_DAYS),
            "follow": Window(lasts=_TWO_DAYS),
            "menu": Window(lasts=_TWO_DAYS),
            "scan": Window(lasts=_TWO_DAYS),
            "mention": Window(lasts=_TWO_DAYS, messages=1),
        },
        description="What opens a reply window, and how wide. Weibo's own pages are old and contradict one another.",
    )
    text_characters: int = Field(
        default=299, ge=64, description="Longest text of one message, characters: Weibo wants fewer than 300."
    )
    numbered: bool = Field(default=True, description="Whether the pieces of a long text begin with (1/3).")
    sent_box: bool = Field(
        default=True, description="Whether our messages show in the account's own messages."
    )
    window_codes: tuple[int, ...] = Field(
        default=(),
        description="Further error codes by which Weibo says that the window is closed: it publishes none.",
    )
    send_url: str = Field(
        default="https://m.api.weibo.com/2/messages/reply.json",
        pattern="^https?://",
        description="Where messages are sent; accounts of businesses: https://c.api.weibo.com/2/messages/reply/biz.json.",
    )
    media_url: str = Field(
        default="https://upload.api.weibo.com/2/mss/msget",
        pattern="^https?://",
        description="Where files are fetched.",
    )
    people_url: str = Field(
        default="https://api.weibo.com/2/eps/user/info.json",
        pattern="^https?://",
        description="Where it is asked who somebody is.",
    )
    timeout: float = Field(default=10.0, gt=0, le=60, description="Seconds for one call.")
    media_bytes: int = Field(default=20_971_520, gt=0, description="Largest file that is fetched, bytes.")


def _build(settings: WeiboSettings, tools: Tools) -> Connector:
    from connectors.weibo.connector import make

    return make(settings, tools)


SPEC = ConnectorSpec(
    kind="weibo",
    settings=WeiboSettings,
    build=_build,
    # Weibo knows no key of ours: twice is twice.
    on_uncertain=OnUncertain.HOLD,
    summary="Private messages to a verified Weibo account, by its fans service.",
)
