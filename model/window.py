"""Reply windows as data: how long, and how often, a platform lets us write after its user did."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class Window(BaseModel):
    """What one act of a customer opens, counted from the provider's time of it."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    lasts: timedelta = Field(
        gt=timedelta(0), description="How long answers are allowed, from the provider's time."
    )
    messages: int | None = Field(
        default=None, gt=0, description="How many messages of ours it carries; any number when left out."
    )
