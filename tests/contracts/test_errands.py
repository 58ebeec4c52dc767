"""What is fetched after registering: named files and profiles; nobody waits for them, and none is lost."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.contract import Media, Profile
from model.draft import Identity
from model.failures import PermanentFailure, Reason, TemporaryFailure
from tests.rigs import talk
from tests.rigs.daemon import House, Points
from tests.rigs.office import Office


class Died(BaseException):
    """Stands for a process that ends: nothing below it is settled."""


PHOTO = {"ref": "media-1", "name": "photo.jpg"}
SOON = {"inbox": {"errand_pause": 0.05, "errand_pause_last": 0.1, "errand_attempts": 3}}


@pytest.fixture
async def house(talking: House) -> House:
    return talking


async def done(house: House, least: int = 1) -> bool:
    rows = await house.rows("errand")
    return len(rows) >= least and all(row["state"] != "waiting" for row in rows)


async def attachments(house: House) -> list[Any]:
    (record,) = await house.records()
    return list(record["attachments"])


async def test_a_named_file_is_fetched_after_the_acknowledgement_and_told_to_the_destinations(
    house: House, far: talk.Far, office: Office, points: Points
) -> None:
    far.files["media-1"] = Media(raw=b"jpeg", media_type="image/png", filename="lift.png")
    with points.held("claim.errands.before_commit") as arrived:
        told = await talk.post(house, talk.event(1, text="See the photo.", files=[PHOTO]))
        await arrived()
    await house.until(lambda: done(house))
    await house.idle()
    assert len(far.taken) == 1, "acknowledged"
    (one,) = await attachments(house)
    assert (one["filename"], one["media_type"], one["size"], one["omitted"]) == (
        "lift.png",
        "image/png",
        4,
        None,
    )
    async with house.session.get(
        one["url"].replace(house.daemon.house.loaded.settings.address, house.url)
    ) as got:
        assert await got.read() == b"jpeg"
    (fetched,) = await talk.told(house, told["reference"], "file.fetched")
    assert fetched["filename"] == "lift.png"
    (update,) = await house.deliveries("update")
    assert (update["target"], update["state"]) == ("tickets", "delivered")


@pytest.mark.parametrize("more", [SOON], ids=["soon"])
async def test_a_file_that_cannot_be_had_now_is_tried_again(house: House, far: talk.Far) -> None:
    far.files["media-1"] = TemporaryFailure(Reason.SERVER, "later")
    await talk.post(house, talk.event(1, text="See the photo.", files=[PHOTO]))
    await house.until(lambda: far.asked.count("media-1") == 2)
    far.files["media-1"] = Media(raw=b"jpeg")
    await house.until(lambda: done(house))
    (one,) = await attachments(house)
    assert (one["filename"], one["size"]) == ("photo.jpg", 4)


@pytest.mark.parametrize("more", [SOON], ids=["soon"])
@pytest.mark.parametrize(
    "failure",
    [
        PermanentFailure(Reason.REQUEST, "expired"),
        TemporaryFailure(Reason.SERVER, "expired"),
        RuntimeError("secret"),
    ],
    ids=["gone", "too often", "broken"],
)
async def test_a_file_that_is_given_up_says_why(house: House, far: talk.Far, failure: Exception) -> None:
    far.files["media-1"] = failure
    told = await talk.post(house, talk.event(1, text="See the photo.", files=[PHOTO]))
    await house.until(lambda: done(house))
    await house.idle()
    (one,) = await attachments(house)
    assert one["omitted"].startswith("could not be fetched: ") and "secret" not in one["omitted"]
    assert len(await talk.told(house, told["reference"], "file.given_up")) == 1
    assert len(await house.deliveries("update")) == 1


@pytest.mark.parametrize("settings", [{"limits": {"body_bytes": 1000}}], ids=["small"])
async def test_a_file_beyond_the_channels_limit_is_given_up(house: House, far: talk.Far) -> None:
    far.files["media-1"] = Media(raw=b"x" * 1001)
    await talk.post(house, talk.event(1, text="See the photo.", files=[PHOTO]))
    await house.until(lambda: done(house))
    (one,) = await attachments(house)
    assert "larger than 1000 bytes" in one["omitted"]


async def test_one_who_died_while_fetching_is_followed_by_the_next(
    house: House, far: talk.Far, points: Points
) -> None:
    """A claim is for a time: here its end is moved, as time would."""
    far.files["media-1"] = Media(raw=b"jpeg")

    def die() -> None:
        raise Died

    with points.acting("errand.after", die):
        await talk.post(house, talk.event(1, text="See the photo.", files=[PHOTO]))
        await house.until(lambda: points.hits["errand.after"] == 2)  # the file, and who it is from
    row, _ = await house.rows("errand")
    assert row["state"] == "waiting" and row["claim"] is not None
    await house.store.run(lambda c: c.exec_driver_sql("UPDATE errand SET next_at = 0"))
    await house.until(lambda: done(house))
    assert far.asked.count("media-1") == 2
    (one,) = await attachments(house)
    assert one["size"] == 4


# ---- profiles


async def contacts(house: House) -> list[Any]:
    return await house.rows("contact")


async def test_whoever_is_new_gets_a_name_and_the_identities_that_the_platform_vouches_for(
    house: House, far: talk.Far
) -> None:
    far.people["person-1"] = Profile(name="王芳", language="zh", identities=(Identity("union", "u-1"),))
    for n in (1, 2):
        await talk.post(house, talk.event(n, text="The lift stands still."))
        await house.until(lambda: done(house))
        await house.idle()
    assert far.asked == ["talk:person-1"], "asked once"
    (contact,) = await contacts(house)
    assert (contact["name"], contact["language"]) == ("王芳", "zh")
    known = {(row["kind"], row["value"]): row["evidence"] for row in await house.rows("identity")}
    assert known["union", "u-1"] == "told by talk"


async def test_whoever_has_no_name_yet_is_asked_about_again_with_a_new_record(
    house: House, far: talk.Far
) -> None:
    far.people["person-1"] = Profile()
    for n, chat, asked in ((1, "chat-1", 1), (2, "chat-1", 1), (3, "chat-2", 2)):
        await talk.post(house, talk.event(n, chat=chat, text=f"Matter {n}."))
        await house.until(lambda asked=asked: done(house, asked))
        await house.idle()
        assert far.asked == ["talk:person-1"] * asked, "not with each message"
        far.people["person-1"] = Profile(name="王芳")
    (contact,) = await contacts(house)
    assert contact["name"] == "王芳"
    await talk.post(house, talk.event(4, chat="chat-3", text="Matter 4."))
    await house.idle()
    assert len(await house.records()) == 3 and len(far.asked) == 2, "now it is known"


async def test_two_that_the_platform_says_are_one_person_are_linked_and_can_be_unlinked(
    house: House, far: talk.Far
) -> None:
    union = (Identity("union", "u-1"),)
    far.people |= {"person-1": Profile(identities=union), "person-2": Profile(identities=union)}
    for n in (1, 2):
        told = await talk.post(
            house, talk.event(n, chat=f"chat-{n}", **{"from": f"person-{n}"}, text=f"Matter {n}.")
        )
        await house.until(lambda n=n: done(house, n))
    person = await house.ask("GET", "/v1/contacts/person-2")
    assert {one["value"] for one in person["identities"]} == {"person-1", "person-2", "u-1"}
    assert len(person["records"]) == 2
    (link,) = person["links"]
    assert (link["state"], link["evidence"], link["actor"]) == ("linked", "told by talk", "forebay")
    assert len(await talk.told(house, told["reference"], "contact.linked")) == 1
    await house.ask("POST", "/v1/contacts/unlink", {"link": link["id"]})
    person = await house.ask("GET", "/v1/contacts/talk:person-2")
    assert [one["value"] for one in person["identities"]] == ["person-2"]
    assert [one["state"] for one in person["links"]] == ["undone"]


async def test_an_address_that_somebody_else_has_is_proposed_and_not_merged(
    house: House, far: talk.Far
) -> None:
    for n, text in ((1, "My phone is 138 0013 8000"), (2, "我的手机号是13800138000")):
        await talk.post(house, talk.event(n, chat=f"chat-{n}", **{"from": f"person-{n}"}, text=text))
        await house.idle()
    person = await house.ask("GET", "/v1/contacts/person-2")
    assert [one["value"] for one in person["identities"]] == ["person-2"]
    (link,) = person["links"]
    assert (link["state"], link["kind"], link["value"]) == ("proposed", "phone", "+8613800138000")
    # A person looks, and says that it is the same.
    await house.ask("POST", "/v1/contacts/link", {"link": link["id"]})
    person = await house.ask("GET", "/v1/contacts/person-2")
    assert {one["value"] for one in person["identities"]} == {"person-1", "person-2", "+8613800138000"}
