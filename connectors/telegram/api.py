"""Calls of the Telegram Bot API over the house's HTTP: one call, one request, failures of the closed set.

The bot's token stands in every address (https://core.telegram.org/bots/api#making-requests), so nothing that is raised
here holds an address, and what Telegram says is shown with the token taken out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from connectors.telegram import TelegramSettings
from model import strict_json
from model.delivery import OutgoingFile
from model.failures import Malformed, PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.tools import Loaded, Tools

_LONGEST_DESCRIPTION = 200
_TOKEN_REPAIR = "take the bot's token anew from @BotFather and put it in the settings"  # noqa: S105
_ONE_TAKER = "only one may take a bot's messages: "
#: What a 400 says when it is about whom we write to, not about what.
_NOBODY = (
    "chat not found", "user not found", "user is deactivated", "peer_id_invalid", "bot was kicked", "bot was blocked",
    "bot is not a member", "not enough rights to send", "have no rights to send", "chat_write_forbidden",
    "group chat was deactivated", "can't initiate conversation", "topic_closed",
)  # fmt: skip


class Migrated(Exception):
    """The group has another number now."""

    def __init__(self, chat: int) -> None:
        super().__init__("the group became a supergroup")
        self.chat = chat


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that goes along with a call, in the field of this name."""

    field: str
    file: OutgoingFile


class Api:
    """One bot at one server."""

    def __init__(self, settings: TelegramSettings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools

    async def call(
        self,
        method: str,
        values: Mapping[str, Any] | None = None,
        *,
        upload: Upload | None = None,
        timeout: float | None = None,
        limit: int = 1_048_576,
    ) -> Any:
        """What Telegram answered. Raises a SendFailure, or Migrated.

        Uncertain stands for a call whose answer did not come whole; `timeout` in seconds, `limit` in bytes.
        """
        media_type, content = _written(values or {}, upload, self._tools)
        answer = await self._tools.http.request(
            "POST",
            f"{self._settings.api}/bot{self._token}/{method}",
            headers={"content-type": media_type},
            body=content,
            timeout=timeout or self._settings.timeout,
            limit=limit,
        )
        told: Any = None
        try:
            told = strict_json.load(answer.body)
        except Malformed:
            if 200 <= answer.status < 300:
                raise Uncertain(f"HTTP {answer.status}, but its answer cannot be read") from None
        if isinstance(told, dict) and told.get("ok") is True and 200 <= answer.status < 300:
            return told.get("result")
        raise self._failure(answer.status, told if isinstance(told, dict) else {})

    async def file(self, path: str, limit: int) -> Loaded:
        """A file by the path that `getFile` gave; its address holds the token."""
        url = f"{self._settings.api}/file/bot{self._token}/{quote(path)}"
        return await self._tools.http.load(url, limit=limit)

    @property
    def _token(self) -> str:
        return self._settings.token.get_secret_value()

    def _failure(self, status: int, told: Mapping[str, Any]) -> SendFailure | Migrated:
        code = told.get("error_code")
        status = code if isinstance(code, int) else status
        said = str(told.get("description") or "").replace(self._token, "…")[:_LONGEST_DESCRIPTION]
        detail = f"Telegram {status}: {said}" if said else f"HTTP {status}"
        hints = told.get("parameters")
        hints = hints if isinstance(hints, dict) else {}
        if isinstance(chat := hints.get("migrate_to_chat_id"), int):
            return Migrated(chat)
        match status:
            case 429:
                wait = hints.get("retry_after")
                return TemporaryFailure(
                    Reason.THROTTLED,
                    detail,
                    retry_after=timedelta(seconds=wait) if isinstance(wait, int) and wait >= 0 else None,
                    # It does not say of what there is too much; each chat that is refused waits by itself.
                    only_recipient=True,
                )
            case 401 | 404:
                return TemporaryFailure(Reason.AUTH, detail, repair=_TOKEN_REPAIR)
            case 403:
                return PermanentFailure(Reason.RECIPIENT, detail)
            case 409:
                return TemporaryFailure(Reason.CONFIG, detail, repair=_ONE_TAKER + _whose(said))
            case 504:
                return Uncertain(detail)
            case 413:
                return PermanentFailure(Reason.REQUEST, detail)
        if 400 <= status < 500:
            nobody = any(one in said.lower() for one in _NOBODY)
            return PermanentFailure(Reason.RECIPIENT if nobody else Reason.REQUEST, detail)
        return TemporaryFailure(Reason.SERVER, detail)


def _whose(said: str) -> str:
    if "webhook" in said.lower():
        return "a web hook does; set `receive: webhook`, or remove it at Telegram"
    return "stop the other program that polls with this token, or give it a bot of its own"


def _written(values: Mapping[str, Any], upload: Upload | None, tools: Tools) -> tuple[str, bytes]:
    """JSON, or multipart/form-data (RFC 7578) when a file goes along; nested values are JSON texts there."""
    if upload is None:
        return "application/json", strict_json.canonical(dict(values))
    boundary = f"forebay-{tools.ids.draw(16).hex()}"
    pieces: list[bytes] = []
    for name, value in values.items():
        text = value if isinstance(value, str) else strict_json.canonical(value).decode()
        pieces.append(_piece(boundary, f'form-data; name="{name}"', text.encode()))
    file = upload.file
    name = file.filename.replace("\\", "_").replace('"', "'").replace("\r", " ").replace("\n", " ")
    disposition = f'form-data; name="{upload.field}"; filename="{name}"'
    pieces.append(_piece(boundary, disposition, file.data, file.media_type))
    return f"multipart/form-data; boundary={boundary}", b"".join([*pieces, f"--{boundary}--\r\n".encode()])


def _piece(boundary: str, disposition: str, content: bytes, media_type: str = "") -> bytes:
    typed = f"Content-Type: {media_type.split(chr(13))[0].split(chr(10))[0]}\r\n" if media_type else ""
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n{typed}\r\n"
    return head.encode() + content + b"\r\n"


def listed(value: Any) -> Sequence[dict[str, Any]]:
    """The objects of a list that Telegram gave; anything else in it is nothing we know."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
