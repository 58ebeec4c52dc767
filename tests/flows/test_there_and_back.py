"""One flow a kind, through the whole house: in, acknowledged, listed, handed over, answered, and out again."""

from __future__ import annotations

import json
import re

import pytest

from tests.rigs.daemon import House
from tests.rigs.office import TOKEN, Office
from tests.rigs.ways import WAYS, Form, Way, words


@pytest.mark.parametrize("way", WAYS, ids=repr)
async def test_a_message_goes_the_whole_road(house: House, office: Office, way: Way) -> None:
    told = await way.bring(house, 1, office=office)
    (record,) = await house.until(house.records)
    await house.idle()

    # The source was answered, with the number that the customer is told everywhere.
    if way.answers:
        assert told.taken and told.status in (200, 202, 250)
        assert told.reference == (record["reference"] if way.names else "")
    assert re.fullmatch(r"FB-\d{6}-[2-9A-HJKMNP-Z]{5}", record["reference"])
    # It is in the register, normalised.
    assert record["schema"] == "forebay.record/1"
    assert record["channel"] == {"name": way.channel, "kind": way.kind}
    assert record["text"].strip() == words(1)
    if way.names:  # platforms tell a number of their own, and the name later or never
        assert {"kind": "email", "value": "customer1@example.com"} in record["contact"]["identities"]
        assert record["contact"]["name"] == way.called(1)
    assert record["contact"]["identities"] or not way.answers
    # The customer has the acknowledgement, the ticket store the record.
    (ack,) = way.got(office, 1)
    assert ack.automatic and record["reference"] in ack.text
    (event,) = [one.json() for one in office.tickets.taken]
    assert event["type"] == "forebay.record.registered"
    assert event["data"]["record"]["reference"] == record["reference"]
    assert event["data"]["record"]["text"] == record["text"]

    # A clerk answers, twice with the same key: one answer leaves.
    for _ in range(2):
        status, queued = await house.reply(record["reference"], "We mended the lift. 已修好。", key="k1")
        assert status == 202 and queued["reference"] == record["reference"]
    await house.idle()
    _, answer = way.got(office, 1)
    assert not answer.automatic and answer.text.strip().startswith(
        "We mended the lift. 已修好。"
    )  # a mail quotes
    (reply,) = await house.deliveries("reply")
    assert (reply["state"], reply["attempts"]) == ("delivered", 1)
    after = await house.ask("GET", f"/v1/records/{record['reference']}")
    assert after["state"] == "answered"

    # The timeline and the feed tell all of it, in order.
    told_line = await house.ask("GET", f"/v1/records/{record['reference']}/timeline")
    types = [one["type"] for one in told_line["events"]]
    assert types[0] == "record.registered" and types.index("reply.queued") > 0
    # The acknowledgement, the hand-over, the answer, and the word of it to the ticket store.
    assert types.count("delivery.delivered") == 4
    feed = await house.ask("GET", "/v1/events?after=0")
    positions = [one["position"] for one in feed["events"]]
    assert positions == sorted(set(positions)) and feed["next"] == positions[-1]

    # And the raw bytes can be fetched, as a file that no browser runs.
    async with house.session.get(
        record["raw"]["url"].replace(house.loaded.settings.address, house.url)
    ) as raw:
        assert raw.status == 200
        assert raw.headers["Content-Disposition"].startswith("attachment")
        assert raw.headers["X-Content-Type-Options"] == "nosniff"
        assert len(await raw.read()) == record["raw"]["size"]


async def test_the_status_page_shows_the_answer_to_its_customer_only(house: House, office: Office) -> None:
    told = await Form().bring(house, 1, office=office)
    status_url = json.loads(told.body)["status_url"].replace(house.loaded.settings.address, house.url)
    (record,) = await house.until(house.records)
    await house.reply(record["reference"], "The lift runs again.")
    await house.idle()
    async with house.session.get(status_url) as page:
        text = await page.text()
        assert page.status == 200 and "The lift runs again." in text and record["reference"] in text
    async with house.session.get(status_url[:-1] + ("a" if status_url[-1] != "a" else "b")) as page:
        assert page.status == 404


async def test_the_desk_lists_shows_and_answers(house: House, office: Office) -> None:
    await Form().bring(house, 1, office=office)
    (record,) = await house.until(house.records)
    url = house.url
    async with house.session.get(f"{url}/desk/login") as page:
        csrf = re.search(r'name="csrf" value="([^"]*)"', await page.text())
        assert csrf
    async with house.session.post(
        f"{url}/desk/login", data={"token": TOKEN, "csrf": csrf[1], "next": ""}
    ) as page:
        assert page.status == 200
    async with house.session.get(f"{url}/desk/records/{record['reference']}") as page:
        text = await page.text()
        assert page.status == 200 and words(1)[:30] in text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text))
    path = f"{url}/desk/records/{record['reference']}/replies"
    async with house.session.post(path, data={**fields, "text": "Answered at the desk."}) as page:
        assert page.status == 200
    await house.idle()
    (answer,) = [one.text for one in Form().got(office, 1) if not one.automatic]
    # Below the answer stands what the customer had written.
    assert answer.startswith("Answered at the desk.") and f"> {words(1)[:30]}" in answer
