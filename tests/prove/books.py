"""What a campaign is held to in the end: what sources sent, what far sides took, and what the rows say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from store import engine
from store.schema import TABLES
from tests.prove.campaign import Ask, Campaign, Sent
from tests.rigs.ways import Mail, mails

Rows = list[dict[str, Any]]
#: Channels whose customers would see a second try as a second message.
CHATS = ("hook", "ask")
#: What a delivery says that nobody knows the end of.
DOUBT = ("may have been delivered; not sent again", "may have been delivered; a person decides")


def read(folder: Path, url: str = "") -> dict[str, Rows]:
    """The tables of a stopped house."""
    write, database = engine.open_engines(url or engine.sqlite_url(folder), writers=1, readers=1)
    with database.connect() as connection:
        tables = {
            name: [dict(row) for row in connection.execute(select(TABLES[name])).mappings()]
            for name in ("envelope", "record", "delivery", "attempt", "sighting")
        }
    database.dispose()
    write.dispose()
    return tables


def source_id(one: Sent) -> str:
    """What a message is called by its source."""
    return f"<{one.way.channel}-{one.id}@example.com>" if isinstance(one.way, Mail) else one.id


def nothing_lost_or_doubled(campaign: Campaign, tables: Mapping[str, Rows]) -> dict[str, dict[str, Any]]:
    """Every message that was brought is in the register once; gives its envelope by source id."""
    made: dict[str, Rows] = {}
    for row in tables["envelope"]:
        made.setdefault(row["source_id"], []).append(row)
    records = Counter(row["envelope"] for row in tables["record"])
    for one in campaign.sent:
        rows = made.get(source_id(one), [])
        assert len(rows) == 1, f"{one.way} {one.id}: {len(rows)} envelopes"
        (row,) = rows
        assert row["state"] in ("registered", "joined"), (row["state"], row["reason"])
        assert records[row["id"]] == (row["state"] == "registered"), "one record, or a place in another"
        if one.told is not None and one.told.reference:
            assert one.told.reference == row["reference"], "the number that the customer was told"
    known = {source_id(one) for one in campaign.sent}
    strange = [
        row for row in tables["envelope"] if row["state"] != "quarantined" and row["source_id"] not in known
    ]
    assert not strange, "nothing comes from nowhere"
    assert all(count == 1 for count in records.values())
    return {name: rows[0] for name, rows in made.items()}


def everybody_was_acknowledged(campaign: Campaign, tables: Mapping[str, Rows]) -> int:
    """Each registered message's customer got its acknowledgement, once; gives how many are in doubt."""
    office = campaign.office
    acks = {row["envelope"]: row for row in tables["delivery"] if row["purpose"] == "acknowledgement"}
    envelopes = {row["source_id"]: row for row in tables["envelope"]}
    chat = Counter(office.chat.keys)
    doubts = 0
    for one in campaign.sent:
        envelope = envelopes[source_id(one)]
        if envelope["state"] != "registered":
            continue
        ack = acks[envelope["id"]]
        if ack["state"] == "cancelled":
            assert ack["detail"] in DOUBT, (ack["reason"], ack["detail"])
            # A chat cannot tell a repeat, so one doubt ends it; a mail is sent once more before it is given up.
            least = 1 if ack["target"] in CHATS else 2
            assert _in_doubt(ack, tables["attempt"]) >= least
            doubts += 1
            continue
        assert ack["state"] == "delivered", (ack["state"], ack["detail"])
        if ack["target"] in CHATS:
            rode = isinstance(one.way, Ask) and not ack["remote_id"]
            assert chat[ack["key"]] == (0 if rode else 1), "once into the chat, or on the answer"
        else:
            got = [mail for mail in mails(office, one.n) if mail.automatic]
            assert got and len({mail.key for mail in got}) == 1, "one message, perhaps repeated under its id"
            _repeats_are_explained(ack, len(got), tables["attempt"])
    return doubts


def every_answer_left_once(campaign: Campaign, tables: Mapping[str, Rows]) -> int:
    """Each answer that a clerk wrote left once; gives how many are in doubt."""
    office = campaign.office
    replies = [row for row in tables["delivery"] if row["purpose"] == "reply"]
    assert len(replies) == len(campaign.replied), "asked twice with the same key it is one answer"
    chat = Counter(office.chat.keys)
    letters = Counter(
        (mail.key, mail.text.strip().splitlines()[0])
        for one in campaign.sent
        for mail in mails(office, one.n)
        if not mail.automatic
    )
    doubts = 0
    for row in replies:
        if row["state"] == "held":
            assert row["detail"] in DOUBT
            doubts += 1
        else:
            assert row["state"] == "delivered", (row["state"], row["detail"])
        if row["target"] in CHATS:
            assert chat[row["key"]] <= 1
            assert row["state"] == "held" or chat[row["key"]] == 1
        elif row["state"] == "delivered":
            text = row["body"]["text"]
            ids = [key for key, words in letters if words == text]
            assert len(ids) == 1, f"{text}: {ids}"
            _repeats_are_explained(row, letters[ids[0], text], tables["attempt"])
    return doubts


def every_record_was_handed_over(campaign: Campaign, tables: Mapping[str, Rows]) -> int:
    """The ticket store has each record under one key; gives how many are in doubt."""
    taken = campaign.office.tickets.tickets
    doubts = 0
    owed = [row for row in tables["delivery"] if row["purpose"] in ("hand_over", "update")]
    for row in owed:
        if row["state"] == "held":
            assert row["detail"] in DOUBT
            doubts += 1
            continue
        assert row["state"] == "delivered", (row["state"], row["detail"])
        assert row["key"] in taken
    assert set(taken) <= {row["key"] for row in owed}
    first = {row["envelope"] for row in owed if row["purpose"] == "hand_over"}
    assert {row["envelope"] for row in tables["record"]} == first
    return doubts


def _repeats_are_explained(row: Mapping[str, Any], got: int, attempts: Iterable[Mapping[str, Any]]) -> None:
    """More than one of a message only where a try ended in doubt."""
    if got > 1:
        doubtful = _in_doubt(row, attempts)
        assert got <= doubtful + 1, f"{got} of {row['key']} with {doubtful} in doubt"


def _in_doubt(row: Mapping[str, Any], attempts: Iterable[Mapping[str, Any]]) -> int:
    """Tries of a delivery of which nobody knows the end."""
    return sum(one["delivery"] == row["id"] and one["outcome"] == "uncertain" for one in attempts)
