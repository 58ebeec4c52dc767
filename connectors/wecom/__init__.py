"""The kind `wecom`: WeCom [企业微信]: members who write to an app of ours, and customers of its customer service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Connector, ConnectorSpec
from connectors.wire.posted_settings import CallbackSettings, EncodingAesKey
from model.delivery import OnUncertain
from model.failures import Reason
from model.secret import Secret
from model.tools import Tools
from model.window import Window


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class CustomerService(_Part):
    """WeChat customer service [微信客服], whose messages are fetched."""

    accounts: tuple[str, ...] = Field(
        default=(), description="Accounts [客服账号] by open_kfid (wk…); empty: all that the app may use."
    )
    every: timedelta = Field(
        default=timedelta(minutes=1),
        description="How often an account is looked at without a callback; WeCom limits such looks.",
    )
    older_unanswered: timedelta = Field(
        default=timedelta(minutes=10),
        description="On the very first look WeCom gives the messages of three days; older ones than this get no "
        "acknowledgement.",
    )
    page: int = Field(default=1_000, ge=1, le=1_000, description="Messages fetched at once.")
    fail_types: Mapping[int, Reason] = Field(
        default={}, description="What a fail_type of msg_send_fail means, where WeCom's table has changed."
    )


class WecomSettings(CallbackSettings):
    """Settings of an app in WeCom."""

    kind: Literal["wecom"] = Field(default="wecom", description="The kind of the channel.")
    corp_id: str = Field(pattern=r"^[A-Za-z0-9_-]{4,64}$", description="CorpID [企业ID].")
    agent_id: int | None = Field(default=None, description="AgentId of the app; needed to write to members.")
    secret: Secret = Field(description="Secret of the app.")
    token: Secret = Field(description="Token of the app's callbacks [接收消息].")
    aes_keys: tuple[EncodingAesKey, ...] = Field(
        min_length=1, description="EncodingAESKey of the callbacks, the one in use first, then earlier ones."
    )
    customer_service: CustomerService | None = Field(
        default=None, description="WeChat customer service [微信客服]; null: members only."
    )
    windows: Mapping[str, Window] = Field(
        default={
            "message": Window(lasts=timedelta(hours=48), messages=5),
            "member": Window(lasts=timedelta(days=3_650)),
        },
        description="What opens a reply window: a customer's message, or a member's, to whom we may always write.",
    )
    text_bytes: int = Field(default=2_048, ge=64, description="Longest text of one message, bytes of UTF-8.")
    numbered: bool = Field(default=True, description="Whether the pieces of a long text begin with (1/3).")
    duplicate_check: int = Field(
        default=1_800,
        ge=0,
        le=14_400,
        description="Seconds in which WeCom drops a repeat to a member; 0: never.",
    )
    api: str = Field(
        default="https://qyapi.weixin.qq.com", pattern="^https?://", description="Address of WeCom's API."
    )
    timeout: float = Field(default=10.0, gt=0, le=60, description="Seconds for one call.")
    media_bytes: int = Field(default=20_971_520, gt=0, description="Largest file that is fetched, bytes.")

    @model_validator(mode="after")
    def _can_write(self) -> WecomSettings:
        if self.agent_id is None and self.customer_service is None:
            raise ValueError("agent_id: set it, or customer_service, or there is nobody to answer")
        return self

    def reading(self) -> Mapping[str, Any]:
        told = self.customer_service.fail_types if self.customer_service else {}
        return {"fail_types": {str(code): reason.value for code, reason in told.items()}}


def _build(settings: WecomSettings, tools: Tools) -> Connector:
    from connectors.wecom.connector import make

    return make(settings, tools)


SPEC = ConnectorSpec(
    kind="wecom",
    settings=WecomSettings,
    build=_build,
    # Customer service knows our number of a message, and a repeat to a member is dropped by WeCom.
    on_uncertain=OnUncertain.RESEND,
    summary="WeCom: members of an app, and customers of WeChat customer service.",
)
