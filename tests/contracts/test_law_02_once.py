"""Law 2: the same source message twice gives one record; what only looks the same does not get lost."""

from __future__ import annotations

import asyncio

import pytest

from tests.rigs.daemon import House
from tests.rigs.office import BOX, Office
from tests.rigs.ways import Box, Form, Hook, Mail, Way


async def test_the_same_message_twice_is_one_record(house: House, office: Office, way: Way) -> None:
    first = await way.bring(house, 1, office=office)
    await house.until(house.records)
    await house.idle()
    second = await way.bring(house, 1, office=office)
    await house.until(lambda: house.rows("sighting"))
    await house.idle()

    assert len(await house.records()) == 1
    assert first.reference == second.reference  # empty where the source is told none
    assert second.taken in (True, None)
    assert len(way.got(office, 1)) == 1, "one acknowledgement"


async def test_what_only_looks_the_same_is_registered_too(house: House, office: Office, way: Way) -> None:
    for n, (id_, text) in enumerate([("a", "The lift"), ("a", "The stairs"), ("b", "The lift")], 1):
        await way.bring(house, 1, id=id_, text=text, office=office)
        await house.until(lambda n=n: _arrived(house, n))  # type: ignore[misc]
    await house.idle()

    if way.converses:
        # Each is a message of its own, and all are one matter.
        assert sorted(one["state"] for one in await house.envelopes()) == ["joined", "joined", "registered"]
        assert len(way.got(office, 1)) == 1
        return
    lift_again, stairs, lift = await house.records()
    assert [one["text"].strip() for one in (lift, stairs, lift_again)] == [
        "The lift",
        "The stairs",
        "The lift",
    ]
    if way.kind in ("email", "letter"):
        # To a mail its id belongs, and a letter is its bytes: with another one it is other content.
        assert len(way.got(office, 1)) == 3
        return
    assert stairs["repeat_of"] is None
    assert lift_again["repeat_of"] in (lift["id"], lift["reference"])
    assert len(way.got(office, 1)) == 2, "no second acknowledgement for the same words"
    (refused,) = await house.deliveries("acknowledgement", suppressed="1")
    assert refused["reason"] == "repeat"


async def test_one_mail_found_by_two_accounts_joins_the_first_record(house: House, office: Office) -> None:
    both = f"{Mail.address}, {BOX}"
    raw = Mail().mail(1, To=both)
    told = await Mail().bring_raw(house, office, raw, 1)
    await house.until(house.records)
    await Box().bring_raw(house, office, raw, 1)
    await house.until(lambda: house.envelopes("joined"))
    await house.idle()

    (record,) = await house.records()
    assert record["reference"] == told.reference
    assert len(Mail().got(office, 1)) == 1
    # The second account's reference is an alias of the same record.
    (joined,) = await house.envelopes("joined")
    alias = await house.ask("GET", f"/v1/records/{joined['reference']}")
    assert alias["reference"] == told.reference


@pytest.mark.parametrize("way", [Form(), Hook(), Mail()], ids=repr)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_many_copies_at_the_same_moment_are_one_record(house: House, office: Office, way: Way) -> None:
    told = await asyncio.gather(*(way.bring(house, 1, office=office) for _ in range(20)))
    await house.idle()

    assert {one.taken for one in told} == {True}
    assert len({one.reference for one in told}) == 1
    assert len(await house.records()) == 1
    assert len(await house.rows("sighting")) == 19
    assert len(way.got(office, 1)) == 1


async def _arrived(house: House, n: int) -> bool:
    return len(await house.envelopes("registered", "joined")) == n
