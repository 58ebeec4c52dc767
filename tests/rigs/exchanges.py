"""Telephone exchanges as the examples in docs/channels/call.md set them up: what each posts, made by the example.

plan = Asterisk(dial_plan)                       # the block of the page, with address and password filled in
for post in plan.call("13800138000", "4000", "ANSWER"): ...

The dial plan is carried out line by line, as far as its functions go here; the records of FreeSWITCH are in the form
that mod_json_cdr writes them in, and posted as its configuration on the page says; Twilio asks the addresses that stand
in the instructions, and signs.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree

from tests.rigs import notes

_CALL = re.compile(r"\$\{((?:[^${}]|\$(?!\{))*)\}")
_LINE = re.compile(r"(?:exten => (\w+|_X\.),1,| same => n,)(\w+)\((.*)\)\Z")


@dataclass(frozen=True)
class Post:
    """One request of an exchange."""

    url: str
    body: bytes
    headers: Mapping[str, str]


def _basic(both: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}


@dataclass
class Asterisk:
    """A dial plan that is carried out."""

    plan: str
    uniqueid: int = 0
    _posts: list[Post] = field(default_factory=list)

    def call(
        self, src: str, dst: str, dialstatus: str, *, start: float = 1795305600.25, end: int = 1795305660
    ) -> list[Post]:
        """What is posted of one call; ANSWER is one that somebody took up."""
        self.uniqueid += 1
        self._posts = []
        about = {
            "CHANNEL(linkedid)": f"1795305600.{self.uniqueid}",
            "UNIQUEID": f"1795305600.{self.uniqueid}",
            "CALLERID(num)": src,
            "EXTEN": dst,
            "CDR(start,u)": f"{start}",
            "EPOCH": str(end),
            "DIALSTATUS": "",
        }
        self._run("hotline", "_X.", about, dialstatus)
        return self._posts

    def _lines(self, context: str, exten: str) -> Iterator[tuple[str, str]]:
        part = self.plan.partition(f"[{context}]\n")[2].partition("\n\n")[0]
        found = [_LINE.match(line) for line in part.splitlines()]
        assert all(found) and found[0] and found[0][1] == exten, part
        for line in found:
            assert line is not None
            yield line[2], line[3]

    def _run(self, context: str, exten: str, known: dict[str, str], dialstatus: str) -> None:
        handler, options = "", dict[str, str]()
        for app, said in self._lines(context, exten):
            if app == "Dial":
                known["DIALSTATUS"] = dialstatus
                if dialstatus == "ANSWER":
                    answered = re.search(r"U\(([\w-]+)\)", said)
                    assert answered
                    inherited = {name: one for name, one in known.items() if name == "CALL"}
                    self._run(answered[1], "s", {**inherited, "CHANNEL(name)": "PJSIP/100-0001"}, "")
                continue
            if app != "Set":
                assert app in ("MixMonitor", "Hangup", "Return"), app
                continue
            name, _, value = said.partition("=")
            value = self._value(value, known, options)
            if option := re.match(r"CURLOPT\((\w+)\)", name):
                options[option[1]] = value
            elif name == "CHANNEL(hangup_handler_push)":
                handler = value
            else:
                known[name.removeprefix("__")] = value
        if handler:
            context, exten, _ = handler.split(",")
            self._run(context, exten, known, dialstatus)

    def _value(self, text: str, known: Mapping[str, str], options: Mapping[str, str]) -> str:
        while found := _CALL.search(text):
            text = text[: found.start()] + self._one(found[1], known, options) + text[found.end() :]
        return text

    def _one(self, said: str, known: Mapping[str, str], options: Mapping[str, str]) -> str:
        if said in known:
            return known[said]
        if encoded := re.fullmatch(r"URIENCODE\((.*)\)", said):
            return quote(encoded[1], safe="")
        if chosen := re.fullmatch(r'IF\(\$\["(\w*)"="(\w+)"\]\?(.*):(.*)\)', said):
            return chosen[3] if chosen[1] == chosen[2] else chosen[4]
        if asked := re.fullmatch(r"CURL\(([^,]+),(.*)\)", said):
            media = {"content-type": "application/x-www-form-urlencoded"}
            self._posts.append(Post(asked[1], asked[2].encode(), {**media, **_basic(options["userpwd"])}))
            return ""
        raise AssertionError(f"the dial plan says {said}, which nobody has set")


def leg(uuid: str, *, encoded: bool = True, **variables: Any) -> dict[str, Any]:
    """The record of a leg as mod_json_cdr writes it; values are URL-encoded inside."""
    values = {"uuid": uuid, "direction": "inbound", **variables}
    written = {name: quote(str(one), safe="") if encoded else str(one) for name, one in values.items()}
    return {
        "core-uuid": "c0", "switchname": "pbx", "channel_data": {"state": "CS_REPORTING"}, "variables": written,
        "app_log": {"applications": [{"app_name": "bridge", "app_data": "user/100"}]}, "callflow": [],
    }  # fmt: skip


@dataclass(frozen=True)
class Freeswitch:
    """mod_json_cdr, configured by the page; `encode` may be said anew."""

    config: str

    def post(self, record: Mapping[str, Any], encode: str | None = None) -> Post:
        tree = ElementTree.fromstring(self.config)
        given = {one.attrib["name"]: one.attrib["value"] for one in tree.iter("param")}
        assert given["auth-scheme"] == "basic"
        raw = json.dumps(record)
        how = encode or given["encode"]
        body, media = {
            "true": (f"cdr={quote(raw, safe='')}", "application/x-www-form-urlencoded"),
            "base64": (
                f"cdr={base64.b64encode(raw.encode()).decode()}",
                "application/x-www-form-base64-encoded",
            ),
            "false": (raw, "application/json"),
        }[how]
        return Post(given["url"], body.encode(), {"content-type": media, **_basic(given["cred"])})

    @staticmethod
    def ringing(extension: str, values: Mapping[str, str]) -> Post:
        """What the dial plan posts while it rings: `curl ADDRESS content-type TYPE post DATA`."""
        tree = ElementTree.fromstring(extension)
        (said,) = [one.attrib["data"] for one in tree.iter("action") if one.attrib["application"] == "curl"]
        text = re.sub(
            r"\$\{url_encode\(\$\{(\w+)\}\)\}", lambda found: quote(values[found[1]], safe=""), said
        )
        text = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)
        url, option, media, verb, data = text.split(" ")
        assert (option, verb) == ("content-type", "post")
        parts = urlsplit(url)
        plain = parts._replace(netloc=f"{parts.hostname}:{parts.port}").geturl()
        return Post(
            plain,
            data.encode(),
            {"content-type": media, **_basic(unquote(f"{parts.username}:{parts.password}"))},
        )


@dataclass(frozen=True)
class Twilio:
    """Twilio Voice, by the instructions of the page; `signed` is the address as it is set there."""

    instructions: str
    signed: str

    def _address(self, noun: str, attribute: str) -> str:
        tree = ElementTree.fromstring(self.instructions)
        return next(tree.iter(noun)).attrib[attribute]

    def _post(self, url: str, fields: Mapping[str, str]) -> Post:
        body, headers = notes.twilio(fields, url=self.signed)
        return Post(url, body, headers)

    def inner(self, status: str, **more: str) -> Post:
        """What became of the leg to a colleague."""
        fields = {"CallSid": "CA2", "ParentCallSid": "CA1", "CallStatus": status, "From": "+8613800138000",
                  "To": "+4930123456", "Direction": "outbound-dial", **more}  # fmt: skip
        return self._post(self._address("Number", "statusCallback"), fields)

    def dialled(self, status: str, **more: str) -> Post:
        """What became of the attempt to reach a colleague."""
        fields = {"CallSid": "CA1", "CallStatus": "in-progress", "DialCallStatus": status, "From": "+8613800138000",
                  "To": "+4930999999", "Direction": "inbound", **more}  # fmt: skip
        return self._post(self._address("Dial", "action"), fields)

    def recorded(self, url: str) -> Post:
        fields = {
            "CallSid": "CA1",
            "RecordingSid": "RE1",
            "RecordingStatus": "completed",
            "RecordingUrl": url,
        }
        return self._post(self._address("Dial", "recordingStatusCallback"), fields)

    def ended(self, status: str, **more: str) -> Post:
        """The number's own status."""
        fields = {"CallSid": "CA1", "CallStatus": status, "From": "+8613800138000", "To": "+4930999999",
                  "Direction": "inbound", "Timestamp": "Sun, 22 Nov 2026 00:01:00 +0000", **more}  # fmt: skip
        return self._post(self._address("Dial", "action"), fields)
