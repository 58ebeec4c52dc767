"""A number at WhatsApp's Cloud API (Cloud API, "Messages", "Media", "Templates")."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.contract import Media
from connectors.whatsapp import Template, WhatsappSettings
from connectors.wire import graph, meta_pages, multipart, splitting
from connectors.wire.graph import Graph
from connectors.wire.meta_door import MetaDoor
from connectors.wire.splitting import Unit
from model.delivery import Message, OutgoingFile, Receipt
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.health import Health, HealthState
from model.http import failure_for
from model.tools import Raw, Tools

#: Longest text that WhatsApp keeps for us with a message, characters.
_CALLBACK_DATA = 512
_PLACES = re.compile(r"\{(reference|name|subject|text)\}")


class WhatsappConnector(MetaDoor):
    """Sender, Splitter and Downloader beside the door; names come with the messages, so that no profile is asked."""

    def __init__(self, settings: WhatsappSettings, tools: Tools) -> None:
        super().__init__(settings, tools)
        self._settings = settings
        self._graph = Graph(settings, tools)

    # ---- out

    def parts(self, message: Message) -> Sequence[Message]:
        """Text in pieces, each file by itself; outside the window the text is one template, never cut in two.

        Files stay behind then, and are sent when the customer's next message opens the window.
        """
        if message.outside_window:
            files = [replace(message, text="", html=None, files=(file,)) for file in message.files]
            return (
                [replace(message, html=None, files=()), *files]
                if message.text.strip()
                else files or [message]
            )
        return splitting.parts(
            message, self._settings.text_characters, Unit.CODE_POINTS, numbered=self._settings.numbered
        )

    async def send(self, message: Message) -> Receipt:
        """One message. WhatsApp's 200 only says that it will try; what became of it comes as a status."""
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **_recipient(message),
            **(self._template(message) if message.outside_window else await self._content(message)),
            "biz_opaque_callback_data": message.key[:_CALLBACK_DATA],
        }
        told = await self._graph.post(f"{self._settings.account}/messages", body)
        sent = told.get("messages")
        number = sent[0].get("id") if isinstance(sent, list) and sent and isinstance(sent[0], dict) else None
        if not isinstance(number, str) or not number:
            raise Uncertain("the answer has no number of the message")
        return Receipt(remote_id=number, accepted_at=self._tools.clock.now())

    async def _content(self, message: Message) -> dict[str, Any]:
        if len(message.files) > 1 or (message.files and message.text.strip()):
            raise PermanentFailure(Reason.REQUEST, "a message is a text or one file")
        if message.files:
            return await self._file(message.files[0])
        if len(message.text) > self._settings.text_characters:
            raise PermanentFailure(
                Reason.REQUEST, f"the text is longer than {self._settings.text_characters} characters"
            )
        return {
            "type": "text",
            "text": {"body": message.text, "preview_url": self._settings.preview_links},
        }

    async def _file(self, file: OutgoingFile) -> dict[str, Any]:
        """The file, given to WhatsApp first and then named: until it is named nobody sees it."""
        told = await self._graph.upload(
            f"{self._settings.account}/media",
            {"messaging_product": "whatsapp", "type": file.media_type},
            multipart.File("file", file.filename, file.media_type, file.data),
        )
        number = told.get("id")
        if not isinstance(number, str) or not number:
            raise TemporaryFailure(Reason.SERVER, "the file was taken, but not numbered")
        type_ = _type_of(file.media_type)
        named = {"id": number, **({"filename": file.filename} if type_ == "document" else {})}
        return {"type": type_, type_: named}

    def _template(self, message: Message) -> dict[str, Any]:
        template = self._settings.template
        if template is None:
            raise PermanentFailure(Reason.WINDOW, "outside the window only a template may be sent")
        if message.files:
            raise PermanentFailure(Reason.WINDOW, "a file can be sent only while the window is open")
        values = [{"type": "text", "text": _filled(one, message, template)} for one in template.parameters]
        components = [{"type": "body", "parameters": values}] if values else []
        return {
            "type": "template",
            "template": {
                "name": template.name,
                "language": {"code": template.language},
                "components": components,
            },
        }

    # ---- in

    async def download(self, reference: str) -> Media:
        """A file by its number: asked for an address that holds for minutes, then fetched with our token.

        The token goes to hosts of the settings only, and what came must be what WhatsApp says it is.
        """
        about = await self._graph.get(reference, phone_number_id=self._settings.account)
        url, hosts = about.get("url"), self._settings.media_hosts
        if not isinstance(url, str) or not meta_pages.within(url, hosts):
            raise PermanentFailure(Reason.REQUEST, "the file is not at one of `media_hosts`")
        loaded = await self._tools.http.load(
            url,
            headers=self._graph.authorisation,
            timeout=self._settings.timeout * 4,
            public_only=meta_pages.public_only(url, hosts),
            limit=self._settings.media_bytes,
        )
        if loaded.status == 404:
            raise TemporaryFailure(
                Reason.SERVER, "HTTP 404: the file's address has ended; it is asked for anew"
            )
        failure = failure_for(loaded.status, loaded.headers, self._tools.clock.now(), address_from_data=True)
        if failure is not None:
            raise graph.harmless(failure)
        if not _same(loaded.raw, about.get("sha256")):
            raise TemporaryFailure(Reason.SERVER, "the file is not whole: its digest is another")
        told = about.get("mime_type")
        kind = told.partition(";")[0].strip() if isinstance(told, str) else None
        return Media(raw=loaded.raw, media_type=kind or meta_pages.media_type(loaded.headers))

    # ---- health

    async def probe(self) -> Health:
        """The number as WhatsApp sees it, and whether its account's events are posted to us."""
        try:
            told = await self._graph.get(
                self._settings.account, fields="display_phone_number,verified_name,quality_rating,status"
            )
            name = " ".join(
                one
                for one in (told.get("display_phone_number"), told.get("verified_name"))
                if isinstance(one, str)
            )
            business = self._settings.business_account
            if business and not (await self._graph.get(f"{business}/subscribed_apps")).get("data"):
                if not self._settings.subscribe:
                    return Health(
                        HealthState.FAILING,
                        f"{name}: the app is not subscribed to the business account",
                        f"POST /{business}/subscribed_apps, or set `subscribe: true`",
                    )
                await self._graph.post(f"{business}/subscribed_apps", {})
                self._tools.log.warning("meta.subscribed_again")
                return Health(HealthState.OK, f"{name}; subscribed to its events again")
        except SendFailure as failure:
            return graph.health_of(failure)
        if told.get("quality_rating") == "RED":
            return Health(HealthState.OK, f"{name}; quality is red: customers block or report it")
        return Health(HealthState.OK, name)


def _recipient(message: Message) -> dict[str, str]:
    """Whom: by user id where WhatsApp gave one, else by number. A user id in `to` would be refused."""
    thread, to = message.thread, message.to
    if isinstance(user := thread.get("user"), str):
        return {"recipient": user}
    if isinstance(number := thread.get("number"), str):
        return {"to": number}
    if to is not None and to.kind == "bsuid":
        return {"recipient": to.value}
    if to is not None and to.kind in ("whatsapp", "phone"):
        return {"to": to.value.lstrip("+")}
    raise PermanentFailure(
        Reason.REQUEST, "only a telephone number, or a customer who wrote, can be written to"
    )


def _filled(parameter: str, message: Message, template: Template) -> str:
    """A parameter's value: one line, since WhatsApp refuses breaks, tabs and runs of spaces in it."""
    values: Mapping[str, str] = {
        "reference": message.reference,
        "name": message.name,
        "subject": message.subject,
        "text": message.text,
    }
    filled = _PLACES.sub(lambda found: values[found[1]], parameter)
    line = re.sub(r"\s+", " ", filled).strip()
    line = line if len(line) <= template.longest else line[: template.longest - 1].rstrip() + "…"
    return line or "-"


def _type_of(media_type: str) -> str:
    """How WhatsApp shows a file: what its pictures, sounds and films may not be is a document."""
    if media_type in ("image/jpeg", "image/png"):
        return "image"
    if media_type in ("video/mp4", "video/3gpp"):
        return "video"
    if media_type in ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"):
        return "audio"
    return "document"


def _same(raw: Raw, told: Any) -> bool:
    """Whether a file has the digest that WhatsApp told, in hexadecimal or base64; True where it told none."""
    if not isinstance(told, str) or not told:
        return True
    digest = hashlib.sha256(raw).hexdigest() if isinstance(raw, bytes) else raw.sha256
    return told in (digest, base64.b64encode(bytes.fromhex(digest)).decode())
