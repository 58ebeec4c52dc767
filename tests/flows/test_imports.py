"""Files of history go in by the API: once, from where they stopped, behind everybody else, and untold."""

from __future__ import annotations

import io
import json
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from tests.flows.conftest import Make
from tests.rigs.daemon import House, Points
from tests.rigs.office import TOKEN, Office
from tests.rigs.ways import Form

HEAD = "编号,姓名,联系电话,反馈内容,提交时间\n"
TABLE = HEAD + "".join(
    f"T{n},客户{n},1380000{n:04d},第{n}号电梯坏了,2024/3/{n % 28 + 1} 09:00\n" for n in range(40)
)


async def upload(house: House, data: bytes, name: str = "t.csv", channel: str = "form") -> Any:
    async with house.session.post(
        f"{house.url}/v1/imports",
        params={"channel": channel, "name": name},
        data=data,
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as answer:
        told = await answer.json()
        assert answer.status < 300, told
        return told


async def ended(house: House, id_: str) -> Any:
    async def over() -> Any:
        row = await house.ask("GET", f"/v1/imports/{id_}")
        at_work = sum(row["became"].get(state, 0) for state in ("waiting", "claimed"))
        return row if row["state"] in ("done", "failed", "cancelled") and not at_work else None

    return await house.until(over)


async def bring(
    house: House, data: bytes, name: str = "t.csv", channel: str = "form", *, look: Any = None, **start: Any
) -> Any:
    """Upload, look, start, and wait for the end."""
    begun = await upload(house, data, name, channel)
    await house.ask("POST", f"/v1/imports/{begun['id']}/preview", look or {})
    await house.ask("POST", f"/v1/imports/{begun['id']}/start", start)
    return await ended(house, begun["id"])


async def bad_rows(house: House, id_: str) -> bytes:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with house.session.get(f"{house.url}/v1/imports/{id_}/errors", headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


def counts(row: Any) -> tuple[int, int, int, int]:
    return row["rows"], row["taken"], row["known"], row["errors"]


async def test_a_table_becomes_records_with_the_time_and_the_people_of_its_rows(
    make: Make, office: Office
) -> None:
    async with make() as house:
        row = await bring(house, TABLE.encode("gb18030"))
        assert counts(row) == (40, 40, 0, 0)
        assert row["became"] == {"registered": 40}
        await house.idle()
        first = next(one for one in await house.records() if one["text"] == "第0号电梯坏了")
        assert first["contact"]["name"] == "客户0"
        assert {"kind": "phone", "value": "+8613800000000"} in first["contact"]["identities"]
        assert first["sent_at"].startswith("2024-03-01")
        audit = (await house.balanced())["lines"]
        assert [(one["channel"], one["received"]) for one in audit] == [("form", 40)]


async def test_customers_of_long_ago_are_not_told_and_each_refusal_says_why(
    make: Make, office: Office
) -> None:
    async with make() as house:
        table = "姓名,邮箱,内容\n王,wang@example.com,灯坏了\n"
        await bring(house, table.encode())
        await house.idle()
        acknowledgements = await house.deliveries("acknowledgement")
        assert [(one["state"], one["reason"]) for one in acknowledgements] == [("cancelled", "imported")]
        assert office.smtp.accepted == []
        told = "姓名,邮箱,内容\n李,li@example.com,门坏了\n"
        await bring(house, told.encode(), acknowledge=True)
        await house.until(lambda: len(office.smtp.accepted) == 1)


async def test_a_second_run_doubles_nothing(make: Make) -> None:
    async with make() as house:
        same = "姓名,内容\n王,灯坏了\n王,灯坏了\n李,门坏了\n"  # two rows are alike, and are two
        first = await bring(house, same.encode())
        assert counts(first) == (3, 3, 0, 0)
        again = await bring(house, same.encode())
        assert again["id"] != first["id"]
        assert counts(again) == (3, 0, 3, 0)
        assert len(await house.envelopes()) == 3
        # By its own number a row is known although its status has changed meanwhile.
        await bring(house, "编号,内容,状态\n7,灯坏了,新建\n".encode())
        later = await bring(house, "编号,内容,状态\n7,灯坏了,办结\n8,路坏了,新建\n".encode())
        assert counts(later) == (2, 1, 1, 0)
        assert sum(one["received"] for one in (await house.balanced())["lines"]) == 9


@pytest.mark.parametrize("ending", ["csv", "xlsx", "jsonl"])
async def test_bad_rows_come_back_with_the_reason_and_go_in_corrected(make: Make, ending: str) -> None:
    rows = [["王", "2024-03-01", "=cmd()"], ["李", "三月", "门坏了"], ["赵", "2024-03-02", ""]]
    async with make() as house:
        first = await bring(house, _file(ending, ["姓名", "日期", "内容"], rows), f"t.{ending}")
        assert counts(first) == (3, 1, 0, 2)
        head, *bad = _rows(ending, await bad_rows(house, first["id"]))
        assert head == ["姓名", "日期", "内容", "error"]
        assert [one[:3] for one in bad] == [["李", "三月", "门坏了"], ["赵", "2024-03-02", ""]]
        assert "'三月' is no date" in bad[0][3]
        assert bad[1][3] == "the field message is empty"
        bad[0][1], bad[1][2] = "2024-03-01", "路坏了"
        second = await bring(house, _file(ending, head, bad), f"t.errors.{ending}")
        assert counts(second) == (2, 2, 0, 0)
        assert counts(await bring(house, _file(ending, head, bad), f"t.errors.{ending}")) == (2, 0, 2, 0)
        await house.idle()
        assert sorted(one["text"] for one in await house.records()) == ["=cmd()", "路坏了", "门坏了"]


def _file(ending: str, head: list[str], rows: list[list[str]]) -> bytes:
    if ending == "csv":
        return "\n".join(",".join(row) for row in (head, *rows)).encode()
    if ending == "jsonl":
        return b"\n".join(json.dumps(dict(zip(head, row, strict=True))).encode() for row in rows)
    book, out = Workbook(), io.BytesIO()
    for y, row in enumerate((head, *rows), 1):
        for x, text in enumerate(row, 1):
            book.active.cell(y, x, text).data_type = "s"
    book.save(out)
    return out.getvalue()


def _rows(ending: str, data: bytes) -> list[list[str]]:
    if ending == "jsonl":
        lines = [json.loads(line) for line in data.splitlines()]
        return [list(lines[0]), *(list(one.values()) for one in lines)]
    if ending == "csv":
        assert data.startswith(b"\xef\xbb\xbf")  # by which spreadsheet programs know the encoding
        return [line.split(",") for line in data.decode("utf-8-sig").splitlines()]
    book = load_workbook(io.BytesIO(data))
    return [[str(value or "") for value in row] for row in book.active.iter_rows(values_only=True)]


async def test_no_formula_leaves_by_the_file_of_bad_rows(make: Make) -> None:
    async with make() as house:
        for ending in ("csv", "xlsx"):
            rows = [["=HYPERLINK(1)", "gestern", "x"], ["@SUM(1)", "gestern", "+1"]]
            row = await bring(house, _file(ending, ["name", "date", "message"], rows), f"t.{ending}")
            _, *bad = _rows(ending, await bad_rows(house, row["id"]))
            assert [one[0] for one in bad] == ["'=HYPERLINK(1)", "'@SUM(1)"]


async def test_what_a_preview_shows_is_what_is_registered(make: Make) -> None:
    async with make() as house:
        begun = await upload(house, TABLE.encode("utf-16"))
        seen = await house.ask(
            "POST", f"/v1/imports/{begun['id']}/preview", {"mapping": {"编号": "", "姓名": "-"}}
        )
        assert seen["layout"]["encoding"] == "utf-16"
        assert seen["unmapped"] == ["编号"]
        assert [one["row"] for one in seen["preview"]] == [2, 3, 4, 5, 6]
        shown = seen["preview"][0]
        assert (shown["name"], shown["text"], shown["extra"]) == ("", "第0号电梯坏了", {"编号": "T0"})
        assert await house.envelopes() == []
        await house.ask("POST", f"/v1/imports/{begun['id']}/start", {})
        await ended(house, begun["id"])
        await house.idle()
        record = next(one for one in await house.records() if one["text"] == "第0号电梯坏了")
        assert record["extra"] == {"编号": "T0"}
        # The next file with the same columns is read the same way.
        other = await upload(house, (HEAD + "X1,甲,13900000000,窗坏了,2024/4/1\n").encode())
        again = await house.ask("POST", f"/v1/imports/{other['id']}/preview", {})
        assert again["layout"]["saved"] and again["preview"][0]["extra"] == {"编号": "X1"}


async def test_a_rehearsal_tells_all_and_changes_nothing(make: Make) -> None:
    async with make() as house:
        await bring(house, (HEAD + "T1,客户1,13800000001,第1号电梯坏了,2024/3/2 09:00\n").encode())
        row = await bring(house, (TABLE + "T99,坏,1,x,gestern\n").encode(), dry_run=True)
        assert counts(row) == (41, 39, 1, 1)
        assert len(await house.envelopes()) == 1
        real = await bring(house, (TABLE + "T99,坏,1,x,gestern\n").encode())
        assert counts(real) == (41, 39, 1, 1)
        assert len(await house.envelopes()) == 40


async def test_an_import_goes_on_where_the_last_process_was(make: Make, points: Points) -> None:
    house = make(imports={"batch": 5})
    await house.start()
    begun = await upload(house, TABLE.encode())
    await house.ask("POST", f"/v1/imports/{begun['id']}/preview", {})
    with points.held("accept.import.before_commit") as arrived:
        await house.ask("POST", f"/v1/imports/{begun['id']}/start", {})
        await arrived()
        house.daemon.house.importer.stop()
    await house.stop()
    async with make(imports={"batch": 5}) as house:
        row = await ended(house, begun["id"])
        assert counts(row) == (40, 40, 0, 0)
        assert row["known"] == 0  # nothing was brought twice
        assert len(await house.envelopes()) == 40


async def test_a_cancelled_import_stops_and_goes_on_when_the_file_comes_again(
    make: Make, points: Points
) -> None:
    async with make(imports={"batch": 5}) as house:
        begun = await upload(house, TABLE.encode())
        await house.ask("POST", f"/v1/imports/{begun['id']}/preview", {})
        with points.held("accept.import.after_commit") as arrived:
            await house.ask("POST", f"/v1/imports/{begun['id']}/start", {})
            await arrived()
            # The writer stands still; the cancellation waits behind it.
        told = await house.ask("POST", f"/v1/imports/{begun['id']}/cancel", {})
        if told["state"] == "cancelled":
            stopped = await ended(house, begun["id"])
            assert stopped["rows"] <= 40
        row = await bring(house, TABLE.encode())
        assert row["rows"] in (40, 40)
        assert len(await house.envelopes()) == 40


async def test_mails_go_in_as_if_they_had_been_fetched(make: Make) -> None:
    def mail(n: int, **more: str) -> bytes:
        made = EmailMessage()
        made["From"], made["To"], made["Subject"] = f"c{n}@example.com", "box@office.example", f"Matter {n}"
        made["Message-ID"], made["Date"] = f"<{n}@example.com>", "Tue, 03 Mar 2015 09:00:00 +0800"
        for name, value in more.items():
            made[name] = value
        made.set_content(f"The lift {n} is broken.\nFrom now on we walk.\n")
        return made.as_bytes()

    box = b"".join(
        b"From x@y Tue Mar  3 09:00:00 2015\n" + mail(n).replace(b"\nFrom ", b"\n>From ") + b"\n"
        for n in range(3)
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n in range(2, 5):
            archive.writestr(f"m/{n}.eml", mail(n))
        archive.writestr("m/9.eml", b"")
    async with make() as house:
        assert counts(await bring(house, box, "old.mbox", "mail")) == (3, 3, 0, 0)
        row = await bring(house, out.getvalue(), "m.zip", "mail")
        assert counts(row) == (4, 2, 1, 1)  # the third was in the box, and one is empty
        assert b"m/9.eml,the mail is empty" in await bad_rows(house, row["id"])
        await house.idle()
        records = {one["subject"]: one for one in await house.records()}
        assert sorted(records) == [f"Matter {n}" for n in range(5)]
        assert records["Matter 0"]["sent_at"].startswith("2015-03-03T01:00")
        assert records["Matter 0"]["text"] == "The lift 0 is broken.\nFrom now on we walk."


async def test_json_objects_go_to_a_web_hook_as_they_are(make: Make) -> None:
    events = [
        {"id": f"e{n}", "type": "feedback", "data": {"customer": f"c{n}", "text": f"words {n}"}}
        for n in range(3)
    ]
    data = b"\n".join(json.dumps(one).encode() for one in events)
    async with make() as house:
        assert counts(await bring(house, data, "t.jsonl", "hook")) == (3, 3, 0, 0)
        assert counts(await bring(house, data, "t.jsonl", "hook")) == (3, 0, 3, 0)
        await house.idle()
        assert sorted(one["text"] for one in await house.records()) == ["words 0", "words 1", "words 2"]
        table = "name,email,feedback,shop\nA,a@example.com,too slow,Nord\n"
        assert counts(await bring(house, table.encode(), "t.csv", "hook")) == (1, 1, 0, 0)
        await house.idle()
        newest = (await house.records())[0]
        assert (newest["text"], newest["extra"]["shop"]) == ("too slow", "Nord")


async def test_what_cannot_be_is_refused_in_words(make: Make, office: Office) -> None:
    async with make(imports={"errors": 3, "file_bytes": 5_000}) as house:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for channel, data, status in (
            ("wechat", b"a,b", 422),
            ("none", b"a,b", 404),
            ("form", b"x" * 5_001, 413),
        ):
            async with house.session.post(
                f"{house.url}/v1/imports", params={"channel": channel}, data=data, headers=headers
            ) as answer:
                assert answer.status == status, await answer.text()
        for data, name, channel, why in (
            (b"name,message\na,b", "t.csv", "mail", "holds rows, which this channel does not take"),
            (b"From a\nSubject: x\n\nx", "t.mbox", "form", "holds mails, which this channel does not take"),
            (b"%PDF-1.7 x", "t.pdf", "form", "a PDF"),
        ):
            begun = await upload(house, data, name, channel)
            status, told = await house.api("POST", f"/v1/imports/{begun['id']}/preview", {})
            assert status == 422 and why in told["detail"], told
        begun = await upload(house, b"one,two\n1,2\n")
        await house.ask("POST", f"/v1/imports/{begun['id']}/preview", {})
        status, told = await house.api("POST", f"/v1/imports/{begun['id']}/start", {})
        assert status == 422 and "no column is known to hold the message" in told["detail"]
        row = await bring(house, b"date,message\n" + b"never,x\n" * 50)
        assert row["state"] == "failed" and "more than 3 rows cannot be taken" in row["reason"]
        await house.until(lambda: _answered(house, office))


async def _answered(house: House, office: Office) -> bool:
    """A customer who comes meanwhile notices nothing."""
    told = await Form().bring(house, 1, office=office)
    return bool(told.taken)


async def test_who_comes_meanwhile_waits_behind_no_more_than_a_few(
    make: Make, office: Office, tmp_path: Path
) -> None:
    async with make(imports={"batch": 10, "ahead": 20}) as house:
        rows = "".join(f"客户{n},第{n}号\n" for n in range(400))
        begun = await upload(house, f"姓名,内容\n{rows}".encode())
        await house.ask("POST", f"/v1/imports/{begun['id']}/preview", {})
        await house.ask("POST", f"/v1/imports/{begun['id']}/start", {})
        most = 0
        while (row := await house.ask("GET", f"/v1/imports/{begun['id']}"))["state"] != "done":
            most = max(most, row["became"].get("waiting", 0))
            assert row["state"] in ("waiting", "running"), row
        assert most <= 20 + 10
        assert counts(await ended(house, begun["id"])) == (400, 400, 0, 0)
