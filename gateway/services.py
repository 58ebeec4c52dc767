"""What the console is given of the house: the verbs, the tokens, the forms."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from config.load import Loaded
from connectors.chat import ChatSettings
from connectors.form import FormSettings
from console.services import ChatPage, FormPage, Services, Throttle
from gateway import metrics, operate
from gateway.house import House, wait_for_commit
from gateway.notes import Notes, Partners
from gateway.openings import Openings
from gateway.operate import Admin, ChannelVerbs, Tokens
from gateway.posters import Posters
from gateway.reports.service import Reports
from gateway.tools import FileSpool
from inbox.door import client_address
from model.record import Record
from outbox.sandbox import TemplateFailure
from outbox.templates import NOTHING, SAMPLE

#: How the names of templates begin that are ready-made answers.
_READY = "answer-"


def admin_token(loaded: Loaded, folder: Path) -> tuple[str, bool]:
    """The administrator's token, and whether it was made just now; a made one is kept in a file of ours."""
    given = loaded.settings.api.admin_token
    if given is not None and given.get_secret_value():
        return given.get_secret_value(), False
    path = folder / "admin-token"
    with contextlib.suppress(FileNotFoundError):
        # An empty one, which a crash or a full disk may have left, would let in whoever gives no token.
        if kept := path.read_text().strip():
            return kept, False
    token = secrets.token_urlsafe(24)
    made = path.with_name(".admin-token.new")
    handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(token + "\n")
        out.flush()
        os.fsync(handle)
    made.replace(path)
    return token, True


def make_services(house: House, openings: Openings, token: str, reload: operate.Reload) -> Services:
    """What the console is given."""
    settings = house.loaded.settings
    proxies = list(settings.trusted_proxies)
    return Services(
        version=metrics.release(),
        store=house.store,
        clock=house.clock,
        ids=house.ids,
        log=house.log,
        secret=house.store.secret,
        public_url=settings.address,
        tokens=Tokens(house, token),
        inbox=house.inbox,
        imports=house.imports,
        import_spool=FileSpool(house.store.folder / "spool").keep,
        outbox=house.outbox,
        bundles=house.bundles,
        posters=Posters(house),
        contacts=house.contacts,
        notes=Notes(house),
        partners=Partners(house),
        passing=house.passing,
        care=house.care,
        following=house.following,
        repeats=house.repeats,
        joining=house.joining,
        review=house.review,
        surges=house.surges,
        ready_made=ReadyMade(house),
        reports=Reports(house.reporting),
        users=house.users,
        persons=house.persons,
        exports=house.store.folder / "spool",
        channels=ChannelVerbs(house, openings),
        admin=Admin(house, reload),
        health=lambda: operate.health(house),
        forms=Forms(house),
        chats=Chats(house),
        seen=house.unseen.seen,
        open_blob=house.store.open_blob,
        wait_for_event=lambda after, seconds: wait_for_commit(house.store, seconds),
        remote=lambda request: client_address(request, proxies),
        zone=datetime.now().astimezone().tzinfo or UTC,
        session_hours=settings.desk.session_hours,
        undo=settings.desk.undo,
        presence=settings.desk.presence,
        throttle=Throttle(
            failures=settings.desk.throttle.failures,
            within=settings.desk.throttle.within,
            pause=settings.desk.throttle.pause,
        ),
    )


def _ways(reply_via: Mapping[str, str]) -> list[str]:
    """What a customer may choose among: only where letters go out is there a choice that a page must ask for."""
    named = {"email": "email", "phone": "sms", "post": "letter"}
    return [word for kind, word in named.items() if kind in reply_via] if "post" in reply_via else []


class ReadyMade:
    """The answers that are written already, as the templates are now: their subject is their title."""

    def __init__(self, house: House) -> None:
        self._house = house

    def titles(self, language: str) -> list[tuple[str, str]]:
        names = sorted(name for name in self._house.templates.names if name.startswith(_READY))
        found = []
        for name in names:
            with contextlib.suppress(TemplateFailure):  # told by `forebay check` and by the log at the start
                found.append((name, self._house.templates.render(name, language, SAMPLE).subject))
        return found

    def text(self, name: str, record: Record) -> str:
        if not name.startswith(_READY) or name not in self._house.templates.names:
            raise LookupError(f"there is no ready-made answer {name!r}")
        values = {
            **NOTHING,
            "reference": record.reference,
            "status_url": self._house.links.status(record.reference or ""),
            "name": record.contact.name,
            "subject": record.subject,
            "channel": record.channel.name,
            "urgency": record.urgency,
            "in_scope": record.in_scope,
            "missing": record.missing,
        }
        try:
            return self._house.templates.render(name, record.contact.language, values).text
        except TemplateFailure as failure:
            raise ValueError(str(failure)) from None


class Forms(Mapping[str, FormPage]):
    """The pages of the form channels as they are configured now."""

    def __init__(self, house: House) -> None:
        self._house = house

    def _names(self) -> list[str]:
        channels = self._house.channels.items()
        return [name for name, channel in channels if isinstance(channel.settings, FormSettings)]

    def __getitem__(self, name: str) -> FormPage:
        if name not in self._names():
            raise KeyError(name)
        settings = self._house.channels[name].settings
        assert isinstance(settings, FormSettings)
        return FormPage(
            channel=name,
            titles=settings.title,
            introductions=settings.intro,
            fields=settings.fields.model_dump(),
            required=settings.required,
            honeypot=settings.honeypot,
            max_files=settings.files.count,
            file_bytes=settings.files.bytes,
            file_types=settings.files.types,
            ways=_ways(settings.reply_via),
            embed_from=settings.origins,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


class Chats(Mapping[str, ChatPage]):
    """The widgets of the chat channels as they are configured now."""

    def __init__(self, house: House) -> None:
        self._house = house

    def _settings(self) -> dict[str, ChatSettings]:
        every = ((name, channel.settings) for name, channel in self._house.channels.items())
        return {name: settings for name, settings in every if isinstance(settings, ChatSettings)}

    def __getitem__(self, name: str) -> ChatPage:
        settings = self._settings()[name]
        return ChatPage(
            channel=name,
            titles=settings.title,
            greetings=settings.greeting,
            origins=settings.origins,
            max_files=settings.files.count,
            file_bytes=settings.files.bytes,
            open_pages=settings.open_pages,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings())

    def __len__(self) -> int:
        return len(self._settings())
