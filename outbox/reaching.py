"""By what a person can be reached, and what they said about it."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from model.draft import Identity
from store import optouts, people
from store.people import Reach
from store.store import Store


async def of(store: Store, record: str) -> Reach:
    """The identities of the person behind a record, those that refused us, and where they said STOP."""
    secret = store.secret

    def query(connection: Connection) -> Reach:
        found = people.reach(connection, record)
        known = [Identity(*one) for one in found.identities]
        return replace(found, stopped=optouts.of(connection, secret, known)) if known else found

    return await store.read(query)


def refusal(reach: Reach, kind: str, to: Identity | None) -> str:
    """Why an answer by a kind of channel may not reach an address, told before it is written; "" when nothing is."""
    if to is None:
        return ""
    if (kind, to.value) in reach.stopped:
        return "the customer asked for no more messages (STOP)"
    return "messages to this address were refused" if to.value in reach.unreachable else ""
