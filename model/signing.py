"""Signatures of HTTP bodies, pure: Standard Webhooks 1.0.0 and the plain HMAC and hash schemes of other providers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from model.failures import Unverified

#: Bytes that a Standard Webhooks secret has (specification, "Signature scheme").
_KEY_BYTES = range(24, 65)


class Algorithm(StrEnum):
    """Hash functions that providers sign with."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


class Encoding(StrEnum):
    """How a signature is written."""

    HEX = "hex"
    BASE64 = "base64"


def same(given: str, expected: str) -> bool:
    """Compare in constant time, whatever characters a stranger sent."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )


def any_same(given: str, expected: Iterable[str]) -> bool:
    """Whether `given` is one of several; every one is compared, so that time does not tell which."""
    found = False
    for one in expected:
        found |= same(given, one)
    return found


def mac(key: bytes, data: bytes, algorithm: Algorithm, encoding: Encoding) -> str:
    """HMAC of `data` in the provider's writing."""
    return _written(hmac.new(key, data, algorithm.value).digest(), encoding)


def digest(data: bytes, algorithm: Algorithm, encoding: Encoding) -> str:
    """Plain hash of `data`, for providers that mix the secret into the text."""
    return _written(hashlib.new(algorithm.value, data).digest(), encoding)


def _written(raw: bytes, encoding: Encoding) -> str:
    return raw.hex() if encoding is Encoding.HEX else base64.b64encode(raw).decode()


def standard_key(secret: str) -> bytes:
    """The key in a Standard Webhooks secret (`whsec_` and base64); ValueError with the remedy, never the secret."""
    key = _unwrapped(secret, "whsec_")
    if key is None or len(key) not in _KEY_BYTES:
        raise ValueError("a Standard Webhooks secret is whsec_ and the base64 of 24 to 64 bytes")
    return key


def standard_public_key(text: str) -> bytes:
    """The Ed25519 key in a Standard Webhooks public key (`whpk_` and base64 of 32 bytes)."""
    key = _unwrapped(text, "whpk_")
    if key is None or len(key) != 32:
        raise ValueError("a Standard Webhooks public key is whpk_ and the base64 of 32 bytes")
    return key


def _unwrapped(text: str, prefix: str) -> bytes | None:
    try:
        return base64.b64decode(text.strip().removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError):
        return None


def sign_standard(key: bytes, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three Standard Webhooks headers of one attempt; `at` is the attempt's time, `message_id` never changes."""
    seconds = str(int(at.timestamp()))
    signature = mac(key, _content(message_id, seconds, body), Algorithm.SHA256, Encoding.BASE64)
    return {"webhook-id": message_id, "webhook-timestamp": seconds, "webhook-signature": f"v1,{signature}"}


def standard_holds(
    keys: Iterable[bytes],
    public_keys: Iterable[bytes],
    *,
    message_id: str,
    timestamp: str,
    signature: str,
    body: bytes,
) -> bool:
    """Whether any listed signature is by any key: `v1` HMAC-SHA256, `v1a` Ed25519. Its age is `check_age`'s."""
    content = _content(message_id, timestamp, body)
    items = [item.partition(",") for item in signature.split(" ")[:20]]
    symmetric = [mac(key, content, Algorithm.SHA256, Encoding.BASE64) for key in keys]
    return any(any_same(value, symmetric) for version, _, value in items if version == "v1") or any(
        _ed25519_holds(key, value, content)
        for version, _, value in items
        if version == "v1a"
        for key in public_keys
    )


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode("utf-8", "surrogatepass") + body


def _ed25519_holds(key: bytes, signature: str, content: bytes) -> bool:
    # Imported here: most installations never need it, and start-up counts.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_age(timestamp: str, now: datetime, tolerance: float) -> None:
    """Raise Unverified unless a signed Unix time is within `tolerance` seconds of now, to either side."""
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise Unverified("the signed timestamp is not a Unix time in seconds")
    if abs(now.timestamp() - int(timestamp)) > tolerance:
        raise Unverified(f"the signed timestamp is more than {tolerance:g} s from our time")
