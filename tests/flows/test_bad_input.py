"""Bad input, and bad days: each is survived, told in words that help, and costs nobody else anything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from config.load import load
from config.problems import ConfigError
from store.errors import FolderInUse
from tests.flows.conftest import Make
from tests.rigs import form
from tests.rigs.daemon import House, MovedClock, Points
from tests.rigs.office import TOKEN, Office
from tests.rigs.ways import WAYS, Form, Hook, Mail, Way

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"


async def fine(house: House, office: Office, n: int) -> None:
    """The next customer notices nothing."""
    before = len(await house.records())
    assert (await Form().bring(house, n, office=office)).taken
    await house.until(lambda: _more(house, before))
    await house.idle()
    assert len(Form().got(office, n)) == 1


async def _more(house: House, than: int) -> bool:
    return len(await house.records()) > than


# ---- bodies


@pytest.mark.parametrize("channel", ["form", "hook"])
async def test_a_body_over_the_limit_is_refused_and_nothing_is_kept(
    make: Make, office: Office, channel: str
) -> None:
    async with make(channels={channel: {"limits": {"body_bytes": 1000}}}) as house:
        body = json.dumps({"message": "x" * 2000}).encode()
        async with house.session.post(f"{house.url}/in/{channel}", data=body) as answer:
            assert answer.status == 413 and "1000 bytes" in await answer.text()

        async def pieces() -> Any:
            for _ in range(20):
                yield b"x" * 100

        async with house.session.post(f"{house.url}/in/{channel}", data=pieces()) as answer:
            assert answer.status == 413
        assert await house.envelopes() == []
        await fine(house, office, 1) if channel == "hook" else None


async def test_a_mail_over_the_limit_is_refused_with_552(make: Make, office: Office) -> None:
    async with make(channels={"mail": {"limits": {"body_bytes": 3000}}}) as house:
        told = await Mail().bring(house, 1, text="x" * 5000, office=office)
        assert told.status == 552
        assert await house.envelopes() == []
        await fine(house, office, 2)


async def test_json_that_is_cut_off_is_kept_with_its_bytes(house: House, office: Office) -> None:
    told = await Form().post(house, b'{"message": "the lift has st')
    assert told.status == 400 and told.reference
    (bad,) = await house.envelopes("quarantined")
    assert bad["reference"] == told.reference
    await fine(house, office, 1)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("message=电梯坏了".encode("gb18030"), "application/x-www-form-urlencoded; charset=utf-8"),
        (json.dumps({"message": "电梯坏了"}, ensure_ascii=False).encode("gb18030"), "application/json"),
        (
            form.multipart([("message", "电梯坏了".encode("gb18030"))]),
            f"multipart/form-data; boundary={form.BOUNDARY}",
        ),
        (b'{"message": "\xff\xfe\xfd"}', "application/json; charset=x-unknown"),
    ],
    ids=["urlencoded", "json", "multipart", "unknown"],
)
async def test_a_wrong_charset_is_read_as_well_as_it_can_be_and_never_lost(
    house: House, office: Office, body: bytes, content_type: str
) -> None:
    told = await Form().post(house, body, id="charset", content_type=content_type)
    await house.idle()
    assert told.reference and told.status in (202, 400)
    (envelope,) = await house.envelopes()
    assert envelope["state"] in ("registered", "quarantined")
    assert (envelope["state"] == "registered") == (told.status == 202)
    (row,) = await house.rows("envelope")
    assert await house.store.load_blob(row["blob"]) == body
    await fine(house, office, 1)


async def test_ten_thousand_fields_are_refused_and_kept(house: House, office: Office) -> None:
    many = {f"field{n}": "x" for n in range(10_000)} | {"message": "hello"}
    for body, content_type in (
        (json.dumps(many).encode(), "application/json"),
        ("&".join(f"{k}={v}" for k, v in many.items()).encode(), "application/x-www-form-urlencoded"),
    ):
        told = await Form().post(house, body, content_type=content_type)
        assert told.status == 400 and told.reference
    assert len(await house.envelopes("quarantined")) == 2
    await fine(house, office, 1)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\x00b.txt", "C:\\windows\\x.exe", "..", "x" * 400, "\u202egpj.exe"]
)
async def test_hostile_file_names_are_names_and_no_paths(house: House, office: Office, name: str) -> None:
    body = form.multipart([("message", "see the file")], [("file", name, b"content")])
    told = await Form().post(house, body, content_type=f"multipart/form-data; boundary={form.BOUNDARY}")
    await house.idle()
    assert told.taken
    (record,) = await house.records()
    (file,) = record["attachments"]
    shown = file["filename"]
    assert shown and len(shown) <= 255
    assert not set(shown) & set("/\\\x00\u202e") and shown not in (".", "..")
    async with house.session.get(file["url"].replace(house.loaded.settings.address, house.url)) as answer:
        assert await answer.read() == b"content"
        assert answer.headers["Content-Disposition"].startswith("attachment")
    folder = Path(house.store.folder)
    assert not list(folder.parent.glob("**/passwd")) and not list(folder.parent.glob("**/*.exe"))


async def test_a_name_with_line_ends_puts_no_header_into_our_mail(house: House, office: Office) -> None:
    evil = "Eve\r\nBcc: victim@example.org\r\nX-Evil: yes"
    fields = {**form.fields(1), "name": evil, "subject": "Lift\r\nBcc: victim@example.org"}
    await Form().post(house, json.dumps(fields).encode())
    event = Hook().event(2)
    event["data"]["user"]["name"] = evil
    await Hook().post(house, event, "evil")
    (first, second) = await house.until(lambda: _two(house))
    for record in (first, second):
        await house.reply(record["reference"], "Dear Eve")
    await house.idle()
    assert office.smtp.accepted
    for taken in office.smtp.accepted:
        head = taken.data.split(b"\r\n\r\n")[0].lower()
        assert b"\nbcc:" not in head and b"\nx-evil:" not in head
        assert taken.recipients == ("customer1@example.com",)


async def _two(house: House) -> list[Any]:
    found = await house.records()
    return found if len(found) == 2 else []


@pytest.mark.parametrize("way", WAYS, ids=repr)
async def test_scripts_are_words_on_every_page(house: House, office: Office, way: Way) -> None:
    if isinstance(way, Form):
        fields = dict.fromkeys(("name", "company", "subject", "message", "extra"), EVIL)
        body = form.multipart(
            {**fields, "contact": "customer1@example.com"}.items(), [("file", f"{EVIL}.html", EVIL.encode())]
        )
        await way.post(house, body, content_type=f"multipart/form-data; boundary={form.BOUNDARY}")
    elif isinstance(way, Hook):
        event = way.event(1, EVIL)
        event["data"] |= {"subject": EVIL, "company": EVIL, "html": f"<p>{EVIL}</p>", EVIL: EVIL}
        event["data"]["user"]["name"] = EVIL
        await way.post(house, event, EVIL[:10])
    elif isinstance(way, Mail):
        await way.bring_raw(house, office, way.mail(1, text=EVIL, Subject=EVIL), 1)
    else:
        await way.bring(house, 1, text=EVIL, office=office)
    (record,) = await house.until(house.records)
    await house.idle()
    assert "<script" not in (record["html"] or "").lower() and "onerror" not in (record["html"] or "").lower()
    await _enter(house)
    reference = record["reference"]
    for page in (
        "/desk/records",
        f"/desk/records/{reference}",
        f"/desk/records/{reference}/html",
        "/desk/mend",
    ):
        async with house.session.get(house.url + page) as answer:
            text = (await answer.text()).lower()
            assert answer.status in (200, 404), page
            assert "<script>alert" not in text and "<img src=x" not in text, page
            assert "content-security-policy" in {name.lower() for name in answer.headers}


async def _enter(house: House) -> None:
    async with house.session.get(f"{house.url}/desk/login") as page:
        csrf = (await page.text()).split('name="csrf" value="')[1].split('"')[0]
    form_ = {"token": TOKEN, "csrf": csrf, "next": ""}
    async with house.session.post(f"{house.url}/desk/login", data=form_) as page:
        assert page.status == 200


# ---- bad days


async def test_a_clock_that_jumps_to_and_fro_loses_and_doubles_nothing(
    house: House, office: Office, moved: MovedClock
) -> None:
    for n, hours in enumerate((0, -5, 7, -30, 2, 0), 1):
        moved.by = timedelta(hours=hours)
        for way in (Form(), Hook(), Mail()):
            assert (await way.bring(house, n, office=office)).taken
        await house.until(lambda n=n: _count(house, 3 * n))  # type: ignore[misc]
    moved.by = timedelta(hours=8)  # what was due in a future that went away is due again
    await house.idle(20)
    for n in range(1, 7):
        for way in (Form(), Hook()):
            received = way.got(office, n)
            assert len({one.key for one in received}) == (2 if way.channel == "form" else 1)
    assert len(await house.records()) == 18


async def _count(house: House, n: int) -> bool:
    return len(await house.records()) == n


async def test_a_full_disk_is_back_pressure_and_goes_away_by_itself(
    house: House, office: Office, points: Points
) -> None:
    await fine(house, office, 1)

    def full() -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise OperationalError("INSERT", {}, error)

    with contextlib.ExitStack() as stack:
        for kind in ("form", "webhook", "email"):
            stack.enter_context(points.acting(f"accept.{kind}.before_commit", full))
        told = [await way.bring(house, 2, office=office) for way in (Form(), Hook(), Mail())]
        assert [one.status for one in told] == [503, 503, 452]
        async with house.session.get(house.url + "/readyz") as answer:
            assert answer.status == 503 and "disk" in await answer.text()
        async with house.session.get(house.url + "/healthz") as answer:
            assert answer.status == 200
    assert len(await house.rows("envelope")) == 1, "nothing half stored"
    for way in (Form(), Hook()):
        assert (await way.bring(house, 2, office=office)).taken
    # The door of mails says "later" for a few seconds more before it troubles the store again.
    await house.until(lambda: _taken(house, office))
    async with house.session.get(house.url + "/readyz") as answer:
        assert answer.status == 200


async def _taken(house: House, office: Office) -> bool:
    return bool((await Mail().bring(house, 2, office=office)).taken)


async def test_too_little_room_is_told_before_the_disk_is_full(make: Make, office: Office) -> None:
    async with make(database={"min_free_bytes": 10**18}) as house:
        await house.store.check_room()
        told = await Form().bring(house, 1, office=office)
        assert told.status == 503
        async with house.session.get(house.url + "/readyz") as answer:
            assert answer.status == 503


async def test_a_data_folder_in_use_is_refused_with_the_process_and_the_remedy(
    house: House, office: Office, make: Make
) -> None:
    other = make()
    with pytest.raises(
        FolderInUse, match=r"in use by another daemon.*stop it, or give this one another folder"
    ):
        await other.start_store()
    await fine(house, office, 1)


async def test_a_port_in_use_is_refused_with_the_remedy_and_leaves_no_lock(
    house: House, office: Office, tmp_path: Path
) -> None:
    port = int(house.url.rsplit(":", 1)[1])
    (tmp_path / "other").mkdir()
    other = House(office.config(tmp_path / "other" / "data", listen={"port": port}), tmp_path / "other")
    with pytest.raises(OSError, match=rf"cannot listen at 127\.0\.0\.1:{port}.*listen:"):
        await other.start()
    again = House(office.config(tmp_path / "other" / "data"), tmp_path / "other")
    async with again:
        pass


async def test_a_door_whose_port_is_taken_is_told_and_opens_once_it_is_free(
    make: Make, office: Office
) -> None:
    taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    house = make(channels={"mail": {"door": {"port": port}}})
    starting = asyncio.create_task(house.start())
    await house.until(lambda: str(port) in house.log.getvalue())
    assert not starting.done(), "it waits for its door, everything else is open"
    taken.close()
    await taken.wait_closed()
    await starting
    try:
        assert (await Mail().bring(house, 1, office=office)).taken
        await house.idle()
    finally:
        await house.stop()


async def test_a_template_that_fails_costs_one_acknowledgement_and_is_told(
    make: Make, office: Office, tmp_path: Path
) -> None:
    own = tmp_path / "templates"
    own.mkdir()
    text = "subject: Received\n\n" + "{{ subject }}" * 1300  # too long only when a subject is
    (own / "acknowledgement.en.txt").write_text(text, encoding="utf-8")
    async with make(templates=str(own), channels={"form": {"language": "en"}}) as house:
        long = {**form.fields(1), "subject": "lift " * 30, "message": "The lift has stood still."}
        await Form().post(house, json.dumps(long).encode())
        (record,) = await house.until(house.records)
        await house.idle()
        (ack,) = await house.deliveries("acknowledgement")
        assert (ack["state"], ack["reason"]) == ("cancelled", "template error")
        assert "acknowledgement.en.txt" in ack["detail"]
        assert record["reference"] and len(office.tickets.taken) == 1
        # With a short subject the template works.
        short = {**form.fields(2), "subject": "Stairs", "message": "The stairs are dark."}
        await Form().post(house, json.dumps(short).encode())
        await house.until(lambda: _count(house, 2))
        await house.idle()
        assert len(Form().got(office, 2)) == 1


async def test_an_oversized_or_runaway_rule_is_refused_at_load(make: Make) -> None:
    wide = {"name": "wide", "when": " || ".join(['record.text == "x"'] * 300), "set": {"hold": "x"}}
    deep = "record.attachments.all(a, record.attachments.all(b, record.attachments.all(c, true)))"
    nested = {"name": "deep", "when": deep, "set": {"hold": "x"}}
    house = make(rules={"rules": [wide, nested]})
    with pytest.raises(ConfigError) as caught:
        load(house.path)
    told = str(caught.value)
    assert "wide" in told and "deep" in told and "2000" in told.replace(",", "").replace("_", "")
