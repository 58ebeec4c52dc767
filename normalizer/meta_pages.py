"""Reads the events of a Facebook page or an Instagram account: messages, comments, and what happened to ours."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

from model import meta_events
from model.draft import Draft, Fate, Identity, Part, Report, Thread
from model.meta_events import Event
from normalizer import filename, language, meta, text
from normalizer.contract import Source

#: What an attachment is, and the name and type that it gets until it is fetched.
_FILES: Mapping[str, tuple[str, str]] = {
    "image": ("image.jpg", "image/jpeg"),
    "video": ("video.mp4", "video/mp4"),
    "audio": ("audio.mp4", "audio/mp4"),
    "file": ("file", "application/octet-stream"),
    "sticker": ("sticker.png", "image/png"),
    "story_mention": ("story", "application/octet-stream"),
    "ig_story": ("story", "application/octet-stream"),
    "share": ("shared", "application/octet-stream"),
    "ig_post": ("shared", "application/octet-stream"),
    "post": ("shared", "application/octet-stream"),
    "ig_reel": ("reel.mp4", "video/mp4"),
    "reel": ("reel.mp4", "video/mp4"),
}
_SHARED = frozenset({"share", "ig_post", "post", "ig_reel", "reel", "ig_story"})
_NAME = 300


def read(source: Source, person_kind: str, author_kind: str) -> Draft:
    """An event as a draft. `person_kind` names the users of messages, `author_kind` those of comments."""
    event = meta.found(source)
    if meta.foreign(source, event):
        return meta.elsewhere(event)
    if event.what in ("comment", "post", "comment_edited", "comment_removed"):
        return _comment(source, event, author_kind)
    person = Identity(person_kind, event.person) if event.person else None
    base = Draft(
        sent_at=event.sent_at or source.sent_at,
        identities=meta.identities(person),
        reply_to=meta.identities(person),
        conversation=event.person,
        envelope_to={"person": event.person} if event.person else {},
        mute=("another app has the conversation",) if "standby" in event.place else (),
    )
    if event.what in ("message", "echo", "deleted"):
        return _message(base, event)
    return _happened(source, base, event)


# ---- messages


def _message(base: Draft, event: Event) -> Draft:
    message = meta.mapping(event.data.get("message"))
    mid = str(message.get("mid") or "")
    if event.what == "deleted":
        return meta.happened(base, "deleted", meta.label("deleted"), about=mid)
    typed, labels, parts, extra = _content(message)
    shown = "\n".join((*labels, typed) if typed else labels)
    if event.what == "echo":
        return meta.echo(base, mid, message.get("metadata"), shown)
    referral = meta.mapping(event.data.get("referral")) or meta.mapping(message.get("referral"))
    reply_to = meta.mapping(message.get("reply_to"))
    answers = reply_to.get("mid")
    return replace(
        base,
        text=typed or shown,
        full_text=shown,
        language=language.detect(typed),
        parts=parts,
        thread=Thread(
            ids=(mid,) if mid else (), replies_to=(answers,) if isinstance(answers, str) and answers else ()
        ),
        opens="ad" if str(referral.get("source", "")).upper() == "ADS" else "message",
        extra={"type": "message", **extra, **_referred(referral), **meta.plain({"reply_to": answers})},
    )


def _content(message: Mapping[str, Any]) -> tuple[str, list[str], tuple[Part, ...], dict[str, Any]]:
    """What was typed, marks for what was not, the files, and further facts."""
    typed = meta.words(message.get("text"))
    labels: list[str] = []
    parts: list[Part] = []
    extra: dict[str, Any] = {}
    story = meta.mapping(meta.mapping(message.get("reply_to")).get("story"))
    if story:
        labels.append(meta.label("story_reply"))
        extra |= meta.plain({"story": story.get("id"), "story_url": story.get("url")})
    for attachment in meta.listed(message.get("attachments")):
        kind = str(attachment.get("type") or "unknown")
        payload = meta.mapping(attachment.get("payload"))
        sticker = kind == "image" and bool(payload.get("sticker_id"))
        part = _part("sticker" if sticker else kind, payload)
        if part is not None:
            parts.append(part)
        labels.append(_label("sticker" if sticker else kind, attachment, payload))
        if kind not in _FILES and kind not in ("location", "template", "fallback"):
            extra |= meta.unknown(kind, attachment)[1]
    extra |= meta.plain({"quick_reply": meta.mapping(message.get("quick_reply")).get("payload")})
    commands = [str(one.get("name")) for one in meta.listed(message.get("commands"))]
    if commands:
        extra["commands"] = ", ".join(commands)
    if message.get("is_unsupported") or not (typed or labels):
        mark, raw = meta.unknown("", message)
        labels.append(mark)
        extra |= raw
    return typed, labels, tuple(parts), extra


def _part(kind: str, payload: Mapping[str, Any]) -> Part | None:
    url = payload.get("url")
    if kind not in _FILES or not isinstance(url, str) or not url:
        return None
    name, media_type = _FILES[kind]
    if kind == "file":
        with contextlib.suppress(ValueError):
            name = unquote(urlsplit(url).path.rpartition("/")[2]) or name
    return Part(filename.safe(name), media_type, None, reference=url)


def _label(kind: str, attachment: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    if kind == "location":
        place = meta.mapping(payload.get("coordinates"))
        return meta.label(kind, attachment.get("title"), f"{place.get('lat')}, {place.get('long')}")
    if kind in _SHARED:
        return meta.label("share", payload.get("title"))
    if kind in ("fallback", "template"):
        url = attachment.get("url") or payload.get("url")
        return meta.label(
            "share" if kind == "fallback" else kind, attachment.get("title") or payload.get("title"), url
        )
    if kind in _FILES:
        return meta.label(kind)
    return meta.unknown(kind, attachment)[0]


def _referred(referral: Mapping[str, Any]) -> dict[str, Any]:
    """What led the customer here: a link's own words, or an advertisement."""
    ad = meta.mapping(referral.get("ads_context_data"))
    return meta.plain(
        {
            "referral": referral.get("ref"),
            "referral_source": referral.get("source"),
            "referral_ad": referral.get("ad_id"),
            "referral_title": ad.get("ad_title"),
        }
    )


# ---- what happened


def _happened(source: Source, base: Draft, event: Event) -> Draft:
    detail = meta.mapping(event.data.get("message_edit" if event.what == "edited" else event.what))
    mid = str(detail.get("mid") or "")
    if event.what == "delivery":
        mids = [one for one in detail.get("mids") or () if isinstance(one, str) and one]
        return meta.told(base, "delivered", [Report(fate=Fate.DELIVERED, remote_id=one) for one in mids])
    if event.what == "read":
        # A page only tells a time up to which all was read; Instagram names the message.
        return meta.told(base, "read", [Report(fate=Fate.READ, remote_id=mid)] if mid else [])
    if event.what == "reaction":
        gone = detail.get("action") == "unreact"
        mark = meta.label(
            "reaction_removed" if gone else "reaction", detail.get("emoji") or detail.get("reaction")
        )
        return meta.happened(base, "reaction", mark, about=mid, opens="message")
    if event.what == "edited":
        typed = meta.words(detail.get("text"))
        thread = Thread(ids=(mid,), replies_to=(mid,)) if mid else Thread()
        return replace(
            base,
            signal="edited",
            text=typed,
            full_text=typed,
            language=language.detect(typed),
            thread=thread,
            opens="message",
            extra=meta.plain({"type": "edited", "edits": detail.get("num_edit")}),
        )
    if event.what == "postback":
        typed = meta.words(detail.get("title"))
        extra = {"type": "postback", **meta.plain({"payload": detail.get("payload")})}
        extra |= _referred(meta.mapping(detail.get("referral")))
        if source.options.get("postbacks") != "message":
            return replace(meta.happened(base, "menu", typed, opens="message"), extra=extra)
        thread = Thread(ids=(mid,)) if mid else Thread()
        return replace(
            base, text=typed or str(extra.get("payload") or ""), full_text=typed, thread=thread, extra=extra
        )
    if event.what in ("referral", "optin"):
        extra = _referred(detail) or meta.plain(detail)
        ad = str(detail.get("source", "")).upper() == "ADS"
        return replace(meta.happened(base, event.what, opens="ad" if ad else "message"), extra=extra)
    if event.what in ("mentions", "mention"):
        return _mention(base, event)
    _, raw = meta.unknown(event.what, event.data)
    return replace(meta.happened(base, event.what), extra=raw)


def _mention(base: Draft, event: Event) -> Draft:
    """Somebody named the account below another's post; Instagram tells only where, and nobody can be answered."""
    facts = meta.plain({"comment": event.data.get("comment_id"), "media": event.data.get("media_id")})
    mark = meta.label("mention", *facts.values())
    return replace(
        base,
        text=mark,
        full_text=mark,
        conversation=f"mention:{facts.get('comment') or facts.get('media')}",
        mute=("a mention",),
        opens="",
        extra={"type": "mention", **facts},
    )


# ---- comments


def _comment(source: Source, event: Event, author_kind: str) -> Draft:
    data, options = event.data, source.options
    by_us = event.person is not None and event.person == event.account
    number = str(data.get("comment_id") or data.get("id") or "") if event.what != "post" else ""
    post = str(data.get("post_id") or "")
    author = meta.mapping(data.get("from"))
    person = Identity(author_kind, event.person) if event.person else None
    answered = options.get("comments", "thread")
    base = Draft(
        sent_at=event.sent_at or source.sent_at,
        name=text.one_line(str(author.get("name") or author.get("username") or ""), _NAME),
        identities=meta.identities(person),
        conversation=meta_events.comment_conversation(data),
        envelope_to={"comment": number, "post": ""} if number else {"comment": "", "post": post},
        mute=() if options.get("acknowledge_comments") else ("a comment for all to see",),
        opens="private_reply" if answered == "private" else "comment",
    )
    typed = meta.words(data.get("message") or data.get("text"))
    if by_us:
        return replace(meta.echo(base, number or post, None, typed), conversation=None)
    if answered == "none":
        return replace(meta.happened(base, event.what), conversation=None)
    if event.what == "comment_removed":
        return meta.happened(base, "deleted", meta.label("deleted"), about=number)
    if event.what == "post" and not typed and data.get("item") not in ("post", "status", "photo", "video"):
        return meta.happened(base, str(data.get("item") or "post"))
    parts = tuple(
        part for name in ("photo", "video") if (part := _commented(name, data.get(name))) is not None
    )
    labels = [meta.label("image" if "image" in part.media_type else "video") for part in parts]
    shown = "\n".join((*labels, typed) if typed else labels) or meta.label("post")
    own = number or post
    thread = Thread(ids=(own,)) if own else Thread()
    edited = event.what == "comment_edited"
    return replace(
        base,
        signal="edited" if edited else None,
        text=typed or shown,
        full_text=shown,
        language=language.detect(typed),
        parts=parts,
        thread=replace(thread, replies_to=(own,)) if edited and own else thread,
        extra={
            "type": "post" if event.what == "post" else "comment",
            **meta.plain(
                {"post": post, "comment": number, "media": meta.mapping(data.get("media")).get("id")}
            ),
            **meta.plain({"permalink": meta.mapping(data.get("post")).get("permalink_url")}),
        },
    )


def _commented(name: str, url: Any) -> Part | None:
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return None
    file, media_type = _FILES["image" if name == "photo" else "video"]
    return Part(file, media_type, None, reference=url)
