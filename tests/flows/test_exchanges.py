"""Telephone exchanges, set up as docs/channels/call.md says, tell the whole house of calls, in any order and again."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.docs import pages
from tests.flows.conftest import Make
from tests.rigs import exchanges, notes
from tests.rigs.daemon import House
from tests.rigs.exchanges import Asterisk, Freeswitch, Post, Twilio
from tests.rigs.http import Sink
from tests.rigs.office import TOKEN

CALLER = "13800138000"
IMITATED = {"identities": [{"kind": "phone", "value": "+8613800138000"}]}


@pytest.fixture
async def house(make: Make) -> AsyncIterator[House]:
    async with make(channels={"hotline": {**notes.hotline(), "keys": {"crm": notes.KEY}}}) as house:
        yield house


def examples(house: House, language: str) -> list[str]:
    """The page's examples in a language, for this house."""
    page = (pages.DOCS / "channels" / "call.md").read_text(encoding="utf-8")
    host = house.url.partition("//")[2]
    return [
        one.text.replace("$FOREBAY_WITH_PASSWORD", f"http://pbx:{notes.PASSWORD.replace(' ', '%20')}@{host}")
        .replace("$FOREBAY", house.url)
        .replace("$PBX_PASSWORD", notes.PASSWORD)
        for one in pages.blocks(page)
        if one.language == language
    ]


def asterisk(house: House) -> Asterisk:
    return Asterisk(examples(house, "ini")[0])


def freeswitch(house: House) -> Freeswitch:
    return Freeswitch(next(one for one in examples(house, "xml") if "json_cdr.conf" in one))


def twilio(house: House) -> Twilio:
    (said,) = [one for one in examples(house, "xml") if "<Response>" in one]
    return Twilio(said, notes.TWILIO_URL)


async def tell(house: House, *posts: Post) -> None:
    for one in posts:
        async with house.session.post(one.url, data=one.body, headers=one.headers) as answer:
            assert answer.status < 300, (one.url, answer.status, await answer.text())


async def note(house: House, **fields: str) -> Any:
    return await house.ask("POST", "/v1/records", {"channel": "hotline", **fields})


async def offered(house: House) -> list[Any]:
    """Calls that the desk offers a note for."""
    async with house.session.get(f"{house.url}/desk/login") as page:
        csrf = (await page.text()).partition('name="csrf" value="')[2].partition('"')[0]
    async with house.session.post(f"{house.url}/desk/login", data={"token": TOKEN, "csrf": csrf}) as page:
        assert page.status == 200
    async with house.session.get(f"{house.url}/desk/note/calls") as answer:
        assert answer.status == 200
        return list((await answer.json())["calls"])


async def open_call_backs(house: House) -> list[Any]:
    return list((await house.ask("GET", "/v1/callbacks"))["callbacks"])


# ---- Asterisk


async def test_asterisk_tells_of_a_call_that_somebody_missed(house: House) -> None:
    await tell(house, *asterisk(house).call(CALLER, "4000", "NOANSWER"))
    (record,) = await house.until(house.records)
    await house.idle()
    assert record["subject"] == "未接来电 Missed call"
    assert record["contact"]["identities"] == IMITATED["identities"]
    assert record["extra"]["line"] == "4000"
    (task,) = await open_call_backs(house)
    assert (task["number"], task["reference"]) == ("+8613800138000", record["reference"])
    assert not task["overdue"] and task["due"] > task["created_at"]
    assert await offered(house) == [], "it is a task already"


async def test_asterisk_tells_of_a_call_that_was_taken_and_a_note_of_it_takes_number_and_recording(
    make: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    more = {"recordings": {"folder": str(folder)}}
    async with make(channels={"hotline": notes.hotline(**more)}) as house:
        posts = asterisk(house).call(CALLER, "4000", "ANSWER")
        started, answered, ended = posts
        await tell(house, started, answered)
        await house.idle()
        (call,) = await offered(house)
        assert (call["number"], call["state"], call["agent"]) == (
            "+8613800138000",
            "answered",
            "PJSIP/100-0001",
        )
        async with house.session.get(
            f"{house.url}/desk/note", params={"channel": "hotline", "call": call["call"]}
        ) as page:
            shown = await page.text()
        assert 'value="+8613800138000"' in shown and f'value="{call["call"]}"' in shown
        told = await note(house, text="The lift stands still.", phone=CALLER, call=call["call"])
        await house.idle()
        assert await offered(house) == []
        # The recording comes when the call is over, and is there a little later still.
        await tell(house, ended)
        await house.idle()
        (record,) = await house.records()
        assert record["reference"] == told["reference"] and await open_call_backs(house) == []
        (named,) = record["attachments"]
        assert named["filename"] == "1795305600.1.wav"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_order_of_what_is_told_does_not_matter(house: House, order: Sequence[int]) -> None:
    taken = asterisk(house).call(CALLER, "4000", "ANSWER")
    for n in order:
        await tell(house, taken[n], taken[n])
    await house.idle()
    assert await house.records() == [], "somebody spoke: a note will say what"
    (call,) = await offered(house)
    assert (call["number"], call["state"]) == ("+8613800138000", "ended")


async def test_two_hosts_may_count_alike(house: House) -> None:
    for host in ("east", "west"):
        (*_, ended) = Asterisk(asterisk(house).plan).call(CALLER, "4000", "BUSY")
        await tell(house, exchanges.Post(ended.url, ended.body + f"&host={host}".encode(), ended.headers))
    await house.idle()
    assert len(await house.records()) == 2


# ---- FreeSWITCH


@pytest.mark.parametrize("encode", ["true", "base64", "false"])
@pytest.mark.parametrize("values", [True, False])
async def test_freeswitch_tells_of_a_missed_call_in_each_of_its_encodings(
    house: House, encode: str, values: bool
) -> None:
    pbx = freeswitch(house)
    outer = exchanges.leg(
        "u1", encoded=values, caller_id_number="+86 138 0013 8000", destination_number="4000",
        start_epoch=1795305600, answer_epoch=0, end_epoch=1795305630, hangup_cause="ORIGINATOR_CANCEL",
    )  # fmt: skip
    inner = exchanges.leg(
        "u2", encoded=values, direction="outbound", originator="u1", caller_id_number="+86 138 0013 8000",
        destination_number="100", answer_epoch=0, end_epoch=1795305630, hangup_cause="NO_ANSWER",
    )  # fmt: skip
    await tell(house, pbx.post(inner, encode), pbx.post(outer, encode), pbx.post(outer, encode))
    await house.idle()
    (record,) = await house.records()
    assert record["contact"]["identities"] == IMITATED["identities"]
    assert "2026-11-22 00:00 UTC" in record["text"]
    assert len(await open_call_backs(house)) == 1


@pytest.mark.parametrize("first", ["outer", "inner"])
async def test_freeswitch_tells_of_a_call_that_a_colleague_took_behind_an_announcement(
    house: House, first: str
) -> None:
    pbx = freeswitch(house)
    (extension,) = [one for one in examples(house, "xml") if "<extension" in one]
    ring = pbx.ringing(
        extension, {"uuid": "u1", "caller_id_number": "+8613800138000", "destination_number": "4000"}
    )
    await tell(house, ring)
    await house.idle()
    (call,) = await offered(house)
    assert (call["number"], call["line"], call["state"]) == ("+8613800138000", "4000", "ringing")
    outer = exchanges.leg(
        "u1", caller_id_number="+8613800138000", destination_number="4000", start_epoch=1795305600,
        answer_epoch=1795305601, bridge_epoch=1795305610, end_epoch=1795305630,
        record_path="/var/recordings/u1.wav",
    )  # fmt: skip
    inner = exchanges.leg(
        "u2", direction="outbound", originator="u1", answer_epoch=1795305610, dialed_user="100"
    )
    legs = [pbx.post(outer), pbx.post(inner)]
    await tell(house, *(legs if first == "outer" else reversed(legs)))
    await house.idle()
    assert await house.records() == []
    (call,) = await offered(house)
    assert (call["state"], call["agent"], call["recorded"]) == ("ended", "100", True)


async def test_an_announcement_that_nobody_followed_up_is_a_missed_call(house: House) -> None:
    leg = exchanges.leg(
        "u1", caller_id_number=CALLER, answer_epoch=1795305601, bridge_epoch=0, end_epoch=1795305630
    )
    await tell(house, freeswitch(house).post(leg))
    await house.idle()
    (record,) = await house.records()
    assert record["subject"].startswith("未接来电")


# ---- Twilio


async def test_twilio_tells_of_a_call_that_was_taken_and_its_recording_is_fetched(make: Make) -> None:
    async with Sink(secret=None) as api:
        more = {"recordings": {"hosts": ["127.0.0.1"], "user": "AC1", "password": "token", "ending": ".mp3"}}
        hotline = notes.hotline(**more)
        hotline["exchanges"]["twilio"]["url"] = notes.TWILIO_URL
        async with make(channels={"hotline": hotline}) as house:
            there = twilio(house)
            told = await note(house, text="The lift stands still.", phone=CALLER, call="hotline/twilio:CA1")
            await tell(
                house,
                there.recorded(f"{api.url}/RE1"),
                there.inner("initiated"),
                there.inner("in-progress"),
                there.dialled("completed"),
                there.ended("completed"),
                there.inner("completed"),
            )
            await house.idle()

            async def fetched() -> Any:
                (record,) = await house.records()
                return [one for one in record["attachments"] if not one.get("omitted")]

            await house.until(fetched)
            (record,) = await house.records()
            assert record["reference"] == told["reference"]
            asked = [one for one in api.requests if one.method == "GET"]
            assert asked[-1].path.endswith("/RE1.mp3")
            assert asked[-1].headers["authorization"].startswith("Basic ")
            assert await open_call_backs(house) == []


@pytest.mark.parametrize("status", ["no-answer", "busy", "failed", "canceled"])
async def test_twilio_tells_of_a_missed_call_by_either_of_two_addresses_and_it_is_one(
    house: House, status: str
) -> None:
    there = twilio(house)
    await tell(
        house, there.inner("initiated"), there.dialled(status), there.ended(status), there.inner(status)
    )
    await house.idle()
    (record,) = await house.records()
    assert record["contact"]["identities"] == IMITATED["identities"]
    assert len(await open_call_backs(house)) == 1


# ---- what an exchange may do wrong


async def test_an_exchange_that_proves_nothing_leaves_nothing(house: House) -> None:
    post = asterisk(house).call(CALLER, "4000", "BUSY")[-1]
    signed = twilio(house).ended("busy")
    for url, body, headers in (
        (post.url, post.body, {**post.headers, **notes.basic("a guess of somebody's")}),
        (post.url, post.body, {"content-type": post.headers["content-type"]}),
        (post.url.replace("asterisk", "elastix"), post.body, post.headers),
        (signed.url, signed.body + b"&Extra=1", signed.headers),
        (signed.url, signed.body, {"content-type": signed.headers["content-type"]}),
    ):
        async with house.session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 401
    assert await house.envelopes() == []


@pytest.mark.parametrize("number", ["anonymous", "", "Unavailable", "Restricted", "unknown", "+266696687"])
async def test_those_who_withhold_their_number_are_not_one_person(house: House, number: str) -> None:
    plan = asterisk(house)
    for _ in range(2):
        await tell(house, *plan.call(number, "4000", "NOANSWER"))
    await house.idle()
    records = await house.records()
    assert len(records) == 2 and not any(one["contact"] and one["contact"]["identities"] for one in records)
    assert await open_call_backs(house) == [], "nobody can call back"
    cancelled = [one for one in await house.deliveries("notice") if one["state"] == "cancelled"]
    assert [one["reason"] for one in cancelled] == ["no way to answer"] * 2


async def test_calls_that_go_out_are_no_feedback(house: House) -> None:
    leg = exchanges.leg(
        "u9", direction="outbound", caller_id_number="4000", answer_epoch=0, end_epoch=1795305630
    )
    await tell(house, freeswitch(house).post(leg))
    await house.idle()
    assert await house.records() == [] and await offered(house) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"variables": []}',
        b'{"variables": {"uuid": {}}}',
        b"cdr=%%%",
        b"event=started",
        b"event=nothing&uniqueid=1",
        b'{"event": "ended", "uniqueid": "1", "start": "never", "end": 1e400, "src": "' + b"9" * 5000 + b'"}',
        b'{"event": "ended", "uniqueid": "1", "disposition": "BUSY", "src": "\\u0000\\ud800"}',
        b"[" * 10_000,
    ],
)
async def test_whatever_an_exchange_posts_the_house_stays_up(house: House, body: bytes) -> None:
    for exchange in ("asterisk", "freeswitch"):
        for media in ("application/json", "application/x-www-form-urlencoded", "text/plain; charset=nothing"):
            async with house.session.post(
                f"{house.url}/in/hotline/{exchange}",
                data=body,
                headers={**notes.basic(), "content-type": media},
            ) as answer:
                assert answer.status in (202, 200, 400), await answer.text()
    await house.idle()
    assert "internal" not in house.log.getvalue() and "Traceback" not in house.log.getvalue()
    await house.balanced()


# ---- the task


async def test_a_missed_caller_who_was_reached_meanwhile_is_told_of_at_the_desk(house: House) -> None:
    """A second missed call of somebody is a matter of its own: each has its task, and each its outcome."""
    plan = asterisk(house)
    await tell(house, *plan.call(CALLER, "4000", "NOANSWER"), *plan.call(CALLER, "4000", "CANCEL"))
    await house.idle()
    tasks = await open_call_backs(house)
    assert len(tasks) == 2
    for task in tasks:
        told = await house.ask("POST", f"/v1/callbacks/{task['id']}", {"outcome": "reached"})
        assert told["state"] == "delivered"
    assert await open_call_backs(house) == []
