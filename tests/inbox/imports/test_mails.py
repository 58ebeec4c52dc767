"""Archives of mail: what parts the mails, what is hidden in them, and what is broken."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from inbox.imports import formats, mails
from inbox.imports.formats import Refused
from inbox.imports.limits import Limits
from inbox.imports.mails import Mail

FROM = b"From a@b.example Tue Mar  3 09:00:00 2026\n"


def mail(n: int, body: bytes = b"hello") -> bytes:
    return b"Subject: %d\nFrom: a@b.example\n\n%s\n" % (n, body)


def read(path: Path, position: Any = None, limits: Limits | None = None, **options: Any) -> list[Mail]:
    limits = limits or Limits()
    format_ = formats.format_of(path, path.name, limits)
    return list(mails.open_mails(path, format_, options, position, limits))


def box(folder: Path, data: bytes) -> Path:
    path = folder / "t.mbox"
    path.write_bytes(data)
    return path


def test_mails_of_an_mbox_are_parted_and_can_be_gone_on_with(tmp_path: Path) -> None:
    path = box(tmp_path, b"".join(FROM + mail(n) + b"\n" for n in range(5)))
    found = read(path)
    assert [one.raw for one in found] == [mail(n) for n in range(5)]
    assert found[-1].share == 1.0
    for done in found:
        assert [one.n for one in read(path, done.next)] == list(range(done.n + 1, 6))


@pytest.mark.parametrize(
    ("manner", "written", "meant"),
    [
        ("rd", b">From you", b"From you"), ("rd", b">>From you", b">From you"), ("rd", b">>>From you", b">>From you"),
        ("o", b">From you", b"From you"), ("o", b">>From you", b">>From you"), ("rd", b"> From you", b"> From you"),
    ],
)  # fmt: skip
def test_lines_that_begin_with_from_are_put_back(
    tmp_path: Path, manner: str, written: bytes, meant: bytes
) -> None:
    path = box(tmp_path, FROM + mail(1, b"\n" + written + b"\nmore"))
    assert [one.raw for one in read(path, mbox=manner)] == [mail(1, b"\n" + meant + b"\nmore")]


def test_a_line_that_somebody_wrote_parts_nothing(tmp_path: Path) -> None:
    body = b"Dear all,\n\nFrom here on it is easy.\n\nFrom now: nothing\n"
    path = box(tmp_path, FROM + mail(1, body) + b"\n" + FROM + mail(2) + b"\n")
    assert [one.raw for one in read(path)] == [mail(1, body), mail(2)]


def test_a_separator_without_a_blank_line_before_it_parts(tmp_path: Path) -> None:
    path = box(tmp_path, FROM + mail(1) + FROM + mail(2))
    assert [one.raw for one in read(path)] == [mail(1), mail(2)]


def test_separators_of_windows_part_too(tmp_path: Path) -> None:
    data = (FROM + mail(1) + b"\n" + FROM + mail(2) + b"\n").replace(b"\n", b"\r\n")
    assert [one.raw for one in read(box(tmp_path, data))] == [mail(n).replace(b"\n", b"\r\n") for n in (1, 2)]


def test_what_stands_before_the_first_separator_is_told(tmp_path: Path) -> None:
    found = read(box(tmp_path, b"some rubbish of a broken disk\n\n" + FROM + mail(1)))
    assert [one.error is None for one in found] == [False, True]
    assert "does not begin like a mail" in (found[0].error or "")


def test_a_mail_that_is_too_large_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = box(tmp_path, FROM + mail(1, b"x" * 70 * 1000) + b"\n" + FROM + mail(2) + b"\n")
    large, small = read(path, limits=Limits(mail_bytes=10_000))
    assert "larger than 10000 bytes" in (large.error or "")
    assert not large.raw
    assert small.raw == mail(2)


def test_a_mail_of_50_megabytes_in_one_line_is_read(tmp_path: Path) -> None:
    path = box(tmp_path, FROM + mail(1, b"x" * 50_000_000) + b"\n" + FROM + mail(2))
    assert [len(one.raw) for one in read(path)] == [len(mail(1)) - 5 + 50_000_000, len(mail(2))]


def packed(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "t.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_mails_of_a_zip_come_by_folder_and_name(tmp_path: Path) -> None:
    files = {
        "b/2.eml": mail(3), "a/2.eml": mail(2), "a/10.EML": mail(1), "a/notes.txt": b"no mail",
        "__MACOSX/a/2.eml": b"x", "a/.hidden.eml": b"x",
    }  # fmt: skip
    found = read(packed(tmp_path, files))
    assert [(one.place, one.raw) for one in found] == [
        ("a/10.EML", mail(1)),
        ("a/2.eml", mail(2)),
        ("b/2.eml", mail(3)),
    ]
    assert [one.place for one in read(tmp_path / "t.zip", 1)] == ["a/2.eml", "b/2.eml"]


def test_a_maildir_is_read_without_its_flags_and_unfinished_mails(tmp_path: Path) -> None:
    files = {
        "M/cur/2.x:2,S": mail(2), "M/new/1.x": mail(1), "M/tmp/3.x": b"half", "M/.Archive/cur/1.y:2,": mail(3),
        "M/dovecot-uidlist": b"x", "M/cur/.keep": b"",
    }  # fmt: skip
    assert [one.raw for one in read(packed(tmp_path, files))] == [mail(1), mail(2), mail(3)]


def test_broken_files_of_a_zip_are_told_one_by_one(tmp_path: Path) -> None:
    files = {
        "1.eml": b"",
        "2.eml": b"\x89PNG rubbish",
        "3.eml": b"\xef\xbb\xbf\r\n" + mail(3),
        "4.eml": FROM + mail(4),
    }
    path = packed(tmp_path, {**files, "5.eml": b"Subject: 5\n\n" + bytes(range(256)) * 40})
    data = bytearray(path.read_bytes())
    at = data.index(b"5.eml") + 40
    data[at : at + 20] = b"\xff" * 20
    path.write_bytes(data)
    found = read(path)
    assert [one.error is None for one in found] == [False, False, True, True, False]
    assert [one.raw for one in found[2:4]] == [mail(3), mail(4)]
    assert "is empty" in (found[0].error or "")
    assert "damaged" in (found[4].error or "") or "unpacked" in (found[4].error or "")


def test_a_zip_without_mails_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds no mails"):
        read(packed(tmp_path, {"t.csv": b"a,b"}))
    with pytest.raises(Refused, match="more than 2 files"):
        read(packed(tmp_path, {f"{n}.eml": mail(n) for n in range(3)}), limits=Limits(members=2))
