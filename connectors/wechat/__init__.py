"""The kind `wechat`: a WeChat official account [公众号 / 服务号], by its callbacks and its API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Connector, ConnectorSpec, Limits
from connectors.wire.posted_settings import CallbackSettings, EncodingAesKey
from model.delivery import OnUncertain
from model.secret import Secret
from model.tools import Tools
from model.window import Window


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Notice(_Part):
    """A message that WeChat allows outside the window; its texts take {reference}, {subject}, {text} and {name}."""

    id: str = Field(min_length=1, description="The template's number [模板ID].")
    data: Mapping[str, str] = Field(description="Value of each of its fields, by the field's name.")
    url: str | None = Field(default=None, description="Page that opens when it is tapped.")
    longest: int = Field(default=20, gt=0, description="Characters of one value; WeChat cuts longer ones.")


class Comments(_Part):
    """Comments [留言] below articles, which WeChat lets us only fetch."""

    articles: Mapping[str, str] = Field(
        default={}, description="Articles that are looked at: msg_data_id/index of each, and a title for us."
    )
    every: timedelta = Field(default=timedelta(minutes=5), description="How often they are looked at.")


class WechatLimits(Limits):
    """Bounds of an official account; most of what is sent rides on answers to WeChat's own requests."""

    send_concurrency: int = Field(default=32, gt=0, description="Messages being sent at the same time.")


class WechatSettings(CallbackSettings):
    """Settings of an official account."""

    kind: Literal["wechat"] = Field(default="wechat", description="The kind of the channel.")
    limits: WechatLimits = Field(default_factory=WechatLimits, description="Bounds of the channel.")
    app_id: str = Field(pattern=r"^[A-Za-z0-9_]{6,64}$", description="AppID [开发者ID] of the account.")
    secret: Secret | None = Field(
        default=None,
        description="AppSecret [开发者密码]; without it we can only answer a message while WeChat waits.",
    )
    token: Secret = Field(description="Token [令牌] of the server configuration.")
    mode: Literal["safe", "compatible", "plain"] = Field(
        default="safe",
        description="Message encryption [消息加解密方式] of the console; plain bodies are not signed by WeChat.",
    )
    aes_keys: tuple[EncodingAesKey, ...] = Field(
        default=(), description="EncodingAESKey [消息加解密密钥], the one in use first, then earlier ones."
    )
    windows: Mapping[str, Window] = Field(
        default={
            "message": Window(lasts=timedelta(hours=48), messages=5),
            "menu": Window(lasts=timedelta(minutes=1), messages=3),
            "follow": Window(lasts=timedelta(minutes=1), messages=3),
            "scan": Window(lasts=timedelta(minutes=1), messages=3),
            "comment": Window(lasts=timedelta(days=365)),
        },
        description="What opens a customer's reply window, and how wide.",
    )
    text_bytes: int = Field(default=2_048, ge=64, description="Longest text of one message, bytes of UTF-8.")
    numbered: bool = Field(default=True, description="Whether the pieces of a long text begin with (1/3).")
    template: Notice | None = Field(
        default=None, description="Template message [模板消息] for a closed window; service accounts only."
    )
    subscription: Notice | None = Field(
        default=None, description="Subscription notice [订阅通知] for a closed window, one for each consent."
    )
    menu: Literal["signal", "message"] = Field(
        default="signal", description="Whether a tap on the menu is only an event, or a message of its own."
    )
    menu_texts: Mapping[str, str] = Field(
        default={}, description="What a tap says, by its key [EventKey]; such taps are always messages."
    )
    comments: Comments | None = Field(default=None, description="Comments below articles; null: none.")
    staff: str | None = Field(
        default=None, description="Customer-service account (name@account) in whose name we write."
    )
    classic_token: bool = Field(
        default=False,
        description="Take access tokens from /cgi-bin/token, which kills the tokens that other systems hold.",
    )
    api: str = Field(
        default="https://api.weixin.qq.com", pattern="^https?://", description="Address of WeChat's API."
    )
    timeout: float = Field(default=10.0, gt=0, le=60, description="Seconds for one call.")
    media_bytes: int = Field(default=20_971_520, gt=0, description="Largest file that is fetched, bytes.")

    @model_validator(mode="after")
    def _whole(self) -> WechatSettings:
        if self.mode != "plain" and not self.aes_keys:
            raise ValueError("aes_keys: set the EncodingAESKey of the console, or mode: plain")
        for name in ("template", "subscription", "comments"):
            if getattr(self, name) is not None and self.secret is None:
                raise ValueError(f"{name}: needs `secret`, the AppSecret")
        if self.template is not None and self.subscription is not None:
            raise ValueError("subscription: set either it or `template`")
        return self

    def outside_window(self) -> bool:
        return self.template is not None or self.subscription is not None

    def reading(self) -> Mapping[str, Any]:
        return {"menu": self.menu, "menu_texts": dict(self.menu_texts)}


def _build(settings: WechatSettings, tools: Tools) -> Connector:
    from connectors.wechat.connector import make

    return make(settings, tools)


SPEC = ConnectorSpec(
    kind="wechat",
    settings=WechatSettings,
    build=_build,
    # WeChat tells no number of a message and knows no key of ours: twice is twice.
    on_uncertain=OnUncertain.HOLD,
    summary="A WeChat official account: messages, events, answers and notices.",
)
