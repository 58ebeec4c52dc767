"""Scans from a folder to answered records, recognised by the real library in the real daemon."""

from __future__ import annotations

import io
from email import message_from_bytes, policy
from random import Random
from typing import Any

import pytest
from PIL import Image

from model import ids, sheet_code
from tests.flows.conftest import Make
from tests.rigs import letter, letters
from tests.rigs.daemon import House
from tests.rigs.letters import Letter
from tests.rigs.office import TOKEN, Office
from tests.rigs.ways import Form

DPI = 150
#: To load the recognition and to recognise, on a machine with other things to do.
LONG = 240.0


def _scan(one: Letter, *, skew: float = 0.0, turn: int = 0) -> bytes:
    (page,) = letters.printed(one, letters.fonts()[0], dpi=DPI)
    return letters.scanned(page.image, Random(1), dpi=DPI, skew=skew, turn=turn, sigma=4, quality=80)


def _sheet(image: Any) -> bytes:
    return letters.scanned(image, Random(2), dpi=DPI, sigma=4, quality=80)


def _channel(office: Office) -> dict[str, Any]:
    return letter.settings(office.scans, own=[*letters.US_ZH, *letters.US_EN])


def _wrote(record: Any) -> dict[str, str]:
    return {one["kind"]: one["value"] for one in record["contact"]["identities"]}


async def _registered(house: House, n: int) -> list[Any]:
    async def all_there() -> list[Any]:
        found = await house.records()
        return found if len(found) == n else []

    return list(await house.until(all_there, LONG))


async def test_a_batch_of_scans_becomes_its_letters(make: Make, office: Office) -> None:
    first, second = letters.brief(2), letters.brief(3)
    back = letters.blank(Random(3), dpi=DPI)
    batch = [_scan(first, skew=2.0), _sheet(back), _sheet(letters.separator(dpi=DPI)), _sheet(back)]
    batch.append(_scan(second, turn=180))
    async with make(channels={"letters": _channel(office)}) as house:
        letter.put(office.scans, "20261126_0900.tif", letters.tiff(batch, DPI))
        found = await _registered(house, 2)
        await house.idle()
        by_name = {one["contact"]["name"]: one for one in found}
        assert set(by_name) == {first.name, second.name}
        for one in (first, second):
            record = by_name[one.name]
            assert record["subject"] == one.subject
            wrote = _wrote(record)
            assert (wrote["email"], wrote["phone"]) == (one.email, one.phone)
            # The scan as text to be searched lies beside it, and the writer has the acknowledgement.
            assert [file["filename"] for file in record["attachments"]] == ["searchable.pdf"]
            (ack,) = [mail for mail in office.smtp.accepted if one.email in mail.recipients]
            told = message_from_bytes(ack.data, policy=policy.default)
            assert record["reference"] in told.get_body(("plain",)).get_content()
        parent, *_ = await house.envelopes("split")
        assert parent["record"] is None
        assert [path.name for path in (office.scans / "done").iterdir()] == ["20261126_0900.tif"]


async def test_what_is_not_sure_waits_for_a_clerk_whose_corrections_are_told(
    make: Make, office: Office
) -> None:
    said = [
        "Dear Sir or Madam,",
        "Re: the lift",
        "The lift has stood still since Monday.",
        "Yours faithfully,",
    ]
    async with make(channels={"letters": _channel(office)}) as house:
        letter.put(office.scans, "unsigned.pdf", letter.document([said]))
        (held,) = await house.until(lambda: house.envelopes("held"), LONG)
        shown = (await house.ask("GET", f"/v1/inbox/{held['id']}"))["meta"]["shown"]
        assert (shown["values"]["subject"], shown["values"]["name"]) == ("the lift", "")
        async with house.session.get(
            f"{house.url}/v1/inbox/{held['id']}/pages/1", headers={"Authorization": f"Bearer {TOKEN}"}
        ) as page:
            assert (await page.read()).startswith(b"\xff\xd8\xff")
        assert (await house.api("GET", f"/v1/inbox/{held['id']}/pages/2"))[0] == 404

        right = {"name": "Ruth Ashdown", "email": "ruth@example.com", "subject": "the lift"}
        told = await house.ask("POST", f"/v1/inbox/{held['id']}/correct", {"values": right})
        assert told == {"corrected": True, "changes": ["email", "name"]}
        again, _ = await house.api("POST", f"/v1/inbox/{held['id']}/correct", {"values": right})
        assert again == 409
        (record,) = await _registered(house, 1)
        await house.idle()
        assert (record["reference"], record["contact"]["name"]) == (held["reference"], "Ruth Ashdown")
        assert _wrote(record) == {"email": "ruth@example.com"}
        line = await house.ask("GET", f"/v1/records/{record['reference']}/timeline")
        (event,) = [one for one in line["events"] if one["type"] == "record.corrected"]
        assert event["actor"] == "admin"
        assert event["data"]["changes"] == {"email": ["", "ruth@example.com"], "name": ["", "Ruth Ashdown"]}
        assert [one.recipients for one in office.smtp.accepted] == [("ruth@example.com",)]


@pytest.mark.prove
async def test_a_sheet_of_ours_that_comes_back_joins_its_record(make: Make, office: Office) -> None:
    async with make(channels={"letters": _channel(office)}) as house:
        await Form().bring(house, 1, office=office)
        (record,) = await _registered(house, 1)
        (row,) = await house.rows("record")
        code = sheet_code.write(record["reference"], ids.seal(house.store.secret, "thread", row["id"]))
        letter.put(office.scans, "returned.jpg", _sheet(letters.separator(code, dpi=DPI)))

        async def joined() -> list[Any]:
            return list(await house.envelopes("joined"))

        (envelope,) = await house.until(joined, LONG)
        assert (envelope["channel"], envelope["record"]) == ("letters", row["id"])
        assert len(await house.records()) == 1


@pytest.mark.prove
@pytest.mark.parametrize("kind", ["pdf", "tif", "jpg", "png"])
async def test_every_type_of_file_is_taken_and_read(make: Make, office: Office, kind: str) -> None:
    one = letters.brief(2)
    scan = _scan(one, skew=-1.5)
    data = {"pdf": letters.pdf, "tif": letters.tiff}[kind]([scan], DPI) if kind in ("pdf", "tif") else scan
    if kind == "png":
        out = io.BytesIO()
        Image.open(io.BytesIO(scan)).save(out, "PNG", dpi=(DPI, DPI))
        data = out.getvalue()
    async with make(channels={"letters": _channel(office)}) as house:
        letter.put(office.scans, f"scan.{kind}", data)
        (record,) = await _registered(house, 1)
        assert (record["contact"]["name"], _wrote(record)["email"]) == (one.name, one.email)
