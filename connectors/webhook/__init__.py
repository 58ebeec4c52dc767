"""The kind `webhook`: anything that posts events to our door, and takes answers by HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Connector, ConnectorSpec
from connectors.wire.posted_settings import PostedSettings
from connectors.wire.templates import SecretTemplate, Template, TemplateTree
from connectors.wire.verification import Schemes, proves_little
from model import signing
from model.delivery import OnUncertain
from model.expression import Expression
from model.secret import Secret
from model.signing import Algorithm, Encoding
from model.tools import Tools


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class IdentityFields(_Part):
    """An identity that only this source knows, such as a user number."""

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]{0,30}$", description="Name of the identity's kind.")
    value: Expression = Field(description="Where its value stands.")


class FieldMap(_Part):
    """Where the parts of a record stand in one event, as JMESPath; what is left out is found by usual names."""

    subject: Expression | None = Field(default=None, description="Subject.")
    text: Expression | None = Field(default=None, description="The message as plain text.")
    html: Expression | None = Field(default=None, description="The message as HTML.")
    name: Expression | None = Field(default=None, description="The customer's name.")
    company: Expression | None = Field(default=None, description="The customer's company.")
    email: Expression | None = Field(default=None, description="E-mail address.")
    phone: Expression | None = Field(default=None, description="Telephone number.")
    identity: IdentityFields | None = Field(default=None, description="An identity of this source's own.")
    sent_at: Expression | None = Field(
        default=None, description="When it was sent: ISO 8601 text, or Unix time in seconds or milliseconds."
    )
    conversation: Expression | None = Field(default=None, description="Key of the conversation.")
    attachments: Expression | None = Field(
        default=None, description="List of addresses, or of objects with url and name; named, not fetched."
    )
    extra: Mapping[str, Expression] | None = Field(
        default=None, description="Further facts by name; by default the event's plain members."
    )
    thread: Mapping[str, Expression] = Field(
        default={}, description="What a reply needs, by name: {{ thread.NAME }} in its templates."
    )


class Challenge(_Part):
    """A handshake in which the source asks us to echo a value."""

    query: str | None = Field(default=None, description="Query parameter to echo, such as hub.challenge.")
    token_query: str = Field(
        default="hub.verify_token", description="Query parameter that holds the token, beside `query`."
    )
    token: Secret | None = Field(default=None, description="Token that a question by `query` must hold.")
    body: Expression | None = Field(default=None, description="Where the value stands in a posted body.")

    @model_validator(mode="after")
    def _asks_something(self) -> Challenge:
        if (self.query is None) == (self.body is None):
            raise ValueError("give either query or body")
        return self


class FixedAnswer(_Part):
    """What the source wants to hear once its event is stored."""

    status: int = Field(default=200, ge=200, le=299, description="HTTP status.")
    body: str = Field(default="", description="Text of the answer, such as success.")
    media_type: str = Field(default="text/plain; charset=utf-8", description="Content type of the answer.")


class Respond(_Part):
    """An acknowledgement that rides on the answer to the event itself; needs `answer_within`."""

    status: int = Field(default=200, ge=200, le=299, description="HTTP status.")
    body: Template | TemplateTree = Field(
        description="Jinja text, or JSON whose texts are Jinja, over message and thread."
    )
    media_type: str = Field(default="application/json", description="Content type of the answer.")


def _signs_standard(value: Any) -> Any:
    signing.standard_key(value.get_secret_value())
    return value


class StandardSignature(_Part):
    """Sign replies as Standard Webhooks."""

    scheme: Literal["standard"] = Field(description="Standard Webhooks.")
    secret: Annotated[Secret, AfterValidator(_signs_standard)] = Field(description="Secret (whsec_…).")


class HmacSignature(_Part):
    """Sign replies with an HMAC of the body."""

    scheme: Literal["hmac"] = Field(description="HMAC of the body.")
    secret: Secret = Field(description="Secret.")
    header: str = Field(pattern=r"^[A-Za-z0-9-]+$", description="Header of the signature.")
    prefix: str = Field(default="", description="What precedes the signature, such as sha256=.")
    encoding: Encoding = Field(default=Encoding.HEX, description="How the signature is written.")
    algorithm: Algorithm = Field(default=Algorithm.SHA256, description="Hash function.")


class Reply(_Part):
    """How an answer goes back into the source."""

    url: Template = Field(
        description="Address, a Jinja text over message and thread; values in it are percent-encoded."
    )
    method: Literal["POST", "PUT", "PATCH"] = Field(default="POST", description="HTTP method.")
    headers: Mapping[str, SecretTemplate] = Field(
        default={}, description="Further headers, Jinja texts; shown to nobody, since they hold credentials."
    )
    body: Template | TemplateTree = Field(
        default={"text": "{{ message.text }}"},
        validate_default=True,
        description="Jinja text, or JSON whose texts are Jinja.",
    )
    media_type: str = Field(default="application/json", description="Content type of the request.")
    signature: Annotated[StandardSignature | HmacSignature, Field(discriminator="scheme")] | None = Field(
        default=None, description="How to sign it."
    )
    idempotency_header: str | None = Field(
        default="Idempotency-Key", description="Header for the key that is the same on every try; null: none."
    )
    remote_id: Expression | None = Field(
        default=None, description="Where the far side's message number stands in its JSON answer."
    )
    success: Expression | None = Field(
        default=None, description="What must be true of a 2xx answer, for sides that report errors there."
    )
    timeout: float = Field(default=30.0, gt=0, le=300, description="Seconds for one try.")
    allow_hosts: tuple[str, ...] = Field(
        default=(),
        description="Hosts that may be private ones although a value of the event takes part in the address.",
    )
    probe_url: str | None = Field(default=None, description="Address for health checks; null: none is made.")


class WebhookSettings(PostedSettings):
    """Settings of a web hook."""

    kind: Literal["webhook"] = Field(default="webhook", description="The kind of the channel.")
    verify: Schemes = Field(
        description="How a request proves its source: one scheme or a list that must all hold; {scheme: none} "
        "must be written out."
    )
    weak: bool | None = Field(
        default=None,
        description="Whether what it says counts as unproven: such a record is marked, and nothing is done about it by "
        "itself. Default: when `verify` has no proof, or only signatures that leave the body out.",
    )
    account: str | None = Field(
        default=None, description="What the source calls us; default: the channel's name."
    )
    challenge: Challenge | None = Field(default=None, description="A handshake to answer.")
    events: Expression | None = Field(
        default=None, description="Where the list of events stands in the body."
    )
    member: str | None = Field(default=None, description="The form field that holds the event as JSON text.")
    identity: Expression | None = Field(
        default=None, description="The source's own number of an event, by which a repeat is known."
    )
    identity_header: str | None = Field(default=None, description="The header that holds it instead.")
    order: Expression | None = Field(
        default=None, description="Events with the same value (chat, thread) are processed in order."
    )
    fields: FieldMap = Field(default_factory=FieldMap, description="Where the parts of a record stand.")
    timezone: str = Field(default="UTC", description="Time zone of times that are written without one.")
    region: str = Field(
        default="CN",
        pattern="^[A-Z]{2}$",
        description="Country (ISO 3166) of telephone numbers that are written without one.",
    )
    answer: FixedAnswer | None = Field(
        default=None, description="A fixed answer; default: 202 with references."
    )
    respond: Respond | None = Field(default=None, description="The acknowledgement as answer to the event.")
    reply: Reply | None = Field(default=None, description="How answers go back; without it they cannot.")

    @model_validator(mode="after")
    def _known_timezone(self) -> WebhookSettings:
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise ValueError("timezone: write an IANA name such as Asia/Shanghai") from None
        return self

    @model_validator(mode="after")
    def _respond_has_time(self) -> WebhookSettings:
        if self.respond is not None and self.answer_within <= 0:
            raise ValueError("respond: set answer_within to the seconds that the source waits, less one")
        return self

    def reading(self) -> Mapping[str, Any]:
        return {
            "events": self.events,
            "member": self.member,
            "fields": self.fields.model_dump(exclude_none=True),
            "timezone": self.timezone,
            "region": self.region,
            "weak": proves_little(self.verify) if self.weak is None else self.weak,
        }


def _build(settings: WebhookSettings, tools: Tools) -> Connector:
    from connectors.webhook.connector import make

    return make(settings, tools)


SPEC = ConnectorSpec(
    kind="webhook",
    settings=WebhookSettings,
    build=_build,
    # A far side that knows our idempotency key may be set to `resend`; of most nobody can be sure.
    on_uncertain=OnUncertain.HOLD,
    summary="Events posted by another system, verified by its scheme; answers go back by HTTP.",
)
