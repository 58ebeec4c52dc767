"""What is written under a customer's words in a ticket store, and how an update reads there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from destinations.contract import File, HandOver

#: Longest subject that every store takes.
SUBJECT = 200

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "reference": "Reference",
        "by": "Came in by",
        "who": "From",
        "left_out": "Not attached",
        "joined": "The customer wrote again.",
        "file": "A file of this message has been fetched.",
        "given_up": "A file of this message could not be fetched.",
        "again": "The message has been read again; this is the corrected text.",
        "reply": "Answered by {actor} through {channel}:",
        "not_sent": "This answer could not be sent to the customer: {why}",
        "state": "New state: {state}",
        "other": "Update: {type}",
        "no_subject": "(no subject)",
        "no_text": "(no text)",
    },
    "zh-CN": {
        "reference": "受理编号",
        "by": "来源渠道",
        "who": "反馈人",
        "left_out": "未附上的文件",
        "joined": "客户再次来信。",
        "file": "此消息的一个附件已取回。",
        "given_up": "此消息的一个附件未能取回。",
        "again": "此消息已重新读取，以下为更正后的内容。",
        "reply": "{actor} 已通过 {channel} 答复：",
        "not_sent": "此答复未能发送给客户：{why}",
        "state": "新状态：{state}",
        "other": "更新：{type}",
        "no_subject": "（无主题）",
        "no_text": "（无正文）",
    },
}


def subject(record: Mapping[str, Any], language: str) -> str:
    """One line; the beginning of the text where the customer wrote no subject."""
    said = " ".join(str(record.get("subject") or record.get("text") or "").split())
    return said[:SUBJECT] or _WORDS[language]["no_subject"]


def body(record: Mapping[str, Any], language: str, left_out: Sequence[str]) -> str:
    """A record as the text of a ticket."""
    words = _WORDS[language]
    channel = record.get("channel") or {}
    facts = [
        f"{words['reference']}: {record.get('reference')}",
        f"{words['by']}: {channel.get('name')} ({channel.get('kind')})",
    ]
    if who := _who(record):
        facts.append(f"{words['who']}: {who}")
    facts += [f"{words['left_out']}: {one}" for one in left_out]
    said = str(record.get("full_text") or record.get("text") or "").strip() or words["no_text"]
    return said + "\n\n-- \n" + "\n".join(facts)


def _who(record: Mapping[str, Any]) -> str:
    contact = record.get("contact") or {}
    reached = ", ".join(f"{one['kind']} {one['value']}" for one in contact.get("identities") or ())
    name = str(contact.get("name") or "")
    return f"{name} ({reached})" if name and reached else name or reached


def update(hand_over: HandOver, language: str, left_out: Sequence[str]) -> str:
    """An update as the text of a comment."""
    words, told, record = _WORDS[language], hand_over.update, hand_over.record
    match hand_over.type:
        case "message.joined":
            text = f"{words['joined']}\n\n{str(told.get('text') or '').strip() or words['no_text']}"
        case "file.fetched":
            text = words["file"]
        case "file.given_up":
            text = words["given_up"]
        case "record.read_again":
            text = f"{words['again']}\n\n{record.get('subject') or ''}\n{record.get('text') or ''}".rstrip()
        case "reply.queued":
            text = f"{words['reply'].format(**_named(told))}\n\n{told.get('text') or ''}"
        case "reply.not_sent":
            text = words["not_sent"].format(why=told.get("why") or "")
        case "record.state_changed":
            text = words["state"].format(state=told.get("to") or record.get("state"))
        case _:
            text = words["other"].format(type=hand_over.type)
    lines = [f"{words['left_out']}: {one}" for one in left_out]
    return "\n".join([text.strip(), *(["", *lines] if lines else [])])


def _named(told: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(told.get(name) or "") for name in ("actor", "channel")}


def left_out(files: Sequence[File], record: Mapping[str, Any], limit: int) -> list[str]:
    """The files that do not go along, each with where it is to be had."""
    urls = {one.get("sha256"): one.get("url") for one in record.get("attachments") or ()}
    found = []
    for file in files:
        if file.sha256 is None:
            found.append(f"{file.filename} ({file.omitted})" if file.omitted else file.filename)
        elif file.size > limit:
            found.append(f"{file.filename} {urls.get(file.sha256) or ''}".strip())
    return found
