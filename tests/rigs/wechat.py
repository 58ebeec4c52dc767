"""Rig of the kind `wechat`: a fake of the official-account platform, and what it posts to our door.

async with Weixin(clock.now) as far:
    connector = SPEC.build(SPEC.settings.model_validate(settings(far)), bench.tools("wechat"))
    request = sealed(text(1, "你好"))                    # encrypted and signed by wechatpy
    far.wrote("openid")                                 # opens the window: 5 messages in 48 h
    assert far.got["openid"] == ["已收到"]

Built from the vendor's pages "Get access token", "Get stable access token", "Customer service messages",
"Template messages", "Get temporary media", "Comments"; what is pushed is sealed by the library wechatpy, which shares
no code with ours.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import xmltodict
from aiohttp import web
from wechatpy.crypto import WeChatCrypto

from connectors.contract import Request
from tests.rigs.errcode import Far, WrongError, told
from tests.rigs.tools import NOW

KIND = "wechat"
APP_ID, SECRET, TOKEN = "wx1234567890abcdef", "the AppSecret of the tests", "fbgw_token_2026"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OLD_KEY = "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba"
ACCOUNT = "gh_0000000000ab"
NONCE = "847201935"


def openid(n: int) -> str:
    """The n-th follower."""
    return f"oFOLLOWER{n:019d}"


def settings(far: Weixin | None = None, **more: Any) -> dict[str, Any]:
    """Safe mode; with a far side, its API."""
    api = {"secret": SECRET, "api": far.url, "timeout": 5} if far is not None else {}
    return {"kind": KIND, "app_id": APP_ID, "token": TOKEN, "aes_keys": [AES_KEY], **api, **more}


# ---- what the platform pushes


def xml(**fields: Any) -> str:
    """A push with these tags; numbers are written bare, texts as CDATA, mappings as tags inside."""

    def one(name: str, value: Any) -> str:
        if isinstance(value, dict):
            return f"<{name}>{''.join(one(*pair) for pair in value.items())}</{name}>"
        if isinstance(value, list):
            return "".join(one(name, each) for each in value)
        escaped = str(value).replace("]]>", "]]]]><![CDATA[>")
        return f"<{name}>{value if isinstance(value, int | float) else f'<![CDATA[{escaped}]]>'}</{name}>"

    return f"<xml>{''.join(one(*pair) for pair in fields.items())}</xml>"


def push(n: int = 1, kind: str = "text", at: datetime = NOW, **fields: Any) -> str:
    """Something from the n-th follower."""
    head = {"ToUserName": ACCOUNT, "FromUserName": openid(n), "CreateTime": int(at.timestamp())}
    return xml(**{**head, "MsgType": kind, **fields})


def text(n: int, content: str, id: int | str | None = None, at: datetime = NOW) -> str:
    """What the n-th follower writes."""
    return push(n, "text", at, Content=content, MsgId=24_567_890_123_456_000 + n if id is None else id)


def event(n: int, name: str, at: datetime = NOW, **fields: Any) -> str:
    """What the n-th follower does."""
    return push(n, "event", at, Event=name, **fields)


def signed(body: str | bytes, at: datetime = NOW, nonce: str = NONCE, **query: str) -> Request:
    """A body as it is, under a good signature: plain mode, or whatever `query` says more."""
    timestamp = str(int(at.timestamp()))
    joined = "".join(sorted((TOKEN, timestamp, nonce)))
    return Request(
        method="POST",
        path="/in/wechat",
        query={
            "signature": hashlib.sha1(joined.encode()).hexdigest(),
            "timestamp": timestamp,
            "nonce": nonce,
            **query,
        },
        headers={"content-type": "text/xml"},
        body=body.encode() if isinstance(body, str) else body,
        remote="203.0.113.9",
        received_at=at,
    )


def sealed(
    body: str, at: datetime = NOW, *, nonce: str = NONCE, key: str = AES_KEY, plain: str = ""
) -> Request:
    """A push as safe mode sends it; with `plain`, as compatible mode does, which adds readable tags."""
    timestamp = str(int(at.timestamp()))
    wrapped = xmltodict.parse(WeChatCrypto(TOKEN, key, APP_ID).encrypt_message(body, nonce, timestamp))["xml"]
    outer = f"<xml>{plain}{xml(ToUserName=ACCOUNT, Encrypt=wrapped['Encrypt'])[5:]}"
    return signed(outer, at, nonce, openid="x", encrypt_type="aes", msg_signature=wrapped["MsgSignature"])


def target(request: Request) -> str:
    """Path and query of a request."""
    return f"{request.path}?{urlencode(request.query)}"


def opened(answer: bytes, key: str = AES_KEY) -> dict[str, Any]:
    """The message in a passive reply, by the library's own crypto when it is sealed."""
    outer = xmltodict.parse(answer)["xml"]
    if "Encrypt" in outer:
        crypto = WeChatCrypto(TOKEN, key, APP_ID)
        answer = crypto.decrypt_message(answer, outer["MsgSignature"], outer["TimeStamp"], outer["Nonce"])
    found: dict[str, Any] = xmltodict.parse(answer)["xml"]
    return found


# ---- the platform's API


class Weixin(Far):
    """The platform: its tokens, windows and limits."""

    token_paths = frozenset({"/cgi-bin/token", "/cgi-bin/stable_token"})
    open_paths = frozenset({"/film.mp4"})

    def __init__(self, now: Callable[[], datetime] = lambda: NOW) -> None:
        super().__init__()
        self._now = now
        self._made = 0
        self.always_open = False
        """No windows: for tests that are not about them."""
        self.expires_in = 7_200
        self.windows: dict[str, tuple[datetime, int]] = {}
        self.got: defaultdict[str, list[str]] = defaultdict(list)
        """Texts, and the kinds of files, that each follower got, in order, with repeats."""
        self.notices: list[dict[str, Any]] = []
        self.people: dict[str, dict[str, Any]] = {}
        self.media: dict[str, tuple[str, bytes]] = {}
        """Files by media id: content type and bytes; a type of `video_url` has the address instead."""
        self.uploads: Counter[str] = Counter()
        self.comments: dict[tuple[int, int], list[dict[str, Any]]] = {}
        self.answered: list[dict[str, Any]] = []

    def wrote(self, who: str, messages: int = 5, lasts: timedelta = timedelta(hours=48)) -> None:
        """A follower did something that opens the window."""
        self.windows[who] = (self._now() + lasts, messages)

    def steal_token(self) -> None:
        """Another system of the owner forces a token."""
        self._made += 1
        self.tokens = [f"stolen-{self._made}"]

    async def token(self, path: str, query: dict[str, str], body: bytes) -> web.Response:
        asked = json.loads(body) if path.endswith("stable_token") else query
        force = asked.get("force_refresh") is True
        self.token_calls.append((path, force))
        if asked.get("grant_type") != "client_credential":
            raise WrongError(40002)
        if asked.get("appid") != APP_ID:
            raise WrongError(40013)
        if asked.get("secret") != SECRET:
            raise WrongError(40125)
        if path.endswith("/token") and not path.endswith("stable_token"):
            force = True
        if force or not self.tokens:
            self._made += 1
            self.tokens = [f"token-{self._made}-{'x' * 400}"]
        return told({"access_token": self.tokens[-1], "expires_in": self.expires_in})

    async def take(self, path: str, query: dict[str, str], body: bytes) -> web.Response:
        calls: dict[str, Callable[[dict[str, str], bytes], web.Response]] = {
            "/cgi-bin/message/custom/send": self._message,
            "/cgi-bin/message/template/send": self._template,
            "/cgi-bin/message/subscribe/bizsend": self._notice,
            "/cgi-bin/media/get": self._media,
            "/cgi-bin/media/upload": self._upload,
            "/cgi-bin/user/info": self._person,
            "/cgi-bin/comment/list": self._comments,
            "/cgi-bin/comment/reply/add": self._reply,
            "/cgi-bin/get_api_domain_ip": lambda _query, _body: told({"ip_list": ["127.0.0.1"]}),
            "/film.mp4": lambda _query, _body: web.Response(body=b"film", content_type="video/mp4"),
        }
        return calls[path](query, body)

    def _message(self, query: dict[str, str], body: bytes) -> web.Response:
        if re.search(rb"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{4}", body):
            raise WrongError(
                40033, "invalid charset. please check your request, if include \\uxxxx will create fail"
            )
        asked = json.loads(body)
        who, kind = asked["touser"], asked["msgtype"]
        if not who.startswith("o"):
            raise WrongError(40003)
        said = asked[kind].get("content", kind) if kind == "text" else f"[{kind}]"
        if kind == "text" and not said:
            raise WrongError(44004)
        if len(said.encode()) > 2_048:
            raise WrongError(45002)
        if kind != "text" and asked[kind]["media_id"] not in self.media:
            raise WrongError(40007)
        if not self.always_open:
            until, left = self.windows.get(who, (self._now() - timedelta(seconds=1), 0))
            if self._now() > until:
                raise WrongError(45015, "response out of time limit or subscription is canceled")
            if left < 1:
                raise WrongError(45047, "out of response count limit")
            self.windows[who] = (until, left - 1)
        self.got[who].append(said)
        return told({"errcode": 0, "errmsg": "ok"})

    def _template(self, query: dict[str, str], body: bytes) -> web.Response:
        asked = json.loads(body)
        if not asked["template_id"].startswith("tpl"):
            raise WrongError(40037)
        self.notices.append(asked)
        return told({"errcode": 0, "errmsg": "ok", "msgid": 200_228_332 + len(self.notices)})

    def _notice(self, query: dict[str, str], body: bytes) -> web.Response:
        asked = json.loads(body)
        if any(one["touser"] == asked["touser"] for one in self.notices):
            raise WrongError(43101, "user refuse to accept the msg")
        self.notices.append(asked)
        return told({"errcode": 0, "errmsg": "ok"})

    def _media(self, query: dict[str, str], body: bytes) -> web.Response:
        if query["media_id"] not in self.media:
            raise WrongError(40007, "invalid media_id")
        media_type, data = self.media[query["media_id"]]
        if media_type == "video_url":
            return told({"video_url": data.decode()})
        name = f'attachment; filename="{query["media_id"]}.{media_type.partition("/")[2]}"'
        return web.Response(body=data, headers={"Content-Type": media_type, "Content-Disposition": name})

    def _upload(self, query: dict[str, str], body: bytes) -> web.Response:
        if b'name="media"; filename="' not in body:
            raise WrongError(41005)
        self.uploads[query["type"]] += 1
        number = f"uploaded-{self.uploads.total()}"
        self.media[number] = ("image/jpeg", body)
        return told({"type": query["type"], "media_id": number, "created_at": 1})

    def _person(self, query: dict[str, str], body: bytes) -> web.Response:
        return told(self.people.get(query["openid"], {"subscribe": 0, "openid": query["openid"]}))

    def _comments(self, query: dict[str, str], body: bytes) -> web.Response:
        asked = json.loads(body)
        if asked["count"] >= 50:
            raise WrongError(40035)
        key = asked["msg_data_id"], asked["index"]
        if key not in self.comments:
            raise WrongError(88001)
        listed = self.comments[key][asked["begin"] : asked["begin"] + asked["count"]]
        return told({"errcode": 0, "errmsg": "ok", "total": len(listed), "comment": listed})

    def _reply(self, query: dict[str, str], body: bytes) -> web.Response:
        self.answered.append(json.loads(body))
        return told({"errcode": 0, "errmsg": "ok"})
