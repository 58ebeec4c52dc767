"""A case as PDF, workbook and JSON, and a list as a workbook: by the desk, the API and the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from openpyxl import load_workbook

from tests.flows.conftest import Make
from tests.flows.test_import_pages import log_in, page
from tests.flows.test_passing import ALONE, OFFICE
from tests.flows.test_persons import forebay
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Mail, mails

TEXT = "电梯从周一起一直停着。=SUM(A1)\n\nThe lift is stuck since Monday."


async def download(house: House, path: str, language: str = "en") -> tuple[str, bytes]:
    """A file of the desk: its name and bytes."""
    async with house.session.get(house.url + path, headers={"Accept-Language": language}) as answer:
        assert answer.status == 200, await answer.text()
        return answer.headers["Content-Disposition"], await answer.read()


def words(data: bytes) -> str:
    """What a PDF says."""
    pages = pypdfium2.PdfDocument(data)
    return "\n".join(pages[n].get_textpage().get_text_range() for n in range(len(pages)))


def cells(data: bytes) -> list[Any]:
    """The values of all cells of a workbook, formulas as formulas."""
    book = load_workbook(io.BytesIO(data))
    found = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in found if cell.data_type == "f"]
    return [cell.value for cell in found if cell.value is not None]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_a_case_is_told_whole_in_each_format(
    make: Make, office: Office, tmp_path: Path, language: str
) -> None:
    async with make(office=OFFICE, rules=ALONE) as house:
        told = await Mail().bring(house, 1, text=TEXT, office=office)
        await house.until(lambda: mails(office, 1))
        reference = told.reference
        await house.ask("POST", f"/v1/records/{reference}/notes", {"text": "called the caretaker"})
        await house.reply(reference, "A mechanic is on the way.")
        await house.until(lambda: len(mails(office, 1)) == 2)
        await house.idle()
        await log_in(house)
        shown = await page(house, f"/desk/records/{reference}", language)
        path = f"/desk/records/{reference}/file?format="
        assert f'href="{path}pdf"' in shown
        name, data = await download(house, path + "pdf", language)
        assert f"{reference}.pdf" in name and data.startswith(b"%PDF")
        said = words(data)
        for one in (reference, "顾客 1", "电梯从周一起一直停着", "caretaker", "A mechanic is on the way."):
            assert one in said, said
        assert ("往来记录" in said or "经过" in said or "处理" in said) == (language == "zh-CN")
        name, data = await download(house, path + "xlsx", language)
        found = cells(data)
        assert any("=SUM(A1)" in str(one) for one in found) and "A mechanic is on the way." in found
        _, data = await download(house, path + "json", language)
        whole = json.loads(data)
        assert whole["record"]["text"] == TEXT and whole["record"]["reference"] == reference
        assert [one["what"] for one in whole["story"] if one["side"] == "office"] == [
            "acknowledgement",
            "reply",
        ]
        _, data = await download(house, "/desk/record-list?q=Monday", language)
        assert reference in cells(data)
        _, data = await download(house, "/desk/record-list?q=nothing", language)
        assert reference not in cells(data)
        out = tmp_path / "case.pdf"
        code, spoken = await forebay(
            house, "records", "export", reference, "--language", language, "--output", str(out)
        )
        assert code == 0 and "case.pdf" in spoken, spoken
        assert "A mechanic is on the way." in words(out.read_bytes())
        status, refused = await house.api("GET", f"/v1/records/{reference}/case?format=doc")
        assert status == 422 and "must be one of" in refused["detail"]
        assert (await house.api("GET", "/v1/records/FB-000000-AAAAA/case"))[0] == 404


async def test_who_needs_to_know_nobody_gets_nobodys_name(make: Make, office: Office) -> None:
    async with make(office=OFFICE, rules=ALONE) as house:
        told = await Mail().bring(house, 1, text="The lift is stuck, says 顾客 1.", office=office)
        await house.until(lambda: mails(office, 1))
        password = "four words make sense"
        user = {"name": "eye", "role": "auditor", "departments": [], "password": password}
        await house.ask("POST", "/v1/users", user)
        shown = await page(house, "/desk/login")
        from tests.flows.test_import_pages import post

        await post(house, "/desk/login", shown, name="eye", token=password)
        for format_ in ("pdf", "xlsx", "json"):
            _, data = await download(house, f"/desk/records/{told.reference}/file?format={format_}")
            text = (
                words(data) if format_ == "pdf" else str(cells(data)) if format_ == "xlsx" else data.decode()
            )
            assert "lift is stuck" in text and "顾客 1" not in text and "customer1@" not in text
        _, data = await download(house, "/desk/record-list")
        assert "顾客 1" not in str(cells(data)) and told.reference in cells(data)
