"""Mail through the whole house: what comes back undelivered, what is slow to read, what is large."""

from __future__ import annotations

from tests.flows.conftest import Make
from tests.rigs import email
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Mail

#: Every line looks like the head of a quotation, so that trimming takes its time.
SLOW = "a <b@c.d> 1:\n" * 3_900
BACK = """很抱歉您发送的邮件被退回，以下是该邮件的相关信息：

被退回邮件
主题：Matter 1

无法发送到 customer1@example.com
退信原因 收件人邮件地址（customer1@example.com）不存在，邮件无法送达。

原邮件
Message-ID: {id}
"""


async def test_an_answer_that_comes_back_in_the_wild_reads_failed(house: House, office: Office) -> None:
    way = Mail()
    await way.bring(house, 1, office=office)
    (record,) = await house.until(house.records)
    await house.idle()
    await house.reply(record["reference"], "We mended the lift.")
    await house.idle()
    (reply,) = await house.deliveries("reply")
    assert reply["state"] == "delivered"
    back = (
        "From: PostMaster@qq.com\r\nTo: feedback@office.example\r\nSubject: 来自qq.com的退信\r\n"
        "Message-ID: <back@qq.com>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        + BACK.format(id=reply["remote_id"]).replace("\n", "\r\n")
    )
    await email.bring(house.port("mail"), back.encode(), sender="")
    await house.idle()
    (reply,) = await house.deliveries("reply")
    assert (reply["state"], reply["reason"]) == ("dead", "recipient")
    assert len(await house.records()) == 1
    assert len(way.got(office, 1)) == 2, "a report is not acknowledged"


async def test_a_mail_that_is_slow_to_read_is_registered_and_holds_up_no_other(
    make: Make, office: Office
) -> None:
    way = Mail()
    async with make(inbox={"reader_patience": 0.05}) as house:
        await way.bring(house, 1, text=SLOW, office=office)
        for n in range(2, 6):
            await way.bring(house, n, office=office)
        records = await house.until(lambda: _registered(house, 5))
        assert {one["subject"] for one in records} == {f"Matter {n}" for n in range(1, 6)}
        await house.idle()


async def _registered(house: House, n: int) -> list[object] | None:
    records = await house.records()
    return records if len(records) == n else None
