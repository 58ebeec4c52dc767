"""What the callbacks of WeChat, WeCom and Weibo share: checking who called, the handshake, and replays.

GET  …?signature&timestamp&nonce&echostr          the console's check of the address
POST …?signature&timestamp&nonce[&encrypt_type=aes&msg_signature]      a message or event
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from datetime import datetime

from connectors.contract import Request, Response
from connectors.wire import sealed
from model.failures import Unverified

_PLAIN = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}
#: Nonces that are remembered at the most.
_MOST = 20_000


def text_response(body: str) -> Response:
    """A text, exactly as given; nothing that a stranger sent is run by a browser."""
    return Response(headers=_PLAIN, body=body.encode("utf-8", "replace"))


def check_signature(
    request: Request, secret: str, *, name: str = "signature", more: str | None = None
) -> None:
    """Unverified unless the request is signed with the secret, over `more` too where that is given."""
    query = request.query
    given, timestamp, nonce = query.get(name, ""), query.get("timestamp", ""), query.get("nonce", "")
    if not (given and timestamp and nonce):
        raise Unverified(f"the address lacks {name}, timestamp or nonce")
    parts = (secret, timestamp, nonce) if more is None else (secret, timestamp, nonce, more)
    if not sealed.holds(given, *parts):
        raise Unverified(f"the {name} is wrong: is the token the one of the platform's console?")


def check_age(request: Request, now: datetime, tolerance: float) -> None:
    """Unverified unless the signed time, in seconds or milliseconds, is within `tolerance` seconds of ours."""
    timestamp = request.query.get("timestamp", "")
    if not re.fullmatch(r"[0-9]{1,16}", timestamp):
        raise Unverified("the signed timestamp is no Unix time")
    seconds = int(timestamp) / (1_000 if len(timestamp) > 11 else 1)
    if abs(now.timestamp() - seconds) > tolerance:
        raise Unverified(f"the signed timestamp is more than {tolerance:g} s from our time")


class Nonces:
    """Remembers what came under a signature that does not cover the body.

    Whoever has seen one signed address could post anything to it. The same body again is a redelivery, which
    the store knows; another body under the same signature is somebody else's.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._seen: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def check(self, request: Request, now: float) -> None:
        """Unverified when another body came under this signature before. `now` is monotonic, seconds."""
        key, body = request.query.get("signature", ""), hashlib.sha256(request.body).digest()
        while self._seen and (
            len(self._seen) > _MOST or next(iter(self._seen.values()))[0] < now - 2 * self._tolerance
        ):
            self._seen.popitem(last=False)
        _, first = self._seen.setdefault(key, (now, body))
        if first != body:
            raise Unverified("the signature was used before, for something else")


def short(identity: str) -> str:
    """An identity as it fits into an index: longer or unprintable ones are hashed."""
    if len(identity) <= 200 and identity.isprintable():
        return identity
    return "sha256:" + hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
