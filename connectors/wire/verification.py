"""Settings of how a web hook proves where it comes from, one model a scheme."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from model import signing
from model.secret import Secret
from model.signing import Algorithm, Encoding

#: Where a value of the request stands: header.X-Nonce, query.nonce, field.sign (a member of the body).
PLACE = re.compile(r"(header|query|field)\.([^\s{}]+)")
_SLOT = re.compile(r"\{([^{}]*)\}")


def _place(text: str) -> str:
    if not PLACE.fullmatch(text):
        raise ValueError("write header.NAME, query.NAME or field.NAME")
    return text


def _standard_secret(value: Any) -> Any:
    signing.standard_key(value.get_secret_value())
    return value


def _public_key(value: str) -> str:
    signing.standard_public_key(value)
    return value


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError("write an address or a network such as 203.0.113.0/24") from None


Place = Annotated[str, AfterValidator(_place)]
Secrets = Annotated[
    tuple[Secret, ...], Field(min_length=1, description="Secrets; several during a rotation.")
]
Tolerance = Annotated[float, Field(gt=0, le=3_600, description="Seconds a signed time may differ from ours.")]


class _Scheme(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Standard(_Scheme):
    """Standard Webhooks 1.0.0."""

    scheme: Literal["standard"] = Field(description="Standard Webhooks.")
    secrets: tuple[Annotated[Secret, AfterValidator(_standard_secret)], ...] = Field(
        default=(), description="Secrets (whsec_…) for v1; several during a rotation."
    )
    public_keys: tuple[Annotated[str, AfterValidator(_public_key)], ...] = Field(
        default=(), description="Public keys (whpk_…) for v1a."
    )
    tolerance: Tolerance = 300.0

    @model_validator(mode="after")
    def _has_a_key(self) -> Standard:
        if not self.secrets and not self.public_keys:
            raise ValueError("give secrets or public_keys")
        return self


class GitHub(_Scheme):
    """GitHub: X-Hub-Signature-256."""

    scheme: Literal["github"] = Field(description="GitHub and what signs like it.")
    secrets: Secrets


class Stripe(_Scheme):
    """Stripe: Stripe-Signature with a signed time."""

    scheme: Literal["stripe"] = Field(description="Stripe.")
    secrets: Secrets
    tolerance: Tolerance = 300.0


class Shopify(_Scheme):
    """Shopify: X-Shopify-Hmac-Sha256."""

    scheme: Literal["shopify"] = Field(description="Shopify.")
    secrets: Secrets


class _Signed(_Scheme):
    secrets: Secrets
    signature: Place = Field(description="Where the signature stands: header.X-Signature, field.sign, ….")
    prefix: str = Field(default="", description="What precedes the signature, such as sha256=.")
    encoding: Encoding = Field(default=Encoding.HEX, description="How the signature is written.")
    algorithm: Algorithm = Field(default=Algorithm.SHA256, description="Hash function.")
    signed: str = Field(
        default="{body}",
        description="The signed text with {body}, {timestamp}, {secret} (hash only), {header.X}, {query.X}, {field.X}.",
    )
    timestamp: Place | None = Field(
        default=None, description="Where the signed Unix time stands; without one a replay is only a repeat."
    )
    tolerance: Tolerance = 300.0

    @model_validator(mode="after")
    def _template_holds(self) -> _Signed:
        slots = _SLOT.findall(self.signed)
        plain = {"body", "timestamp"} | ({"secret"} if isinstance(self, Hashed) else set())
        for slot in slots:
            if slot not in plain and not PLACE.fullmatch(slot):
                raise ValueError(
                    f"signed: {{{slot}}} is not known; write {', '.join(sorted(plain))} or a place"
                )
        if (self.timestamp is not None) != ("timestamp" in slots):
            raise ValueError(
                "timestamp: name the place of the time, and have {timestamp} in signed, or neither"
            )
        if isinstance(self, Hashed) and "secret" not in slots:
            raise ValueError("signed: a hash proves nothing unless {secret} is in it")
        return self


class Hmac(_Signed):
    """Any HMAC over a text made of the request."""

    scheme: Literal["hmac"] = Field(description="HMAC of a text made of the request.")


class Hashed(_Signed):
    """A plain hash over a text that holds the secret, as several Chinese survey tools sign."""

    scheme: Literal["hash"] = Field(description="Plain hash of a text that holds the secret.")


class Token(_Scheme):
    """A shared token in a header or in the address."""

    scheme: Literal["token"] = Field(description="Shared token.")
    secrets: Secrets
    place: Place = Field(
        default="query.token", description="Where it stands: query.token, header.X-Token, …."
    )
    prefix: str = Field(default="", description="What precedes it, such as 'Bearer '.")


class Basic(_Scheme):
    """HTTP basic authentication (RFC 7617)."""

    scheme: Literal["basic"] = Field(description="HTTP basic authentication.")
    username: str = Field(description="User name.")
    password: Secret = Field(description="Password.")


class ClientCertificate(_Scheme):
    """A client certificate that the door's TLS has verified."""

    scheme: Literal["client_certificate"] = Field(description="TLS client certificate.")
    subjects: tuple[str, ...] = Field(min_length=1, description="Subjects that may call, exactly as shown.")


class Addresses(_Scheme):
    """An allow-list of the caller's addresses."""

    scheme: Literal["addresses"] = Field(description="Allow-list of addresses.")
    networks: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        min_length=1, description="Addresses and networks in CIDR notation."
    )


class Nothing(_Scheme):
    """No proof at all: written out, so that nobody has it by accident."""

    scheme: Literal["none"] = Field(description="Anybody who knows the address may post.")


Scheme = Annotated[
    Standard
    | GitHub
    | Stripe
    | Shopify
    | Hmac
    | Hashed
    | Token
    | Basic
    | ClientCertificate
    | Addresses
    | Nothing,
    Field(discriminator="scheme"),
]


def proves_little(schemes: tuple[Scheme, ...]) -> bool:
    """Whether what a request says is unproven although its proofs hold: none at all, or a signature that leaves it out.

    A signature over a survey's number alone can be put under any answers by whoever has seen one.
    """
    if any(isinstance(one, Nothing) for one in schemes):
        return True
    if any(isinstance(one, Standard | GitHub | Stripe | Shopify | ClientCertificate) for one in schemes):
        return False
    over_body = ["{body}" in one.signed for one in schemes if isinstance(one, Hmac | Hashed)]
    return bool(over_body) and not any(over_body)


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _nothing_alone(schemes: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(schemes) > 1 and any(isinstance(one, Nothing) for one in schemes):
        raise ValueError("scheme none stands alone")
    return schemes


#: One scheme or a list of them, all of which must hold.
Schemes = Annotated[
    tuple[Scheme, ...], BeforeValidator(_listed), AfterValidator(_nothing_alone), Field(min_length=1)
]
