"""Rig of the kind `wecom`: a fake of WeCom's platform, and what it posts to our door.

async with Wecom(clock.now) as far:
    connector = SPEC.build(SPEC.settings.model_validate(settings(far)), bench.tools("wecom"))
    far.says("wmCUSTOMER1", "你好")                       # a customer writes: sync_msg has it
    connector.receive(hint())                           # the callback that says so
    far.got["wmCUSTOMER1"]                              # texts that the customer got

Built from the vendor's pages "Receive messages and events" and "Send messages" of customer service, and "Receive
messages" of apps; callbacks are sealed by the library wechatpy.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import xmltodict
from aiohttp import web
from wechatpy.enterprise.crypto import WeChatCrypto

from connectors.contract import Request
from tests.rigs.errcode import Far, WrongError, told
from tests.rigs.tools import NOW
from tests.rigs.wechat import xml

KIND = "wecom"
CORP, SECRET, TOKEN = "ww1234567890abcdef", "the secret of the app", "fbgw_token_2026"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
AGENT, ACCOUNT = 1_000_002, "wkACCOUNT1"
NONCE = "847201935"


def settings(far: Wecom | None = None, **more: Any) -> dict[str, Any]:
    """An app with customer service."""
    return {
        "kind": KIND,
        "corp_id": CORP,
        "agent_id": AGENT,
        "secret": SECRET,
        "token": TOKEN,
        "aes_keys": [AES_KEY],
        "customer_service": {"accounts": [ACCOUNT]},
        "api": far.url if far is not None else "http://127.0.0.1:9",
        "timeout": 5,
        **more,
    }


def customer(n: int) -> str:
    """The n-th customer."""
    return f"wmCUSTOMER{n}"


def crypto() -> WeChatCrypto:
    return WeChatCrypto(TOKEN, AES_KEY, CORP)


def sealed(body: str, at: datetime = NOW, *, form: str = "xml", nonce: str = NONCE) -> Request:
    """A callback, in XML or JSON."""
    timestamp = str(int(at.timestamp()))
    wrapped = xmltodict.parse(crypto().encrypt_message(body, nonce, timestamp))["xml"]
    outer = xml(ToUserName=CORP, AgentID=AGENT, Encrypt=wrapped["Encrypt"])
    if form == "json":
        outer = json.dumps({"tousername": CORP, "encrypt": wrapped["Encrypt"], "agentid": str(AGENT)})
    return Request(
        method="POST",
        path="/in/wecom",
        query={"msg_signature": wrapped["MsgSignature"], "timestamp": timestamp, "nonce": nonce},
        body=outer.encode(),
        received_at=at,
    )


def member(n: int, at: datetime = NOW, kind: str = "text", **fields: Any) -> str:
    """Something from the n-th member."""
    head = {
        "ToUserName": CORP,
        "FromUserName": f"member{n}",
        "CreateTime": int(at.timestamp()),
        "MsgType": kind,
    }
    return xml(**head, **fields, AgentID=AGENT)


def hint(token: str = "SYNC_TOKEN_1", account: str = ACCOUNT, at: datetime = NOW) -> Request:
    """The callback of customer service, which holds no message."""
    head = {"ToUserName": CORP, "CreateTime": int(at.timestamp()), "MsgType": "event"}
    return sealed(xml(**head, Event="kf_msg_or_event", Token=token, OpenKfId=account), at)


def opened(answer: bytes) -> dict[str, Any]:
    """The message in a passive reply."""
    outer = xmltodict.parse(answer)["xml"]
    plain = crypto().decrypt_message(answer, outer["MsgSignature"], outer["TimeStamp"], outer["Nonce"])
    found: dict[str, Any] = xmltodict.parse(plain)["xml"]
    return found


class Wecom(Far):
    """The platform: one token until it ends, three days of items, five messages a window."""

    token_paths = frozenset({"/cgi-bin/gettoken"})

    def __init__(self, now: Callable[[], datetime] = lambda: NOW) -> None:
        super().__init__()
        self._now = now
        self.bad_token = 40014
        self._made = 0
        self.always_open = False
        self.items: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.page = 1_000
        """Most items that a page holds, whatever was asked for."""
        self.looks: list[tuple[str, str]] = []
        """Each look: account, and the callback's token or nothing."""
        self.windows: dict[str, tuple[datetime, int]] = {}
        self.in_hand: set[str] = set()
        """Customers whose session a person has."""
        self.got: defaultdict[str, list[str]] = defaultdict(list)
        self.numbers: Counter[str] = Counter()
        """Tries by our number of the message."""
        self.members = {"member1", "member2"}
        self.repeats: dict[tuple[str, str], datetime] = {}
        self.media: dict[str, tuple[str, bytes]] = {}
        self.people: dict[str, dict[str, Any]] = {}

    def puts(self, item: dict[str, Any], account: str = ACCOUNT) -> dict[str, Any]:
        """Customer service has something."""
        number = f"item{sum(map(len, self.items.values())) + 1:04d}"
        made = {"msgid": number, "open_kfid": account, "send_time": int(self._now().timestamp()), **item}
        self.items[account].append(made)
        return made

    def says(self, who: str, words: str, **more: Any) -> dict[str, Any]:
        """A customer writes."""
        self.windows[who] = (self._now() + timedelta(hours=48), 5)
        return self.puts(
            {"external_userid": who, "origin": 3, "msgtype": "text", "text": {"content": words}, **more}
        )

    def happens(self, kind: str, **fields: Any) -> dict[str, Any]:
        """An event."""
        return self.puts(
            {"origin": 4, "msgtype": "event", "event": {"event_type": kind, "open_kfid": ACCOUNT, **fields}}
        )

    async def token(self, path: str, query: dict[str, str], body: bytes) -> web.Response:
        self.token_calls.append((path, False))
        if query.get("corpid") != CORP:
            raise WrongError(40013)
        if query.get("corpsecret") != SECRET:
            raise WrongError(40001, "invalid credential, hint: [1234_567], from ip: 203.0.113.7")
        if not self.tokens:
            self._made += 1
            self.tokens = [f"corp-token-{self._made}"]
        return told({"errcode": 0, "errmsg": "ok", "access_token": self.tokens[-1], "expires_in": 7_200})

    async def take(self, path: str, query: dict[str, str], body: bytes) -> web.Response:
        calls: dict[str, Callable[[dict[str, str], bytes], web.Response]] = {
            "/cgi-bin/kf/account/list": self._accounts,
            "/cgi-bin/kf/sync_msg": self._sync,
            "/cgi-bin/kf/send_msg": self._customer,
            "/cgi-bin/kf/customer/batchget": self._person,
            "/cgi-bin/message/send": self._member,
            "/cgi-bin/media/upload": self._upload,
            "/cgi-bin/media/get": self._media,
            "/cgi-bin/user/get": lambda q, _b: told({"errcode": 0, "userid": q["userid"], "name": "王工"}),
            "/cgi-bin/get_api_domain_ip": lambda _q, _b: told({"errcode": 0, "ip_list": []}),
        }
        return calls[path](query, body)

    def _accounts(self, query: dict[str, str], body: bytes) -> web.Response:
        listed = [{"open_kfid": one, "name": one} for one in sorted({ACCOUNT, *self.items})]
        asked = json.loads(body)
        return told(
            {"errcode": 0, "account_list": listed[asked["offset"] : asked["offset"] + asked["limit"]]}
        )

    def _sync(self, query: dict[str, str], body: bytes) -> web.Response:
        asked = json.loads(body)
        account = asked["open_kfid"]
        self.looks.append((account, asked.get("token", "")))
        start = int(asked.get("cursor") or 0)
        limit = min(asked.get("limit", 1_000), self.page)
        items = self.items[account][start : start + limit]
        end = start + len(items)
        return told(
            {
                "errcode": 0,
                "errmsg": "ok",
                "next_cursor": str(end),
                "has_more": int(end < len(self.items[account])),
                "msg_list": items,
            }
        )

    def _customer(self, query: dict[str, str], body: bytes) -> web.Response:
        asked = json.loads(body)
        number, who = asked["msgid"], asked["touser"]
        if not re.fullmatch(r"[0-9a-zA-Z_-]{1,32}", number):
            raise WrongError(40058, "msgid exceed max length")
        self.numbers[number] += 1
        if self.numbers[number] > 1:
            raise WrongError(95099, "msgid is repeated, hint: [1_2]")
        try:
            said = self._content(asked)
            if who in self.in_hand:
                raise WrongError(95018, "send msg session status invalid")
            if not self.always_open:
                until, left = self.windows.get(who, (self._now() - timedelta(1), 0))
                if self._now() > until:
                    raise WrongError(95018, "send msg session status invalid")
                if left < 1:
                    raise WrongError(95001, "send msg count limit")
                self.windows[who] = (until, left - 1)
        except WrongError:
            del self.numbers[number]
            raise
        self.got[who].append(said)
        return told({"errcode": 0, "errmsg": "ok", "msgid": number})

    def _member(self, query: dict[str, str], body: bytes) -> web.Response:
        asked = json.loads(body)
        if asked["agentid"] != AGENT:
            raise WrongError(40056)
        if asked["touser"] not in self.members:
            return told({"errcode": 0, "errmsg": "ok", "invaliduser": asked["touser"], "msgid": "x"})
        said = self._content(asked)
        until = self.repeats.get((asked["touser"], said))
        if not (asked.get("enable_duplicate_check") and until and self._now() < until):
            self.got[asked["touser"]].append(said)
        seconds = asked.get("duplicate_check_interval", 0)
        self.repeats[asked["touser"], said] = self._now() + timedelta(seconds=seconds)
        return told({"errcode": 0, "errmsg": "ok", "msgid": f"app-{sum(map(len, self.got.values()))}"})

    def _content(self, asked: dict[str, Any]) -> str:
        kind = asked["msgtype"]
        if kind != "text":
            if asked[kind]["media_id"] not in self.media:
                raise WrongError(40007)
            return f"[{kind}]"
        said: str = asked["text"]["content"]
        if len(said.encode()) > 2_048:
            raise WrongError(45002)
        return said

    def _person(self, query: dict[str, str], body: bytes) -> web.Response:
        who = json.loads(body)["external_userid_list"][0]
        found = [self.people[who]] if who in self.people else []
        return told({"errcode": 0, "customer_list": found, "invalid_external_userid": [] if found else [who]})

    def _upload(self, query: dict[str, str], body: bytes) -> web.Response:
        number = f"media{len(self.media) + 1}"
        self.media[number] = ("application/octet-stream", body)
        return told({"errcode": 0, "type": query["type"], "media_id": number})

    def _media(self, query: dict[str, str], body: bytes) -> web.Response:
        if query["media_id"] not in self.media:
            raise WrongError(40007)
        media_type, data = self.media[query["media_id"]]
        return web.Response(body=data, headers={"Content-Type": media_type})
