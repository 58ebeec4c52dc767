"""Hostile bodies: every one is read whole or refused with its place, quickly, and never half."""

from __future__ import annotations

import time
from urllib.parse import urlencode

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import body, strict_json
from model.failures import Malformed
from tests.rigs.form import BOUNDARY, multipart

MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"a": "b', "line 1, column 7"),
        (b'{"a": 1,\n "b"', "line 2, column 5"),
        (b"", "line 1, column 1"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 1, "a": 2}', "same key twice"),
        (b"[" * 100 + b"]" * 100, "nested"),
        (b"[" * 500_000, "nested"),
        (b'{"a":' * 500_000, "nested"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "too long"),
        (b'{"a": "\xc4\xe3"}', "byte 7"),
    ],
)
def test_json_that_two_parsers_could_disagree_on_is_refused_with_its_place(data: bytes, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        strict_json.load(data)


def test_a_refusal_never_repeats_what_the_customer_wrote() -> None:
    with pytest.raises(Malformed) as refused:
        strict_json.load(b'{"secret words": "my diagnosis", }')
    assert "diagnosis" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_json_keeps_numbers_beyond_a_double_and_replaces_lone_surrogates() -> None:
    assert strict_json.load(b'{"id": 12345678901234567890123}') == {"id": 12345678901234567890123}
    assert strict_json.load(rb'{"\ud800a": ["\udfff", "\ud83d\ude00"]}') == {"���a": ["���", "😀"]}


def test_canonical_json_forgets_order_and_spacing_only() -> None:
    one = strict_json.canonical(strict_json.load(b'{"b": [1, 2.50], "a": "\\u4f60"}'))
    assert one == strict_json.canonical(strict_json.load('{"a":"你","b":[1,2.5]}'.encode()))
    assert one != strict_json.canonical(strict_json.load('{"a":"你","b":[2.5,1]}'.encode()))


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("application/json", b"{" + b",".join(b'"f%d": 1' % n for n in range(10_000)) + b"}"),
        ("application/json", b'{"f": [' + b",".join([b"1"] * 10_000) + b"]}"),
        (FORM, b"&".join(b"f%d=1" % n for n in range(10_000))),
        (MULTIPART, multipart((f"f{n}", "1") for n in range(10_000))),
    ],
)
def test_ten_thousand_fields_are_refused(content_type: str, data: bytes) -> None:
    with pytest.raises(Malformed, match="more than 200 fields"):
        body.load_form(content_type, data, most=200)


def test_a_body_with_just_as_many_fields_as_allowed_is_read() -> None:
    values = [(f"f{n}", "1") for n in range(200)]
    for content_type, data in [(FORM, urlencode(values).encode()), (MULTIPART, multipart(values))]:
        assert len(body.load_form(content_type, data, most=200).fields) == 200


@pytest.mark.parametrize(
    ("content_type", "data", "told"),
    [
        (MULTIPART, multipart([("a", "1")])[:-8], "cut off"),
        (MULTIPART, b"", "cut off"),
        (MULTIPART, b"no delimiter at all", "cut off"),
        (
            MULTIPART,
            f"--{BOUNDARY}\r\nX: {'y' * 20_000}\r\n\r\n\r\n--{BOUNDARY}--".encode(),
            "end of headers",
        ),
        (MULTIPART, f"--{BOUNDARY}\r\nX-Other: 1\r\n\r\n1\r\n--{BOUNDARY}--\r\n".encode(), "no name"),
        ("multipart/form-data", multipart([("a", "1")]), "boundary"),
        ("multipart/form-data; boundary=" + "x" * 300, b"", "boundary"),
        ("application/json", b"[1]", "object"),
        ("text/plain", b"hello", "content type"),
        ("", b"hello", "content type"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(content_type: str, data: bytes, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        body.load_form(content_type, data)


@pytest.mark.parametrize(
    "data",
    [
        (b"\r\n--" + BOUNDARY.encode()) * 100_000,
        (b"\r\n--" + BOUNDARY.encode() + b"x") * 100_000,
        (b"--" + BOUNDARY.encode() + b" \t" * 60) * 20_000,
        b"--" + BOUNDARY.encode() + b"\r\n" + b'Content-Disposition: form-data; name="' * 100_000,
        b'{"a": "' + b'\\"' * 1_000_000,
        b"%" * 2_000_000,
    ],
)
def test_a_hostile_body_does_not_hang(data: bytes) -> None:
    start = time.process_time()
    for content_type in (MULTIPART, "application/json", FORM):
        try:
            body.load_form(content_type, data)
        except Malformed:
            continue
    assert time.process_time() - start < 5


def test_the_content_of_a_part_is_kept_to_the_byte() -> None:
    content = b"\r\n--" + BOUNDARY.encode() + b"x\r\n\r\n\x00\xff--"
    form = body.load_form(MULTIPART, multipart([("a", b"")], [("f", "x.bin", content)]))
    assert form.files[0].data == content
    assert form.fields == (("a", ""),)


boundaries = st.text("abcdefghijklmnopqrstuvwxyz0123456789'()+_,-./:=?", min_size=1, max_size=70)


@given(
    st.lists(st.tuples(st.text("abc", min_size=1, max_size=5), st.binary(max_size=80)), max_size=8),
    boundaries,
)
async def test_what_an_independent_writer_makes_is_read_back_to_the_byte(
    files: list[tuple[str, bytes]], boundary: str
) -> None:
    writer = aiohttp.MultipartWriter("form-data", boundary=boundary)
    for name, content in files:
        part = writer.append(content)
        part.set_content_disposition("form-data", name=name, filename=f"{name}.bin")
    data = await writer.as_bytes()
    if any(boundary.encode() in content for _, content in files):
        return
    form = body.load_form(writer.content_type, data)
    assert [(file.field, file.filename, file.data) for file in form.files] == [
        (name, f"{name}.bin", content) for name, content in files
    ]


@given(st.sampled_from([MULTIPART, FORM, "application/json"]), st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content_type: str, data: bytes) -> None:
    for given_data in (data, multipart([("a", data)])[: len(data) + 60]):
        try:
            form = body.load_form(content_type, given_data)
        except Malformed:
            continue
        str(form.fields).encode("utf-8", "surrogatepass")


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))))
def test_urlencoded_pairs_are_read_back(pairs: list[tuple[str, str]]) -> None:
    pairs = [pair for pair in pairs if pair[0] != "_charset_" and "\ufeff" not in pair[0] + pair[1]]
    assert body.load_form(FORM, urlencode(pairs).encode()).fields == tuple(pairs)


@pytest.mark.parametrize(
    ("codec", "label"),
    [("utf-8", None), ("utf-8", "gb2312"), ("gb18030", None), ("gb18030", "gb2312"), ("big5hkscs", "big5")],
)
def test_text_is_read_in_its_charset_whatever_the_label_says(codec: str, label: str | None) -> None:
    words = "電梯壞了，請盡快維修" if codec == "big5hkscs" else "电梯坏了，请尽快维修"
    assert body.decode(words.encode(codec), label) == (words, False)


def test_a_field_in_no_charset_is_kept_with_a_note() -> None:
    form = body.load_form(
        MULTIPART, multipart([("_charset_", "utf-8"), ("a", "ok"), ("b", b"x\xff\xff\x80y")])
    )
    assert form.first("a") == "ok"
    assert form.first("b").startswith("x")
    assert form.notes == ("field 2 is in no known charset: unreadable characters were replaced",)


@pytest.mark.parametrize("label", ["idna", "punycode", "zlib", "rot13", "unicode_escape", "utf-7", "../x"])
def test_a_label_cannot_choose_a_codec_that_is_no_charset(label: str) -> None:
    assert body.decode(b"a+AGE-\\x41\xff\xff", label)[1]


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        (b'name="f"; filename="a \\"b\\".txt"', 'a "b".txt'),
        (b'name="f"; filename="a %22b%22.txt"', 'a "b".txt'),
        (b'name="f"; filename="C:\\dir\\a.txt"', "C:\\dir\\a.txt"),
        ('name="f"; filename="报告.pdf"'.encode("gb18030"), "报告.pdf"),
        (b"name=f; filename*=UTF-8''%E6%8A%A5.pdf; filename=x", "报.pdf"),
        (b"name=f; filename=plain.txt", "plain.txt"),
    ],
)
def test_file_names_are_read_as_browsers_write_them(disposition: bytes, filename: str) -> None:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
    data = head + disposition + f"\r\n\r\n1\r\n--{BOUNDARY}--\r\n".encode()
    assert body.load_form(MULTIPART, data).files[0].filename == filename


def test_an_unused_file_input_is_no_file() -> None:
    assert body.load_form(MULTIPART, multipart([("a", "1")], [("f", "", b"")])).files == ()


def test_a_form_encoded_callback_is_an_object_and_may_hold_its_event_as_json() -> None:
    data = urlencode([("tag", "a"), ("tag", "b"), ("payload", '{"n": 1}')]).encode()
    assert body.load_event(FORM, data)["tag"] == ["a", "b"]
    assert body.load_event(FORM, data, member="payload") == {"n": 1}
    assert body.load_event("text/plain", b'{"n": 1}') == {"n": 1}
