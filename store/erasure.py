"""What is left of a message that was purged or erased: a keyed hash by which it is known again (law 15)."""

from __future__ import annotations

import hashlib


def tombstone(secret: bytes, account: str, source_id: str, fingerprint: str) -> str:
    """The hash of a message's identity under the installation's key; nobody without the key can guess from it."""
    identity = "\x1f".join((account, source_id, fingerprint)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(identity, key=secret, person=b"tombstone", digest_size=32).hexdigest()
