"""Verification, scheme by scheme, on published vectors; and that every other request is Unverified."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.contract import Request
from connectors.webhook import WebhookSettings
from connectors.wire import proofs
from model.failures import Unverified
from tests.rigs import webhook as rig
from tests.rigs.http import SECRET
from tests.rigs.tools import NOW

FEEDBACK = '{"type":"feedback.created","data":{"text":"你好"}}'.encode()


def request(body: bytes = b"{}", query: dict[str, str] | None = None, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        method="POST",
        path="/in/hook",
        query=query or {},
        headers=named,
        body=body,
        received_at=NOW,
        remote="192.0.2.1",
    )


def verify(schemes: Any, one: Request, later: float = 0.0) -> None:
    settings = WebhookSettings.model_validate({"kind": "webhook", "verify": schemes})
    proofs.check_all(settings.verify, one, NOW + timedelta(seconds=later))


STANDARD = {
    "webhook_id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
    "webhook_timestamp": "1795305600",
    "webhook_signature": "v1,OpvrJywW47l0JKHLauQ91uqMDxUhYRo3SiVljb81lP8=",
}
V1A = "v1a,ej9MoVdWsVtVbeGAAaHSPi52glLYdKQfYOgqhNs1yyhYSbv9AGnDA0au3DbmIdZiF47FnILn7CrY2BJF48IzDA=="
HELLO = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
STRIPE = "t=1795305600,v1=7c9e3913ab71cdfbf07b979dc9b167e850cd6a65b65d5d1fe457970fb956bf9a"
GITHUB_SECRET = "It's a Secret to Everybody"
JDY = {
    "scheme": "hash",
    "secrets": ["test-secret"],
    "signature": "header.X-JDY-Signature",
    "algorithm": "sha1",
    "signed": "{query.nonce}:{body}:{secret}:{timestamp}",
    "timestamp": "query.timestamp",
    "tolerance": 3600,
}
WJX = {
    "scheme": "hash",
    "secrets": ["push_key"],
    "signature": "field.sign",
    "algorithm": "sha1",
    "signed": "{field.activity}{field.index}{secret}",
}
VECTORS: dict[str, tuple[Any, Request]] = {
    "standard v1": ({"scheme": "standard", "secrets": [SECRET]}, request(FEEDBACK, **STANDARD)),
    "standard v1a": (
        {"scheme": "standard", "public_keys": ["whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="]},
        request(FEEDBACK, **{**STANDARD, "webhook_signature": V1A}),
    ),
    "github": (
        {"scheme": "github", "secrets": [GITHUB_SECRET]},
        request(b"Hello, World!", x_hub_signature_256=HELLO),
    ),
    "stripe": (
        {"scheme": "stripe", "secrets": ["whsec_test_secret"]},
        request(b'{"id":"evt_1","object":"event"}', stripe_signature=STRIPE),
    ),
    "shopify": (
        {"scheme": "shopify", "secrets": ["shpss_test"]},
        request(
            b'{"id":820982911946154508}',
            x_shopify_hmac_sha256="3JxXO8Lul52iD5+qb1FHtoXK8vDwPbXpi8eB+yETk5I=",
        ),
    ),
    "typeform": (
        {
            "scheme": "hmac",
            "secrets": ["tf_secret"],
            "signature": "header.Typeform-Signature",
            "prefix": "sha256=",
            "encoding": "base64",
        },
        request(
            b'{"event_id":"01H","event_type":"form_response"}',
            typeform_signature="sha256=Pak1BUBPdJGouyo66dRBizNE+P/sp7SWvcfJgKbequc=",
        ),
    ),
    "wjx": (
        WJX,
        request(
            b'{"activity":"5657754","index":"12","sign":"50e4b1c8cd373ff83d87c7658fd0afdfb5050b3f"}',
            content_type="application/json",
        ),
    ),
    "token in the address": (
        {"scheme": "token", "secrets": ["old", "a long token"]},
        request(query={"token": "a long token"}),
    ),
    "token in a header": (
        {"scheme": "token", "secrets": ["t"], "place": "header.Authorization", "prefix": "Bearer "},
        request(authorization="Bearer t"),
    ),
    "basic": (
        {"scheme": "basic", "username": "hook", "password": "p:w"},
        request(authorization="Basic " + base64.b64encode(b"hook:p:w").decode()),
    ),
    "client certificate": (
        {"scheme": "client_certificate", "subjects": ["CN=partner"]},
        replace(request(), peer_subject="CN=partner"),
    ),
    "addresses": ({"scheme": "addresses", "networks": ["198.51.100.7", "192.0.2.0/24"]}, request()),
    "mapped address": (
        {"scheme": "addresses", "networks": ["192.0.2.0/24"]},
        replace(request(), remote="::ffff:192.0.2.9"),
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_is_verified(name: str) -> None:
    verify(*VECTORS[name])


@pytest.mark.parametrize("name", VECTORS)
def test_a_bare_request_is_unverified(name: str) -> None:
    schemes, _ = VECTORS[name]
    with pytest.raises(Unverified):
        verify(schemes, replace(request(FEEDBACK), remote=""))


@pytest.mark.parametrize("name", ["standard v1", "standard v1a", "github", "stripe", "shopify", "typeform"])
def test_a_changed_body_is_unverified(name: str) -> None:
    schemes, good = VECTORS[name]
    with pytest.raises(Unverified):
        verify(schemes, replace(good, body=good.body + b" "))


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize(
    "junk", ["", "é", "\udcff", "v1,é", "t=1,v1=é", "Basic é", "sha256=", "," * 500, "\x00"]
)
def test_junk_in_every_header_is_unverified_and_breaks_nothing(name: str, junk: str) -> None:
    schemes, good = VECTORS[name]
    headers = {header: junk for header in good.headers if header != "content-type"}
    if name == "wjx":  # its signature stands in the body
        good = replace(good, body=json.dumps({"activity": "1", "index": "2", "sign": junk}).encode())
    bad = replace(
        good, headers=headers, query=dict.fromkeys(good.query, junk), remote=junk, peer_subject=junk
    )
    with pytest.raises(Unverified):
        verify(schemes, bad)


@pytest.mark.parametrize("name", ["standard v1", "standard v1a", "stripe"])
def test_a_signed_time_outside_the_window_is_unverified_on_both_sides(name: str) -> None:
    for later in (-300, 300):
        verify(*VECTORS[name], later)
    for later in (-301, 301):
        with pytest.raises(Unverified, match="timestamp"):
            verify(*VECTORS[name], later)


def test_the_hash_of_jiandaoyun_holds_in_its_own_time() -> None:
    one = request(
        b'{"op":"data_create"}',
        {"nonce": "0f5ade", "timestamp": "1498586609"},
        x_jdy_signature="F3E0C9E7CEB8A80A3B4A4EF102E1FA3657D23DFF",
    )
    verify(JDY, one, 1498586609 - NOW.timestamp())
    with pytest.raises(Unverified, match="timestamp"):
        verify(JDY, one)
    with pytest.raises(Unverified):
        verify(JDY, replace(one, query={**one.query, "nonce": "{secret}"}), 1498586609 - NOW.timestamp())


def test_a_rotation_takes_either_secret() -> None:
    other = "whsec_" + base64.b64encode(b"another key of thirty two bytes!").decode()
    for secrets in ([SECRET, other], [other, SECRET]):
        verify({"scheme": "standard", "secrets": secrets}, rig.request(1))
    with pytest.raises(Unverified):
        verify({"scheme": "standard", "secrets": [other]}, rig.request(1))


def test_a_value_of_the_request_cannot_bring_a_slot_of_its_own() -> None:
    signed = "{timestamp}.{header.X-Nonce}.{body}"
    scheme = {
        "scheme": "hmac",
        "secrets": ["k"],
        "signature": "header.X-Sign",
        "signed": signed,
        "timestamp": "header.X-Time",
        "algorithm": "sha512",
    }
    text = b"1795305600.{body}.x"
    good = hmac.new(b"k", text, hashlib.sha512).hexdigest()
    verify(scheme, request(b"x", x_sign=good, x_nonce="{body}", x_time="1795305600"))


def test_of_several_schemes_all_must_hold() -> None:
    token, github = {"scheme": "token", "secrets": ["t"]}, VECTORS["github"][0]
    both = replace(VECTORS["github"][1], query={"token": "t"})
    verify([token, github], both)
    with pytest.raises(Unverified):
        verify([token, github], replace(both, query={}))
    with pytest.raises(Unverified):
        verify([token, github], replace(both, headers={}))


def test_no_verification_must_be_written_out_and_stands_alone() -> None:
    verify({"scheme": "none"}, request())
    for settings in (
        {},
        {"verify": []},
        {"verify": [{"scheme": "none"}, {"scheme": "token", "secrets": ["t"]}]},
    ):
        with pytest.raises(ValidationError, match="verify"):
            WebhookSettings.model_validate({"kind": "webhook", **settings})


@pytest.mark.parametrize(
    ("scheme", "told"),
    [
        ({"scheme": "standard"}, "secrets or public_keys"),
        ({"scheme": "standard", "secrets": ["whsec_short"]}, "24 to 64 bytes"),
        ({"scheme": "standard", "public_keys": ["whpk_AAAA"]}, "32 bytes"),
        ({"scheme": "github", "secrets": []}, "at least 1"),
        ({"scheme": "hmac", "secrets": ["k"], "signature": "X-Sign"}, "header.NAME"),
        ({**WJX, "signed": "{field.activity}"}, "secret"),
        ({**WJX, "scheme": "hmac"}, "not known"),
        ({**JDY, "signed": "{body}{secret}"}, "timestamp"),
        ({**JDY, "timestamp": None}, "timestamp"),
        ({"scheme": "addresses", "networks": ["300.1.1.1"]}, "203.0.113.0/24"),
        ({"scheme": "magic"}, "scheme"),
        ({"scheme": "stripe", "secrets": ["k"], "tolerance": 0}, "tolerance"),
    ],
)
def test_wrong_settings_are_refused_by_name(scheme: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        WebhookSettings.model_validate({"kind": "webhook", "verify": scheme})
    assert "whsec_short" not in str(refused.value)


@pytest.mark.parametrize("name", VECTORS)
def test_neither_settings_nor_refusals_show_a_secret(name: str) -> None:
    schemes, _ = VECTORS[name]
    settings = WebhookSettings.model_validate({"kind": "webhook", "verify": schemes})
    secrets = [*schemes.get("secrets", ()), schemes.get("password")]
    with pytest.raises(Unverified) as refused:
        verify(schemes, replace(request(), remote=""))
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(refused.value)):
        assert not any(secret and len(secret) > 2 and secret in shown for secret in secrets)
