"""Who ended our messages by a word (STOP), and since when. Kept for ever, and apart from contacts.

The word binds us whether or not its writer is, or still is, a contact: so it outlives erasure, as a keyed digest of the
address, which tells nobody anything who has not both the key and the address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Column, Connection, Index, String, Table, select

from model.draft import Identity
from store.metadata import metadata
from store.types import Instant
from store.units import Insert, Update

opt_out = Table(
    "opt_out",
    metadata,
    Column("digest", String, primary_key=True),  # of the address, under the installation's key
    Column("kind", String, primary_key=True),  # the kind of channel that the word was said to
    Column("channel", String, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant),  # when START took it back
    Index("ix_opt_out_since", "since"),
)


def digest(secret: bytes, one: Identity) -> str:
    """What an address is known by."""
    named = "\x1f".join((one.kind, one.value)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(named, key=secret, person=b"opt out", digest_size=32).hexdigest()


def stopped(
    secret: bytes, one: Identity, kind: str, channel: str, at: datetime
) -> tuple[tuple[Insert, ...], tuple[Update, ...]]:
    """The word was said: nothing more goes to this address by channels of this kind."""
    named = {"digest": digest(secret, one), "kind": kind}
    row = {**named, "channel": channel, "since": at, "until": None}
    # A second word after a START: the row is there already.
    return (Insert("opt_out", row, ignore=True),), (Update("opt_out", named, {"since": at, "until": None}),)


def started(secret: bytes, one: Identity, kind: str, at: datetime) -> tuple[Update, ...]:
    """It was taken back."""
    return (Update("opt_out", {"digest": digest(secret, one), "kind": kind}, {"until": at}),)


def of(connection: Connection, secret: bytes, wanted: Collection[Identity]) -> frozenset[tuple[str, str]]:
    """Of these addresses those that ended messages: kind of channel, and address."""
    named = {digest(secret, one): one.value for one in wanted}
    o = opt_out.c
    query = select(o.digest, o.kind).where(o.digest.in_(named), o.until.is_(None))
    return frozenset((row.kind, named[row.digest]) for row in connection.execute(query))
