"""Posters, as somebody sees them who stands before one."""

from __future__ import annotations

import pypdfium2
import zxingcpp

from connectors.wire import poster
from connectors.wire.poster import Poster
from tests.rigs.tools import NOW

URL = "https://feedback.example.org/form/form"


def test_every_place_has_a_page_whose_code_leads_to_it_and_nothing_leaves_the_sheet() -> None:
    places = ["Hall 2", "西区三楼儿童乐园旁边的自助服务终端及意见反馈台（近五号电梯口），" * 3, ""]
    pdf = poster.typeset(
        Poster(url=URL, places=places, headings={"zh": "意见反馈", "en": "Tell us"}, at=NOW, size="a5")
    )
    document = pypdfium2.PdfDocument(pdf)
    try:
        for page, place in zip(document, places, strict=True):
            (code,) = zxingcpp.read_barcodes(page.render(scale=1.5).to_pil())
            assert code.text == poster.address(URL, place)
            text = page.get_textpage()
            boxes = [text.get_charbox(n) for n in range(text.count_chars())]
            assert min(box[0] for box in boxes) > 10
            assert max(box[2] for box in boxes) < page.get_width() - 10
            assert "feedback.example.org/form/form" in text.get_text_range()
    finally:
        document.close()


def test_a_heading_is_in_one_language_and_stands_once() -> None:
    pdf = poster.typeset(Poster(url=URL, places=[""], headings={"en": "Summer fair", "zh": ""}, at=NOW))
    document = pypdfium2.PdfDocument(pdf)
    try:
        shown = document[0].get_textpage().get_text_range()
    finally:
        document.close()
    assert shown.count("Summer fair") == 1 and "扫码告诉我们" in shown
