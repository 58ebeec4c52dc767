"""The kind `sms`: text messages, by Aliyun, Twilio or any provider that speaks HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from connectors.contract import Connector, ConnectorSpec
from connectors.sms.providers import Aliyun, HttpProvider, Provider, Twilio
from connectors.wire.posted_settings import PostedSettings
from model.delivery import OnUncertain
from model.draft import Identity
from model.tools import Tools

#: Words that end our messages, compared whole and without case and punctuation.
STOP_WORDS = (
    "stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "optout", "opt out", "revoke",
    "td", "t", "退订", "退訂", "取消订阅", "拒收", "arret", "stopp", "baja", "sair", "停止",
)  # fmt: skip
START_WORDS = ("start", "unstop", "恢复", "恢復", "订阅", "訂閱")


class SmsSettings(PostedSettings):
    """Settings of text messages."""

    kind: Literal["sms"] = Field(default="sms", description="The kind of the channel.")
    provider: Provider = Field(description="Who carries the messages: name aliyun, twilio or http.")
    region: str = Field(
        default="CN",
        pattern="^[A-Z]{2}$",
        description="Country (ISO 3166) of telephone numbers that are written without one.",
    )
    timezone: str = Field(
        default="Asia/Shanghai", description="Time zone of times that the provider writes without one."
    )
    burst: timedelta = Field(
        default=timedelta(seconds=10),
        description="Messages of one number that follow each other within this pause are one record with parts: "
        "a long text message may come in several.",
    )
    stop_words: tuple[str, ...] = Field(
        default=STOP_WORDS,
        description="A message that is nothing but one of these ends our messages to its number, for ever.",
    )
    start_words: tuple[str, ...] = Field(
        default=START_WORDS, description="A message that is nothing but one of these takes that back."
    )
    longest: int = Field(
        default=1_600,
        ge=70,
        description="Characters of one message to the provider; a longer text goes as several.",
    )
    numbered: bool = Field(default=True, description="Whether the pieces of a longer text say (1/3).")
    timeout: float = Field(default=30.0, gt=0, le=300, description="Seconds for one call.")

    def cannot_reach(self, to: Identity | None) -> str:
        return "" if to is not None and to.kind == "phone" else "no telephone number is known"

    def reading(self) -> Mapping[str, Any]:
        provider = self.provider
        return {
            "provider": provider.name,
            "region": self.region,
            "timezone": self.timezone,
            "stop_words": list(self.stop_words),
            "start_words": list(self.start_words),
            **(
                {
                    "incoming": provider.incoming.model_dump() if provider.incoming else None,
                    "reports": provider.reports.model_dump() if provider.reports else None,
                    "errors": {code: reason.value for code, reason in provider.errors.items()},
                }
                if isinstance(provider, HttpProvider)
                else {}
            ),
        }


def _build(settings: SmsSettings, tools: Tools) -> Connector:
    match settings.provider:
        case Aliyun():
            from connectors.sms.aliyun import AliyunConnector

            return AliyunConnector(settings, settings.provider, tools)
        case Twilio():
            from connectors.sms.twilio import TwilioConnector

            return TwilioConnector(settings, settings.provider, tools)
        case HttpProvider():
            from connectors.sms.http import make

            return make(settings, settings.provider, tools)


SPEC = ConnectorSpec(
    kind="sms",
    settings=SmsSettings,
    build=_build,
    # No provider knows a key of ours on sending: what is in doubt is looked up where that is possible.
    on_uncertain=OnUncertain.HOLD,
    summary="Text messages by Aliyun, Twilio or any provider that speaks HTTP; in, out, and delivery reports.",
    reaches=("phone",),
    stopped_by_word=True,
    carries_files=False,
)
