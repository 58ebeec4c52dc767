"""What agents do in Chatwoot, read from the messages of conversations with something new in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from destinations.chatwoot import ChatwootSettings
from destinations.contract import Came, Ours, Returned, ReturnedFile, Returns
from destinations.wire.rest import Rest, items, text
from destinations.wire.tickets import Gone
from model.tools import Clock

#: Seconds that are read again: last activities are told in whole seconds, and set a little later.
_OVERLAP = 10
#: Pages of conversations that one look reads at the most; the next look begins where the last one did then.
_PAGES = 40
_OURS = re.compile(r"\[forebay [\w-]+\]\s*\Z")
_INCOMING, _OUTGOING, _ACTIVITY = 0, 1, 2


class Changes:
    """Reads conversations. What it tells twice is known by its number."""

    def __init__(self, settings: ChatwootSettings, rest: Rest, clock: Clock) -> None:
        self._settings = settings
        self._rest = rest
        self._clock = clock

    async def since(self, cursor: Mapping[str, Any] | None, ours: Ours) -> Returns:
        """What happened after the cursor; a fresh one begins with what happens from now on."""
        if cursor is None:
            begin = self._clock.now().timestamp()
            return Returns(items=(), cursor={"begin": begin, "after": int(begin)})
        begin, after = float(cursor["begin"]), int(cursor["after"])
        changed, whole = await self._changed(max(int(begin), after - _OVERLAP))
        known = await ours([text(one["id"]) for one in changed]) if changed else set()
        told: list[Returned] = []
        for one in sorted(changed, key=lambda one: int(one["last_activity_at"])):
            mark = (one.get("custom_attributes") or {}).get("forebay")
            if mark or text(one["id"]) in known:
                told += await self._of(one, text(mark) or None, begin)
        latest = max([after, *(int(one["last_activity_at"]) for one in changed)])
        return Returns(items=told, cursor={"begin": cursor["begin"], "after": latest if whole else after})

    async def _changed(self, after: int) -> tuple[list[Any], bool]:
        """Conversations with something new, and whether these are all."""
        found: dict[str, Any] = {}
        for page in range(1, _PAGES + 1):
            told = await self._rest.get(
                "/conversations", status="all", sort_by="last_activity_at_desc", page=page
            )
            listed = items((told.get("data") or {}).get("payload"))
            fresh = [one for one in listed if int(one["last_activity_at"]) >= after]
            found |= {text(one["id"]): one for one in fresh}
            if not listed or len(fresh) < len(listed):
                return list(found.values()), True
        return list(found.values()), False

    async def _of(self, conversation: Mapping[str, Any], mark: str | None, begin: float) -> list[Returned]:
        number = text(conversation["id"])
        common: dict[str, Any] = {"remote_id": number, "reference": mark}
        try:
            told = await self._rest.get(f"/conversations/{number}/messages")
        except Gone:
            return []
        found: list[Returned] = []
        last_activity: Mapping[str, Any] | None = None
        for one in sorted(items(told.get("payload")), key=lambda one: int(one["id"])):
            if float(one["created_at"]) < int(begin):
                continue
            if one["message_type"] == _ACTIVITY:
                last_activity = one
            elif one["message_type"] in (_INCOMING, _OUTGOING) and not self._own(one):
                found.append(_said(one, common))
        if last_activity is not None:
            # An activity is told in words alone: which state it led to is what the conversation is in.
            source_id, at = f"activity-{last_activity['id']}", _time(last_activity)
            state = text(conversation.get("status"))
            found.append(Returned(source_id=source_id, what=Came.STATE, state=state, at=at, **common))
        return found

    def _own(self, one: Mapping[str, Any]) -> bool:
        sender = (one.get("sender") or {}).get("id")
        mine = sender == self._settings.user_id is not None and one["message_type"] == _OUTGOING
        return mine or bool(_OURS.search(text(one.get("content"))))


def _said(one: Mapping[str, Any], common: Mapping[str, Any]) -> Returned:
    public = one["message_type"] == _OUTGOING and not one.get("private")
    return Returned(
        source_id=f"message-{one['id']}",
        what=Came.REPLY if public else Came.NOTE,
        text=text(one.get("content")).strip(),
        author=text((one.get("sender") or {}).get("name")),
        at=_time(one),
        files=[_file(file) for file in items(one.get("attachments"))],
        **common,
    )


def _file(file: Mapping[str, Any]) -> ReturnedFile:
    address = text(file.get("data_url"))
    name = text(file.get("file_name")) or address.partition("?")[0].rpartition("/")[2] or "file"
    return ReturnedFile(address, name, text(file.get("content_type")) or "application/octet-stream")


def _time(one: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(float(one["created_at"]), UTC)
