"""What is new in a mail, as the programs of the world quote the rest; and never less than there is."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalizer import html, quotes
from normalizer.contract import Source
from normalizer.readers.email import read

NEW = "还是不制冷，请派人来。\nPlease send someone."
OLD = "我们已经收到您的邮件。\nWe got your mail."
MARKED = "\n".join(f"> {line}" for line in OLD.split("\n"))

HISTORIES = {
    "gmail": f"On Sun, Nov 22, 2026 at 8:00 AM Office <feedback@office.example> wrote:\n\n{MARKED}",
    "gmail, broken": f"On Sun, Nov 22, 2026 at 8:00 AM Example Office\n<feedback@office.example> wrote:\n\n{MARKED}",
    "gmail zh": f"Office <feedback@office.example> 于2026年11月22日周日 08:00写道：\n\n{MARKED}",
    "apple zh": f"> 在 2026年11月22日，08:00，Office <feedback@office.example> 写道：\n> \n{MARKED}",
    "zh unmarked": f'在 2026-11-22 08:00:00，"Office" <feedback@office.example> 写道：\n{OLD}',
    "netease": f'At 2026-11-22 08:00:00, "Office" <feedback@office.example> wrote:\n{OLD}',
    "netease zh": f"在 2026-11-22 08:00:00，feedback@office.example 写道：\n\n{OLD}",
    "qq": f'------------------ 原始邮件 ------------------\n发件人: "Office" <feedback@office.example>;\n'
    f'发送时间: 2026年11月22日(星期天) 上午8:00\n收件人: "李雷"<li@qq.com>;\n主题: 回复：冰箱\n\n{OLD}',
    "qq en": f"------------------ Original ------------------\nFrom: Office <feedback@office.example>\n"
    f"Date: Sun, Nov 22, 2026 08:00 AM\nTo: li <li@qq.com>\nSubject: Re: x\n\n{OLD}",
    "foxmail": f"发件人： Office\n发送时间： 2026-11-22 08:00\n收件人： 李雷\n主题： 回复：冰箱\n\n{OLD}",
    "outlook": f"From: Office <feedback@office.example>\n"
    f"Sent: Sunday, November 22, 2026 8:00 AM\nTo: Li\nSubject: RE: x\n\n{OLD}",
    "outlook ruled": f"________________________________\nFrom: Office\nSent: Sunday\nTo: Li\n"
    f"Subject: RE: x\n\n{OLD}",
    "outlook zh": f"发件人: Office <feedback@office.example>\n发送时间: 2026年11月22日 8:00\n收件人: 李雷\n"
    f"主题: 答复: 冰箱\n\n{OLD}",
    "outlook tw": f"寄件者: Office\n寄件日期: 2026年11月22日\n收件者: 李雷\n主旨: RE: 冰箱\n\n{OLD}",
    "aliyun": f"{'-' * 66}\n发件人：Office <feedback@office.example>\n"
    f"发送时间：2026年11月22日(星期日) 08:00\n收件人：李雷\n主　题：Re:冰箱\n\n{OLD}",
    "original message": f"-----Original Message-----\nFrom: Office\nSent: Sunday\n\n{OLD}",
    "ruled": f"--- 回复的原邮件 ---\n发件人 Office\n{OLD}",
    "thunderbird de": f"Am 22.11.26 um 08:00 schrieb Office:\n{MARKED}",
    "fr": f"Le dim. 22 nov. 2026 à 08:00, Office <feedback@office.example> a écrit :\n\n{MARKED}",
    "es": f"El dom, 22 nov 2026 a las 8:00, Office (<feedback@office.example>) escribió:\n\n{MARKED}",
    "ru": f"вс, 22 нояб. 2026 г. в 08:00, Office <feedback@office.example> написал:\n\n{MARKED}",
    "ja": f"2026年11月22日(日) 8:00 Office <feedback@office.example>のメール:\n\n{MARKED}",
    "only marks": MARKED,
}


#: Heads of quotations in many languages, `=== name` above each; @OLD@ and @MARKED@ stand for what is quoted.
MORE_HISTORIES = {
    name: block.rstrip("\n").replace("@OLD@", OLD).replace("@MARKED@", MARKED)
    for name, _, block in (
        one.partition("\n")
        for one in (Path(__file__).parent / "quotations.txt").read_text("utf-8").split("=== ")[1:]
    )
}


@pytest.mark.parametrize("program", MORE_HISTORIES)
def test_the_history_is_cut_in_other_languages_and_programs(program: str) -> None:
    assert quotes.trim(f"{NEW}\n\n{MORE_HISTORIES[program]}\n") == NEW


@pytest.mark.parametrize("program", HISTORIES)
def test_the_history_is_cut(program: str) -> None:
    assert quotes.trim(f"{NEW}\n\n{HISTORIES[program]}\n") == NEW


def test_answers_between_the_quotes_are_kept() -> None:
    text = "Hi,\n\nOn 22 Nov 2026 Office wrote:\n> When did it break?\n\nOn Monday.\n\n> Which model?\n\nBCD-216.\n"
    assert quotes.trim(text).split() == ["Hi,", "On", "Monday.", "BCD-216."]


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nLi Lei\nExample Ltd",
        "--\nLi Lei",
        "Sent from my iPhone",
        "Sent from my HUAWEI phone",
        "Get Outlook for iOS",
        "发自我的iPhone",
        "来自我的 iPhone",
        "从我的华为手机发送",
        "发自我的小米手机",
        "发自网易邮箱大师",
        "Gesendet von meinem iPhone",
        "Envoyé de mon iPhone",
        "iPhoneから送信",
        "Best regards,\nLi Lei\nExample Ltd\n+86 138 0013 8000",
        "Mit freundlichen Grüßen\nLi Lei",
        "此致\n敬礼\n李雷",
        "祝好\n李雷",
    ],
)
def test_signatures_are_cut(signature: str) -> None:
    assert quotes.trim(f"{NEW}\n\n{signature}\n") == NEW


@pytest.mark.parametrize("line", (Path(__file__).parent / "signatures.txt").read_text("utf-8").splitlines())
def test_last_lines_of_phones_and_letters_are_cut_in_other_languages(line: str) -> None:
    assert quotes.trim(f"{NEW}\n\n{line}\n") == NEW


@pytest.mark.parametrize(
    "text",
    [
        "My old one broke.\nSent by mail yesterday, no answer yet",
        "Hallo\nVon Windows 11 habe ich nur Probleme",
        "我的订单\n从华为手机店买的冰箱坏了",
        "我的订单\n来自小米手机商城的订单没发货",
        "Hello\nThanks\n\nOne more thing: where is my invoice?",
        "Hello\n| a | b |\n| 1 | 2 |",
        "- one\n- two\n\nplease",
        "He wrote: it is broken.\nAnd it is.",
        "From: Berlin to Munich the train was late.\nPlease pay.",
        "Sent from my desk, this is much easier.",
        "订单如下：\n1. 冰箱\n2. 洗衣机",
        "发件人填错了怎么办？",
        "a > b and b > c",
        "<b>not a quote</b>\n<p>x</p>",
        "Regards to your team, they were kind.\n\n" + "And now to the matter." * 20,
        "好",
        "    indented\n        more",
    ],
)
def test_what_only_looks_like_history_or_signature_stays(text: str) -> None:
    assert quotes.trim(text) == text


@pytest.mark.parametrize(
    "text", [MARKED, HISTORIES["qq"], "-- \nLi Lei", HISTORIES["outlook"], "Sent from my iPhone"]
)
def test_a_text_that_would_be_empty_is_shown_whole(text: str) -> None:
    assert quotes.trim(text) == text


@given(st.text(max_size=400))
def test_trimming_only_ever_takes_lines_away(text: str) -> None:
    whole = text.replace("\r\n", "\n").split("\n")
    rest = iter(whole)
    for line in quotes.trim(text).split("\n"):
        assert any(line.rstrip() == one.rstrip() for one in rest) or not line.strip()


QUOTED_HTML = {
    "gmail": '<div>{new}</div><br><div class="gmail_quote"><div>On x wrote:</div><blockquote>'
    "{old}</blockquote></div>",
    "apple": '{new}<br><blockquote type="cite"><div>{old}</div></blockquote>',
    "thunderbird": '<p>{new}</p><div class="moz-cite-prefix">Am x schrieb:</div>'
    '<blockquote type="cite">{old}</blockquote>',
    "outlook web": '<div>{new}</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg">'
    "From: x</div><div>{old}</div>",
    "netease": '<div>{new}</div><div id="isReplyContent">At 2026 wrote:<blockquote>{old}</blockquote></div>',
    "qq": "<div>{new}</div><div>------------------&nbsp;原始邮件&nbsp;------------------</div>"
    "<div>发件人: x</div><div>{old}</div>",
    "qq includetail": "<div>{new}</div><includetail><div>{old}</div></includetail>",
    "outlook desktop": "<p>{new}</p><div><p><b>发件人:</b> x<br><b>发送时间:</b> y<br><b>收件人:</b> z</p></div>"
    "<p>{old}</p>",
}


@pytest.mark.parametrize("program", QUOTED_HTML)
def test_the_history_is_cut_from_html_and_kept_in_the_full_text(program: str) -> None:
    body = QUOTED_HTML[program].format(new="新的问题还在，请处理", old="旧的内容在这里")
    raw = b"Content-Type: text/html; charset=utf-8\r\n\r\n" + f"<html><body>{body}</body></html>".encode()
    found = read(Source(raw=raw, media_type="", received_at=datetime(2026, 11, 22, tzinfo=UTC)))
    assert found.text == "新的问题还在，请处理"
    assert "旧的内容在这里" in found.full_text


def test_answers_between_the_pieces_of_a_gmail_quotation_are_kept() -> None:
    source = (
        '<div>Hi</div><div class="gmail_quote"><div class="gmail_attr">On x wrote:</div>'
        '<blockquote class="gmail_quote">When?</blockquote><div>On Monday.</div>'
        '<blockquote class="gmail_quote">Which?</blockquote><div>BCD-216</div></div>'
    )
    assert html.texts(source)[1].split() == ["Hi", "On", "Monday.", "BCD-216"]


def test_the_marks_in_html_help_where_the_plain_text_has_none() -> None:
    plain = "新的问题还在\r\n\r\nOffice 2026-11-22\r\n旧的内容在这里\r\n"
    rich = '<p>新的问题还在</p><div id="isReplyContent">Office 2026-11-22<br>旧的内容在这里</div>'
    raw = (
        "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8"
        f"\r\n\r\n{plain}\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{rich}\r\n--b--\r\n"
    )
    found = read(Source(raw=raw.encode(), media_type="", received_at=datetime(2026, 11, 22, tzinfo=UTC)))
    assert found.text == "新的问题还在"
    assert "旧的内容在这里" in found.full_text


@pytest.mark.parametrize(
    "line",
    ["On 1 <a@b> ", "a <b@c.d> 1:\n", "From: a\nx\n", "*" * 400 + "\n", "begin 644 x\n", "---- forwarded\n"],
)
def test_trimming_takes_linear_time(line: str) -> None:
    began = time.process_time()
    quotes.trim(line * (120_000 // len(line)))
    quotes.forward(line * (120_000 // len(line)), True)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("sign", ["\x01", "&#1;", "&#xffff;", "\x0b"])
def test_signs_that_no_document_may_hold_do_not_stop_the_cutting(sign: str) -> None:
    quote = '<blockquote type="cite">old</blockquote>'
    assert "old" not in html.texts(f"<p>new {sign}{quote}{sign} more</p>")[1]
    assert html.texts(f"<p>{quote}{sign}new</p>")[1].strip(sign) == "new"


def test_words_behind_a_quote_that_never_ends_are_read() -> None:
    assert html.texts('<html><meta name="x content=y><p>Hello there</p></html>')[0] == "Hello there"


def test_html_without_end_or_sense_is_still_text() -> None:
    assert html.texts("<p>one<p>two<table><tr><td>three")[0].split() == ["one", "two", "three"]
    assert html.texts("") == ("", "")
    assert html.texts("no tags at all")[0] == "no tags at all"
    assert html.texts('<?xml version="1.0" encoding="gbk"?><html>编码</html>')[0] == "编码"
