"""Identifiers, made from injected time and randomness so that tests can foretell them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import date, datetime
from functools import lru_cache

#: Letters and digits that cannot be mistaken for one another when read aloud or written by hand.
REFERENCE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
#: Characters of a reference's random part; longer ones are minted after a collision.
REFERENCE_LENGTH = 5
#: Bytes to letters; those beyond the last whole round of the alphabet would favour its beginning and are left out.
_ROUNDS = 256 // len(REFERENCE_ALPHABET)
_UNFAIR = bytes(range(_ROUNDS * len(REFERENCE_ALPHABET), 256))
_LETTERS = (REFERENCE_ALPHABET * (_ROUNDS + 1)).encode()[:256]


def uuid7(unix_ms: int, randomness: bytes) -> str:
    """A version 7 UUID from a Unix time in milliseconds and ten random bytes (RFC 9562 §5.7)."""
    value = (unix_ms & ((1 << 48) - 1)) << 80 | int.from_bytes(randomness[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def derived(*parts: str) -> str:
    """An identifier that follows from its parts, the same on every machine: contacts, conversations, keys."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-{digest[16:20]}-{digest[20:32]}"


def thread_key(kind: str, provider_id: str) -> str:
    """The key under which a provider's id leads to its record; bounded, whatever a stranger sent."""
    key = f"{kind}:{provider_id}"
    return key if len(key) <= 600 else f"{key[:80]}#{hashlib.sha256(key.encode()).hexdigest()}"


def mint_reference(
    prefix: str, received_at: datetime, randomness: bytes, length: int = REFERENCE_LENGTH
) -> str:
    """A reference such as FB-261122-7K3FQ: prefix, day, and characters that cannot be guessed in sequence.

    `randomness` holds three unpredictable bytes or more for each character. Uniqueness is the store's to
    prove: on a collision it takes a longer one.
    """
    code = randomness.translate(_LETTERS, _UNFAIR)[:length].decode()
    if len(code) < length:
        raise ValueError("not enough randomness for a reference")
    return f"{prefix}-{_day(received_at.date())}-{code}"


@lru_cache(maxsize=4)
def _day(day: date) -> str:
    return f"{day:%y%m%d}"


def tidy_reference(text: str) -> str:
    """A reference as a person may have typed it, in the form we store."""
    return text.strip().upper().replace("_", "-").replace(" ", "")


def token(key: bytes, *parts: str, size: int = 16) -> str:
    """An unguessable, lower-case token bound to its parts: `size` bytes of keyed BLAKE2b in hexadecimal.

    Not an HMAC (RFC 2104): the library's lets go of the interpreter for each of them, and this is a hot path.
    """
    return hashlib.blake2b("\x1f".join(parts).encode(), key=key, digest_size=size).hexdigest()


def same_token(given: str, expected: str) -> bool:
    """Compare two tokens in constant time, whatever characters a stranger sent."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


#: The secret that a visitor's browser makes: long enough that nobody guesses it, short enough for a header.
_VISITOR = re.compile(r"[A-Za-z0-9_-]{32,100}\Z")


def visitor(secret: str) -> str | None:
    """What we call a visitor who only has a secret: its digest; None when it is no such secret."""
    return hashlib.sha256(secret.encode()).hexdigest()[:32] if _VISITOR.match(secret) else None


#: Bytes of the keyed part of a sealed id; guessing it is hopeless, and it fits a mail address.
_SEAL = 10


def seal(key: bytes, purpose: str, identity: str) -> str:
    """An id with a proof that we gave it out, for one purpose: `thread`, `status`, `file` and the like.

    It needs no row anywhere, survives a change of case, and is 42 characters long.
    """
    raw = bytes.fromhex(identity.replace("-", ""))
    return _base32(raw) + _base32(_proof(key, purpose, raw))


def unseal(key: bytes, purpose: str, given: str) -> str | None:
    """The id in a sealed one; None for anything that we did not give out for this purpose."""
    head, tail = given[:26].upper(), given[26:].lower()
    try:
        raw = base64.b32decode(head + "=" * (-len(head) % 8))
    except ValueError:
        return None
    if len(raw) != 16 or not same_token(tail, _base32(_proof(key, purpose, raw))):
        return None
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _proof(key: bytes, purpose: str, raw: bytes) -> bytes:
    return hashlib.blake2b(purpose.encode() + b"\x1f" + raw, key=key, digest_size=_SEAL).digest()


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
