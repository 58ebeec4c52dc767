"""WeChat, WeCom and Weibo through the whole house: in, acknowledged on the answer, answered, and outside the window."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.flows.conftest import Make
from tests.rigs import wechat, wecom, weibo
from tests.rigs.daemon import House, MovedClock
from tests.rigs.office import Office
from tests.rigs.ways import Told, Wechat, Wecom, Weibo

WHO = wechat.openid(1)
RIDES = {"wechat": {"answer_within": 4.5}}
TEMPLATE = {"id": "tpl1", "data": {"thing1": "{reference}", "thing2": "{text}"}}


async def say(house: House, words: str, number: int) -> Told:
    return await Wechat().push(house, wechat.text(1, words, number, house.now()))


async def answered(house: House, state: str = "delivered") -> bool:
    replies = await house.deliveries("reply")
    return bool(replies) and all(one["state"] == state for one in replies)


async def test_the_acknowledgement_rides_and_a_redelivery_gets_the_same(
    make: Make, office: Office, patient_doors: float
) -> None:
    async with make(channels=RIDES) as house:
        first = await say(house, "电梯坏了", 1)
        (record,) = await house.records()
        told = wechat.opened(first.body)
        assert told["ToUserName"] == WHO and record["reference"] in told["Content"]
        again = await say(house, "电梯坏了", 1)
        assert again.body == first.body
        # What follows joins, is not acknowledged again, and WeChat does not wait for it.
        async with asyncio.timeout(patient_doors / 2):
            assert (await say(house, "三号楼", 2)).body == b"success"
        await house.idle()
        assert len(await house.records()) == 1 and not office.weixin.got


@pytest.mark.usefixtures("patient_doors")
async def test_an_answer_goes_in_pieces_and_counts_in_the_window_that_wechat_keeps(
    make: Make, office: Office
) -> None:
    office.weixin.always_open = False
    async with make(channels=RIDES) as house:
        await say(house, "电梯坏了", 1)
        office.weixin.wrote(WHO)
        (record,) = await house.until(house.records)
        await house.reply(record["reference"], "我们修好了。" * 200)
        await house.until(lambda: answered(house))
        await house.idle()
        assert [text[:6] for text in office.weixin.got[WHO]] == ["(1/2) ", "(2/2) "]
        assert office.weixin.windows[WHO][1] == 3, "two of the five"


async def test_outside_the_window_the_template_carries_it(
    make: Make, office: Office, moved: MovedClock
) -> None:
    settings = {"wechat": {"answer_within": 4.5, "template": TEMPLATE, "fallback": ["template"]}}
    async with make(channels=settings) as house:
        await say(house, "电梯坏了", 1)
        (record,) = await house.until(house.records)
        await house.idle()  # the acknowledgement is out, on the answer or, on a slow machine, after it
        before = list(office.weixin.got[WHO])
        moved.by = timedelta(hours=49)
        await house.reply(record["reference"], "修好了。")
        await house.until(lambda: office.weixin.notices)
        await house.idle()
        (notice,) = office.weixin.notices
        assert notice["data"]["thing1"]["value"] == record["reference"] and office.weixin.got[WHO] == before
        # What WeChat says became of it stands in the timeline.
        done = wechat.event(1, "TEMPLATESENDJOBFINISH", house.now(), MsgID=200_228_333, Status="success")
        await Wechat().push(house, done)
        await house.idle()
        timeline = await house.ask("GET", f"/v1/records/{record['reference']}/timeline")
        assert "reported" in str(timeline) or "delivered" in str(timeline)


async def test_a_picture_is_fetched_and_the_unionid_joins_the_contact(make: Make, office: Office) -> None:
    office.weixin.media["m1"] = ("image/jpeg", b"\xff\xd8picture")
    office.weixin.people[WHO] = {"subscribe": 1, "openid": WHO, "unionid": "uN1", "language": "zh_CN"}
    async with make() as house:
        picture = wechat.push(1, "image", house.now(), PicUrl="http://cdn.example/1", MediaId="m1", MsgId=3)
        await Wechat().push(house, picture)

        async def fetched() -> Any:
            records = await house.records()
            return records and records[0]["attachments"] and records[0]["attachments"][0]["sha256"]

        await house.until(fetched)

        async def known() -> bool:
            (record,) = await house.records()
            return {"kind": "unionid", "value": "uN1"} in record["contact"]["identities"]

        await house.until(known)
        await house.idle()


async def test_what_nobody_can_read_is_kept_and_the_follower_sees_no_fault(
    make: Make, office: Office
) -> None:
    async with make(channels=RIDES) as house:
        told = await Wechat().bring_unreadable(house, office)
        assert (told.status, told.body) == (200, b"success")
        await house.until(lambda: house.envelopes("quarantined"))
        unsigned = wechat.signed(wechat.text(1, "forged"), house.now(), nonce="9")
        async with house.session.post(house.url + wechat.target(unsigned), data=unsigned.body) as answer:
            assert answer.status == 401


async def test_a_tap_joins_as_an_event_and_an_unknown_thing_becomes_a_record(
    make: Make, office: Office
) -> None:
    async with make() as house:
        await say(house, "电梯坏了", 1)
        await house.until(house.records)
        await Wechat().push(house, wechat.event(1, "CLICK", house.now(), EventKey="STATUS"))
        await house.until(lambda: house.envelopes("joined"))
        await Wechat().push(house, wechat.push(2, "hologram", house.now(), MsgId=9, Depth="3 m"))

        async def two() -> bool:
            return len(await house.records()) == 2

        await house.until(two)
        await house.idle()
        assert "Depth: 3 m" in (await house.records())[0]["full_text"]


async def test_no_token_stands_in_a_log_when_everything_fails(make: Make, office: Office) -> None:
    async with make() as house:
        office.weixin.steal_token()
        await office.to_weixin.cut()
        await say(house, "电梯坏了", 1)
        await house.until(lambda: _tried(house))
        await office.to_weixin.mend()
        await house.idle()
        office.weixin.steal_token()
        (record,) = await house.records()
        await house.reply(record["reference"], "修好了。")
        await house.until(lambda: answered(house))
        log = house.log.getvalue()
        health = str(await house.ask("GET", "/v1/health"))
        assert "token_from_elsewhere" not in log and "replaced_by_another_system" in log
        for secret in (wechat.SECRET, wechat.TOKEN, "stolen-1", "stolen-2", "access_token="):
            assert secret not in log and secret not in health


async def _tried(house: House) -> bool:
    return any(one["attempts"] >= 2 for one in await house.deliveries("acknowledgement"))


async def test_customer_service_fetches_answers_and_hears_what_failed(make: Make, office: Office) -> None:
    async with make() as house:
        await Wecom().bring(house, 1, office=office)
        (record,) = await house.until(house.records)
        await house.until(lambda: office.wecom.got[wecom.customer(1)])
        await house.reply(record["reference"], "修好了。")
        await house.until(lambda: answered(house))
        assert office.wecom.got[wecom.customer(1)][-1] == "修好了。"
        number = list(office.wecom.numbers)[-1]
        office.wecom.happens(
            "msg_send_fail", external_userid=wecom.customer(1), fail_msgid=number, fail_type=10
        )
        await Wecom().hint(house)
        await house.until(lambda: answered(house, "dead"))
        (reply,) = await house.deliveries("reply")
        assert reply["reason"] == "recipient"
        await house.idle()


@pytest.mark.usefixtures("patient_doors")
async def test_weibo_is_acknowledged_on_the_answer(make: Make, office: Office) -> None:
    async with make(channels={"weibo": {"answer_within": 4.5}}) as house:
        told = await Weibo().bring(house, 1, office=office)
        (record,) = await house.records()
        assert record["reference"] in weibo.passive(told.body)["data"]["text"]
        await house.reply(record["reference"], "修好了。")
        await house.until(lambda: answered(house))
        assert office.weibo.got[str(weibo.uid(1))] == ["修好了。"]
        await house.idle()
