"""Fetches what customer service has, writes to members and customers, fetches files and names."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from connectors.contract import Batch, Media, Profile
from connectors.wecom import WecomSettings
from connectors.wecom.causes import CAUSES, REFRESH
from connectors.wecom.incoming import Incoming, item_envelope
from connectors.wire import errcode_api, multipart, splitting
from connectors.wire.errcode_api import Api
from connectors.wire.token_keeper import TokenKeeper
from model.delivery import Message, OutgoingFile, Receipt
from model.draft import Identity
from model.envelope import Envelope
from model.failures import PermanentFailure, Reason, SendFailure
from model.health import OK, Health
from model.tools import Tools

_ACCOUNTS, _SYNC, _KF_SEND = "/cgi-bin/kf/account/list", "/cgi-bin/kf/sync_msg", "/cgi-bin/kf/send_msg"
_SEND, _UPLOAD, _FILE = "/cgi-bin/message/send", "/cgi-bin/media/upload", "/cgi-bin/media/get"
_CUSTOMER, _MEMBER, _PROBE = (
    "/cgi-bin/kf/customer/batchget",
    "/cgi-bin/user/get",
    "/cgi-bin/get_api_domain_ip",
)
_CUSTOMERS, _MEMBERS = "external_userid", "wecom_userid"
#: How WeCom says that it has a message with this number of ours: no code for it is published.
_ALREADY = re.compile(
    r"msgid.{0,40}(exist|repeat|duplicat|used)|(repeat|duplicat).{0,40}msgid", re.IGNORECASE
)
_SHOWN = {"image/jpeg": "image", "image/png": "image", "audio/amr": "voice", "video/mp4": "video"}
#: In the cursor: the accounts whose messages of before are still being fetched.
_NEW = "new"
#: Accounts asked for at once.
_PAGE = 100


class Writes(Incoming):
    """Sender, Splitter, Downloader and Profiler."""

    def __init__(self, settings: WecomSettings, tools: Tools) -> None:
        super().__init__(settings, tools)
        self._keeper = _keeper(settings, tools)
        self._api = Api(tools, settings.api, self._keeper, CAUSES, REFRESH, settings.timeout, _ALREADY)

    async def send(self, message: Message) -> Receipt:
        """One message to a customer or a member; of a repeat, WeCom knows that it has it."""
        account, customer, member = _whom(message)
        number = base64.urlsafe_b64encode(hashlib.sha256(message.key.encode()).digest()[:24]).decode()
        content: dict[str, Any] = {"msgtype": "text", "text": {"content": message.text}}
        if message.files:
            content = await self._file(message.files[0])
        if customer:
            body = {"touser": customer, "open_kfid": account, "msgid": number, **content}
            await self._api.ask(_KF_SEND, body, sends=True)
            return Receipt(remote_id=number, accepted_at=self._tools.clock.now())
        return await self._to_member(member, content, number)

    async def _to_member(self, member: str, content: Mapping[str, Any], number: str) -> Receipt:
        if self._settings.agent_id is None:
            raise PermanentFailure(
                Reason.REQUEST, "agent_id is missing in the settings: members cannot be answered"
            )
        check = self._settings.duplicate_check
        body = {
            "touser": member,
            "agentid": self._settings.agent_id,
            "enable_duplicate_check": 1 if check else 0,
            "duplicate_check_interval": check or 1,
            **content,
        }
        told = await self._api.ask(_SEND, body, sends=True)
        if told.get("invaliduser"):
            raise PermanentFailure(Reason.RECIPIENT, "the member is unknown, or may not use the app")
        return Receipt(remote_id=str(told.get("msgid") or number), accepted_at=self._tools.clock.now())

    def parts(self, message: Message) -> Sequence[Message]:
        """The text in pieces and each file by itself."""
        settings = self._settings
        return splitting.parts(message, settings.text_bytes, splitting.Unit.BYTES, numbered=settings.numbered)

    async def download(self, reference: str) -> Media:
        """A file by its media id; WeCom keeps them for three days."""
        return await self._api.download(_FILE, self._settings.media_bytes, media_id=reference)

    async def profile(self, identity: Identity) -> Profile:
        """Nickname and unionid of a customer, name of a member."""
        if identity.kind == _CUSTOMERS:
            body = {"external_userid_list": [identity.value], "need_enter_session_context": 0}
            listed: Any = (await self._api.ask(_CUSTOMER, body)).get("customer_list") or [{}]
            union = str(listed[0].get("unionid") or "")
            return Profile(
                name=str(listed[0].get("nickname") or ""),
                identities=(Identity("unionid", union),) if union else (),
            )
        if identity.kind == _MEMBERS:
            told = await self._api.ask(_MEMBER, userid=identity.value.rpartition("/")[2])
            return Profile(name=str(told.get("name") or ""))
        return Profile()

    async def probe(self) -> Health:
        """Asks for the customer-service accounts, else for WeCom's own addresses: both need token and trust."""
        try:
            if self._settings.customer_service is not None:
                await self._api.ask(_ACCOUNTS, {"offset": 0, "limit": 1})
            else:
                await self._api.ask(_PROBE)
        except SendFailure as error:
            return errcode_api.health_of(error)
        return OK

    async def _file(self, file: OutgoingFile) -> dict[str, Any]:
        kind = _SHOWN.get(file.media_type, "file")
        upload = multipart.File("media", file.filename, file.media_type, file.data)
        told = await self._api.upload(_UPLOAD, upload, type=kind)
        return {"msgtype": kind, kind: {"media_id": str(told.get("media_id", ""))}}


class Fetches(Writes):
    """Fetcher, where the settings have `customer_service`: its callbacks bring no message, only a wish to fetch."""

    _looked: dict[str, float]
    _known: tuple[str, ...] = ()

    def __init__(self, settings: WecomSettings, tools: Tools) -> None:
        super().__init__(settings, tools)
        self._looked = {}

    async def fetch(self, cursor: Mapping[str, Any] | None, wait: timedelta) -> Batch:
        """One page of each account that something came for, or that it is time to look at."""
        service = self._settings.customer_service
        assert service is not None, "made only with `customer_service`"
        cursor = dict(cursor or {})
        new: set[str] = set(cursor.get(_NEW, ()))
        envelopes: list[Envelope] = []
        moved = False
        for account in await self._accounts():
            now = self._tools.clock.monotonic()
            looked = self._looked.get(account)
            hint = self._hints.get(account)
            if hint is None and looked is not None and now - looked < service.every.total_seconds():
                continue
            told = await self._page(account, cursor.get(account), hint)
            new |= set() if account in cursor else {account}
            envelopes += [
                self._taken(one, account in new)
                for one in told.get("msg_list") or ()
                if isinstance(one, dict)
            ]
            onward = str(told.get("next_cursor") or "")
            if onward and onward != cursor.get(account):
                cursor[account], moved = onward, True
            if told.get("has_more") and onward:
                cursor[_NEW] = sorted(new)
                continue  # fewer than a page may come while there is more: looked at again at once
            new.discard(account)
            cursor[_NEW] = sorted(new)
            self._looked[account] = now
            if self._hints.get(account) == hint:  # else another callback came meanwhile
                self._hints.pop(account, None)
        return Batch(envelopes=envelopes, cursor=cursor if moved else None)

    async def confirm(self, handles: Sequence[Any]) -> None:
        """Nothing is told to WeCom: the cursor is ours."""

    async def _page(self, account: str, cursor: Any, hint: str | None) -> Mapping[str, Any]:
        service = self._settings.customer_service
        assert service is not None
        body: dict[str, Any] = {"open_kfid": account, "limit": service.page, "voice_format": 0}
        if cursor:
            body["cursor"] = cursor
        if hint:
            body["token"] = hint
        return await self._api.ask(_SYNC, body)

    def _taken(self, item: Mapping[str, Any], first: bool) -> Envelope:
        envelope = item_envelope(item, self._settings, self._tools)
        service = self._settings.customer_service
        assert service is not None
        old = envelope.sent_at is not None and (
            self._tools.clock.now() - envelope.sent_at > service.older_unanswered
        )
        if first and old:
            return item_envelope(item, self._settings, self._tools, meta={"history": True})
        return envelope

    async def _accounts(self) -> Sequence[str]:
        service = self._settings.customer_service
        assert service is not None
        if service.accounts:
            return service.accounts
        if not self._known or not set(self._hints) <= set(self._known):
            found: list[str] = []
            while True:
                told = await self._api.ask(_ACCOUNTS, {"offset": len(found), "limit": _PAGE})
                page = [str(one["open_kfid"]) for one in told.get("account_list") or ()]
                found += page
                if len(page) < _PAGE:
                    break
            self._known = tuple(found)
            for account in set(self._hints) - set(found):
                del self._hints[account]
        return self._known


def make(settings: WecomSettings, tools: Tools) -> Writes:
    """A connector with just the roles that the settings give it."""
    return Writes(settings, tools) if settings.customer_service is None else Fetches(settings, tools)


def _keeper(settings: WecomSettings, tools: Tools) -> TokenKeeper:
    secret = settings.secret.get_secret_value()
    query = urlencode({"corpid": settings.corp_id, "corpsecret": secret})
    url = f"{settings.api.rstrip('/')}/cgi-bin/gettoken?{query}"
    # WeCom gives the same token until it ends: there is nothing to force.
    name = f"token:{settings.corp_id}:{hashlib.sha256(secret.encode()).hexdigest()[:8]}"
    return TokenKeeper(
        tools, name, errcode_api.fetcher(tools, lambda force: ("GET", url, None), CAUSES, settings.timeout)
    )


def _whom(message: Message) -> tuple[str, str, str]:
    """Customer-service account, customer and member, of whom one is named; else PermanentFailure."""
    thread, to = message.thread, message.to
    account = str(thread.get("open_kfid") or "")
    customer = str(thread.get(_CUSTOMERS) or "")
    member = str(thread.get("userid") or "")
    if not customer and not member and to is not None:
        customer = to.value if to.kind == _CUSTOMERS else ""
        member = to.value.rpartition("/")[2] if to.kind == _MEMBERS else ""
    if customer and not account:
        raise PermanentFailure(
            Reason.RECIPIENT, "it is not known by which customer-service account to answer"
        )
    if not customer and not member:
        raise PermanentFailure(Reason.RECIPIENT, "nobody here is known in WeCom")
    return account, customer, member
