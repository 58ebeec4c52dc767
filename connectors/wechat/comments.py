"""Comments [留言] below articles: WeChat pushes none, so the listed articles are looked at again and again.

A comment is a conversation of its own: the answer to it is public, below the same article.
Source: WeChat "listComment" and "replyComment".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.contract import Batch
from connectors.wechat import WechatSettings
from connectors.wire.errcode_api import Api
from model import strict_json
from model.delivery import Message
from model.envelope import Envelope
from model.tools import Tools

_LIST = "/cgi-bin/comment/list"
#: Comments asked for at once; WeChat refuses 50 and more.
_PAGE = 49
#: Pages of one article that one look reads at the most.
_PAGES = 20
#: Numbers of comments that the cursor remembers of each article: the newest.
_REMEMBERED = 1_000
JSON = "application/json"


class ReadsComments:
    """Fetcher, where the settings have `comments`."""

    _settings: WechatSettings
    _tools: Tools
    _api: Api
    _looked_at: float | None = None

    async def fetch(self, cursor: Mapping[str, Any] | None, wait: timedelta) -> Batch:
        """The comments that the cursor does not know yet; nothing while it is not time to look again."""
        comments = self._settings.comments
        assert comments is not None, "made only with `comments`"
        now = self._tools.clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < comments.every.total_seconds():
            return Batch()
        known: Mapping[str, Sequence[Any]] = (cursor or {}).get("seen", {})
        envelopes: list[Envelope] = []
        seen: dict[str, list[Any]] = {}
        for article, title in comments.articles.items():
            found = await self._comments(article, set(known.get(article, ())))
            envelopes += [self._envelope(article, title, one) for one in reversed(found)]
            numbers = [one["user_comment_id"] for one in found]
            seen[article] = [*numbers, *known.get(article, ())][:_REMEMBERED]
        self._looked_at = now
        return Batch(envelopes=envelopes, cursor={"seen": seen}) if envelopes else Batch()

    async def confirm(self, handles: Sequence[Any]) -> None:
        """Nothing is told to WeChat."""

    async def _comments(self, article: str, known: set[Any]) -> list[dict[str, Any]]:
        """New comments of an article, newest first; pages are read until one holds nothing new."""
        number, _, index = article.partition("/")
        found: list[dict[str, Any]] = []
        for page in range(_PAGES):
            told = await self._api.ask(
                _LIST,
                {
                    "msg_data_id": int(number) if number.isdigit() else number,
                    "index": int(index or 0),
                    "begin": page * _PAGE,
                    "count": _PAGE,
                    "type": 0,
                },
            )
            listed = [one for one in told.get("comment") or () if isinstance(one, dict)]
            fresh = [one for one in listed if one.get("user_comment_id") not in known]
            found += [one for one in fresh if "user_comment_id" in one]
            if not listed or not fresh:
                break
        return found

    def _envelope(self, article: str, title: str, comment: Mapping[str, Any]) -> Envelope:
        said = {name: value for name, value in comment.items() if name not in ("reply", "comment_type")}
        event = {"comment": said, "article": article, "title": title}
        when = comment.get("create_time")
        return Envelope(
            account=self._settings.app_id,
            source_id=f"comment:{article}:{comment['user_comment_id']}",
            fingerprint=hashlib.sha256(strict_json.canonical(event)).hexdigest(),
            raw=strict_json.canonical(event),
            media_type=JSON,
            order_key=f"{self._tools.name}:comment:{article}:{comment['user_comment_id']}",
            sent_at=datetime.fromtimestamp(when, UTC) if isinstance(when, int) else None,
        )


def comment_of(message: Message) -> Mapping[str, Any] | None:
    """Which comment a message answers, in the words of WeChat's API; None when it answers none."""
    told = message.thread.get("comment")
    if not isinstance(told, Mapping):
        return None
    number, _, index = str(told.get("article", "")).partition("/")
    return {
        "msg_data_id": int(number) if number.isdigit() else number,
        "index": int(index or 0),
        "user_comment_id": told.get("number"),
    }
