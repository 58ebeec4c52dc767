"""Sends into a chat, cuts what is too long for one message, and fetches files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.contract import Media
from connectors.telegram import TelegramSettings
from connectors.telegram.api import Api, Migrated, Upload
from connectors.wire import splitting
from connectors.wire.splitting import Unit
from model.delivery import Message, OutgoingFile, Receipt
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.tools import Tools

#: Pictures that Telegram shows as such; anything else goes as a file, unchanged.
_PHOTOS = frozenset({"image/jpeg", "image/png", "image/webp"})


class Sends:
    """Sender, Splitter and Downloader."""

    _settings: TelegramSettings
    _tools: Tools
    _api: Api

    def parts(self, message: Message) -> Sequence[Message]:
        """One message where the text fits under its only file; else the text in pieces, then each file."""
        limits = self._settings.limits
        if len(message.files) == 1 and splitting.size(message.text, Unit.UTF16) <= limits.caption:
            return [message]
        return splitting.parts(message, limits.text, Unit.UTF16, numbered=self._settings.numbered)

    async def send(self, message: Message) -> Receipt:
        """One call. In an old group that became a supergroup it is tried again at the new number."""
        chat = await self._chat(message)
        try:
            told = await self._sent(chat, message)
        except Migrated as moved:
            await self._tools.vault.put(_moved(chat), str(moved.chat))
            raise TemporaryFailure(
                Reason.SERVER, "the group has another number now; sent there next"
            ) from None
        number = told.get("message_id") if isinstance(told, dict) else None
        if not isinstance(number, int):
            raise Uncertain("Telegram took it, but its answer names no message")
        return Receipt(f"{self._settings.bot}:{chat}:{number}", self._tools.clock.now())

    async def _sent(self, chat: int, message: Message) -> Any:
        thread = message.thread
        values: dict[str, Any] = {"chat_id": chat}
        if isinstance(thread.get("topic"), int):
            values["message_thread_id"] = thread["topic"]
        if isinstance(thread.get("message"), int):
            # The message may be gone by now: the answer is sent all the same.
            values["reply_parameters"] = {
                "message_id": thread["message"],
                "allow_sending_without_reply": True,
            }
        if not message.files:
            values |= {"text": message.text, "link_preview_options": {"is_disabled": True}}
            return await self._api.call("sendMessage", values)
        (file,) = message.files[:1]
        limits = self._settings.limits
        if file.size > limits.upload_bytes:
            raise PermanentFailure(Reason.REQUEST, f"the file is larger than {limits.upload_bytes} bytes")
        if message.text.strip():
            values["caption"] = message.text
        method, field = ("sendPhoto", "photo") if self._is_photo(file) else ("sendDocument", "document")
        return await self._api.call(method, values, upload=Upload(field, file))

    def _is_photo(self, file: OutgoingFile) -> bool:
        return file.media_type in _PHOTOS and file.size <= self._settings.limits.photo_bytes

    async def _chat(self, message: Message) -> int:
        """The chat it came from, else the person's own; of a group that moved, the new one."""
        given: Any = message.thread.get("chat")
        if given is None and message.to is not None and message.to.kind == "telegram":
            given = message.to.value
        try:
            chat = int(given)
        except (TypeError, ValueError):
            raise PermanentFailure(Reason.RECIPIENT, "no chat of Telegram is known") from None
        if chat < 0 and (moved := await self._tools.vault.get(_moved(chat))) is not None:
            return int(moved)
        return chat

    async def download(self, reference: str) -> Media:
        """A file by its number. Telegram lets bots fetch files of up to 20 MB."""
        try:
            told = await self._api.call("getFile", {"file_id": reference})
        except PermanentFailure as failure:
            raise PermanentFailure(Reason.REQUEST, failure.detail) from None  # never the recipient's fault
        except Migrated:
            raise PermanentFailure(Reason.REQUEST, "Telegram named a chat instead of a file") from None
        path = told.get("file_path") if isinstance(told, Mapping) else None
        if not isinstance(path, str) or not path:
            raise PermanentFailure(Reason.REQUEST, "Telegram does not give the file")
        loaded = await self._api.file(path, self._settings.limits.download_bytes)
        if loaded.status != 200:
            raise _file_failure(loaded.status)
        return Media(raw=loaded.raw)


def _file_failure(status: int) -> SendFailure:
    if status == 404:
        return PermanentFailure(Reason.REQUEST, "the file is gone")
    if status in (401, 403):
        return TemporaryFailure(Reason.AUTH, f"HTTP {status} for a file")
    return TemporaryFailure(Reason.SERVER, f"HTTP {status} for a file")


def _moved(chat: int) -> str:
    return f"moved:{chat}"
