"""Signatures and encryption of callbacks, against published vectors and the library wechatpy."""

from __future__ import annotations

import os

import pytest
import xmltodict
from wechatpy.crypto import WeChatCrypto

from connectors.wire import sealed
from model.failures import Malformed

KEY, APP = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wx1234567890abcdef"
TOKEN, TIME, NONCE = "fbgw_token_2026", "1795305600", "847201935"
MESSAGE = (
    "<xml><ToUserName><![CDATA[gh_0000000000ab]]></ToUserName><FromUserName><![CDATA[oABCDEFGHIJKLMNOPQRSTUVWXYZ1]]>"
    "</FromUserName><CreateTime>1795305600</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[你好]]>"
    "</Content><MsgId>24567890123456789</MsgId></xml>"
)
ENCRYPTED = (
    "Q3stYC6hdFzMh9T8HCvyDFYqp+WRA4JhXTSMyMJMcetdiNVcMrNQ+2F56y/mfUu3IDYGbvrnA3cKhw9k1evxLCcSH48m2E98/dtNB2xFQBzOxjTjg96k"
    "npmCnQS3bo3+21MqIhNVAvY5Za36iGR8lsma2ZVY0Qw+J+LD8rSI+3/YujA5QGzOSW0+GzoHdXOi/uq954fnIlnQqCwZW3XfWeQE7e7k6pVlaeqUY0WA"
    "96j5JservMV22Cw3jxNQ/w3uhwjYTNESshz75AhUBLL6iTvD3m1+WLksULMlDKKb3bQtvTnpX+GZi18NAAbfGtDMEdCyEFaHFKHqaiz0Io/0bVaDVkgf"
    "tBGwp0dbtdW4Zc6ZXSNtgALrhjKJqG18PDwYXH0mXE7SADkYXPI8JgfGmPxu9uxjNAYGYnjJMSaBccg="
)
WIDE_PAD = (
    "Q3stYC6hdFzMh9T8HCvyDHPEQItTBytfdxcLf7CTc6xNzEZUDyFw88D7qVN02N8M4CsfiexlNxI5A0G08a5DpKcpkGG0amloEPHrxaPnzRzsYmNM9hsG"
    "XfDD1x1hc1E5"
)
ECHO = "Q3stYC6hdFzMh9T8HCvyDJWp4ruXtl7nLIkEKzDJOesBt7qaRXhgewwWR3rFwZziIq08qU1qiJZMmfVMjW2U8A=="


def box(*keys: str, receiver: str = APP) -> sealed.Box:
    return sealed.Box([sealed.aes_key(one) for one in keys or (KEY,)], receiver)


def test_signatures_of_the_vectors() -> None:
    assert sealed.signature(TOKEN, TIME, NONCE) == "28ee24860cc943dd84aba3b9facaa6087a770535"
    assert sealed.signature(TOKEN, TIME, NONCE, ENCRYPTED) == "142b0ae4060ba2cbdf3d8897817491914f22f9df"
    assert sealed.signature(TOKEN, TIME, NONCE, ECHO) == "aac80b0c29fc8af672a75fa7d36244d4c0e5f7e9"
    # Weibo's own page: the AppSecret instead of a token, milliseconds instead of seconds.
    assert (
        sealed.signature("xyz123xyz", "1397022061823", "57155157")
        == "90e4c22c90a58f26526c2dd5b6c56c8822edeaa1"
    )
    assert sealed.holds("28ee24860cc943dd84aba3b9facaa6087a770535", NONCE, TIME, TOKEN)
    assert not sealed.holds("28EE24860cc943dd84aba3b9facaa6087a770535", NONCE, TIME, TOKEN)
    assert not sealed.holds("é\ud800", NONCE, TIME, TOKEN)


def test_messages_of_the_vectors_open() -> None:
    assert box().open(ENCRYPTED) == (MESSAGE.encode(), 0)
    assert box().open(WIDE_PAD)[0] == b"<xml>hi</xml>" + b" " * 19
    assert box(receiver="ww1234567890abcdef").open(ECHO)[0] == b"4861203947562019384"


def test_the_key_before_the_last_rotation_still_opens() -> None:
    new = "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba"
    assert box(new, KEY).open(ENCRYPTED) == (MESSAGE.encode(), 1)


@pytest.mark.parametrize("length", [0, 1, 11, 12, 13, 200, 271, 4_000])
def test_what_we_seal_the_library_opens_and_the_other_way_round(length: int) -> None:
    theirs, ours = WeChatCrypto(TOKEN, KEY, APP), box()
    message = ("<xml>" + "字" * length + "</xml>").encode()
    reply = sealed.reply(ours, 0, TOKEN, message.decode(), timestamp=TIME, nonce=NONCE, random=os.urandom(16))
    outer = xmltodict.parse(reply)["xml"]
    opened = theirs.decrypt_message(reply, outer["MsgSignature"], outer["TimeStamp"], outer["Nonce"])
    assert opened.encode() == message
    wrapped = xmltodict.parse(theirs.encrypt_message(message.decode(), NONCE, TIME))["xml"]
    assert ours.open(wrapped["Encrypt"]) == (message, 0)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "cut off"),
        ("no base64!", "base64"),
        (ENCRYPTED[:384], "another"),
        (ENCRYPTED.replace("+", " "), "base64"),
        ("AAAA", "cut off"),
        ("A" * 43 + "=", "another"),
    ],
)
def test_what_does_not_open_says_why(given: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        box().open(given)


def test_a_message_for_another_account_is_refused() -> None:
    with pytest.raises(Malformed, match="another account"):
        box(receiver="wx0000000000000000").open(ENCRYPTED)
    with pytest.raises(Malformed, match="no EncodingAESKey"):
        sealed.Box([], APP).open(ENCRYPTED)


def test_a_key_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="43 letters") as caught:
        sealed.aes_key("my secret")
    assert "my secret" not in str(caught.value)
