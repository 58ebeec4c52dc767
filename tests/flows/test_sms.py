"""Text messages through the whole house: in, out, what became of them, STOP, templates only, and as the last resort."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from outbox import send
from tests.flows.conftest import Make
from tests.rigs import form, sms, wechat
from tests.rigs.daemon import House, MovedClock
from tests.rigs.http import Drop
from tests.rigs.office import Office
from tests.rigs.ways import Form, Sms, Wechat, mails

WHO = sms.number(1)


async def record_of(house: House) -> Any:
    await house.until(house.records)
    await house.idle()
    return (await house.records())[0]


async def events(house: House, reference: str, type_: str) -> list[Any]:
    timeline = await house.ask("GET", f"/v1/records/{reference}/timeline")
    return [one["data"] for one in timeline["events"] if one["type"] == type_]


async def only(house: House, purpose: str) -> Any:
    (found,) = await house.deliveries(purpose)
    return found


def texts(office: Office, number: str = WHO) -> list[str]:
    return [one.text for one in office.twilio.sent if one.to == number]


async def reported(house: House, office: Office, status: str, error: str = "") -> None:
    """Twilio tells what became of its last message."""
    request = office.twilio.report(office.twilio.sent[-1], status, error)
    assert (
        await Sms().post(
            house, dict(parse_qsl(request.body.decode())), sms.ADDRESS + "?" + request.query_string
        )
    ).taken
    await house.idle()


# ---- there and back


async def test_a_text_message_is_acknowledged_answered_and_its_report_settles_the_answer(
    house: House, office: Office
) -> None:
    await Sms().bring(house, 1, text="The lift is broken. 电梯坏了。", office=office)
    record = await record_of(house)
    assert record["channel"]["kind"] == "sms" and record["text"] == "The lift is broken. 电梯坏了。"
    assert record["contact"]["identities"] == [{"kind": "phone", "value": WHO}]
    assert record["reference"] in texts(office)[0]
    await house.reply(record["reference"], "It runs again.")
    await house.idle()
    assert texts(office)[1:] == ["It runs again."]
    await reported(house, office, "delivered")
    (told,) = await events(house, record["reference"], "delivery.reported")
    assert (told["fate"], told["purpose"]) == ("delivered", "reply")
    # Given up after all: the answer is dead, and the number marked.
    await reported(house, office, "undelivered", "30005")
    answer = await only(house, "reply")
    assert (answer["state"], answer["reason"], answer["detail"]) == ("dead", "recipient", "Twilio 30005")
    way = await house.ask("GET", f"/v1/records/{record['reference']}/way")
    assert way["refused_before"] and "refused" in way["refusal"]
    # What they write next shows that they are there.
    await Sms().bring(house, 1, id="again", text="Still broken", office=office)
    await house.idle()
    assert not (await house.ask("GET", f"/v1/records/{record['reference']}/way"))["refused_before"]
    assert len(await house.records()) == 1


async def test_a_long_message_in_two_pieces_is_one_record(make: Make, office: Office) -> None:
    async with make(channels={"sms": {"burst": "PT10M"}}) as house:
        await Sms().bring(house, 1, text="The lift in house 3", office=office)
        await house.until(house.records)
        await Sms().bring(house, 1, id="b", text="stands still since Monday.", office=office)
        await house.until(lambda: house.envelopes("joined"))
        record = await record_of(house)
        assert record["text"] == "The lift in house 3\nstands still since Monday."
        assert len(texts(office)) == 1, "one acknowledgement"


async def test_what_is_in_doubt_is_looked_up_and_not_sent_twice(
    house: House, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "_RESOLVE_EVERY", 0.1)
    office.twilio.next(Drop())
    await Sms().bring(house, 1, office=office)
    record = await record_of(house)
    assert len(texts(office)) == 1
    acknowledgement = await only(house, "acknowledgement")
    assert (acknowledgement["state"], acknowledgement["attempts"]) == ("delivered", 1)
    office.twilio.next(Drop(takes=False))
    await house.reply(record["reference"], "It runs again.")
    await house.until(lambda: texts(office)[1:] == ["It runs again."])
    await house.idle()
    assert (await only(house, "reply"))["attempts"] == 2


# ---- how it would go, told before


async def test_it_is_told_before_as_how_many_messages_a_text_goes(house: House, office: Office) -> None:
    await Sms().bring(house, 1, office=office)
    record = await record_of(house)
    path = f"/v1/records/{record['reference']}/way"
    told = await house.ask("POST", path, {"text": "我们修好了。" * 15})
    assert told["preview"]["messages"] == 2 and told["preview"]["size"] == 90
    assert told["preview"]["unit"] == "UCS-2, 70 (67 in several)" and told["counts"]
    plain = await house.ask("GET", path)
    assert plain["preview"] is None and plain["counts"]
    status, sent = await house.reply(record["reference"], "Done.")
    assert status == 202 and sent["preview"]["messages"] == 1
    await house.idle()


# ---- STOP


async def test_stop_is_honoured_for_ever_and_start_takes_it_back(make: Make, office: Office) -> None:
    settings = {"form": {"reply_via": {"phone": "sms", "email": "mail"}}}
    async with make(channels=settings) as house:
        await Sms().bring(house, 1, office=office)
        record = await record_of(house)
        await Sms().bring(house, 1, id="stop", text=" stop. ", office=office)
        await house.idle()
        (signal,) = await events(house, record["reference"], "message.signal")
        assert signal["signal"] == "stopped"
        before = len(office.twilio.sent)

        # An automatic message: a form with the same number is not acknowledged there, and says why.
        await Form().post(house, filled(1), id="f1")
        await house.idle()
        refused = (await house.deliveries("acknowledgement"))[0]
        assert (refused["state"], refused["reason"], refused["target"]) == ("cancelled", "opted out", "sms")
        suppressed = await house.ask("GET", "/v1/outbox?suppressed=true")
        assert refused["id"] in {one["id"] for one in suppressed["deliveries"]}

        # An answer of a person: told before, and held.
        way = await house.ask("GET", f"/v1/records/{record['reference']}/way")
        assert way["refused_before"] and "STOP" in way["refusal"]
        await house.reply(record["reference"], "It runs again.")
        await house.until(lambda: house.deliveries("reply", state="held"))
        answer = await only(house, "reply")
        assert (answer["reason"], answer["attempts"]) == ("opted out", 0)
        await house.ask("POST", "/v1/outbox/release", {"ids": [answer["id"]]})
        await house.until(lambda: house.deliveries("reply", state="held"))
        assert len(office.twilio.sent) == before, "nobody's word but theirs takes it back"

        await Sms().bring(house, 1, id="start", text="START", office=office)
        await house.idle()
        await house.ask("POST", "/v1/outbox/release", {"ids": [answer["id"]]})
        await house.idle()
        assert texts(office)[before:] == ["It runs again."]


async def test_the_word_of_somebody_unknown_binds_as_well_and_outlives_erasure(
    make: Make, office: Office
) -> None:
    settings = {"form": {"reply_via": {"phone": "sms"}}}
    async with make(channels=settings) as house:
        await Sms().bring(house, 1, id="stop", text="退订", office=office)
        await house.until(lambda: house.envelopes("ignored"))
        assert not await house.records()
        (kept,) = await house.rows("opt_out")
        assert WHO.lstrip("+") not in json.dumps(kept, default=str), "a digest, no number"
        await Form().post(house, filled(1), id="f1")
        await house.until(house.records)
        await house.idle()
        refused = await only(house, "acknowledgement")
        assert (refused["state"], refused["reason"]) == ("cancelled", "opted out")
        assert not office.twilio.sent


async def test_an_answer_to_somebody_who_stopped_takes_the_chain(make: Make, office: Office) -> None:
    async with make(channels={"sms": {"fallback": ["mail"]}}) as house:
        await Sms().bring(house, 1, text="电梯坏了。我的邮箱是 customer1@example.com", office=office)
        record = await record_of(house)
        await Sms().bring(house, 1, id="stop", text="TD", office=office)
        await house.idle()
        await house.reply(record["reference"], "修好了。")
        await house.until(lambda: mails(office, 1))
        await house.idle()
        (mail,) = mails(office, 1)
        assert mail.text.strip().startswith("修好了。")
        (step,) = await events(house, record["reference"], "delivery.rerouted")
        assert (step["step"], step["taken"], step["reason"]) == ("mail", True, "opted out")


# ---- what was left in a form


def filled(n: int, contact: str = "") -> bytes:
    """A form of the n-th customer, who left a number."""
    return json.dumps({**form.fields(n), "contact": contact or sms.number(n)}).encode()


async def test_a_customer_of_the_form_who_left_a_number_is_acknowledged_and_answered_there(
    make: Make, office: Office
) -> None:
    settings = {"form": {"reply_via": {"phone": "sms", "email": "mail"}}}
    async with make(channels=settings) as house:
        await Form().post(house, filled(1, "138 0000 0001"), id="f1")
        record = await record_of(house)
        assert record["reference"] in texts(office)[0]
        await house.reply(record["reference"], "It runs again.")
        await house.idle()
        assert texts(office)[1:] == ["It runs again."] and not mails(office, 1)


# ---- templates only


def only_templates(far: sms.Aliyun, **more: Any) -> dict[str, Any]:
    return {"sms": sms.aliyun(far, **more)}


async def push(house: House, *events: dict[str, Any]) -> Any:
    request = sms.pushed(*events)
    path = f"{house.url}/in/sms?{request.query_string}"
    async with house.session.post(path, data=request.body, headers=dict(request.headers)) as answer:
        assert answer.status == 200
        return json.loads(await answer.read())


async def test_where_only_templates_go_a_text_that_fits_none_takes_another_way(
    make: Make, office: Office
) -> None:
    async with sms.Aliyun() as far:
        config = {"sms": None}
        house = make(channels=config)
        written = json.loads(house.path.read_text())
        written["channels"] |= only_templates(far, fallback=["mail"])
        house.write(written)
        async with house:
            assert (await push(house, sms.up(1, "电梯坏了。我的邮箱是 customer1@example.com")))["code"] == 0
            record = await record_of(house)
            assert far.sent[0].text == f"您的反馈{record['reference']}已有回复，请来电查询。"
            path = f"/v1/records/{record['reference']}/way"
            fits = await house.ask("POST", path, {"text": "修好了。"})
            assert fits["preview"]["text"].endswith("已有回复：修好了。") and not fits["preview"]["refused"]
            long = await house.ask("POST", path, {"text": "修好了。" * 20})
            assert "80 characters, 35 are allowed" in long["preview"]["refused"]
            await house.reply(record["reference"], "修好了。")
            await house.idle()
            assert far.sent[1].text.endswith("已有回复：修好了。")
            await push(house, far.report(far.sent[1]))
            await house.idle()
            (told,) = await events(house, record["reference"], "delivery.reported")
            assert told["fate"] == "delivered"
            await house.reply(record["reference"], "修好了。" * 20)
            await house.until(lambda: mails(office, 1))
            await house.idle()
            assert len(far.sent) == 2
        # Without another way it is held, and says why.
        written["channels"]["sms"]["fallback"] = []
        house.write(written)
        async with house:
            await house.reply(record["reference"], "修好了。" * 20, key="third")
            await house.until(lambda: house.deliveries("reply", state="held"))
            (held,) = await house.deliveries("reply", state="held")
            assert "35 are allowed" in held["detail"]


# ---- the last resort of a closed window


async def test_a_closed_window_goes_by_template_then_text_message_then_mail(
    make: Make, office: Office, moved: MovedClock
) -> None:
    """The same answer, with each way taken from it in turn."""
    template = {"id": "tpl1", "data": {"thing1": "{reference}", "thing2": "{text}"}}
    chain = {"answer_within": 0, "fallback": ["template", "sms", "mail"]}
    async with make(channels={"wechat": {**chain, "template": template}}) as house:
        number, address = sms.number(1)[3:], "customer1@example.com"
        words = f"电梯坏了。我的电话：{number}，我的邮箱：{address}"
        await Wechat().push(house, wechat.text(1, words, 1, house.now()))
        record = await record_of(house)
        path = f"/v1/records/{record['reference']}/way"
        moved.by = timedelta(hours=49)
        told = await house.ask("POST", path, {"text": "修好了。"})
        assert told["carried_by"] == "template" and not told["held"]
        await house.reply(record["reference"], "修好了。")
        await house.until(lambda: office.weixin.notices)
        await house.idle()
        assert not office.twilio.sent and not mails(office, 1)
        config = json.loads(house.path.read_text())

    # Without a template: the text message, counted before it is written.
    del config["channels"]["wechat"]["template"]
    house.write(config)
    async with house:
        told = await house.ask("POST", path, {"text": "修好了。"})
        assert told["carried_by"] == "sms" and told["preview"]["messages"] == 1
        assert [one["can"] for one in told["fallback"]] == [False, True, True]
        await house.reply(record["reference"], "修好了。", key="second")
        await house.idle()
        assert texts(office) == ["修好了。"]
        steps = await events(house, record["reference"], "delivery.rerouted")
        assert [(one["step"], one["taken"]) for one in steps[1:]] == [("template", False), ("sms", True)]

        # The customer wants no text messages: the mail.
        await Sms().bring(house, 1, id="stop", text="TD", office=office)
        await house.idle()
        told = await house.ask("GET", path)
        assert told["carried_by"] == "mail"
        assert "STOP" in told["fallback"][1]["why"]
        await house.reply(record["reference"], "修好了。", key="third")
        await house.until(lambda: mails(office, 1))
        await house.idle()
        assert len(texts(office)) == 1
