"""Settings of the providers that carry text messages, one model each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.wire.templates import SecretTemplate, Template, TemplateTree
from connectors.wire.verification import Schemes
from model.delivery import Purpose
from model.expression import Expression
from model.failures import Reason
from model.secret import Secret

#: Places in a variable's value.
_PLACES = re.compile(r"\{([^{}]*)\}")
_KNOWN = frozenset({"reference", "subject", "text", "name"})
#: What is sent by a template of its own, where the settings have one for it.
SENT = (Purpose.REPLY, Purpose.NOTICE, Purpose.ACKNOWLEDGEMENT)

Lookup = Annotated[
    timedelta,
    Field(
        ge=timedelta(0),
        le=timedelta(hours=2),
        description="How long a message in doubt is looked for in the provider's list before it counts as not taken.",
    ),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SmsTemplate(_Part):
    """A template that Aliyun approved; what is sent is its text with our values in it."""

    code: str = Field(pattern=r"^SMS_\w{1,30}$", description="Its code, such as SMS_123456789.")
    content: str = Field(
        default="",
        description="Its approved text, with {name} where the console has ${name}; shown and counted before sending.",
    )
    variables: Mapping[str, str] = Field(
        default={},
        description="Value of each variable; {reference}, {subject}, {text} and {name} are filled in.",
    )
    longest: int = Field(
        default=35,
        gt=0,
        le=1_000,
        description="Characters of one value. A message with a longer one does not go by this template.",
    )
    purposes: tuple[Purpose, ...] = Field(
        default=SENT,
        min_length=1,
        description="What it is used for: reply, notice, acknowledgement.",
    )
    countries: Literal["mainland", "abroad"] = Field(
        default="mainland",
        description="Whether Aliyun approved it for numbers of the mainland or for others.",
    )

    @model_validator(mode="after")
    def _places_are_known(self) -> SmsTemplate:
        for name, pattern in self.variables.items():
            unknown = set(_PLACES.findall(pattern)) - _KNOWN
            if unknown:
                raise ValueError(
                    f"variables.{name}: {{{sorted(unknown)[0]}}} is not known; write {', '.join(sorted(_KNOWN))}"
                )
            if self.content and f"{{{name}}}" not in self.content:
                raise ValueError(f"variables.{name}: `content` has no {{{name}}}")
        missing = set(_PLACES.findall(self.content)) - set(self.variables)
        if missing:
            raise ValueError(f"variables: give {{{sorted(missing)[0]}}} a value, the text has it")
        return self


class Aliyun(_Part):
    """Aliyun (Alibaba Cloud) Short Message Service: approved templates only."""

    name: Literal["aliyun"] = Field(description="Aliyun.")
    access_key_id: str = Field(min_length=1, description="AccessKey ID of a RAM user who may send.")
    access_key_secret: Secret = Field(description="Its secret.")
    sign_name: str = Field(min_length=1, max_length=60, description="The approved signature, without 【】.")
    templates: tuple[SmsTemplate, ...] = Field(
        min_length=1,
        description="Templates in the order of preference: the first that a message fits is used.",
    )
    refused: str = Field(
        default=r"://|www\.|【|】",
        description="What no variable may hold, as a regular expression: Aliyun refuses links and its own brackets.",
    )
    tokens: tuple[Secret, ...] = Field(
        min_length=1,
        description="What ?token= of our address must hold, as entered at Aliyun, which signs nothing.",
    )
    api: str = Field(
        default="https://dysmsapi.aliyuncs.com",
        pattern=r"^https?://[^/?#]+$",
        description="Address of the calls.",
    )
    look_up: Lookup = timedelta(minutes=5)

    @model_validator(mode="after")
    def _refused_is_an_expression(self) -> Aliyun:
        try:
            re.compile(self.refused)
        except re.error:
            raise ValueError("refused: not a regular expression") from None
        return self


class Twilio(_Part):
    """Twilio Programmable Messaging."""

    name: Literal["twilio"] = Field(description="Twilio.")
    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$", description="Account SID.")
    auth_tokens: tuple[Secret, ...] = Field(
        min_length=1,
        description="Auth tokens, the one that we call with first; any of them may sign, during a change.",
    )
    sender: str = Field(
        min_length=1,
        description="The number (+14155550100), the sender's name, or the messaging service (MG…) that sends.",
    )
    address: str = Field(
        pattern=r"^https?://[^?#]+$",
        description="Our door as Twilio calls it, https://HOST/in/CHANNEL: it is part of what is signed.",
    )
    reports: bool = Field(
        default=True, description="Whether Twilio is asked to tell what became of each message."
    )
    api: str = Field(
        default="https://api.twilio.com", pattern=r"^https?://[^/?#]+$", description="Address of the calls."
    )
    media_hosts: tuple[str, ...] = Field(
        default=("twilio.com", "twiliocdn.com"),
        description="Hosts that pictures may be fetched from, and below.",
    )
    look_up: Lookup = timedelta(minutes=1)


class Incoming(_Part):
    """Where a customer's text message stands in what the provider posts."""

    number: Expression = Field(description="The customer's number.")
    text: Expression = Field(description="What they wrote.")
    id: Expression | None = Field(default=None, description="The provider's number of the message.")
    ours: Expression | None = Field(default=None, description="The number that they wrote to.")
    sent_at: Expression | None = Field(default=None, description="When: ISO 8601, or Unix time.")


class Reports(_Part):
    """Where a delivery report stands in what the provider posts, and what its words mean."""

    status: Expression = Field(description="The status; an event that has one is a report.")
    remote_id: Expression | None = Field(default=None, description="The provider's number of our message.")
    key: Expression | None = Field(
        default=None, description="Our key of it, where the provider hands it back."
    )
    error: Expression | None = Field(default=None, description="Its error code.")
    sent: tuple[str, ...] = Field(default=(), description="Statuses of what the network took.")
    delivered: tuple[str, ...] = Field(default=(), description="Statuses of what arrived.")
    failed: tuple[str, ...] = Field(default=(), description="Statuses of what was given up.")

    @model_validator(mode="after")
    def _names_its_message(self) -> Reports:
        if self.remote_id is None and self.key is None:
            raise ValueError("give remote_id or key, or no report finds its message")
        return self


class HttpProvider(_Part):
    """Any provider that takes a message by HTTP."""

    name: Literal["http"] = Field(description="Any other provider.")
    url: str = Field(pattern=r"^https?://[^{}]+$", description="Address that sends.")
    method: Literal["POST", "PUT", "GET"] = Field(default="POST", description="HTTP method.")
    headers: Mapping[str, SecretTemplate] = Field(
        default={}, description="Further headers, Jinja texts; shown to nobody, since they hold credentials."
    )
    body: Template | TemplateTree = Field(
        default={"to": "{{ number }}", "text": "{{ message.text }}", "key": "{{ message.key }}"},
        validate_default=True,
        description="Jinja text, or JSON whose texts are Jinja, over message, number (+86…), digits and thread.",
    )
    media_type: str = Field(
        default="application/json",
        description="Content type: application/x-www-form-urlencoded makes a form of the texts of `body`.",
    )
    remote_id: Expression | None = Field(
        default=None, description="Where the provider's number of the message stands in its JSON answer."
    )
    success: Expression | None = Field(
        default=None, description="What must be true of a 2xx answer, for providers that report errors there."
    )
    error: Expression | None = Field(default=None, description="Where an error's code stands.")
    errors: Mapping[str, Reason] = Field(
        default={}, description="What the codes mean: throttled, recipient, request, config, auth, server."
    )
    verify: Schemes | None = Field(
        default=None,
        description="How its requests prove their source, as for a web hook; without it none are taken.",
    )
    events: Expression | None = Field(
        default=None, description="Where the list of events stands in what it posts."
    )
    incoming: Incoming | None = Field(default=None, description="Where a customer's message stands.")
    reports: Reports | None = Field(default=None, description="Where a delivery report stands.")
    answer: str = Field(default="", description="What it wants to hear once its events are stored.")
    answer_type: str = Field(default="text/plain; charset=utf-8", description="Content type of that answer.")
    probe_url: str | None = Field(default=None, description="Address for health checks; null: none is made.")

    @model_validator(mode="after")
    def _is_proved(self) -> HttpProvider:
        if (self.incoming or self.reports) and self.verify is None:
            raise ValueError(
                "verify: say how its requests prove their source; {scheme: none} must be written out"
            )
        return self


Provider = Annotated[Aliyun | Twilio | HttpProvider, Field(discriminator="name")]
