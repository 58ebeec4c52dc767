"""The kind `http`: records and their updates posted as CloudEvents to a system downstream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from destinations.contract import Destination, DestinationSettings, DestinationSpec
from model import signing
from model.delivery import OnUncertain
from model.expression import Expression
from model.secret import Secret
from model.states import RecordState
from model.tools import Tools


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write an address that begins with https:// or http://")
    if parts.username or parts.password:
        raise ValueError("put credentials into headers, not into the address, which is shown in logs")
    return value


def _standard(value: Any) -> Any:
    signing.standard_key(value.get_secret_value())
    return value


Url = Annotated[str, AfterValidator(_url)]


class Probe(BaseModel):
    """The cheapest question that shows whether the far side is there."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    method: Literal["HEAD", "OPTIONS", "GET"] = Field(default="HEAD", description="HTTP method.")
    url: Url | None = Field(default=None, description="Address; default: that of the hand-overs.")


class HttpSettings(DestinationSettings):
    """Settings of an HTTP destination."""

    kind: Literal["http"] = Field(default="http", description="The kind of the destination.")
    url: Url = Field(description="Address that hand-overs are posted to.")
    headers: Mapping[str, Secret] = Field(
        default={}, description="Further headers, such as Authorization; their values are never shown."
    )
    secret: Annotated[Secret, AfterValidator(_standard)] | None = Field(
        default=None, description="Standard Webhooks secret (whsec_…) to sign with."
    )
    source: str = Field(default="/forebay", min_length=1, description="The `source` of the CloudEvents.")
    timeout: float = Field(default=30.0, gt=0, le=300, description="Seconds for one try.")
    remote_id: Expression | None = Field(
        default=None, description="JMESPath to the ticket's number in the JSON answer."
    )
    states: Mapping[str, RecordState] = Field(
        default={}, description="Your own names of states to ours; ours are known by themselves."
    )
    probe: Probe = Field(default_factory=Probe, description="How to ask whether the far side is there.")

    def record_state(self, remote: str) -> str | None:
        own = {one.value: one for one in RecordState}
        found = {**own, **self.states}.get(remote)
        return None if found is None else found.value


def _build(settings: HttpSettings, tools: Tools) -> Destination:
    from destinations.http.destination import HttpDestination

    return HttpDestination(settings, tools)


SPEC = DestinationSpec(
    kind="http",
    settings=HttpSettings,
    build=_build,
    # Every try of one hand-over bears the same webhook-id and Idempotency-Key.
    on_uncertain=OnUncertain.RESEND,
    replays=True,
    summary="Records and updates posted as CloudEvents, signed as Standard Webhooks.",
)
