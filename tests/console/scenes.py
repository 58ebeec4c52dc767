"""A day at the desk: records, answers and trouble as they really look, for pages and pictures."""

from __future__ import annotations

from datetime import timedelta

from console.links import Links
from tests.console.house import House

LONG = (
    "您好，我们公司从今年三月起一直使用贵司的广告投放服务。上周五（11月20日）上午开始，后台显示的曝光数据与"
    "月度报表相差约百分之十二，我们核对了三次，结果都一样。\n\n请协助核查：\n1. 数据口径是否有调整；\n"
    "2. 差额部分如何结算；\n3. 之前两个月是否也有同样的问题。\n\n附件是后台截图和我们的对账表。谢谢！"
)
REPLY = (
    "李女士您好：\n\n感谢您的来信。我们已核对后台日志，11月20日起统计口径确有调整，差额部分会在本月账单中更正。"
    "更正后的报表将在两个工作日内发送给您。\n\n客户服务部"
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(2000)


async def fill(house: House) -> str:
    """Fill the store; gives the reference of the fullest record."""
    now = house.clock.now()
    mail = "wang.wei@huaxin.example"
    await house.record(
        "FB-261121-M4XRT", subject="Invoice shows the wrong company name", channel="mail", kind="email",
        text="The invoice of 18 November names our old company. Could you please issue it again?",
        name="Anna Schmidt", company="Nordlicht Media GmbH", identities={"email": "a.schmidt@nordlicht.example"},
        at=now - timedelta(hours=20), state="answered", nature=["service"], department="Customer service",
    )  # fmt: skip
    await house.record(
        "FB-261121-9WQJD", subject="表扬客服小陈", text="小陈非常耐心，帮我解决了登录的问题，特此表扬！", name="赵敏",
        identities={"phone": "+86 138 0013 8000"}, at=now - timedelta(hours=9), state="closed", nature=["praise"],
        language="zh-CN",
    )  # fmt: skip
    await house.record(
        "FB-261122-3HNVK", channel="hook", kind="webhook", at=now - timedelta(hours=2),
        text="payment page hangs after choosing Alipay, tried three times, money was taken once!!",
        urgency="important", state="taken", nature=["complaint", "product"],
    )  # fmt: skip
    fullest = await house.record(
        "FB-261122-7K3FQ", subject="广告投放数据与报表不一致", text=LONG,
        name="李晓雯", company="上海青禾文化传播有限公司",
        full_text=LONG + "\n\n--\n李晓雯\n上海青禾文化传播有限公司", channel="mail", kind="email",
        html="<p>您好，我们一直使用贵司的<b>广告投放服务</b>。</p><table><tr><td>十月</td><td>-12%</td></tr></table>",
        identities={"email": "lixiaowen@qinghe.example", "phone": "+86 21 6033 0000"}, language="zh-CN",
        at=now - timedelta(minutes=50), sent_at=now - timedelta(minutes=52), urgency="urgent",
        state="handed_over", nature=["complaint", "price"], department="广告部",
        deadlines={"answer": (now + timedelta(days=1)).isoformat()}, rules=["price-complaints", "urgent-words"],
        missing=["合同编号"], omissions=["1 picture from elsewhere was not fetched"], extra={"合同": "QH-2026-031"},
    )  # fmt: skip
    reference = "FB-261122-7K3FQ"
    await house.attachment(fullest, 0, "后台截图 2026-11-20.png", PNG, "image/png")
    await house.attachment(fullest, 1, "对账表.xlsx", b"x" * 48_300, "application/vnd.ms-excel")
    at = now - timedelta(minutes=50)
    await house.event(fullest, reference, "record.registered", at=at)
    await house.event(fullest, reference, "record.decided", at=at, reason="price-complaints, urgent-words")
    acknowledged = await house.delivery(
        fullest, "acknowledgement", at=at, address="lixiaowen@qinghe.example", remote_id="<1@forebay>",
        body={"text": f"您好，您的反馈已收到，受理编号：{reference}。\n我们将在一个工作日内答复您。"},
    )  # fmt: skip
    await house.attempt(acknowledged, 1, "delivered")
    handed = await house.delivery(fullest, "hand_over", target="tickets", address=None, at=at, body={})
    await house.attempt(handed, 1, "delivered")
    await house.event(fullest, reference, "record.state_changed", to="handed_over", at=at)
    await house.event(
        fullest, reference, "message.joined", at=now - timedelta(minutes=30),
        text="补充一下：合同编号是 QH-2026-031。",
    )  # fmt: skip
    reply = await house.delivery(
        fullest, "reply", at=now - timedelta(minutes=8), address="lixiaowen@qinghe.example",
        body={"text": REPLY}, state="uncertain", attempts=2, reason="timeout",
        detail="the connection broke after the message was sent",
    )  # fmt: skip
    await house.attempt(reply, 1, "temporary", code="421", detail="try again later")
    await house.attempt(reply, 2, "uncertain", detail="no answer within 60 s")

    held = "a field that people do not see was filled: perhaps a robot"
    await house.envelope("FB-261122-P2CMA", state="held", reason=held, raw=b"cheap pills")
    await house.envelope(
        "FB-261122-V8TYE", state="quarantined", channel="mail", kind="email", raw=b"\xff" * 18_000,
        reason="the message cannot be read: multipart without a boundary", media_type="message/rfc822", claims=1,
    )  # fmt: skip
    dead = await house.delivery(
        fullest, "notice", state="dead", reason="recipient", attempts=3, address=mail,
        detail="550 5.1.1 mailbox does not exist",
    )  # fmt: skip
    await house.attempt(dead, 1, "permanent", code="550", detail="5.1.1 mailbox does not exist")
    await house.delivery(
        None, "alert", state="expired", detail="older than 30 minutes", address="ops@example.com"
    )
    await house.delivery(fullest, "reply", state="held", body={"text": "Draft"}, detail="review")
    return reference


def status_path(reference: str, secret: bytes) -> str:
    """The path of a status page."""
    return Links("", secret).status(reference)


async def hold_letter(house: House) -> str:
    """A letter that a clerk must look at; its id."""
    shown = {
        "values": {
            "name": "冯立新", "address": "北京市朝阳区人民大道47号3栋3单元2844室", "postcode": "100020",
            "phone": "+8613800138049", "email": "", "date": "2026-01-19", "subject": "发票信息有误",
        },
        "confidence": {"name": 0.62, "address": 0.93, "postcode": 0.97, "phone": 0.98, "date": 0.95, "subject": 0.9},
        "text": LONG, "sure": 0.91, "pages": 2, "hold_below": 0.8,
    }  # fmt: skip
    reason = "not sure about: name"
    id_ = await house.envelope(
        "FB-261122-QW7ER", b"a scan", state="held", reason=reason, channel="letters", kind="letter",
        meta={"shown": shown, "filename": "20261122_0900.pdf"}, media_type="application/pdf",
    )  # fmt: skip
    house.inbox.held = {
        "id": id_, "reference": "FB-261122-QW7ER", "channel": "letters", "kind": "letter", "state": "held",
        "reason": reason, "received_at": house.clock.now().isoformat(),
        "meta": {"shown": shown, "filename": "20261122_0900.pdf"},
    }  # fmt: skip
    return id_


async def count(house: House) -> None:
    """Figures of a year and a month, as many records would have made them."""
    values = {
        "channel": ("mail", "form", "wechat", "letters", "call"),
        "nature": ("complaint", "product", "service", "content", "praise", ""),
        "cause": ("handling", "defect", "delay", ""),
        "department": ("product", "desk", ""),
        "urgency": ("urgent", "important", "normal"),
        "result": ("solved", "explained", "handled", "open", "out_of_scope"),
        "issue": ("service / handling", "product / defect", "content / delay"),
        "handled": ("in_time", "late"),
        "followed": ("satisfied", "dissatisfied"),
        "repeat": ("",),
    }
    for n in range(13):
        year, month = divmod(2025 * 12 + 10 + n, 12)
        day, busy = f"{year}-{month + 1:02}-15", 40 + (n * 37) % 55
        await house.put("figure_sum", day=day, what="all", value="", n=busy)
        for what, every in values.items():
            for i, value in enumerate(every):
                share = 1 if what == "repeat" and n % 2 else busy // (2 + 2 * i)
                await house.put(
                    "figure_sum",
                    day=day,
                    what=what,
                    value=value,
                    n=max(share // (6 if what == "repeat" else 1), 1),
                )


async def people(house: House) -> None:
    """Users of three roles, one of them disabled."""
    for name, role, departments in (
        ("li.wei", "clerk", []),
        ("wang", "department", ["product"]),
        ("zhao", "auditor", []),
    ):
        await house.users.add(
            name, role=role, departments=departments, password="four words make sense", actor="admin"
        )
    await house.users.enable("zhao", False, actor="admin")
