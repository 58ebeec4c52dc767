"""Signatures against published and independently computed vectors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from model import signing
from model.failures import Unverified
from model.signing import Algorithm, Encoding

AT = datetime(2026, 11, 22, tzinfo=UTC)
ID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
BODY = '{"type":"feedback.created","data":{"text":"你好"}}'.encode()
SECRET = "whsec_ZmJndy1zdGFuZGFyZC13ZWJob29rcy10ZXN0LWtleSE="
V1 = "v1,OpvrJywW47l0JKHLauQ91uqMDxUhYRo3SiVljb81lP8="
PUBLIC = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
V1A = "v1a,ej9MoVdWsVtVbeGAAaHSPi52glLYdKQfYOgqhNs1yyhYSbv9AGnDA0au3DbmIdZiF47FnILn7CrY2BJF48IzDA=="


def holds(signature: str, body: bytes = BODY, message_id: str = ID, timestamp: str = "1795305600") -> bool:
    return signing.standard_holds(
        [signing.standard_key(SECRET)],
        [signing.standard_public_key(PUBLIC)],
        message_id=message_id,
        timestamp=timestamp,
        signature=signature,
        body=body,
    )


def test_our_signature_is_the_published_one_and_the_independent_librarys() -> None:
    made = signing.sign_standard(signing.standard_key(SECRET), ID, AT, BODY)
    assert made == {"webhook-id": ID, "webhook-timestamp": "1795305600", "webhook-signature": V1}
    assert Webhook(SECRET).sign(ID, AT, BODY.decode()) == V1


@pytest.mark.parametrize("signature", [V1, V1A, f"v1,AAAA v2,x {V1}", f"v1a,AAAA {V1A}", f"junk {V1}"])
def test_any_listed_signature_will_do(signature: str) -> None:
    assert holds(signature)


@pytest.mark.parametrize(
    "signature",
    ["", "v1", "v1,", "v1,é", "v1a,é", "v1a,AAAA", "v1a,\udcff", "v1,\udcff", V1.replace("v1", "v2")],
)
def test_a_signature_that_is_none_does_not_hold_and_breaks_nothing(signature: str) -> None:
    assert not holds(signature)


def test_a_signature_covers_id_time_and_body() -> None:
    for signature in (V1, V1A):
        assert not holds(signature, body=BODY + b" ")
        assert not holds(signature, message_id="msg_other")
        assert not holds(signature, timestamp="1795305601")


def test_a_body_that_is_not_utf8_can_be_signed() -> None:
    made = signing.sign_standard(signing.standard_key(SECRET), ID, AT, b"\xff\x00")
    assert holds(made["webhook-signature"], body=b"\xff\x00")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_###", "whsec_" + "A" * 400])
def test_a_bad_secret_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as refused:
        signing.standard_key(secret)
    assert len(secret) < 7 or secret not in str(refused.value)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_time_within_the_tolerance_passes(seconds: int) -> None:
    signing.check_age(str(1795305600 + seconds), AT, 300)


@pytest.mark.parametrize(
    "timestamp", ["1795305299", "1795305901", "", "-1", "1e9", "１７９５３０５６００", "9" * 400, "nan"]
)
def test_any_other_time_is_unverified(timestamp: str) -> None:
    with pytest.raises(Unverified):
        signing.check_age(timestamp, AT, 300)
    with pytest.raises(Unverified):
        signing.check_age("1795305600", AT + timedelta(days=1), 300)


def test_plain_schemes_give_the_providers_own_vectors() -> None:
    mac, digest, hexed, b64 = signing.mac, signing.digest, Encoding.HEX, Encoding.BASE64
    github = mac(b"It's a Secret to Everybody", b"Hello, World!", Algorithm.SHA256, hexed)
    assert github == "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    shopify = mac(b"shpss_test", b'{"id":820982911946154508}', Algorithm.SHA256, b64)
    assert shopify == "3JxXO8Lul52iD5+qb1FHtoXK8vDwPbXpi8eB+yETk5I="
    assert digest(b"565775412push_key", Algorithm.SHA1, hexed) == "50e4b1c8cd373ff83d87c7658fd0afdfb5050b3f"


def test_comparison_takes_whatever_a_stranger_sends() -> None:
    assert signing.same("é\udcff", "é\udcff")
    assert not signing.same("\udcff", "x")
    assert signing.any_same("b", ["a", "b"])
    assert not signing.any_same("", [])
