"""What the error codes of the official-account API mean for a message.

Source: WeChat "Global return codes" and the pages of each call; codes that only third parties tell of
are 43101, 43117 and 45065 to 45067.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from connectors.wire.errcode_api import Cause
from model.failures import Reason

#: Codes that blame the access token.
REFRESH = frozenset({40001, 40014, 41001, 42001})
_MINUTE = timedelta(minutes=1)

_SERVER = {-1: "WeChat is busy", 61450: "an error in WeChat", 9001002: "a service behind WeChat is down"}
_WINDOW = {
    45015: "the 48 hours are over, or the customer has unfollowed",
    45047: "no more messages until the customer writes again",
}
_RECIPIENT = {
    40003: "no follower of this account has this OpenID",
    43004: "the customer does not follow the account",
    43019: "the customer is on the account's blacklist",
    43101: "the customer has not consented to another notice",
    48002: "the customer refuses messages",
    50005: "the customer does not follow the account",
}
_REQUEST = {
    40004: "a type of file that WeChat does not take",
    40005: "a type of file that WeChat does not take",
    40006: "the file has a size that WeChat does not take",
    40007: "the file is not there any more",
    40008: "a type of message that WeChat does not take",
    40009: "the picture is too large",
    40010: "the sound is too large",
    40011: "the film is too large",
    40012: "the preview is too large",
    40033: "characters that WeChat does not take",
    40035: "parameters that WeChat does not take",
    40037: "there is no such template",
    44002: "an empty request",
    44004: "an empty text",
    45001: "the file is too large",
    45002: "the text is too long",
    45003: "the title is too long",
    45004: "the description is too long",
    45005: "the address is too long",
    45006: "the picture's address is too long",
    45007: "the sound is too long",
    45008: "too many articles",
    45066: "our key of the message is too long",
    45067: "our key of the message has characters that WeChat does not take",
    47001: "a body that WeChat cannot read",
    47003: "a value that the template does not take",
    88001: "the article is gone",
    88008: "the comment is gone",
}
_APP = "check app_id and secret against the console [开发 - 基本配置]"
_CONFIG = {
    40013: ("WeChat does not know the AppID", _APP),
    40125: ("the AppSecret is wrong", _APP),
    41004: ("the AppSecret is missing", _APP),
    40164: (
        "our address is not on the account's list",
        "put our public address on the list of the console [开发 - 基本配置 - IP白名单]",
    ),
    40243: ("the AppSecret is frozen", "unfreeze it in the console [开发 - 基本配置]"),
    48001: (
        "the account may not use this call",
        "have the account verified [微信认证], or see what it may do [接口权限]",
    ),
    48004: ("WeChat has banned this call for the account", "see the notices in the console [通知中心]"),
    48006: ("the count of calls cannot be reset any more this month", "wait for the next month"),
    48008: ("the account may not use this kind of message", "see what the account may do [接口权限]"),
    50001: ("the account may not use this call", "see what the account may do [接口权限]"),
    50002: ("the account is restricted", "see the notices in the console [通知中心]"),
    88000: ("the account has no comments", "see whether comments are open for it [留言管理]"),
}

CAUSES: Mapping[int, Cause] = {
    **{code: Cause(Reason.SERVER, words) for code, words in _SERVER.items()},
    **{code: Cause(Reason.WINDOW, words, lasting=True) for code, words in _WINDOW.items()},
    **{code: Cause(Reason.RECIPIENT, words, lasting=True) for code, words in _RECIPIENT.items()},
    **{code: Cause(Reason.REQUEST, words, lasting=True) for code, words in _REQUEST.items()},
    **{code: Cause(Reason.CONFIG, words, repair=repair) for code, (words, repair) in _CONFIG.items()},
    45009: Cause(Reason.THROTTLED, "the calls of this day are used up", until_midnight=True),
    45011: Cause(Reason.THROTTLED, "too many calls in this minute", pause=_MINUTE),
    43117: Cause(Reason.THROTTLED, "too many notices to this customer", pause=timedelta(hours=1)),
    88002: Cause(Reason.SERVER, "the article is locked for a check", pause=timedelta(hours=1)),
}
