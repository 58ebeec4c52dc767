"""The kind `whatsapp`: a number at WhatsApp's Cloud API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Connector, ConnectorSpec
from connectors.wire.meta_settings import MetaSettings
from model.delivery import OnUncertain
from model.tools import Tools
from model.window import Window


class Template(BaseModel):
    """An approved template that carries an answer when the window is closed."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$", description="The template's name in WhatsApp Manager.")
    language: str = Field(
        pattern=r"^[a-z]{2,3}(_[A-Za-z]{2,4})?$", description="Code of its language, such as zh_CN or en."
    )
    parameters: tuple[str, ...] = Field(
        default=("{reference}", "{text}"),
        description="Values of {{1}}, {{2}} … of its body; {reference}, {name}, {subject} and {text} are put in.",
    )
    longest: int = Field(
        default=900,
        gt=0,
        le=1_024,
        description="Characters of one value; longer ones are cut with an ellipsis.",
    )


class WhatsappSettings(MetaSettings):
    """Settings of a WhatsApp number."""

    kind: Literal["whatsapp"] = Field(default="whatsapp", description="The kind of the channel.")
    account: str = Field(
        pattern=r"^[0-9]{3,32}$", description="Phone number ID of the number; not the number itself."
    )
    business_account: str | None = Field(
        default=None,
        pattern=r"^[0-9]{3,32}$",
        description="WhatsApp Business Account ID, to look whether the app is subscribed to it.",
    )
    subscribe: bool = Field(
        default=True, description="Subscribe the app to `business_account` again when it is not."
    )
    windows: Mapping[str, Window] = Field(
        default={"message": Window(lasts=timedelta(hours=24))},
        description="What opens a customer's reply window, and how wide.",
    )
    template: Template | None = Field(
        default=None,
        description="What carries an answer when the window is closed; `fallback` must name template.",
    )
    text_characters: int = Field(default=4_096, ge=64, description="Longest text of one message, characters.")
    preview_links: bool = Field(
        default=False, description="Whether WhatsApp shows a picture of a linked page."
    )
    region: str = Field(
        default="CN",
        pattern="^[A-Z]{2}$",
        description="Country (ISO 3166) of telephone numbers that are written without one.",
    )

    def reading(self) -> Mapping[str, Any]:
        return {**super().reading(), "region": self.region}

    def outside_window(self) -> bool:
        return self.template is not None

    @model_validator(mode="after")
    def _the_template_is_used(self) -> WhatsappSettings:
        if self.template is not None and "template" not in self.fallback:
            raise ValueError("template: add `fallback: [template]`, or it is never used")
        return self


def _build(settings: WhatsappSettings, tools: Tools) -> Connector:
    from connectors.whatsapp.connector import WhatsappConnector

    return WhatsappConnector(settings, tools)


SPEC = ConnectorSpec(
    kind="whatsapp",
    settings=WhatsappSettings,
    build=_build,
    # WhatsApp knows no key of ours, but hands it back with each status, which settles what is in doubt.
    on_uncertain=OnUncertain.HOLD,
    summary="A WhatsApp number by the Cloud API: messages, files, statuses, templates.",
    reaches=("phone",),
)
