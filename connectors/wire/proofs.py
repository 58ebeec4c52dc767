"""Proves on the raw bytes that a web hook comes from its source: one pure function a scheme."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.contract import Request
from connectors.wire import verification as schemes
from model import body, signing
from model.failures import Malformed, Unverified
from model.secret import Secret
from model.signing import Algorithm, Encoding


class _Call:
    """A request on trial; its body is read only when a value in it takes part."""

    def __init__(self, request: Request, now: datetime) -> None:
        self.request = request
        self.now = now
        self._event: Any = None

    def header(self, name: str) -> str:
        """The value of a header that must be there."""
        value = self.request.headers.get(name.lower(), "")
        if not value:
            raise Unverified(f"the header {name} is missing")
        return value

    def at(self, place: str) -> str:
        """The value at header.NAME, query.NAME or field.NAME, which must be there."""
        room, _, name = place.partition(".")
        if room == "header":
            return self.header(name)
        value = (self.request.query if room == "query" else self._fields()).get(name)
        if value is None or isinstance(value, dict | list):
            raise Unverified(f"{place} is missing")
        return str(value)

    def _fields(self) -> Mapping[str, Any]:
        if self._event is None:
            content_type = self.request.headers.get("content-type", "")
            try:
                self._event = body.load_event(content_type, self.request.body)
            except Malformed:
                raise Unverified("the body that holds the signature cannot be read") from None
        return self._event if isinstance(self._event, dict) else {}


def check_all(settings: Sequence[Any], request: Request, now: datetime) -> None:
    """Raise Unverified unless every scheme holds."""
    call = _Call(request, now)
    for scheme in settings:
        if not isinstance(scheme, schemes.Nothing):
            _CHECKS[type(scheme)](scheme, call)


def _values(secrets: Sequence[Any]) -> list[str]:
    return [secret.get_secret_value() for secret in secrets]


def _keys(secrets: Sequence[Any]) -> list[bytes]:
    return [value.encode() for value in _values(secrets)]


def _refuse_unless(holds: bool) -> None:
    if not holds:
        raise Unverified("the signature does not fit: check the secret")


def _standard(scheme: schemes.Standard, call: _Call) -> None:
    timestamp = call.header("webhook-timestamp")
    holds = signing.standard_holds(
        [signing.standard_key(value) for value in _values(scheme.secrets)],
        [signing.standard_public_key(key) for key in scheme.public_keys],
        message_id=call.header("webhook-id"),
        timestamp=timestamp,
        signature=call.header("webhook-signature"),
        body=call.request.body,
    )
    _refuse_unless(holds)
    signing.check_age(timestamp, call.now, scheme.tolerance)


def _github(scheme: schemes.GitHub, call: _Call) -> None:
    given = call.header("x-hub-signature-256")
    _refuse_unless(
        signing.any_same(given, ["sha256=" + one for one in _macs(scheme.secrets, call.request.body)])
    )


def _stripe(scheme: schemes.Stripe, call: _Call) -> None:
    items = [item.partition("=") for item in call.header("stripe-signature").split(",")[:20]]
    timestamp = next((value for name, _, value in items if name.strip() == "t"), "")
    signed = timestamp.encode("utf-8", "surrogatepass") + b"." + call.request.body
    expected = _macs(scheme.secrets, signed)
    _refuse_unless(any(signing.any_same(value, expected) for name, _, value in items if name.strip() == "v1"))
    signing.check_age(timestamp, call.now, scheme.tolerance)


def _shopify(scheme: schemes.Shopify, call: _Call) -> None:
    given = call.header("x-shopify-hmac-sha256")
    _refuse_unless(signing.any_same(given, _macs(scheme.secrets, call.request.body, Encoding.BASE64)))


def _macs(secrets: Sequence[Any], data: bytes, encoding: Encoding = Encoding.HEX) -> list[str]:
    return [signing.mac(key, data, Algorithm.SHA256, encoding) for key in _keys(secrets)]


def _signed(scheme: schemes.Hmac | schemes.Hashed, call: _Call) -> None:
    given = call.at(scheme.signature)
    timestamp = call.at(scheme.timestamp) if scheme.timestamp else ""
    expected: list[str] = []
    for secret in _values(scheme.secrets):
        text = _fill(
            scheme.signed, {"body": call.request.body, "timestamp": timestamp, "secret": secret}, call
        )
        if isinstance(scheme, schemes.Hmac):
            made = signing.mac(secret.encode(), text, scheme.algorithm, scheme.encoding)
        else:
            made = signing.digest(text, scheme.algorithm, scheme.encoding)
        expected.append(scheme.prefix + made)
    if scheme.encoding is Encoding.HEX:  # some providers write capitals
        given = scheme.prefix + given.removeprefix(scheme.prefix).lower()
    _refuse_unless(signing.any_same(given, expected))
    if scheme.timestamp:
        signing.check_age(timestamp, call.now, scheme.tolerance)


def _fill(template: str, plain: Mapping[str, str | bytes], call: _Call) -> bytes:
    """The signed bytes: slots filled in one pass, so that no value can bring a slot of its own."""
    pieces: list[bytes] = []
    for index, piece in enumerate(re.split(r"\{([^{}]*)\}", template)):
        value = piece if index % 2 == 0 else plain[piece] if piece in plain else call.at(piece)
        pieces.append(value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass"))
    return b"".join(pieces)


def _token(scheme: schemes.Token, call: _Call) -> None:
    given = call.at(scheme.place)
    if not signing.any_same(given, [scheme.prefix + value for value in _values(scheme.secrets)]):
        raise Unverified("the token is not ours")


def _basic(scheme: schemes.Basic, call: _Call) -> None:
    name, _, encoded = call.header("authorization").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        given = ""
    expected = f"{scheme.username}:{scheme.password.get_secret_value()}"
    if not signing.same(given, expected) or name.lower() != "basic":
        raise Unverified("user name or password is wrong")


def _client_certificate(scheme: schemes.ClientCertificate, call: _Call) -> None:
    if call.request.peer_subject is None or call.request.peer_subject not in scheme.subjects:
        raise Unverified("no client certificate of a subject that may call")


def _addresses(scheme: schemes.Addresses, call: _Call) -> None:
    try:
        address = ipaddress.ip_address(call.request.remote)
    except ValueError:
        raise Unverified("the caller's address is not known") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not any(address in ipaddress.ip_network(network) for network in scheme.networks):
        raise Unverified("the caller's address is not on the list")


def check_token(secret: Secret | None, given: str) -> None:
    """Raise Unverified unless a handshake's token is ours; without one of ours any passes."""
    if secret is not None and not signing.same(given, secret.get_secret_value()):
        raise Unverified("the token of the handshake is not ours")


_CHECKS: Mapping[type[Any], Callable[[Any, _Call], None]] = {
    schemes.Standard: _standard,
    schemes.GitHub: _github,
    schemes.Stripe: _stripe,
    schemes.Shopify: _shopify,
    schemes.Hmac: _signed,
    schemes.Hashed: _signed,
    schemes.Token: _token,
    schemes.Basic: _basic,
    schemes.ClientCertificate: _client_certificate,
    schemes.Addresses: _addresses,
}
