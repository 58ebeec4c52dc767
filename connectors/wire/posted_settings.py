"""Settings that kinds share whose platforms post to our door, and count what they post as lost only when we refuse it.

Loads no library: settings are read at every start.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from connectors.contract import ChannelSettings
from model.secret import Secret


def _encoding_aes_key(value: Any) -> Any:
    text = value.get_secret_value().strip()
    if len(text) != 43 or not text.isalnum() or not text.isascii():
        raise ValueError("an EncodingAESKey is the 43 letters and digits that the console shows")
    return value


#: The key with which WeChat and WeCom seal callbacks, as their consoles show it.
EncodingAesKey = Annotated[Secret, AfterValidator(_encoding_aes_key)]


class PostedSettings(ChannelSettings):
    """What is posted to us and cannot be read is kept, and the source told so: it would only send it again."""

    malformed_status: int = Field(
        default=202,
        ge=200,
        le=499,
        description="Answer to what cannot be read but is kept; the source would only send a refused one again.",
    )


class CallbackSettings(PostedSettings):
    """Callbacks of WeChat, WeCom and Weibo: signed with their time, waited for 5 seconds, ended by nothing but 200."""

    malformed_status: int = Field(
        default=200, ge=200, le=499, description="Answer to what cannot be read but is kept."
    )
    tolerance: float = Field(
        default=600.0, gt=0, le=86_400, description="Seconds that a signed time may be from ours."
    )
    answer_within: float = Field(
        default=3.0,
        ge=0,
        le=4.5,
        description="Seconds in which an acknowledgement may ride on our answer; the platform waits 5. 0: never.",
    )
