"""What is left of a message that was purged or erased: a keyed hash by which it is known again (law 15)."""

from __future__ import annotations

from model.ids import token

#: Bytes of the hash; two messages with the same one would be taken for the same message.
_SIZE = 32


def tombstone(secret: bytes, account: str, source_id: str, fingerprint: str) -> str:
    """The hash of a message's identity under the installation's key; nobody without the key can guess from it."""
    return token(secret, "tombstone", account, source_id, fingerprint, size=_SIZE)
