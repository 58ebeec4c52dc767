"""What of a mail is read and what is a file: the walk over its parts (in the manner of RFC 8621 §4.1.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from model.draft import Part
from normalizer import filename, flowed, headers, html, invitation, mime, quotes, text, unpack
from normalizer.mime import Entity

#: Text parts that stand for "use a better mail program".
PLACEHOLDER = re.compile(
    r"(?:your|this) (?:e-?mail |mail )?(?:client|program|reader)|does not support|not support html"
    r"|html (?:e-?mail|format|view)"
    r"|view (?:this|it) (?:e-?mail )?(?:in|online)|不支持|请使用.{0,12}(?:html|浏览器)|请切换到.{0,6}html",
    re.I,
)
#: Media types that are text to be read.
BODY = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext", "text/markdown"})
#: Text in a form of before HTML, which stands beside the same in plain text.
ENRICHED = frozenset({"text/enriched", "text/richtext"})
MAILS = frozenset({"message/rfc822", "message/global", "message/news"})
CMS = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
WINMAIL = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
EXTENSIONS = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/bmp": ".bmp",
    "application/pdf": ".pdf", "application/zip": ".zip", "text/plain": ".txt", "text/html": ".html",
    "text/calendar": ".ics", "text/csv": ".csv", "message/rfc822": ".eml", "message/global": ".eml",
    "message/delivery-status": ".txt", "text/rfc822-headers": ".txt", "application/pkcs7-signature": ".p7s",
    "message/disposition-notification": ".txt", "application/pkcs7-mime": ".p7m",
    "application/pgp-signature": ".asc", "application/ms-tnef": ".dat", "audio/amr": ".amr", "video/mp4": ".mp4",
}  # fmt: skip
#: Longest text that is read, characters; all of a longer one is kept as a file.
TEXT_LIMIT = 2_000_000
#: Mails inside the mail that are told of, and how much of each one's text, characters.
FORWARDED, FORWARDED_TEXT = 20, 20_000


@dataclass(slots=True)
class Block:
    """One piece of the body: as plain text, as HTML, or both saying the same."""

    plain: str | None = None
    html: str | None = None

    @property
    def says_something(self) -> bool:
        return bool((self.plain or self.html or "").strip())


@dataclass(slots=True)
class Body:
    """What the walk over the parts has found so far."""

    limits: mime.Limits
    blocks: list[Block] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inside: list[Entity] = field(default_factory=list)
    """Mails inside the mail, such as one forwarded as a file."""
    marks: dict[str, str] = field(default_factory=dict)
    """`signed` and `encrypted`, by what."""
    calendar: list[dict[str, Any]] = field(default_factory=list)
    layers: int = 0
    after_text: bool = False
    """What was last met is text that is read."""

    def note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)

    def silent(self) -> bool:
        """Whether nothing readable was found yet."""
        return not any(block.says_something for block in self.blocks)

    def within(self) -> Body:
        """An empty one for what stands for itself, whose notes and findings are told together with ours."""
        return Body(
            self.limits, notes=self.notes, inside=self.inside, marks=self.marks, calendar=self.calendar,
            layers=self.layers,
        )  # fmt: skip


def collect(entity: Entity, body: Body, parent: str | None = None, first: bool = True) -> None:
    """Sort an entity and what is below it into text that is read and files."""
    kind = entity.media_type
    if kind == "multipart/alternative":
        _alternative(entity, body)
    elif kind.startswith("multipart/"):
        _marks(entity, body)
        for i, child in enumerate(entity.children):
            collect(child, body, kind, i == 0)
    elif kind in CMS:
        _signed(entity, body)
    elif kind in WINMAIL or (kind == "application/octet-stream" and entity.name.lower() == "winmail.dat"):
        _winmail(entity, body)
    elif kind == "text/calendar":
        _calendar(entity, body)
    elif _is_body(entity, body, parent, first):
        _add_text(entity, body)
        if entity.name:  # a mail that is nothing but a named text: both to read and a file
            _add_file(entity, body)
    else:
        _add_file(entity, body)


def _is_body(entity: Entity, body: Body, parent: str | None, first: bool) -> bool:
    """Whether a part is text to be read, and not a file that happens to be text.

    Text right after text, nothing between them, was not written by whoever wrote the first: lists and mail
    servers append it, or it is a file without a name. It is kept as a file, as Outlook does. After a picture
    or a file text goes on: some mail programs cut a letter there.
    """
    kind = entity.media_type
    if entity.disposition == "attachment" or kind not in BODY:
        return False
    if parent is None:
        return True
    if parent == "multipart/alternative":
        return not entity.name and kind not in ENRICHED
    if entity.name or body.after_text or (kind in ENRICHED and not body.silent()):
        return False
    return first or parent != "multipart/related"


def _alternative(entity: Entity, body: Body) -> None:
    """One block of what says the same in several forms."""
    inner = body.within()
    for i, child in enumerate(entity.children):
        inner.after_text = False
        collect(child, inner, "multipart/alternative", i == 0)
    body.parts += inner.parts
    plain = [block.plain for block in inner.blocks if block.plain is not None]
    rich = [block.html for block in inner.blocks if block.html is not None]
    if sum(child.media_type == "text/plain" for child in entity.children) > 1:
        plain = [next((words for words in plain if words.strip()), "")]  # the same said twice
    if plain or rich:
        block = Block("\n".join(plain) if plain else None, "\n".join(rich) if rich else None)
        body.blocks.append(block)
        body.after_text = block.says_something


def _add_text(entity: Entity, body: Body) -> None:
    words, trouble = entity.text()
    if trouble:
        body.note(trouble if trouble.startswith("some") else f"the text: {trouble}")
    if len(words) > TEXT_LIMIT:
        body.note(f"only the first {TEXT_LIMIT} characters of the text are read; all of it is a file")
        _add_file(entity, body)
        words = words[:TEXT_LIMIT]
    if entity.media_type in ("text/html", *ENRICHED):
        block = Block(html=words)
    else:
        words = _plain(words, entity, body)
        block = Block(plain=words)
    body.blocks.append(block)
    body.after_text = block.says_something


def _plain(words: str, entity: Entity, body: Body) -> str:
    if "-----BEGIN PGP MESSAGE-----" in words:
        body.note("encrypted content is kept unopened")
        body.marks["encrypted"] = "PGP"
    elif words.startswith("-----BEGIN PGP SIGNED MESSAGE-----"):
        body.marks["signed"] = "PGP"
        words = quotes.without_armour(words)
    if entity.parameters.get("format", "").lower() == "flowed":
        words = flowed.unflow(words, entity.parameters.get("delsp", "").lower() == "yes")
    for name, data in mime.take_uu(words)[1]:
        _keep(body, name, _guess(name), data)
    return words


def _add_file(entity: Entity, body: Body) -> None:
    kind = entity.media_type
    data, trouble = entity.decoded()
    name = headers.words(entity.name)
    default = ""
    if kind in MAILS and entity.children:
        inner = entity.children[0]
        default = f"{headers.words(inner.header('subject')).replace('/', ' ').strip()[:80] or 'message'}.eml"
        _add_inner(inner, body)
    elif kind in BODY and not name and entity.disposition != "attachment":
        data = entity.text()[0].encode()  # nobody could tell its charset any more
        if not data.strip():
            return
    elif kind == "message/external-body":
        body.note("a file was left at its sender, who only tells where it is")
    elif kind == "message/partial":
        body.note("only one piece of a mail that its sender cut into several")
    _keep(body, name, kind, data, entity.content_id, trouble, default)


def _keep(
    body: Body,
    name: str,
    kind: str,
    data: bytes,
    content_id: str | None = None,
    trouble: str | None = None,
    default: str = "",
) -> None:
    fallback = default or f"attachment-{len(body.parts) + 1}{EXTENSIONS.get(kind, '')}"
    safe = filename.safe(name, fallback)
    if trouble:
        body.note(f"{safe}: {trouble}")
    body.parts.append(Part(safe, kind, data, content_id))
    body.after_text = False


def _add_inner(inner: Entity, body: Body) -> None:
    """A mail inside the mail is a file; where the outer one says nothing, its text is what was said."""
    body.inside.append(inner)
    if body.silent():
        found = body.within()
        collect(inner, found)
        body.blocks += found.blocks


def _marks(entity: Entity, body: Body) -> None:
    protocol = entity.parameters.get("protocol", "").lower()
    by = "S/MIME" if "pkcs7" in protocol else "PGP"
    if entity.media_type == "multipart/signed":
        body.marks["signed"] = by
    elif entity.media_type == "multipart/encrypted":
        body.marks["encrypted"] = by
        body.note("encrypted content is kept unopened")


def _signed(entity: Entity, body: Body) -> None:
    """S/MIME in one piece: a signed one is opened, an encrypted one kept."""
    content = entity.content()
    found = unpack.cms(content)
    if found.content is not None and body.layers < unpack.LAYERS:
        body.marks["signed"] = "S/MIME"
        body.layers += 1
        collect(mime.parse(found.content, body.limits), body)
        body.layers -= 1
    elif found.kind != "certificates":
        if found.kind == "encrypted":
            body.marks["encrypted"] = "S/MIME"
        body.note("S/MIME content is kept unopened")
    _add_file(entity, body)


def _winmail(entity: Entity, body: Body) -> None:
    """Outlook's container: its files stand for it; its text is read where the mail has no other."""
    found = unpack.winmail(entity.content())
    if found is None:
        body.note("an Outlook container (winmail.dat) is kept unopened")
        _add_file(entity, body)
        return
    if body.silent():
        body.blocks.append(Block(found.text or None, found.html or None))
    for name, data in found.files:
        _keep(
            body, name, _guess(name), data, trouble=None if data else "it is empty or could not be unpacked"
        )


def _guess(name: str) -> str:
    ending = name[name.rfind(".") :].lower() if "." in name else ""
    return next((kind for kind, one in EXTENSIONS.items() if one == ending), "application/octet-stream")


def _calendar(entity: Entity, body: Body) -> None:
    """An invitation or an answer to one: what it says in words, and the file."""
    said = invitation.read(entity.text()[0])
    if said:
        method = entity.parameters.get("method", "")
        body.calendar.append({**({"method": method.upper()} if method else {}), **said})
        if body.silent():
            body.blocks.append(Block(plain=invitation.words(body.calendar[-1])))
    _add_file(entity, body)


def texts(blocks: list[Block]) -> tuple[str, str]:
    """All that is readable, and what of it is new."""
    full: list[str] = []
    new: list[str] = []
    for block in blocks:
        plain = block.plain or ""
        if block.html and (not plain.strip() or _is_placeholder(plain, block.html)):
            everything, fresh = html.texts(block.html)
            full.append(everything)
            new.append(fresh)
        elif plain.strip():
            full.append(plain)
            new.append(mime.take_uu(plain)[0])
    whole = "\n".join(full).strip("\n")
    trimmed = quotes.trim("\n".join(new))
    if not quotes.worded(trimmed):
        trimmed = quotes.trim(whole)
    if trimmed == whole.rstrip():
        trimmed = _by_html(blocks, whole) or trimmed
    return whole, trimmed


def _by_html(blocks: list[Block], whole: str) -> str | None:
    """What is new by the marks in the HTML, where the plain text beside it shows none."""
    if len(blocks) != 1 or not (blocks[0].plain and blocks[0].html and html.has_marks(blocks[0].html)):
        return None
    everything, fresh = html.texts(blocks[0].html)
    if fresh == everything or not quotes.worded(fresh):
        return None
    length = text.squeezed_prefix(whole, quotes.trim(fresh))
    return whole[:length].rstrip() if length else None


def _is_placeholder(plain: str, rich: str) -> bool:
    return len(plain) < 300 and len(rich) > len(plain) * 3 and bool(PLACEHOLDER.search(plain))


def forwarded(inside: list[Entity]) -> list[dict[str, Any]]:
    """Mails inside the mail in short: who wrote, about what, when, and their text."""
    found = []
    for mail in inside[:FORWARDED]:
        inner = Body(mime.Limits())
        collect(mail, inner)
        sender = next((box for box in headers.mailboxes(mail.header("from")) if box.address), None)
        dated = headers.date(mail.header("date"))
        told = {
            "from": sender.address.lower() if sender else "",
            "name": text.clean(sender.name) if sender else "",
            "subject": text.clean(headers.words(mail.header("subject"))).strip(),
            "date": dated.isoformat() if dated else "",
            "text": text.clean(texts(inner.blocks)[0])[:FORWARDED_TEXT],
        }
        found.append({key: value for key, value in told.items() if value})
    return [one for one in found if one]
