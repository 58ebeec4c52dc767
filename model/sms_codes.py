"""What Aliyun's and Twilio's error codes mean, as data.

Aliyun: https://help.aliyun.com/zh/sms/developer-reference/api-error-codes ; what carriers report:
https://help.aliyun.com/zh/sms/user-guide/error-codes . Twilio: https://www.twilio.com/docs/api/errors .
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from model.failures import PAUSING, PermanentFailure, Reason, SendFailure, TemporaryFailure


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means for the message, and what the operator can do."""

    reason: Reason
    temporary: bool = False
    wait: timedelta | None = None
    repair: str = ""
    only_recipient: bool = False

    def failure(self, detail: str) -> SendFailure:
        if self.temporary or self.reason in PAUSING:
            return TemporaryFailure(
                self.reason,
                detail,
                retry_after=self.wait,
                repair=self.repair,
                only_recipient=self.only_recipient,
            )
        return PermanentFailure(self.reason, detail, repair=self.repair)


_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
_BUSY = Meaning(Reason.SERVER, temporary=True)
_SLOWER = Meaning(Reason.THROTTLED, temporary=True)
_NOBODY = Meaning(Reason.RECIPIENT)
_WRONG = Meaning(Reason.REQUEST)

ALIYUN: Mapping[str, Meaning] = {
    "isp.SYSTEM_ERROR": _BUSY,
    "ServiceUnavailable": _BUSY,
    "InternalError": _BUSY,
    "SignatureNonceUsed": _BUSY,  # a fresh one is drawn for the next try
    # How often one number may be written to: minutes, hours or days, as the words tell.
    "isv.BUSINESS_LIMIT_CONTROL": Meaning(Reason.THROTTLED, True, _MINUTE, only_recipient=True),
    "isv.DAY_LIMIT_CONTROL": Meaning(Reason.THROTTLED, True, _HOUR, "raise the day's limit in the console"),
    "isv.MONTH_LIMIT_CONTROL": Meaning(
        Reason.THROTTLED, True, _DAY, "raise the month's limit in the console"
    ),
    "isv.MOBILE_NUMBER_ILLEGAL": _NOBODY,
    "isv.MOBILE_COUNT_OVER_LIMIT": _WRONG,
    "isv.BLACK_KEY_CONTROL_LIMIT": _WRONG,
    "isv.TEMPLATE_MISSING_PARAMETERS": _WRONG,
    "isv.TEMPLATE_PARAMS_ILLEGAL": _WRONG,
    "isv.INVALID_PARAMETERS": _WRONG,
    "isv.INVALID_JSON_PARAM": _WRONG,
    "isv.PARAM_LENGTH_LIMIT": _WRONG,
    "isv.PARAM_NOT_SUPPORT_URL": _WRONG,
    "isv.AMOUNT_NOT_ENOUGH": Meaning(Reason.CONFIG, repair="top the Aliyun account up"),
    "isv.OUT_OF_SERVICE": Meaning(Reason.CONFIG, repair="the Aliyun account is stopped: pay what is due"),
    "isv.PRODUCT_UN_SUBSCRIPT": Meaning(
        Reason.CONFIG, repair="open the Short Message Service in the console"
    ),
    "isv.ACCOUNT_ABNORMAL": Meaning(Reason.CONFIG, repair="look at the account's state in the console"),
    "isv.SMS_SIGNATURE_ILLEGAL": Meaning(
        Reason.CONFIG, repair="`sign_name` is not approved: see the console"
    ),
    "isv.SMS_TEMPLATE_ILLEGAL": Meaning(Reason.CONFIG, repair="a template is not approved: see the console"),
    "isp.RAM_PERMISSION_DENY": Meaning(Reason.AUTH, repair="give the RAM user AliyunDysmsFullAccess"),
    "isv.DENY_IP_RANGE": Meaning(Reason.AUTH, repair="put our address on the account's list"),
    "SignatureDoesNotMatch": Meaning(Reason.AUTH, repair="check `access_key_secret`"),
    "IncompleteSignature": Meaning(Reason.AUTH, repair="check `access_key_secret`"),
    "InvalidAccessKeyId.NotFound": Meaning(Reason.AUTH, repair="check `access_key_id`"),
    "InvalidAccessKeyId.Inactive": Meaning(Reason.AUTH, repair="the access key is disabled: enable it"),
    "Forbidden.RAM": Meaning(Reason.AUTH, repair="give the RAM user AliyunDysmsFullAccess"),
    "InvalidTimeStamp.Expired": Meaning(Reason.CONFIG, repair="set this machine's clock: it is minutes off"),
    "InvalidTimeStamp.Format": Meaning(Reason.CONFIG, repair="set this machine's clock"),
}

#: What a carrier says of a message that did not arrive.
CARRIER: Mapping[str, Reason] = {
    "MOBILE_NOT_ON_SERVICE": Reason.RECIPIENT,
    "INVALID_NUMBER": Reason.RECIPIENT,
    "MOBILE_IN_BLACK": Reason.RECIPIENT,
    "MOBILE_ACCOUNT_ABNORMAL": Reason.RECIPIENT,
    "MOBILE_SEND_LIMIT": Reason.THROTTLED,
    "CONTENT_KEYWORD": Reason.REQUEST,
    "CONTENT_ERROR": Reason.REQUEST,
    "PARAMS_ILLEGAL": Reason.REQUEST,
    "IS_CLOSED": Reason.CONFIG,
    "NO_ROUTE": Reason.CONFIG,
}

_STOPPED = "the customer has sent STOP; only their START lets us write again"
TWILIO: Mapping[int, Meaning] = {
    20003: Meaning(Reason.AUTH, repair="check `account_sid` and the first of `auth_tokens`"),
    20429: _SLOWER,
    20503: _BUSY,
    20404: Meaning(Reason.CONFIG, repair="check `account_sid` and `api`"),
    21211: _NOBODY,
    21214: _NOBODY,
    21217: _NOBODY,
    21610: Meaning(Reason.RECIPIENT, repair=_STOPPED),
    21612: _NOBODY,
    21614: _NOBODY,
    21602: _WRONG,
    21605: _WRONG,
    21617: _WRONG,
    21611: Meaning(Reason.THROTTLED, True, _MINUTE, "the sender's queue is full: send less, or add numbers"),
    21408: Meaning(Reason.CONFIG, repair="allow the country under Messaging, Settings, Geo permissions"),
    21606: Meaning(Reason.CONFIG, repair="`sender` is not a number of this account that sends text messages"),
    21603: Meaning(Reason.CONFIG, repair="`sender` is missing or wrong"),
    21659: Meaning(Reason.CONFIG, repair="`sender` is not a number of this account"),
    21660: Meaning(Reason.CONFIG, repair="`sender` belongs to another account"),
    30001: Meaning(Reason.THROTTLED, True, _MINUTE),
    30002: Meaning(Reason.CONFIG, repair="the Twilio account is suspended"),
    30003: Meaning(Reason.UNREACHABLE, temporary=True),
    30004: _NOBODY,
    30005: _NOBODY,
    30006: _NOBODY,
    30007: _WRONG,
    30008: _BUSY,
    30034: Meaning(Reason.CONFIG, repair="register the sender for A2P 10DLC"),
}
