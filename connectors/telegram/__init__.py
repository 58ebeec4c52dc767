"""The kind `telegram`: a bot of the Telegram Bot API, by long polling or by web hook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from connectors.contract import Connector, ConnectorSpec, Limits
from connectors.wire.posted_settings import PostedSettings
from model.delivery import OnUncertain
from model.secret import Secret
from model.tools import Tools

#: A token is the bot's number, a colon, and the secret part.
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,200}")
#: What `setWebhook` takes as `secret_token`.
_WORD = re.compile(r"[A-Za-z0-9_-]{1,256}")


def _token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("a bot's token looks like 123456:ABC…; @BotFather shows it")
    return value


def _word(value: SecretStr) -> SecretStr:
    if not _WORD.fullmatch(value.get_secret_value()):
        raise ValueError("write 1 to 256 characters of A-Z a-z 0-9 _ -")
    return value


class TelegramLimits(Limits):
    """Bounds of a bot. The numbers are Telegram's; its own Bot API server allows more."""

    send_rate: float | None = Field(default=25.0, gt=0, description="Messages a second at the most.")
    text: int = Field(default=4_096, ge=64, description="Longest text of one message, UTF-16 code units.")
    caption: int = Field(default=1_024, ge=64, description="Longest text under a file, UTF-16 code units.")
    download_bytes: int = Field(
        default=20_000_000, gt=0, description="Largest file that Telegram lets a bot fetch, bytes."
    )
    upload_bytes: int = Field(
        default=50_000_000, gt=0, description="Largest file that a bot may send, bytes."
    )
    photo_bytes: int = Field(
        default=10_000_000,
        gt=0,
        description="Largest picture sent as a photo; larger ones go as files, bytes.",
    )


class TelegramSettings(PostedSettings):
    """Settings of a Telegram bot."""

    kind: Literal["telegram"] = Field(default="telegram", description="The kind of the channel.")
    token: Annotated[Secret, AfterValidator(_token)] = Field(description="The bot's token from @BotFather.")
    receive: Literal["poll", "webhook"] = Field(
        default="poll",
        description="`poll` asks Telegram and needs no public address; `webhook` lets Telegram post to our door.",
    )
    secret: Annotated[Secret, AfterValidator(_word)] | None = Field(
        default=None, description="The word that Telegram shows at our door; needed for `webhook`."
    )
    address: str | None = Field(
        default=None,
        pattern=r"^https://",
        description="Our door's public address, https://…/in/CHANNEL, which is entered at Telegram by itself.",
    )
    chats: tuple[Literal["private", "group", "channel"], ...] = Field(
        default=("private",),
        min_length=1,
        description="The kinds of chat that are taken in; what is said in others leaves no trace here.",
    )
    only: tuple[int, ...] = Field(
        default=(), description="Numbers of the chats that are taken in; none: every chat of these kinds."
    )
    numbered: bool = Field(default=True, description="Whether the pieces of a long text say (1/3).")
    api: str = Field(
        default="https://api.telegram.org",
        pattern=r"^https?://[^/?#]+$",
        description="The Bot API server; another one for a server of your own.",
    )
    timeout: float = Field(default=30.0, gt=0, le=300, description="Seconds for one call.")
    limits: TelegramLimits = Field(default_factory=TelegramLimits, description="Bounds of the channel.")

    @model_validator(mode="after")
    def _hook_has_its_word(self) -> TelegramSettings:
        if self.receive == "webhook" and self.secret is None:
            raise ValueError("receive: a web hook needs `secret`, a word that only Telegram and we know")
        return self

    @property
    def bot(self) -> str:
        """The bot's number, which is no secret."""
        return self.token.get_secret_value().partition(":")[0]

    def reading(self) -> Mapping[str, Any]:
        return {"bot": self.bot, "download_bytes": self.limits.download_bytes}


def _build(settings: TelegramSettings, tools: Tools) -> Connector:
    from connectors.telegram.connector import make

    return make(settings, tools)


SPEC = ConnectorSpec(
    kind="telegram",
    settings=TelegramSettings,
    build=_build,
    # Telegram takes no key by which it would know a second try.
    on_uncertain=OnUncertain.HOLD,
    summary="A Telegram bot, by long polling or web hook; private chats, groups or channels.",
)
