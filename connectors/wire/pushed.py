"""What a message or event in WeChat's XML is known by, and the XML that answers one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from connectors.wire import callbacks
from model import strict_json
from model.message_xml import Tree, cdata, text


def source_id(told: Tree) -> str:
    """MsgId and sender, since a MsgId alone is not unique; of an event its sender, time and name."""
    sender, number = text(told, "FromUserName"), text(told, "MsgId")
    if number:
        return callbacks.short(f"{number}:{sender}")
    if not (sender and text(told, "CreateTime")):
        return "sha256:" + hashlib.sha256(strict_json.canonical(told)).hexdigest()
    what = text(told, "Event") or text(told, "MsgType")
    return callbacks.short(f"{sender}:{text(told, 'CreateTime')}:{what}")


def fingerprint(told: Tree) -> str:
    """Digest of what the sender made: without the number and the time that WeChat gave it."""
    made = {name: value for name, value in told.items() if name not in ("MsgId", "CreateTime")}
    return hashlib.sha256(strict_json.canonical(made)).hexdigest()


def sent_at(told: Tree) -> datetime | None:
    """CreateTime, which is in seconds."""
    try:
        return datetime.fromtimestamp(int(text(told, "CreateTime")), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def text_reply(told: Tree, words: str, now: str) -> str:
    """A passive reply to what was pushed: the same two parties, the other way round."""
    return (
        f"<xml><ToUserName>{cdata(text(told, 'FromUserName'))}</ToUserName>"
        f"<FromUserName>{cdata(text(told, 'ToUserName'))}</FromUserName><CreateTime>{now}</CreateTime>"
        f"<MsgType><![CDATA[text]]></MsgType><Content>{cdata(words)}</Content></xml>"
    )
