"""Writes to followers by the account's API, fetches their files, and asks who they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import orjson

from connectors.contract import Media, Profile
from connectors.wechat import WechatSettings
from connectors.wechat.causes import CAUSES, REFRESH
from connectors.wechat.comments import ReadsComments, comment_of
from connectors.wechat.incoming import Incoming
from connectors.wire import errcode_api, multipart, notices, splitting
from connectors.wire.errcode_api import Api
from connectors.wire.token_keeper import TokenKeeper
from model.delivery import Message, OutgoingFile, Receipt
from model.draft import Identity
from model.failures import PermanentFailure, Reason, SendFailure
from model.health import OK, Health, HealthState
from model.tools import Tools

_MESSAGE, _UPLOAD, _FILE = "/cgi-bin/message/custom/send", "/cgi-bin/media/upload", "/cgi-bin/media/get"
_TEMPLATE, _NOTICE = "/cgi-bin/message/template/send", "/cgi-bin/message/subscribe/bizsend"
_PERSON, _PROBE = "/cgi-bin/user/info", "/cgi-bin/get_api_domain_ip"
_COMMENT = "/cgi-bin/comment/reply/add"
#: What WeChat can show of a file, by the beginning of its media type.
_SHOWN = {"image/": "image", "audio/": "voice", "video/": "video"}


class Writes:
    """Sender, Splitter, Downloader and Profiler, where the settings have the AppSecret."""

    _settings: WechatSettings
    _tools: Tools
    _keeper: TokenKeeper
    _api: Api

    async def send(self, message: Message) -> Receipt:
        """One message: a text, a file, a comment's answer, or, outside the window, the notice of the settings."""
        now = self._tools.clock.now()
        comment = comment_of(message)
        if comment is not None:
            await self._api.ask(_COMMENT, {**comment, "content": message.text}, sends=True)
            return Receipt(remote_id=message.key, accepted_at=now)
        if message.outside_window:
            return Receipt(remote_id=await self._notify(message) or message.key, accepted_at=now)
        body: dict[str, Any] = {"touser": _openid(message)}
        if message.files:
            body |= await self._file(message.files[0])
        else:
            body |= {"msgtype": "text", "text": {"content": message.text}}
        if self._settings.staff:
            body["customservice"] = {"kf_account": self._settings.staff}
        await self._api.ask(_MESSAGE, body, sends=True)
        # WeChat names no number of it: ours is all there is to find it by.
        return Receipt(remote_id=message.key, accepted_at=now)

    def parts(self, message: Message) -> Sequence[Message]:
        """The text in pieces and each file by itself; a notice is always one."""
        if message.outside_window or comment_of(message) is not None:
            return [message]
        settings = self._settings
        return splitting.parts(message, settings.text_bytes, splitting.Unit.BYTES, numbered=settings.numbered)

    async def download(self, reference: str) -> Media:
        """A picture, sound or film by its media id; WeChat keeps them for three days."""
        return await self._api.download(_FILE, self._settings.media_bytes, media_id=reference)

    async def profile(self, identity: Identity) -> Profile:
        """The unionid and language; names have not been told since the end of 2021, but are taken if they come."""
        if identity.kind != "openid":
            return Profile()
        told = await self._api.ask(_PERSON, openid=identity.value, lang="zh_CN")
        union = str(told.get("unionid") or "")
        return Profile(
            name=str(told.get("nickname") or ""),
            language=_language(str(told.get("language") or "")),
            identities=(Identity("unionid", union),) if union else (),
        )

    async def probe(self) -> Health:
        """Asks for WeChat's own addresses, which needs a good token and our address on the list."""
        try:
            await self._api.ask(_PROBE)
        except SendFailure as error:
            return errcode_api.health_of(error)
        stolen = self._keeper.stolen_at
        if stolen is None or self._tools.clock.now() - stolen > timedelta(days=1):
            return OK
        return Health(
            HealthState.OK,
            f"another system asks for tokens of this AppID and kills ours, last at {stolen:%Y-%m-%d %H:%M} UTC",
            "let every system of this AppID use stable_token without force_refresh, or give Forebay its own app",
        )

    async def _file(self, file: OutgoingFile) -> dict[str, Any]:
        kind = next((shown for start, shown in _SHOWN.items() if file.media_type.startswith(start)), None)
        if kind is None:
            raise PermanentFailure(
                Reason.REQUEST, f"WeChat carries pictures, sounds and films only, not {file.media_type}"
            )
        upload = multipart.File("media", file.filename, file.media_type, file.data)
        told = await self._api.upload(_UPLOAD, upload, type=kind)
        return {"msgtype": kind, kind: {"media_id": str(told.get("media_id", ""))}}

    async def _notify(self, message: Message) -> str:
        """The notice of the settings; its number, where WeChat tells one."""
        settings = self._settings
        notice = settings.template or settings.subscription
        if notice is None:
            raise PermanentFailure(Reason.WINDOW, "the window is closed, and the settings have no template")
        values = {
            name: {"value": notices.fill(pattern, message, notice.longest)}
            for name, pattern in notice.data.items()
        }
        body = {"touser": _openid(message), "template_id": notice.id, "data": values}
        if settings.template is not None:
            # The same key within ten minutes is not sent again.
            body["client_msg_id"] = hashlib.sha256(message.key.encode()).hexdigest()[:32]
            told = await self._api.ask(
                _TEMPLATE, {**body, **({"url": notice.url} if notice.url else {})}, sends=True
            )
            return str(told.get("msgid") or "")
        await self._api.ask(_NOTICE, {**body, **({"page": notice.url} if notice.url else {})}, sends=True)
        return ""


def make(settings: WechatSettings, tools: Tools) -> Incoming:
    """A connector with just the roles that the settings give it."""
    roles: list[tuple[bool, type[Any]]] = [
        (settings.comments is not None, ReadsComments),
        (settings.secret is not None, Writes),
    ]
    bases = (*(role for chosen, role in roles if chosen), Incoming)
    made: Any = type("WechatConnector", bases, {})(settings, tools)
    if settings.secret is not None:
        made._keeper = _keeper(settings, tools)
        made._api = Api(tools, settings.api, made._keeper, CAUSES, REFRESH, settings.timeout)
    connector: Incoming = made
    return connector


def _keeper(settings: WechatSettings, tools: Tools) -> TokenKeeper:
    assert settings.secret is not None, "asked for only with the AppSecret"
    app = {"appid": settings.app_id, "secret": settings.secret.get_secret_value()}
    base = settings.api.rstrip("/")

    def ask(force: bool) -> tuple[str, str, bytes | None]:
        if settings.classic_token:
            query = urlencode({"grant_type": "client_credential", **app})
            return "GET", f"{base}/cgi-bin/token?{query}", None
        body = orjson.dumps({"grant_type": "client_credential", **app, "force_refresh": force})
        return "POST", f"{base}/cgi-bin/stable_token", body

    return TokenKeeper(
        tools, f"token:{settings.app_id}", errcode_api.fetcher(tools, ask, CAUSES, settings.timeout)
    )


def _openid(message: Message) -> str:
    """To whom: whoever the conversation is with, else the identity that was chosen."""
    told = message.thread.get("openid")
    if isinstance(told, str) and told:
        return told
    if message.to is not None and message.to.kind == "openid":
        return message.to.value
    raise PermanentFailure(Reason.RECIPIENT, "nobody here is known by an OpenID")


def _language(told: str) -> str | None:
    """`zh_CN` as a tag of BCP 47."""
    tag = told.replace("_", "-")
    return tag if tag.replace("-", "").isalpha() else None
