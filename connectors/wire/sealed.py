"""Signatures and AES of the callbacks of WeChat, WeCom and Weibo.

A signature is the SHA-1 of the parts, sorted as bytes and joined. A sealed message is base64 of AES-256-CBC over
16 random bytes, the length as uint32 big-endian, the message, and the receiver's id, padded to 32 bytes (PKCS#7);
the key is the console's EncodingAESKey and the initial vector its first 16 bytes.
Source: WeChat "Message encryption and decryption", WeCom "Encryption and decryption".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from model import signing
from model.failures import Malformed
from model.message_xml import cdata

_BLOCK, _RANDOM, _LENGTH = 32, 16, 4


def signature(*parts: str) -> str:
    """The lower-case hex SHA-1 that the platform sends for these parts."""
    encoded = sorted(part.encode("utf-8", "surrogatepass") for part in parts)
    return hashlib.sha1(b"".join(encoded), usedforsecurity=False).hexdigest()


def holds(given: str, *parts: str) -> bool:
    """Whether a signature is that of the parts, compared in constant time."""
    return signing.same(given, signature(*parts))


def aes_key(encoded: str) -> bytes:
    """The key in an EncodingAESKey (43 characters of base64); ValueError with the remedy, never the key."""
    try:
        key = base64.b64decode(encoded.strip() + "=", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ValueError("an EncodingAESKey is the 43 letters and digits that the platform's console shows")
    return key


class Box:
    """Opens and seals messages of one receiver (AppID, CorpID) with the key in use and earlier ones."""

    def __init__(self, keys: Sequence[bytes], receiver: str) -> None:
        self._keys = tuple(keys)
        self._receiver = receiver.encode()

    def open(self, sealed: str) -> tuple[bytes, int]:
        """The message, and which key opened it; Malformed when none does."""
        try:
            data = base64.b64decode(sealed, validate=True)
        except (binascii.Error, ValueError):
            raise Malformed("the encrypted message is not base64") from None
        if not data or len(data) % 16:
            raise Malformed("the encrypted message is cut off")
        why = "there is no EncodingAESKey in the settings"
        for n, key in enumerate(self._keys):
            decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
            message, why = self._taken_apart(decryptor.update(data) + decryptor.finalize())
            if message is not None:
                return message, n
        raise Malformed(f"the message cannot be decrypted: {why}")

    def seal(self, message: bytes, random: bytes, key: int = 0) -> str:
        """The message as the far side can open it; `random` are 16 unpredictable bytes."""
        plain = random[:_RANDOM] + len(message).to_bytes(_LENGTH, "big") + message + self._receiver
        pad = _BLOCK - len(plain) % _BLOCK
        secret = self._keys[key]
        encryptor = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).encryptor()
        sealed = encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()
        return base64.b64encode(sealed).decode()

    def _taken_apart(self, plain: bytes) -> tuple[bytes | None, str]:
        """The message between its wrappings; None, and why, when these do not fit."""
        pad = plain[-1]
        if not 1 <= pad <= _BLOCK or plain[-pad:] != bytes([pad]) * pad:
            return None, "the EncodingAESKey is another"
        plain = plain[:-pad]
        start = _RANDOM + _LENGTH
        length = int.from_bytes(plain[_RANDOM:start], "big")
        if len(plain) < start + length:
            return None, "the EncodingAESKey is another"
        if plain[start + length :] != self._receiver:
            return None, "it is for another account: check the AppID or CorpID in the settings"
        return plain[start : start + length], ""


def reply(box: Box, key: int, token: str, message: str, *, timestamp: str, nonce: str, random: bytes) -> str:
    """A passive answer in its sealed wrapping."""
    sealed = box.seal(message.encode(), random, key)
    signed = signature(token, timestamp, nonce, sealed)
    return (
        f"<xml><Encrypt>{cdata(sealed)}</Encrypt><MsgSignature>{cdata(signed)}</MsgSignature>"
        f"<TimeStamp>{timestamp}</TimeStamp><Nonce>{cdata(nonce)}</Nonce></xml>"
    )
