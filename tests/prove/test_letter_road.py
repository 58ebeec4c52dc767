"""The road of a letter, end to end: scanned in, acknowledged, answered as its writer wishes, and back by its code."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from random import Random
from typing import Any

import pypdfium2
import pytest

from tests.rigs import letter, letters
from tests.rigs.daemon import House
from tests.rigs.letters import Letter
from tests.rigs.office import Office

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]

DPI = 150
#: To load the recognition and to recognise, on a machine with other things to do.
LONG = 240.0


def _scan(one: Letter) -> bytes:
    (page,) = letters.printed(one, letters.fonts()[0], dpi=DPI)
    return letters.scanned(page.image, Random(1), dpi=DPI, skew=1.0, sigma=4, quality=80)


async def _with_name(house: House, name: str) -> Any:
    async def there() -> Any:
        return next((one for one in await house.records() if one["contact"]["name"] == name), None)

    return await house.until(there, LONG)


async def test_a_letter_comes_in_is_answered_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "print"
    folder.mkdir()
    by_mail = replace(
        letters.brief(3), paragraphs=("The lift has stood still since Monday.", "Please reply by e-mail.")
    )
    by_post = replace(letters.brief(5), paragraphs=("The bus was late again.", "Please answer me by letter."))
    assert by_mail.name != by_post.name
    async with Office() as office:
        channel = letter.settings(
            office.scans,
            own=[*letters.US_ZH, *letters.US_EN],
            print={"folder": str(folder), "bundle": {"at": None, "letters": None}},
        )
        async with House(office.config(tmp_path / "data", channels={"letters": channel}), tmp_path) as house:
            letter.put(office.scans, "mail.pdf", letters.pdf([_scan(by_mail)], DPI))
            letter.put(office.scans, "post.pdf", letters.pdf([_scan(by_post)], DPI))
            records = [await _with_name(house, one.name) for one in (by_mail, by_post)]
            await house.idle()

            # Both left an e-mail address: that tells them the number. The answer takes the way they wish.
            for one, record in zip((by_mail, by_post), records, strict=True):
                (mail,) = [mail for mail in office.smtp.accepted if one.email in mail.recipients]
                told = message_from_bytes(mail.data, policy=policy.default)
                assert record["reference"] in told.get_body(("plain",)).get_content()
            ways = [await house.ask("GET", f"/v1/records/{one['reference']}/way") for one in records]
            assert [one["channel"] for one in ways] == ["mail", "letters"]

            reference = records[1]["reference"]
            assert (await house.reply(reference, "The bus is on time again since Monday."))[0] == 202
            await house.until(lambda: house.deliveries("reply", state="entrusted"), LONG)
            made = await house.ask("POST", "/v1/bundles", {})
            assert [one["reference"] for one in made["list"]] == [reference]
            (pdf,) = (folder / "letters" / made["name"]).glob("01 *.pdf")
            document = pypdfium2.PdfDocument(pdf.read_bytes())
            try:
                text = document[0].get_textpage().get_text_range()
                sheet = document[0].render(scale=DPI / 72).to_pil().convert("L")
            finally:
                document.close()
            for words in (
                by_post.name,
                by_post.postcode,
                "The bus is on time again since Monday.",
                reference,
            ):
                assert words in text
            assert (await house.ask("GET", f"/v1/records/{reference}"))["state"] != "answered"
            await house.ask("POST", f"/v1/bundles/{made['id']}/posted", {})
            assert (await house.ask("GET", f"/v1/records/{reference}"))["state"] == "answered"

            # The customer sends the sheet back: its code joins it to the record, whoever scans it.
            back = letters.scanned(sheet, Random(2), dpi=DPI, skew=1.5, sigma=6, quality=70)
            letter.put(office.scans, "back.pdf", letters.pdf([back], DPI))
            await house.until(lambda: house.envelopes("joined"), LONG)
            assert {one["reference"] for one in await house.records()} == {
                one["reference"] for one in records
            }
            line = await house.ask("GET", f"/v1/records/{reference}/timeline")
            assert [one for one in line["events"] if one["type"] == "message.joined"]
            audit = await house.ask("POST", "/v1/admin/audit", {})
            assert audit["balanced"], audit
