"""Rig of the kinds `messenger`, `instagram` and `whatsapp`: what Meta posts, and a Graph API that keeps its limits.

    async with Graph(bench.clock.now) as far:
        connector = SPEC.build(SPEC.settings.model_validate(graph.settings(far, "messenger")), bench.tools("m"))
        far.wrote("messenger", graph.psid(1))                # opens the person's window
        far.next(Error(190, 463), Hang(), Drop(takes=True))  # the next calls with a good token, one each
        far.got[graph.psid(1)]                               # what the person got, in order
        far.events                                           # what Meta would post about it: statuses, echoes

Built from Meta's pages: Messenger Platform "Send API" and "Webhook events", Instagram Platform "Send a message",
WhatsApp Cloud API "Messages", "Media" and "Error codes".
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.parser import BytesParser
from email.policy import default
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from connectors.contract import Request
from tests.rigs.http import Drop, Hang, Refuse
from tests.rigs.tools import NOW

SECRET = "meta_app_secret_0123456789abcdef"
TOKEN = "EAAG_token"
VERIFY = "a password of the rig's own"
ACCOUNTS = {"messenger": "100200300", "instagram": "17841400001", "whatsapp": "1122334455667"}
#: The object that a web hook names.
OBJECTS = {"messenger": "page", "instagram": "instagram", "whatsapp": "whatsapp_business_account"}
_KINDS = {account: kind for kind, account in ACCOUNTS.items()}
_DAY, _WEEK = timedelta(hours=24), timedelta(days=7)


@dataclass(frozen=True)
class Error:
    """Answer with an error of the Graph API."""

    code: int
    subcode: int | None = None
    status: int = 400
    transient: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class Wrong(Exception):
    """The API refuses a call."""

    def __init__(self, code: int, subcode: int | None = None) -> None:
        super().__init__(code)
        self.error = Error(code, subcode)


@dataclass(frozen=True)
class Got:
    """One message as its person got it. The key is None where the platform takes none."""

    text: str
    key: str | None
    type: str = "text"
    tag: str | None = None


def settings(far: Graph | None, kind: str, **more: Any) -> dict[str, Any]:
    """Settings of a channel at the fake."""
    own = {"login": "instagram", "prove": True} if kind == "instagram" else {}
    hosts = {} if far is None else {"api": far.url, "media_hosts": ["127.0.0.1"]}
    return {
        "kind": kind,
        "account": ACCOUNTS[kind],
        "app_secret": SECRET,
        "verify_token": VERIFY,
        "token": TOKEN,
        "timeout": 5,
        **hosts,
        **own,
        **more,
    }


# ---- what Meta posts


def person(kind: str, n: int) -> str:
    """How the n-th customer is known: a page's, an Instagram account's, or WhatsApp's number."""
    return f"86138{n:08d}" if kind == "whatsapp" else f"{7 if kind == 'messenger' else 8}{n:015d}"


def user(n: int) -> str:
    """WhatsApp's user id of the n-th customer."""
    return f"CN.1349{n:016d}"


def message(
    kind: str, n: int, text: str | None = None, *, id: str | None = None, at: datetime = NOW, **fields: Any
) -> dict[str, Any]:
    """One event: the n-th customer writes. Further fields go into the message, and replace those that are there."""
    words = f"The lift in house {n} has stood still since Monday. 电梯坏了。" if text is None else text
    number = f"{'wamid.' if kind == 'whatsapp' else 'm_'}{n if id is None else id}"
    if kind == "whatsapp":
        return {
            "from": person(kind, n),
            "id": number,
            "timestamp": str(int(at.timestamp())),
            "type": "text",
            "text": {"body": words},
            **fields,
        }
    told = {"mid": number, "text": words, **fields}
    return happening(kind, n, at=at, message={name: one for name, one in told.items() if one is not None})


def happening(kind: str, n: int, *, at: datetime = NOW, echo: bool = False, **what: Any) -> dict[str, Any]:
    """Any event of a conversation of a page or Instagram account."""
    sides = [{"id": person(kind, n)}, {"id": ACCOUNTS[kind]}]
    sender, recipient = reversed(sides) if echo else sides
    return {"sender": sender, "recipient": recipient, "timestamp": int(at.timestamp() * 1000), **what}


def status(
    number: str, what: str, n: int = 1, *, code: int | None = None, key: str | None = None
) -> dict[str, Any]:
    """What became of a message that WhatsApp took."""
    told: dict[str, Any] = {
        "id": number,
        "status": what,
        "timestamp": str(int(NOW.timestamp())),
        "recipient_id": person("whatsapp", n),
    }
    if key is not None:
        told["biz_opaque_callback_data"] = key
    if code is not None:
        told["errors"] = [{"code": code, "title": "t", "message": "m", "error_data": {"details": "d"}}]
    return told


def body(
    kind: str, *events: dict[str, Any], account: str | None = None, id: str | None = None
) -> dict[str, Any]:
    """A batch with one entry; `events` are messages, or for WhatsApp statuses as well."""
    account = ACCOUNTS[kind] if account is None else account
    if kind != "whatsapp":
        entry = {"id": account, "time": 1795305600000, "messaging": list(events)}
        return {"object": OBJECTS[kind], "entry": [entry]}
    messages = [one for one in events if "status" not in one]
    statuses = [one for one in events if "status" in one]
    numbers = [str(one.get("from") or one.get("recipient_id")) for one in events]
    contacts = [
        {"profile": {"name": f"顾客 {int(one[5:])}"}, "wa_id": one, "user_id": user(int(one[5:]))}
        for one in dict.fromkeys(numbers)
        if one.startswith("86138")
    ]
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "8610123456", "phone_number_id": account},
    }
    value |= {"contacts": contacts} if contacts or messages else {}
    value |= {"messages": messages} if messages else {}
    value |= {"statuses": statuses} if statuses else {}
    return {
        "object": OBJECTS[kind],
        "entry": [{"id": id or "998877", "changes": [{"field": "messages", "value": value}]}],
    }


def comment(kind: str, n: int, text: str = "灯坏了 the lamp is broken", **fields: Any) -> dict[str, Any]:
    """A batch with a comment of the n-th customer below a post of ours."""
    if kind == "messenger":
        value = {
            "item": "comment",
            "verb": "add",
            "from": {"id": f"9{n:09d}", "name": f"顾客 {n}"},
            "post_id": f"{ACCOUNTS[kind]}_55",
            "parent_id": f"{ACCOUNTS[kind]}_55",
            "comment_id": f"55_{n}",
            "created_time": int(NOW.timestamp()),
            "message": text,
        }
        change = {"field": "feed", "value": value | fields}
    else:
        value = {
            "id": f"178{n}",
            "from": {"id": person(kind, n), "username": f"customer{n}"},
            "text": text,
            "media": {"id": "17900", "media_product_type": "FEED"},
        }
        change = {"field": "comments", "value": value | fields}
    return {
        "object": OBJECTS[kind],
        "entry": [{"id": ACCOUNTS[kind], "time": 1795305600, "changes": [change]}],
    }


def written(data: Any) -> bytes:
    """JSON as Meta writes it: everything beyond ASCII is escaped, and slashes are."""
    return json.dumps(data).replace("/", "\\/").encode()


def signature(raw: bytes, secret: str = SECRET) -> str:
    """The header that Meta signs a body with."""
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def request(kind: str, data: Any, secret: str = SECRET) -> Request:
    """Any body as it reaches a door, signed."""
    raw = data if isinstance(data, bytes) else written(data)
    return Request(
        method="POST",
        path=f"/in/{kind}",
        headers={"content-type": "application/json", "x-hub-signature-256": signature(raw, secret)},
        body=raw,
        remote="203.0.113.9",
        received_at=NOW,
    )


# ---- the API


class Graph:
    """The Graph API on loopback. It knows three accounts, one for each kind."""

    def __init__(self, now: Callable[[], datetime] = lambda: NOW) -> None:
        self._now = now
        self._next: deque[Error | Refuse | Hang | Drop] = deque()
        self._runner: web.AppRunner | None = None
        self._released = asyncio.Event()
        self._count = 0
        self.always_open = False
        """Whether every customer's window is open for ever."""
        self._last: dict[tuple[str, str], datetime] = {}
        self._answered: set[str] = set()
        self.got: defaultdict[str, list[Got]] = defaultdict(list)
        self.events: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str, dict[str, str], Any]] = []
        """Each call with a good token: method, path, query and body."""
        self.uploads: dict[str, tuple[str, bytes]] = {}
        """Files that we gave it: type and bytes, by number."""
        self.files: dict[str, tuple[str, bytes]] = {}
        """Files of customers: type and bytes, by number."""
        self.profiles: dict[str, dict[str, str]] = {}
        self.blocked: set[str] = set()
        self.subscribed: dict[str, list[str]] = {}
        self.token = TOKEN
        self.url = ""

    def next(self, *behaviours: Error | Refuse | Hang | Drop) -> None:
        """What to do with the next calls."""
        self._next.extend(behaviours)

    def wrote(self, kind: str, who: str, at: datetime | None = None) -> None:
        """A customer wrote: the window is open from then on."""
        self._last[kind, who] = at or self._now()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        query, raw = dict(request.query), await request.read()
        if request.path.startswith("/cdn/"):
            return self._file(request)
        try:
            proof = hmac.new(SECRET.encode(), self.token.encode(), hashlib.sha256).hexdigest()
            if request.headers.get("Authorization") != f"Bearer {self.token}":
                raise Wrong(190, 463)
            if query.pop("appsecret_proof", proof) != proof:
                raise Wrong(100)
            version, _, path = request.path.lstrip("/").partition("/")
            assert version == "v26.0", "the version is in every path"
            content = _content(request.headers.get("Content-Type", ""), raw)
            self.calls.append((request.method, path, query, content))
            behaviour = self._next.popleft() if self._next else None
            if isinstance(behaviour, Error):
                return _wrong(behaviour)
            if isinstance(behaviour, Refuse):
                return web.Response(status=behaviour.status, headers=behaviour.headers, text=behaviour.body)
            answer = None
            if behaviour is None or behaviour.takes:
                answer = self._take(request.method, path, query, content)
            if isinstance(behaviour, Hang):
                await self._released.wait()
            if isinstance(behaviour, Drop) and request.transport is not None:
                request.transport.abort()
            return web.json_response(answer)
        except Wrong as error:
            return _wrong(error.error)

    def _file(self, request: web.Request) -> web.Response:
        number = request.path.rpartition("/")[2]
        if number not in self.files:
            return web.Response(status=404)
        if (
            request.path.startswith("/cdn/whatsapp/")
            and request.headers.get("Authorization") != f"Bearer {self.token}"
        ):
            return web.Response(status=401)
        type_, data = self.files[number]
        return web.Response(body=data, content_type=type_)

    def _take(self, method: str, path: str, query: Mapping[str, str], content: Any) -> Any:
        node, _, edge = path.partition("/")
        kind = _KINDS.get(node)
        if method == "POST" and kind and edge == "messages":
            return self._whatsapp(content) if kind == "whatsapp" else self._page(kind, content)
        if method == "POST" and kind and edge in ("media", "message_attachments"):
            number = self._number("9")
            self.uploads[number] = content["file"]
            return {"id": number} if kind == "whatsapp" else {"attachment_id": number}
        if edge == "subscribed_apps":
            if method == "POST":
                self.subscribed[node] = query.get("subscribed_fields", "messages").split(",")
                return {"success": True}
            fields = self.subscribed.get(node)
            return {"data": [{"id": "1", "subscribed_fields": fields}] if fields else []}
        if method == "POST" and edge in ("comments", "replies"):
            number = self._number("55_9")
            self.got[node].append(Got(content["message"], None, "comment"))
            return {"id": number}
        if method == "GET" and kind:
            return {
                "id": node,
                "name": "The office",
                "username": "office",
                "display_phone_number": "+86 10 123456",
            }
        if method == "GET" and node in self.profiles:
            return self.profiles[node]
        if method == "GET" and node in self.files:
            type_, data = self.files[node]
            digest = hashlib.sha256(data).hexdigest()
            url = f"{self.url}/cdn/whatsapp/{node}"
            return {"url": url, "mime_type": type_, "sha256": digest, "file_size": len(data), "id": node}
        raise Wrong(100, 33)

    def _number(self, start: str) -> str:
        self._count += 1
        return f"{start}{self._count}"

    # ---- a page, an Instagram account

    def _page(self, kind: str, content: Any) -> dict[str, str]:
        recipient, told = content["recipient"], content["message"]
        tag = content.get("tag")
        if content.get("messaging_type") not in ("RESPONSE", "MESSAGE_TAG"):
            raise Wrong(100)
        named = recipient.get("comment_id") or recipient.get("post_id")
        if named:
            if named in self._answered:
                raise Wrong(10900)
            self._answered.add(named)
        who = named or recipient["id"]
        if who in self.blocked:
            raise Wrong(551, 1545041)
        if not named:
            self._window(kind, who, tag)
        text = told.get("text", "")
        long = len(text.encode()) > 1_000 if kind == "instagram" else len(text) > 2_000
        if long or (not text and "attachment" not in told):
            raise Wrong(100)
        type_ = "text"
        if "attachment" in told:
            type_ = told["attachment"]["type"]
            if told["attachment"]["payload"]["attachment_id"] not in self.uploads:
                raise Wrong(100, 2018074)
        number = self._number("m_out")
        self.got[who].append(Got(text, told.get("metadata"), type_, tag))
        echo: dict[str, Any] = {"mid": number, "is_echo": True, **({"text": text} if text else {})}
        if kind == "messenger":
            echo |= {"app_id": 1517776481860111, "metadata": told.get("metadata")}
        sides = {"sender": {"id": ACCOUNTS[kind]}, "recipient": {"id": who}}
        self.events.append({**sides, "timestamp": int(self._now().timestamp() * 1000), "message": echo})
        return {"recipient_id": who, "message_id": number}

    def _window(self, kind: str, who: str, tag: str | None) -> None:
        last = self._now() if self.always_open else self._last.get((kind, who))
        if last is None:
            raise Wrong(100, 2018001)
        age = self._now() - last
        if age > (_WEEK if tag == "HUMAN_AGENT" else _DAY):
            raise Wrong(10, 2534022 if kind == "instagram" else 2018278)

    # ---- WhatsApp

    def _whatsapp(self, content: Any) -> dict[str, Any]:
        if content.get("messaging_product") != "whatsapp":
            raise Wrong(100)
        if "recipient" in content:
            who = next((person("whatsapp", n) for n in range(100) if user(n) == content["recipient"]), "")
        else:
            who = content["to"]
            if not who.isdigit():  # a user id belongs into `recipient`
                raise Wrong(131009)
        type_, text = content["type"], ""
        if type_ == "text":
            text = content["text"]["body"]
            if not 0 < len(text) <= 4_096:
                raise Wrong(100)
        elif type_ == "template":
            values = [one["text"] for part in content["template"]["components"] for one in part["parameters"]]
            if any("\n" in one or "\t" in one or "    " in one for one in values):
                raise Wrong(132012)
            text = " | ".join(values)
        elif content[type_]["id"] not in self.uploads:
            raise Wrong(131053)
        number = self._number("wamid.out")
        key = content.get("biz_opaque_callback_data")
        last = self._now() if self.always_open else self._last.get(("whatsapp", who))
        n = int(who[5:]) if who.startswith("86138") else 0
        if who in self.blocked:
            self.events.append(status(number, "failed", n, code=131026, key=key))
        elif type_ != "template" and (last is None or self._now() - last > _DAY):
            # WhatsApp takes the call, and tells later that it did not send.
            self.events.append(status(number, "failed", n, code=131047, key=key))
        else:
            self.got[who].append(Got(text, key, type_))
            self.events += [status(number, what, n, key=key) for what in ("sent", "delivered", "read")]
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": who, "wa_id": who}],
            "messages": [{"id": number}],
        }


def _content(content_type: str, raw: bytes) -> Any:
    """JSON, or the fields of a form with its file, read by the mail parser."""
    if not content_type.startswith("multipart/form-data"):
        return json.loads(raw) if raw else None
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form = BytesParser(policy=default).parsebytes(head + raw)
    found: dict[str, Any] = {}
    for part in form.iter_parts():  # type: ignore[attr-defined]
        data = part.get_payload(decode=True)
        if part.get_filename():
            found["file"] = (part["Content-Type"], data)
        else:
            found[part.get_param("name", header="Content-Disposition")] = data.decode()
    return found


def _wrong(error: Error) -> web.Response:
    told: dict[str, Any] = {
        "message": "(#1) 客户的话 some words that quote a customer",
        "type": "OAuthException",
        "code": error.code,
        "fbtrace_id": "AbCdEfGh",
    }
    if error.subcode is not None:
        told["error_subcode"] = error.subcode
    if error.transient:
        told["is_transient"] = True
    return web.json_response({"error": told}, status=error.status, headers=dict(error.headers))
