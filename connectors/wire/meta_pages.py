"""What a Facebook page and an Instagram account do alike: messages, files, comments, profiles, the health of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectors.contract import Media, Profile
from connectors.wire import graph, multipart, splitting
from connectors.wire.graph import Graph
from connectors.wire.meta_door import MetaDoor
from connectors.wire.meta_settings import PageSettings
from connectors.wire.splitting import Unit
from model.delivery import Message, OutgoingFile, Purpose, Receipt
from model.draft import Identity
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.health import Health, HealthState
from model.http import failure_for
from model.tools import Tools

#: Statuses by which Meta's file servers say that a signed address has ended.
_ENDED = frozenset({400, 401, 403, 404, 410})


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the two differ."""

    person: str
    """The kind of identity by which its users are known to this account."""
    profile: str
    """The fields that a profile is asked for."""
    below: str
    """The edge of a comment that answers below it are posted to."""
    node: str
    """The account as the API's paths name it."""
    text: int
    unit: Unit
    fields: tuple[str, ...]
    """The events that the kind reads."""
    upload: Mapping[str, str]
    """Further fields of an upload."""
    echoes_key: bool
    """Whether its echoes hand our key back (`metadata`)."""


class MetaPages(MetaDoor):
    """Sender, Splitter, Downloader and Profiler beside the door."""

    def __init__(self, settings: PageSettings, tools: Tools, site: Site) -> None:
        super().__init__(settings, tools)
        self._settings = settings
        self._site = site
        self._graph = Graph(settings, tools)

    # ---- out

    def parts(self, message: Message) -> Sequence[Message]:
        """Text in pieces, each file by itself; a private reply is one message, whatever its length."""
        if message.thread.get("comment") or message.thread.get("post"):
            if self._settings.comments == "private":
                return [message]
            return splitting.parts(
                message, self._settings.comment_characters, Unit.CODE_POINTS, numbered=self._settings.numbered
            )
        return splitting.parts(message, self._site.text, self._site.unit, numbered=self._settings.numbered)

    async def send(self, message: Message) -> Receipt:
        """One message. The receipt holds its number, by which echoes and receipts speak of it."""
        thread = message.thread
        comment, post = _text(thread.get("comment")), _text(thread.get("post"))
        if comment or post:
            return await self._answer_comment(message, comment, post)
        person = _text(thread.get("person")) or (message.to.value if message.to else "")
        if not person or (not thread.get("person") and message.to and message.to.kind != self._site.person):
            raise PermanentFailure(
                Reason.REQUEST, f"only a customer who wrote ({self._site.person}) can be answered"
            )
        return await self._message(message, {"id": person})

    async def _message(self, message: Message, recipient: Mapping[str, str]) -> Receipt:
        content = await self._content(message)
        body: dict[str, Any] = {"recipient": recipient, "messaging_type": "RESPONSE", "message": content}
        if message.outside_window:
            if not self._settings.human_agent or message.purpose is not Purpose.REPLY:
                raise PermanentFailure(
                    Reason.WINDOW, "outside the window only what a person wrote may be sent"
                )
            body |= {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
        told = await self._graph.post(f"{self._site.node}/messages", body)
        return self._receipt(told, "message_id")

    async def _content(self, message: Message) -> dict[str, Any]:
        if len(message.files) > 1 or (message.files and message.text.strip()):
            raise PermanentFailure(Reason.REQUEST, "a message is a text or one file")
        content: dict[str, Any] = {"text": message.text}
        if message.files:
            content = {"attachment": await self._uploaded(message.files[0])}
        elif splitting.size(message.text, self._site.unit) > self._site.text:
            raise PermanentFailure(
                Reason.REQUEST, f"the text is longer than {self._site.text} {self._site.unit.value}"
            )
        if self._site.echoes_key:
            content["metadata"] = message.key
        return content

    async def _uploaded(self, file: OutgoingFile) -> dict[str, Any]:
        """The file, given to Meta first and then named: until it is named nobody sees it."""
        type_ = file.media_type.partition("/")[0]
        type_ = type_ if type_ in ("image", "audio", "video") else "file"
        about = f'{{"attachment":{{"type":"{type_}","payload":{{"is_reusable":true}}}}}}'
        told = await self._graph.upload(
            f"{self._site.node}/message_attachments",
            {"message": about, **self._site.upload},
            multipart.File("filedata", file.filename, file.media_type, file.data),
        )
        if not isinstance(told.get("attachment_id"), str):
            raise TemporaryFailure(Reason.SERVER, "the file was taken, but not numbered")
        return {"type": type_, "payload": {"attachment_id": told["attachment_id"]}}

    async def _answer_comment(self, message: Message, comment: str, post: str) -> Receipt:
        """Below the comment or post, or by the one private message that Meta allows for each."""
        if self._settings.comments == "private":
            named = {"comment_id": comment} if comment else {"post_id": post}
            return await self._message(message, named)
        if message.files:
            raise PermanentFailure(Reason.REQUEST, "files cannot be sent below a comment")
        path = f"{comment}/{self._site.below}" if comment else f"{post}/comments"
        return self._receipt(await self._graph.post(path, {"message": message.text}), "id")

    def _receipt(self, told: Mapping[str, Any], name: str) -> Receipt:
        number = told.get(name)
        if not isinstance(number, str) or not number:
            raise Uncertain(f"the answer has no {name}")
        return Receipt(remote_id=number, accepted_at=self._tools.clock.now())

    # ---- in

    async def download(self, reference: str) -> Media:
        """A file by its signed address, which ends some day; only from Meta's hosts."""
        hosts = self._settings.media_hosts
        if not within(reference, hosts):
            raise PermanentFailure(Reason.REQUEST, "the file is not at one of `media_hosts`")
        loaded = await self._tools.http.load(
            reference,
            timeout=self._settings.timeout * 4,
            public_only=public_only(reference, hosts),
            limit=self._settings.media_bytes,
        )
        if loaded.status in _ENDED:
            raise PermanentFailure(Reason.REQUEST, f"HTTP {loaded.status}: the file's address has ended")
        failure = failure_for(loaded.status, loaded.headers, self._tools.clock.now(), address_from_data=True)
        if failure is not None:
            raise failure
        return Media(raw=loaded.raw, media_type=media_type(loaded.headers))

    async def profile(self, identity: Identity) -> Profile:
        """Name and language, where the person and the app's permissions let us see them."""
        if identity.kind != self._site.person:
            return Profile()
        try:
            told = await self._graph.get(identity.value, fields=self._site.profile)
        except SendFailure as failure:
            raise graph.harmless(failure) from None
        names = (told.get("name"), f"{told.get('first_name') or ''} {told.get('last_name') or ''}")
        name = next((one.strip() for one in names if isinstance(one, str) and one.strip()), "")
        locale = told.get("locale")
        return Profile(
            name=name or _text(told.get("username")),
            language=locale.replace("_", "-") if isinstance(locale, str) else None,
        )

    # ---- health

    async def probe(self) -> Health:
        """Whose the token is, and whether Meta still posts the account's events to us."""
        try:
            told = await self._graph.get(
                self._site.node, fields="id,name" if self._site.echoes_key else "id,username"
            )
            name = _text(told.get("name") or told.get("username")) or self._settings.account
            missing = await self._missing()
            if missing and self._settings.subscribe:
                wanted = ",".join(self._fields)
                await self._graph.post(f"{self._site.node}/subscribed_apps", {}, subscribed_fields=wanted)
                self._tools.log.warning("meta.subscribed_again", fields=sorted(missing))
                return Health(HealthState.OK, f"{name}; subscribed to its events again")
        except SendFailure as failure:
            return graph.health_of(failure)
        if missing:
            repair = (
                f"subscribe the app to {', '.join(sorted(missing))} of the account, or set `subscribe: true`"
            )
            return Health(HealthState.FAILING, f"{name}: Meta does not post all of its events", repair)
        return Health(HealthState.OK, name)

    async def _missing(self) -> set[str]:
        """The wanted events that no subscription of the app has."""
        told = await self._graph.get(f"{self._site.node}/subscribed_apps")
        apps = told.get("data")
        have = {
            field
            for app in (apps if isinstance(apps, list) else ())
            if isinstance(app, dict)
            for field in app.get("subscribed_fields") or ()
            if isinstance(field, str)
        }
        return set(self._fields) - have

    @property
    def _fields(self) -> tuple[str, ...]:
        chosen = self._settings.subscribed_fields or self._site.fields
        if self._settings.comments == "none":
            chosen = tuple(one for one in chosen if one not in ("feed", "comments"))
        return chosen


def within(url: str, hosts: Sequence[str]) -> bool:
    """Whether an address is at one of the hosts, or below one whose name begins with a dot."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if parts.scheme not in ("http", "https"):
        return False
    return any(host == one.lstrip(".") or (one.startswith(".") and host.endswith(one)) for one in hosts)


def public_only(url: str, hosts: Sequence[str]) -> bool:
    """Whether a file's address must be a public one: always, save where the operator named the very host."""
    return (urlsplit(url).hostname or "") not in hosts


def media_type(headers: Mapping[str, str]) -> str | None:
    """The type that a file's server tells, where it tells anything of use."""
    told = headers.get("content-type", "").partition(";")[0].strip().lower()
    return told if "/" in told and told != "application/octet-stream" else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
