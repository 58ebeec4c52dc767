"""Reads one update of the Telegram Bot API (https://core.telegram.org/bots/api#update)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from model import strict_json
from model.draft import Draft, Identity, Part, Thread
from model.failures import Malformed
from normalizer import filename, identity, language, text
from normalizer.contract import Source

_SHORT, _LONG = 200, 2_000
#: Files by the name of their member, with the type where Telegram names none, and the ending.
_FILES: Mapping[str, tuple[str, str]] = {
    "animation": ("video/mp4", "mp4"),
    "audio": ("audio/mpeg", "mp3"),
    "document": ("application/octet-stream", "bin"),
    "video": ("video/mp4", "mp4"),
    "video_note": ("video/mp4", "mp4"),
    "voice": ("audio/ogg", "oga"),
}
#: Members of a message that say where, when, by whom or how, and are not what was said.
_ABOUT = frozenset(
    re.findall(
        r"\w+",
        """message_id message_thread_id direct_messages_topic from sender_chat sender_boost_count sender_business_bot
    sender_tag date business_connection_id chat forward_origin forward_from forward_from_chat forward_from_message_id
    forward_signature forward_sender_name forward_date is_topic_message is_automatic_forward reply_to_message
    external_reply quote reply_to_story reply_to_checklist_task_id reply_to_poll_option_id via_bot edit_date
    has_protected_content is_from_offline is_paid_post media_group_id author_signature paid_star_count entities
    link_preview_options suggested_post_info effect_id caption caption_entities show_caption_above_media
    has_media_spoiler reply_markup text""",
    )
)
#: What happened in a chat though nobody said anything; known by these, and told as a signal.
_SERVICE = (
    "new_chat_", "left_chat_", "delete_chat_", "group_chat_", "supergroup_chat_", "channel_chat_", "message_auto_",
    "migrate_", "pinned_", "forum_", "general_forum_", "video_chat_", "chat_", "write_access_", "boost_",
    "giveaway", "proximity_", "chat_background", "users_shared", "user_shared", "connected_website",
)  # fmt: skip
_POSTS = ("message", "edited_message", "channel_post", "edited_channel_post")


def read(source: Source) -> Draft:
    """An update as a draft; Malformed when it is none."""
    update = strict_json.load(source.raw)
    if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
        raise Malformed("not an update of Telegram")
    bot = str(source.options.get("bot", ""))
    for kind in _POSTS:
        post = update.get(kind)
        if post is not None and not isinstance(post, dict):
            raise Malformed(f"the update's {kind} is no object")
        if post is not None:
            return _post(post, source, bot, edited=kind.startswith("edited"))
    if isinstance(button := update.get("callback_query"), dict):
        return _button(button, source, bot)
    if isinstance(member := update.get("my_chat_member"), dict):
        return _membership(member, source)
    names = [name for name in update if name != "update_id"]
    return Draft(
        signal=text.one_line(names[0], _SHORT) if names else "update",
        sent_at=source.sent_at,
        omissions=("an update of a kind that this release does not know; its raw content is kept",),
    )


def _post(post: Mapping[str, Any], source: Source, bot: str, *, edited: bool) -> Draft:
    sender = _object(post.get("from")) or _object(post.get("sender_chat"))
    said, parts, notes = _said(post, int(source.options.get("download_bytes", 20_000_000)))
    others = [name for name in post if name not in _ABOUT]
    signal = "edited" if edited else None
    if not said and not parts and others:
        service = [name for name in others if name.startswith(_SERVICE)]
        if service:
            signal = text.one_line(service[0], _SHORT)
        else:
            said = f"[{text.one_line(others[0], _SHORT)}]"
            notes.append(
                f"content of a kind that this release does not know: {text.one_line(others[0], _SHORT)}"
            )
    extra = _extra(post)
    if said.split(" ", 1)[0].split("@", 1)[0] == "/start" and not edited:
        # The button that everybody must press first says this; a link may add a word to it.
        signal, extra["start"], said = "followed", said.partition(" ")[2][:_SHORT], ""
    answered = _object(post.get("reply_to_message"))
    return Draft(
        text=said,
        full_text=said,
        language=language.detect(said) or _language(sender),
        sent_at=source.sent_at,
        name=_name(sender),
        identities=_identities(sender, post),
        conversation=_conversation(post, sender),
        thread=Thread(
            ids=(_id(bot, post),),
            replies_to=(_id(bot, {**answered, "chat": post.get("chat")}),) if answered else (),
        ),
        parts=tuple(parts),
        signal=signal,
        extra={name: value for name, value in extra.items() if value},
        omissions=tuple(notes),
        envelope_to=_way_back(post),
    )


def _said(post: Mapping[str, Any], most: int) -> tuple[str, list[Part], list[str]]:
    """The words, the files, and what was left out."""
    words = [str(post.get("text") or ""), str(post.get("caption") or "")]
    parts: list[Part] = []
    notes: list[str] = []
    number = post.get("message_id")
    photos = [one for one in _list(post.get("photo")) if one.get("file_id")]
    if photos:
        best = max(
            photos,
            key=lambda one: (_int(one.get("width")) * _int(one.get("height")), _int(one.get("file_size"))),
        )
        parts.append(_file(best, f"photo-{number}.jpg", "image/jpeg", most))
    for name, (media_type, ending) in _FILES.items():
        # An animation stands there a second time as a document, for old programs.
        if (file := _object(post.get(name))) and not (name == "document" and post.get("animation")):
            parts.append(_file(file, f"{name.replace('_', '-')}-{number}.{ending}", media_type, most))
    if sticker := _object(post.get("sticker")):
        words.append(str(sticker.get("emoji") or ""))
        shape = ("application/x-tgsticker", "tgs") if sticker.get("is_animated") else ("image/webp", "webp")
        shape = ("video/webm", "webm") if sticker.get("is_video") else shape
        parts.append(_file(sticker, f"sticker-{number}.{shape[1]}", shape[0], most))
    for media in _list(_object(post.get("paid_media")).get("paid_media")):
        notes.append(f"paid media ({text.one_line(str(media.get('type')), 50)}), which bots cannot fetch")
    words += _things(post)
    notes += [f"{part.filename}: {part.omitted}" for part in parts if part.omitted]
    return text.clean("\n".join(one for one in words if one)).strip(), parts, notes


def _things(post: Mapping[str, Any]) -> list[str]:
    """Places, people and games in words: what a clerk needs to read them."""
    found = []
    if venue := _object(post.get("venue")):
        found.append(" ".join(("📍", str(venue.get("title", "")), str(venue.get("address", "")))))
    if place := _object(post.get("location")):
        found.append(f"📍 {place.get('latitude')}, {place.get('longitude')}")
    if contact := _object(post.get("contact")):
        found.append(" ".join(("👤", _name(contact), str(contact.get("phone_number", "")))))
    if poll := _object(post.get("poll")):
        found.append(
            "\n".join(
                [
                    f"📊 {poll.get('question', '')}",
                    *(f"- {o.get('text')}" for o in _list(poll.get("options"))),
                ]
            )
        )
    if checklist := _object(post.get("checklist")):
        found.append(
            "\n".join(
                [
                    f"☑ {checklist.get('title', '')}",
                    *(f"- {o.get('text')}" for o in _list(checklist.get("tasks"))),
                ]
            )
        )
    if dice := _object(post.get("dice")):
        found.append(f"{dice.get('emoji', '🎲')} {dice.get('value')}")
    if game := _object(post.get("game")):
        found.append(f"🎮 {game.get('title', '')}")
    if _object(post.get("story")):
        found.append("[story]")
    return found


def _file(file: Mapping[str, Any], name: str, media_type: str, most: int) -> Part:
    size = _int(file.get("file_size"))
    reference = file.get("file_id")
    omitted = None
    if size > most:
        omitted = f"{size} bytes; Telegram lets bots fetch files of up to {most} bytes"
    elif not isinstance(reference, str):
        omitted = "Telegram named no file"
    return Part(
        filename=filename.safe(str(file.get("file_name") or name)),
        media_type=text.one_line(str(file.get("mime_type") or media_type), 100),
        data=None,
        omitted=omitted,
        reference=None if omitted else str(reference),
    )


def _button(button: Mapping[str, Any], source: Source, bot: str) -> Draft:
    """A button under a message of ours was pressed."""
    sender = _object(button.get("from"))
    post = _object(button.get("message"))
    choice = str(button.get("data") or button.get("game_short_name") or "")
    return Draft(
        signal="menu",
        language=_language(sender),
        sent_at=source.sent_at,
        name=_name(sender),
        identities=_identities(sender, {}),
        conversation=_conversation(post, sender),
        thread=Thread(replies_to=(_id(bot, post),) if post else ()),
        extra={"choice": text.one_line(choice, _SHORT)},
        envelope_to=_way_back(post) if post else {"chat": sender.get("id")},
    )


def _membership(member: Mapping[str, Any], source: Source) -> Draft:
    """We were let in, or shown the door: in a private chat, somebody blocked or unblocked the bot."""
    sender = _object(member.get("from"))
    status = _object(member.get("new_chat_member")).get("status")
    gone = status in ("kicked", "left")
    private = _object(member.get("chat")).get("type") == "private"
    return Draft(
        signal=("unfollowed" if gone else "followed") if private else ("left" if gone else "joined"),
        language=_language(sender),
        sent_at=source.sent_at,
        name=_name(sender),
        identities=_identities(sender, {}) if private else (),
        conversation=_conversation(member, sender),
        opens="",
        envelope_to=_way_back(member),
    )


def _conversation(post: Mapping[str, Any], sender: Mapping[str, Any]) -> str | None:
    """A private chat is one; in a group each person has their own with us, in each topic."""
    chat = _object(post.get("chat"))
    number = chat.get("id", sender.get("id"))
    if number is None:
        return None
    if chat.get("type", "private") == "private":
        return str(number)
    topic = post.get("message_thread_id") if post.get("is_topic_message") else None
    return ":".join(str(one) for one in (number, topic or "", sender.get("id", "")))


def _way_back(post: Mapping[str, Any]) -> dict[str, Any]:
    way = {"chat": _object(post.get("chat")).get("id"), "message": post.get("message_id")}
    if post.get("is_topic_message"):
        way["topic"] = post.get("message_thread_id")
    return {name: value for name, value in way.items() if isinstance(value, int)}


def _id(bot: str, post: Mapping[str, Any]) -> str:
    """A message's name, as in the receipts of ours: numbers of messages begin anew in each chat of each bot."""
    return f"{bot}:{_object(post.get('chat')).get('id')}:{post.get('message_id')}"


def _identities(sender: Mapping[str, Any], post: Mapping[str, Any]) -> tuple[Identity, ...]:
    number = sender.get("id")
    if not isinstance(number, int):
        return ()
    found = [Identity("telegram", str(number))]
    contact = _object(post.get("contact"))
    # Somebody else's card is no way to reach the sender; their own is named by Telegram as theirs.
    if contact.get("user_id") == number and (
        call := identity.phone("+" + str(contact.get("phone_number", "")).lstrip("+"))
    ):
        found.append(call)
    return tuple(found)


def _extra(post: Mapping[str, Any]) -> dict[str, Any]:
    sender, chat = _object(post.get("from")), _object(post.get("chat"))
    place = _object(post.get("location"))
    extra = {
        "username": sender.get("username"),
        "chat": chat.get("title"),
        "forwarded": _object(post.get("forward_origin")).get("type"),
        "album": post.get("media_group_id"),
        "location": f"{place.get('latitude')},{place.get('longitude')}" if place else None,
    }
    return {name: text.one_line(str(value), _SHORT) for name, value in extra.items() if value}


def _name(person: Mapping[str, Any]) -> str:
    names = (person.get("first_name"), person.get("last_name"), person.get("title"))
    return text.one_line(" ".join(str(one) for one in names if one), _SHORT)


def _language(sender: Mapping[str, Any]) -> str | None:
    """What the sender's program speaks, as far as it is a language."""
    return language.accepted(str(sender.get("language_code") or "")[:_SHORT])


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Sequence[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0
