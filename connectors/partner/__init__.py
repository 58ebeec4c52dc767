"""The kind `partner`: a company that brings in what its customers say, with a key of its own; one channel each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from connectors.contract import ChannelSettings, Connector, ConnectorSpec
from connectors.wire import keys
from connectors.wire.keys import Key
from connectors.wire.posted import FileLimits, Rate, Strict
from model import signing
from model.delivery import OnUncertain
from model.secret import Secret
from model.tools import Tools

#: What a partner may bring beside the text and its own reference.
FIELDS = ("name", "phone", "email", "company", "language", "subject", "urgency", "place", "extra", "files")


class May(StrEnum):
    """What a key is good for."""

    WRITE = "write"
    READ = "read"


class PartnerKey(Strict):
    """A key, or two that are valid at the same time while one is being changed."""

    secrets: Annotated[tuple[Key, ...], Field(min_length=1, max_length=2)] = Field(
        description="The key itself, 16 characters or more; a second one while it is being changed."
    )
    may: frozenset[May] = Field(
        default=frozenset(May), min_length=1, description="`write` brings in, `read` asks for the state."
    )


def _signing(secret: Secret) -> Secret:
    signing.standard_key(secret.get_secret_value())
    return secret


class Hook(Strict):
    """Where the partner hears of answers and states, as Standard Webhooks."""

    url: str = Field(pattern=r"^https?://[^\s]+$", description="Address that is posted to.")
    secret: Annotated[Secret, AfterValidator(_signing)] = Field(description="Secret that signs: whsec_….")
    timeout: float = Field(default=15.0, gt=0, description="Seconds for one request.")


class PartnerSettings(ChannelSettings):
    """Settings of a partner."""

    kind: Literal["partner"] = Field(default="partner", description="The kind of the channel.")
    company: str = Field(
        default="", description="The partner's name; the customer's company when they name none."
    )
    keys: Mapping[str, PartnerKey] = Field(min_length=1, description="The partner's keys, by name.")
    rate: Rate | None = Field(
        default_factory=lambda: Rate(per_minute=60, burst=60),
        description="Rate limit of one key, reading included; null: none.",
    )
    fields: tuple[str, ...] = Field(
        default=FIELDS,
        description="What the partner may bring beside `text` and `reference`; more is refused.",
    )
    answers: Literal["customer", "partner"] = Field(
        default="customer",
        description="Who gets answers: the customer, by what `reply_via` names, or the partner, by `hook`.",
    )
    hook: Hook | None = Field(default=None, description="Where the partner hears from us; null: nowhere.")
    max_characters: int = Field(default=100_000, gt=0, description="Longest text in one field, characters.")
    files: FileLimits = Field(default_factory=FileLimits, description="Limits of files.")
    region: str = Field(
        default="CN",
        pattern="^[A-Z]{2}$",
        description="Country (ISO 3166) of telephone numbers that are written without one.",
    )

    @field_validator("fields")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [one for one in value if one not in FIELDS]:
            raise ValueError(f"{unknown[0]} is none of {', '.join(FIELDS)}")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> PartnerSettings:
        if self.hook is None and self.answers == "partner":
            raise ValueError("hook: is needed for `answers: partner`")
        if name := next(keys.repeated({name: one.secrets for name, one in self.keys.items()}), None):
            raise ValueError(f"keys.{name}: another name has the same secret")
        return self

    def reading(self) -> Mapping[str, Any]:
        return {"region": self.region, "company": self.company, "to_customer": self.answers == "customer"}


def _build(settings: PartnerSettings, tools: Tools) -> Connector:
    from connectors.partner.connector import make

    return make(settings, tools)


SPEC = ConnectorSpec(
    kind="partner",
    settings=PartnerSettings,
    build=_build,
    # The web hook's id is the same on every try, and partners know a repeat by it (Standard Webhooks 1.0.0).
    on_uncertain=OnUncertain.RESEND,
    summary="A partner that brings in what its customers say, by API keys and web hooks.",
)
