"""Mail that nobody would write: whatever its structure, whatever befell its bytes, nothing crashes, hangs or is lost.

FOREBAY_FUZZ sets how many mutated mails are read (2,000 without), FOREBAY_SAMPLES a folder with mails to mutate beside
those made here; without it a folder `corpora` beside the project is taken where there is one.
"""

from __future__ import annotations

import base64
import os
import quopri
import random
import re
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.draft import Draft
from model.failures import Malformed
from normalizer import mime
from tests.normalizer.mails import HEAD, draft, encrypted, mail, mixed, multipart, part, signed, winmail

ROOT = Path(__file__).parents[2]
MUTATED = int(os.environ.get("FOREBAY_FUZZ", "2000"))
#: Seconds of processor time that one mail may take.
LIMIT = 2.0
#: Longest sample that is mutated, bytes: many short ones find more than a few long ones.
LONGEST = 60_000
NO_WORD = re.compile(r"[\W_]+")

# ---- structures


@dataclass(frozen=True)
class Leaf:
    """One part: its type, its transfer encoding, and whether it bears a name."""

    kind: str
    encoding: str
    named: bool


@dataclass(frozen=True)
class Node:
    """A multipart, or a mail inside the mail."""

    kind: str
    children: tuple[Leaf | Node, ...]


LEAVES = st.builds(
    Leaf,
    st.sampled_from(
        ["text/plain", "text/html", "text/enriched", "text/calendar", "image/png", "application/pdf",
         "message/delivery-status", "text/rfc822-headers", "application/octet-stream", "video/mp4"]
    ),
    st.sampled_from(["7bit", "base64", "quoted-printable", "8bit"]),
    st.booleans(),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        Node,
        st.sampled_from(
            ["multipart/mixed", "multipart/alternative", "multipart/related", "multipart/signed",
             "multipart/report", "multipart/parallel", "multipart/x-own", "message/rfc822"]
        ),
        st.lists(inner, min_size=1, max_size=4).map(tuple),
    ),
    max_leaves=12,
)  # fmt: skip


class Made:
    """A mail made from a tree, and the words that stand in its leaves."""

    def __init__(self, tree: Leaf | Node) -> None:
        self.needed: list[list[str]] = []
        """Of each group of words one at least must be found: the forms of an alternative say the same."""
        self._n = 0
        self.raw = HEAD + self._entity(tree, None, False)

    def _entity(self, tree: Leaf | Node, group: list[str] | None, inside: bool) -> bytes:
        if isinstance(tree, Leaf):
            return self._leaf(tree, group, inside)
        self._n += 1
        if tree.kind == "message/rfc822":
            inner = self._entity(tree.children[0], group, True)
            return b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: wang@example.com\r\n" + inner
        if tree.kind == "multipart/alternative" and group is None:
            group = []
            self.needed.append(group)
        body, kind = multipart(
            *(self._entity(one, group, inside) for one in list(tree.children)),
            kind=tree.kind,
            mark=f"m{self._n}x",
        )
        return part(body, kind)

    def _leaf(self, leaf: Leaf, group: list[str] | None, inside: bool) -> bytes:
        self._n += 1
        word = f"word{self._n}end"
        if group is None:
            self.needed.append([word])
        else:
            group.append(word)
        encoding = "7bit" if inside else leaf.encoding
        words = f"<p>{word}</p>" if leaf.kind == "text/html" else f"{word}\r\n"
        data = words.encode()
        if encoding == "base64":
            data = base64.encodebytes(data)
        elif encoding == "quoted-printable":
            data = quopri.encodestring(data)
        named = f"; name=n{self._n}.bin" if leaf.named else ""
        return part(data, leaf.kind + named, f"Content-Transfer-Encoding: {encoding}\r\n")


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_whatever_the_structure_every_leaf_is_read_kept_or_told_of(tree: Leaf | Node) -> None:
    made = Made(tree)
    found = draft(made.raw)
    kept = b"\n".join(one.data for one in found.parts if isinstance(one.data, bytes))
    shown = f"{found.full_text}\n{found.html or ''}\n{kept.decode('latin-1')}"
    for group in made.needed:
        assert found.omissions or any(word in shown for word in group), (group, found)
    stored(found)


# ---- mutations


def samples() -> list[bytes]:
    """Mails made here, and those of a folder where there is one."""
    inner = b"From: Wang <wang@example.com>\r\nSubject: x\r\n\r\nIt is broken."
    b64 = "Content-Transfer-Encoding: base64\r\n"
    rich = "<html><body><p>您好</p><div class=gmail_quote><blockquote>old</blockquote></div></body></html>"
    made = [
        mail(),
        mail("您好，冰箱不制冷。".encode("gb18030"), "text/plain; charset=gb2312"),
        mail(b"begin 644 a.gif\n#86)C\n`\nend\n"),
        mail(b"one \r\ntwo \r\n> three\r\n", "text/plain; format=flowed; delsp=yes"),
        mixed(part("Hello"), part(rich, "text/html"), kind="multipart/alternative"),
        mixed(part("See here"), part(b"\xff\xd8\xff", "image/jpeg; name*=utf-8''%e5%9b%be.jpg"), part("and here")),
        mixed(part("See below"), part(inner, "message/rfc822")),
        mixed(part(""), part(base64.encodebytes(winmail("text", ("a.pdf", b"%PDF"))), "application/ms-tnef", b64)),
        mail(base64.encodebytes(signed(b"Content-Type: text/plain\r\n\r\nHello")), "application/pkcs7-mime", b64),
        mail(base64.encodebytes(encrypted()), "application/pkcs7-mime", b64),
        mail(b"BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\n", "text/calendar"),
        mixed(part("Sorry"), part("Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n",
              "message/delivery-status"), part(inner, "message/rfc822"), kind="multipart/report"),
        mail(b"On 1.1.2026 Office <a@b.example> wrote:\r\n> old\r\n\r\n-- \r\nLi"),
        HEAD.replace(b"Fridge", b"=?gbk?B?zba2uw==?= =?utf-8?Q?=E5=86?=") + b"\r\nHello",
    ]  # fmt: skip
    return made + [path.read_bytes()[:LONGEST] for path in sorted(_folder())]


def _folder() -> Iterator[Path]:
    named = os.environ.get("FOREBAY_SAMPLES")
    for folder in [Path(named)] if named else ROOT.parent.glob("*/corpora"):
        yield from folder.rglob("*.eml")


def mutated(raw: bytes, other: bytes, chance: random.Random) -> bytes:
    """A mail to which one or more things happened."""
    for _ in range(chance.choice((1, 1, 2, 5))):
        lines = raw.split(b"\n")
        at = chance.randrange(len(raw) + 1)
        line = chance.randrange(len(lines))
        what = chance.randrange(12)
        if what == 0:  # bytes that are others
            noise = bytes(chance.randrange(256) for _ in range(chance.choice((1, 1, 4, 40))))
            raw = raw[:at] + noise + raw[at + len(noise) :]
        elif what == 1:  # cut off
            raw = raw[:at]
        elif what == 2:  # a piece twice, or many times
            end = min(len(raw), at + chance.randrange(1, 400))
            raw = raw[:end] + raw[at:end] * chance.choice((1, 1, 30)) + raw[end:]
        elif what == 3:  # a piece missing
            raw = raw[:at] + raw[at + chance.randrange(1, 400) :]
        elif what == 4:  # a line missing, twice, or elsewhere
            one = lines.pop(line)
            for _ in range(chance.randrange(3)):
                lines.insert(chance.randrange(len(lines) + 1), one)
            raw = b"\n".join(lines)
        elif what == 5:  # other line ends
            raw = raw.replace(b"\r\n", chance.choice((b"\n", b"\r", b"\r\r\n", b"\n\r")))
        elif what == 6:  # a piece of another mail
            start = chance.randrange(len(other) + 1)
            raw = raw[:at] + other[start : start + chance.randrange(2000)] + raw[at:]
        elif what == 7:  # a sign that means something, where it does not belong
            signs = (
                b"\0",
                b'"',
                b"(",
                b"=?",
                b"--",
                b";",
                b"<",
                b"\r\n\r\n",
                b"=",
                b"\x1b$B",
                b"\xef\xbb\xbf",
                b">",
                b":",
            )
            raw = raw[:at] + chance.choice(signs) * chance.choice((1, 1, 500)) + raw[at:]
        elif what == 8:  # another charset or encoding than it says
            old, new = chance.choice(
                ((b"utf-8", b"utf-7"), (b"utf-8", b"iso-2022-jp"), (b"gb2312", b"hz"), (b"base64", b"quoted-printable"),
                 (b"quoted-printable", b"base64"), (b"7bit", b"x-uuencode"), (b"text/plain", b"text/html"),
                 (b"text/plain", b"application/ms-tnef"), (b"text/", b"multipart/"), (b"mixed", b"digest"))
            )  # fmt: skip
            raw = raw.replace(old, new)
        elif what == 9:  # a line without end
            raw = raw[:at] + b"A" * chance.choice((100, 5_000, 70_000)) + raw[at:]
        elif what == 10:  # the whole inside itself
            raw = mixed(part("outer"), part(raw, "message/rfc822"))[:200_000]
        else:  # a field more
            name = chance.choice(
                (b"Subject", b"From", b"Content-Type", b"Content-Transfer-Encoding", b"Date", b"References")
            )
            raw = name + b": " + raw[at : at + chance.randrange(300)].replace(b"\n", b" ") + b"\r\n" + raw
    return raw[: 4 * LONGEST]


def test_mutated_mails_neither_crash_nor_hang_nor_lose_anything() -> None:
    chance = random.Random(20261122)
    mails = samples()
    for n in range(MUTATED):
        raw = mutated(chance.choice(mails), chance.choice(mails), chance)
        began = time.process_time()
        try:
            found = draft(raw)
        except Malformed:
            assert not raw.strip()
            continue
        except Exception as error:  # which mail it was is what the finder needs
            pytest.fail(f"mail {n}: {type(error).__name__}: {error}\n{raw[:2000]!r}")
        taken = time.process_time() - began
        assert taken < LIMIT, f"mail {n} took {taken:.1f} s\n{raw[:2000]!r}"
        stored(found)
        lost = missing(raw, found)
        assert not lost, f"mail {n} lost {lost!r}\n{raw[:2000]!r}"


def stored(found: Draft) -> None:
    """It can be told as JSON and written to a database."""
    told = orjson.dumps([found.subject, found.text, found.full_text, found.html, found.name, found.extra])
    assert b"\\u0000" not in told
    assert all(one.filename and "/" not in one.filename for one in found.parts)


def missing(raw: bytes, found: Draft) -> str:
    """A part that says something and is neither read, kept nor told of; empty when there is none."""
    if found.omissions:
        return ""
    said = squeeze(found.full_text + (found.html or ""))
    kept = [one.data for one in found.parts if isinstance(one.data, bytes)]
    for path, leaf in leaves(mime.parse(raw), ()):
        if "multipart/alternative" in path or "message/rfc822" in path:
            continue  # said in another form, or kept with the mail that it is part of
        content = leaf.content()
        if not content.strip() or content in kept or leaf.text()[0].encode() in kept:
            continue
        if leaf.media_type.startswith(("application/ms-tnef", "application/vnd.ms-tnef")):
            continue
        if leaf.media_type in ("text/html", "text/enriched", "text/richtext") and said:
            continue
        words = squeeze(leaf.text()[0])
        if words[:40] not in said and words[-40:] not in said:
            return f"{leaf.media_type}: {words[:60]}"
    return ""


def leaves(entity: mime.Entity, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], mime.Entity]]:
    if not entity.children:
        yield path, entity
    for child in entity.children:
        yield from leaves(child, (*path, entity.media_type))


def squeeze(words: str) -> str:
    # As texts are kept: some charsets write a letter and its accent apart.
    return NO_WORD.sub("", unicodedata.normalize("NFC", words))
