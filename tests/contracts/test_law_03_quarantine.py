"""Law 3: raw bytes are kept; what cannot be read is set aside with its reason and bytes, and blocks nobody."""

from __future__ import annotations

from tests.contracts.conftest import Make
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Hook, Way


async def test_what_nobody_can_read_is_kept_and_blocks_nobody(house: House, office: Office, way: Way) -> None:
    await way.bring(house, 1, office=office)
    told = await way.bring_unreadable(house, office)
    await way.bring(house, 2, office=office)
    (bad,) = await house.until(lambda: house.envelopes("quarantined"))
    await house.until(lambda: _all_registered(house, 2))
    await house.idle()

    assert bad["reason"]
    assert bad["channel"] == way.channel
    (row,) = [one for one in await house.rows("envelope") if one["id"] == bad["id"]]
    raw = await house.store.load_blob(row["blob"])
    assert raw is not None and way.is_unreadable(raw)
    if told.reference:
        assert told.reference == bad["reference"]

    # Read again it is as unreadable as before: in the same place, and counted once.
    answer = await house.ask("POST", "/v1/inbox/replay", {"ids": [bad["id"]]})
    assert answer["replayed"][0]["back"] is True
    await house.until(lambda: house.envelopes("quarantined"))
    assert len(await house.records()) == 2
    assert len(way.got(office, 1)) == len(way.got(office, 2)) == 1


async def test_what_was_mended_is_registered_by_a_replay_and_acknowledged_once(
    make: Make, office: Office
) -> None:
    wrong = {"hook": {"events": "data.list"}}
    hook = Hook()
    async with make(channels=wrong) as house:
        await hook.post(house, {"data": {"items": [hook.event(1)]}}, "msg_list")
        (bad,) = await house.until(lambda: house.envelopes("quarantined"))

    async with make(channels={"hook": {"events": "data.items"}}) as house:
        tried = await house.ask("POST", "/v1/inbox/replay", {"ids": [bad["id"]], "dry_run": True})
        assert "stood still" in str(tried["replayed"][0]["changes"]["text"])
        assert await house.records() == []
        await house.ask("POST", "/v1/inbox/replay", {"ids": [bad["id"]]})
        await house.until(house.records)
        await house.idle()
        (record,) = await house.records()
        assert record["reference"] == bad["reference"]
        # Replayed once more it changes nothing and sends nothing.
        again = await house.ask("POST", "/v1/inbox/replay", {"ids": [bad["id"]]})
        assert again["replayed"][0]["changes"] == {}
        assert len(await house.deliveries()) == 2, "one acknowledgement, one hand-over"


async def _all_registered(house: House, n: int) -> bool:
    return len(await house.records()) == n
