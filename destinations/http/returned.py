"""What a system downstream posts back: signed like what it gets, one JSON object for each thing that happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError, model_validator

from destinations.contract import Call, Came, Returned, ReturnedFile
from model import signing, strict_json
from model.failures import Malformed, Unverified
from model.secret import Secret

#: Seconds that the signed time may differ from ours, as the Standard Webhooks libraries have it.
TOLERANCE = 300.0


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _File(_Model):
    filename: str = Field(min_length=1, max_length=255)
    media_type: str = Field(default="application/octet-stream", max_length=127)
    data: Base64Bytes


class _Told(_Model):
    """One thing that happened; fields that are not known here are left alone."""

    id: Annotated[str, Field(min_length=1, max_length=255)]
    type: Came
    reference: str | None = Field(default=None, max_length=64)
    remote_id: str | None = Field(default=None, min_length=1, max_length=255)
    text: str = Field(default="", max_length=1_000_000)
    author: str = Field(default="", max_length=255)
    state: str | None = Field(default=None, max_length=64)
    other: str | None = Field(default=None, max_length=255)
    at: datetime | None = None
    files: list[_File] = Field(default_factory=list, max_length=50)

    @model_validator(mode="after")
    def _whole(self) -> _Told:
        if self.reference is None and self.remote_id is None:
            raise ValueError("name the ticket: `reference` (ours) or `remote_id` (yours)")
        if self.type in (Came.MERGED, Came.SPLIT) and not self.other:
            raise ValueError("a merge or a split names the `other` ticket")
        if self.type is Came.STATE and not self.state:
            raise ValueError("a new state is named in `state`")
        return self


def verify(secret: Secret | None, call: Call) -> None:
    """Raises Unverified unless the call bears a fresh Standard Webhooks signature by the destination's secret."""
    if secret is None:
        raise Unverified("the destination has no `secret`, so nobody can prove anything to it")
    timestamp = call.headers.get("webhook-timestamp", "")
    holds = signing.standard_holds(
        [signing.standard_key(secret.get_secret_value())],
        [],
        message_id=call.headers.get("webhook-id", ""),
        timestamp=timestamp,
        signature=call.headers.get("webhook-signature", ""),
        body=call.body,
    )
    if not holds:
        raise Unverified("the signature does not hold")
    signing.check_age(timestamp, call.received_at, TOLERANCE)


def receive(call: Call) -> Sequence[Returned]:
    """What the call tells. Malformed, naming the field, for anything else."""
    found = strict_json.load(call.body)
    try:
        told = _Told.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(one) for one in first["loc"])
        raise Malformed(f"{place}: {first['msg']}" if place else first["msg"]) from None
    return [
        Returned(
            source_id=told.id,
            what=told.type,
            remote_id=told.remote_id or told.reference or "",
            reference=told.reference,
            text=told.text,
            author=told.author,
            state=told.state,
            other=told.other,
            at=told.at,
            files=[
                ReturnedFile(str(n), one.filename, one.media_type, len(one.data), one.data)
                for n, one in enumerate(told.files)
            ],
        )
    ]
