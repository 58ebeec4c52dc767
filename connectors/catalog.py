"""The list of kinds. A new channel adds its import and its line; the list loads no kind's library."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from connectors import (
    call,
    chat,
    email,
    form,
    instagram,
    letter,
    line,
    messenger,
    partner,
    sms,
    telegram,
    visit,
    webhook,
    wechat,
    wecom,
    weibo,
    whatsapp,
)
from connectors.contract import ConnectorSpec

SPECS: tuple[ConnectorSpec, ...] = (
    call.SPEC,
    chat.SPEC,
    email.SPEC,
    form.SPEC,
    letter.SPEC,
    instagram.SPEC,
    messenger.SPEC,
    line.SPEC,
    partner.SPEC,
    sms.SPEC,
    telegram.SPEC,
    visit.SPEC,
    webhook.SPEC,
    wechat.SPEC,
    wecom.SPEC,
    weibo.SPEC,
    whatsapp.SPEC,
)

#: Kind to spec, read-only.
CATALOG: Mapping[str, ConnectorSpec] = MappingProxyType({spec.kind: spec for spec in SPECS})
