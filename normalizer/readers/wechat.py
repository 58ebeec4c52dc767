"""Reads what a WeChat official account was sent: a message or event in XML, or a comment as JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model import message_xml, strict_json
from model.draft import Draft, Identity, Thread
from model.failures import Malformed
from model.message_xml import text as at
from normalizer import language, text, wechat
from normalizer.contract import Source

_TITLE = 500


def read(source: Source) -> Draft:
    """A push as a draft; Malformed when it is no XML, or nobody sent it."""
    if source.raw.lstrip()[:1] == b"{":
        return _comment(strict_json.load(source.raw), source)
    told = message_xml.load(source.raw)
    openid = text.one_line(at(told, "FromUserName"), 200)
    if not openid or not at(told, "MsgType"):
        raise Malformed("the XML is no message of WeChat: FromUserName or MsgType is missing")
    draft = wechat.draft(told, source.options)
    number = at(told, "MsgId")
    identity = (Identity("openid", openid),)
    return replace(
        draft,
        language=language.detect(draft.text),
        sent_at=wechat.moment(told) or source.sent_at,
        identities=identity,
        reply_to=identity,
        conversation=openid,
        thread=Thread(ids=(number,) if number else ()),
        envelope_to={"openid": openid},
    )


def _comment(told: Any, source: Source) -> Draft:
    """A comment below an article, as the connector fetched it."""
    comment = told.get("comment") if isinstance(told, dict) else None
    if not isinstance(comment, dict):
        raise Malformed("the JSON is no comment")
    article, number = str(told.get("article", "")), comment.get("user_comment_id")
    openid = text.one_line(str(comment.get("openid") or ""), 200)
    words = text.clean(str(comment.get("content") or "")).strip()
    return Draft(
        subject=text.one_line(str(told.get("title") or ""), _TITLE),
        text=words,
        full_text=words,
        language=language.detect(words),
        sent_at=source.sent_at,
        identities=(Identity("openid", openid),) if openid else (),
        conversation=f"comment:{article}:{number}",
        mute=("a comment: an automatic answer would be public",),
        opens="comment",
        extra={"article": article},
        envelope_to={"comment": {"article": article, "number": number}},
    )
