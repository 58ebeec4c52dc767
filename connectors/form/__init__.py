"""The kind `form`: a feedback form on our page or embedded in another, posted to our door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import ChannelSettings, Connector, ConnectorSpec, Limits
from connectors.wire.posted import FileLimits, Rate
from model.delivery import OnUncertain
from model.tools import Tools


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class FieldNames(_Part):
    """Under which names the page posts what we know; everything else is kept as extra fields."""

    name: str = Field(default="name", description="The customer's name.")
    contact: str = Field(default="contact", description="E-mail address or telephone number, free text.")
    email: str = Field(default="email", description="E-mail address, where the page asks for it apart.")
    phone: str = Field(default="phone", description="Telephone number, where the page asks for it apart.")
    address: str = Field(
        default="address",
        description="Postal address, where the page asks for it; answers may go there by letter.",
    )
    company: str = Field(default="company", description="The customer's company.")
    subject: str = Field(default="subject", description="Subject.")
    message: str = Field(default="message", description="The message.")


class FormLimits(Limits):
    """Bounds of a form; publishing has no far side that many at once could burden."""

    send_concurrency: int = Field(default=64, gt=0, description="Messages being published at the same time.")


class FormSettings(ChannelSettings):
    """Settings of a form."""

    kind: Literal["form"] = Field(default="form", description="The kind of the channel.")
    title: Mapping[str, str] = Field(
        default={"en": "Tell us", "zh": "意见反馈"}, description="Heading of the page, by language."
    )
    intro: Mapping[str, str] = Field(default={}, description="A line under the heading, by language.")
    fields: FieldNames = Field(default_factory=FieldNames, description="Names of the posted fields.")
    required: tuple[str, ...] = Field(
        default=("message",), description="Posted fields that must not be empty, by their posted names."
    )
    max_fields: int = Field(default=200, gt=0, le=1_000, description="Most fields and files in one form.")
    max_characters: int = Field(default=100_000, gt=0, description="Longest text in one field, characters.")
    files: FileLimits = Field(default_factory=FileLimits, description="Limits of files.")
    honeypot: str | None = Field(
        default="website",
        description="A field that people do not see and robots fill; a filled one is held. null: none.",
    )
    limits: FormLimits = Field(default_factory=FormLimits, description="Bounds of the channel.")
    rate: Rate | None = Field(default_factory=Rate, description="Rate limit of one address; null: none.")
    origins: tuple[str, ...] = Field(
        default=(),
        description="Origins (https://www.example.com) whose pages may read the answer; '*' for every one.",
    )
    region: str = Field(
        default="CN",
        pattern="^[A-Z]{2}$",
        description="Country (ISO 3166) of telephone numbers that are written without one.",
    )

    @model_validator(mode="after")
    def _honeypot_is_apart(self) -> FormSettings:
        if self.honeypot in {*self.fields.model_dump().values(), *self.required}:
            raise ValueError("honeypot: choose a name that no real field of the form has")
        return self

    def reading(self) -> Mapping[str, Any]:
        return {
            "fields": self.fields.model_dump(),
            "max_fields": self.max_fields,
            "region": self.region,
            "honeypot": self.honeypot,
        }


def _build(settings: FormSettings, tools: Tools) -> Connector:
    from connectors.form.connector import FormConnector

    return FormConnector(settings, tools)


SPEC = ConnectorSpec(
    kind="form",
    settings=FormSettings,
    build=_build,
    # Publishing on the status page is the store's own deed: twice is as once.
    on_uncertain=OnUncertain.RESEND,
    summary="A feedback form on our page or embedded in another.",
)
