"""What WeCom's error codes mean for a message.

Source: WeCom "Global error codes"; 95001 and 95018 as third parties saw them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from connectors.wire.errcode_api import Cause
from model.failures import Reason

#: Codes that blame the access token. 40001 is a wrong secret here.
REFRESH = frozenset({40014, 41001, 42001})

_WINDOW = {
    95001: "five messages were sent since the customer's last one",
    95018: "a person has the session, or it is over: 48 hours, or closed",
}
_RECIPIENT = {
    40003: "there is no such member",
    40096: "there is no such customer",
    81013: "none of the recipients may use the app",
    82001: "none of the recipients may use the app",
    60111: "there is no such member",
    60011: "the member is outside what the app may see",
}
_REQUEST = {
    40004: "a type of file that WeCom does not take",
    40007: "the file is not there any more",
    40008: "a type of message that WeCom does not take",
    40058: "parameters that WeCom does not take",
    44004: "an empty text",
    45002: "the text is too long",
    47001: "a body that WeCom cannot read",
    830002: "the file is larger than what is fetched at once",
}
_APP = "check corp_id and secret against the console [应用管理]"
_CONFIG = {
    40001: ("the secret is wrong", _APP),
    40013: ("WeCom does not know the CorpID", _APP),
    40056: ("WeCom does not know the app: check agent_id", _APP),
    48002: (
        "the app may not use this call",
        "add the app under customer service [微信客服 - 可调用接口的应用], and see what it may see [可见范围]",
    ),
    60020: (
        "our address is not trusted",
        "add our public address to the app's trusted ones [企业可信IP]",
    ),
    95004: (
        "there is no such customer-service account",
        "check customer_service.accounts against the console [微信客服]",
    ),
    301002: ("the app may not write for this agent_id", _APP),
}

CAUSES: Mapping[int, Cause] = {
    -1: Cause(Reason.SERVER, "WeCom is busy"),
    45009: Cause(Reason.THROTTLED, "too many calls", pause=timedelta(minutes=1)),
    45033: Cause(Reason.THROTTLED, "too many calls at the same time", pause=timedelta(seconds=5)),
    **{code: Cause(Reason.WINDOW, words, lasting=True) for code, words in _WINDOW.items()},
    **{code: Cause(Reason.RECIPIENT, words, lasting=True) for code, words in _RECIPIENT.items()},
    **{code: Cause(Reason.REQUEST, words, lasting=True) for code, words in _REQUEST.items()},
    **{code: Cause(Reason.CONFIG, words, repair=repair) for code, (words, repair) in _CONFIG.items()},
}
