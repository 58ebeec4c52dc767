"""The kind `nats`: records and their updates as CloudEvents in a stream of NATS JetStream."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from destinations.contract import Destination, DestinationSettings, DestinationSpec
from model.delivery import OnUncertain
from model.secret import Secret
from model.tools import Tools


def _server(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if scheme not in ("nats", "tls", "ws", "wss") or not rest:
        raise ValueError("write an address such as nats://nats.example.com:4222, or tls://… for TLS")
    if "@" in rest:
        raise ValueError(
            "put credentials into `user` and `password`, `token` or `credentials`, not into the address"
        )
    return value


class NatsSettings(DestinationSettings):
    """Settings of a JetStream."""

    kind: Literal["nats"] = Field(default="nats", description="The kind of the destination.")
    servers: Sequence[Annotated[str, AfterValidator(_server)]] = Field(
        min_length=1, description="Addresses of the servers of one cluster."
    )
    user: str | None = Field(default=None, description="User name.")
    password: Secret | None = Field(default=None, description="Their password.")
    token: Secret | None = Field(default=None, description="Token, where the servers want one.")
    credentials: Path | None = Field(default=None, description="File of credentials (.creds) of a user.")
    stream: str = Field(
        default="FOREBAY", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name of the stream."
    )
    subject: str = Field(
        default="forebay",
        pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        description="First part of subjects: SUBJECT.CHANNEL.CONVERSATION.",
    )
    create: bool = Field(
        default=True,
        description="Whether the stream is made where it is missing; never changed where it is there.",
    )
    replicas: int = Field(default=1, ge=1, le=5, description="Copies of a stream that is made.")
    keep: timedelta | None = Field(
        default=None, description="How long a stream that is made keeps events; for ever by default."
    )
    duplicates: timedelta = Field(
        default=timedelta(hours=2), description="How long a stream that is made knows the ids of events."
    )
    source: str = Field(default="/forebay", min_length=1, description="The `source` of the CloudEvents.")
    timeout: float = Field(
        default=10.0, gt=0, le=300, description="Seconds for one event, or for connecting."
    )

    @model_validator(mode="after")
    def _no_proxy(self) -> NatsSettings:
        if self.proxy is not None:
            raise ValueError("NATS cannot go through a proxy")
        return self


def _build(settings: NatsSettings, tools: Tools) -> Destination:
    from destinations.nats.destination import NatsDestination

    return NatsDestination(settings, tools)


SPEC = DestinationSpec(
    kind="nats",
    settings=NatsSettings,
    build=_build,
    # Every try of one hand-over bears the same Nats-Msg-Id.
    on_uncertain=OnUncertain.RESEND,
    replays=True,
    summary="Records and updates as CloudEvents in NATS JetStream, by conversation, each once.",
    extra="nats",
    requires=("nats",),
)
