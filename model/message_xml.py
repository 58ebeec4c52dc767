"""The flat XML in which WeChat, WeCom and Weibo push messages, read in linear time and without entities.

    load(b"<xml><MsgType><![CDATA[text]]></MsgType>…")  ->  {"MsgType": "text", …}

A tag with tags in it is an object, one that comes several times a list, any other its text. Document types are
refused, and with them every entity that somebody could declare.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast
from xml.parsers import expat

from model.failures import Malformed

#: Tags inside one another and tags in all; real messages have fewer than ten and a few hundred.
_DEEPEST, _MOST = 16, 5_000
#: Characters that XML 1.0 does not allow, and that some telephones send all the same.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

#: An object: tags to texts, objects or lists.
Tree = Mapping[str, Any]


def load(data: bytes) -> Tree:
    """The members of the root tag; Malformed when it is no XML, too deep, or declares anything."""
    try:
        return _parse(data)
    except expat.ExpatError:
        # Once more without what no XML may hold: a customer's message is not lost over a control character.
        text = _FORBIDDEN.sub("", data.decode("utf-8", "replace"))
        try:
            return _parse(text.encode())
        except expat.ExpatError as error:
            place = f"line {error.lineno}, column {error.offset}"
            raise Malformed(f"the XML cannot be read: {expat.ErrorString(error.code)} at {place}") from None


def text(tree: Tree, *path: str) -> str:
    """The text at a path of tags; empty when there is none."""
    at: Any = tree
    for name in path:
        at = at.get(name) if isinstance(at, Mapping) else None
    return at if isinstance(at, str) else ""


def cdata(value: str) -> str:
    """A text for the inside of a tag; what would end the section is divided over two."""
    return f"<![CDATA[{_FORBIDDEN.sub('', value).replace(']]>', ']]]]><![CDATA[>')}]]>"


def _parse(data: bytes) -> Tree:
    builder = _Builder()
    parser = expat.ParserCreate("utf-8")  # whatever a declaration says: the platforms write nothing else
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.Parse(data, True)
    if isinstance(builder.root, str):
        raise Malformed("the XML holds no tags")
    return cast(Tree, builder.root)


def _no_doctype(*_: Any) -> None:
    raise Malformed("the XML declares a document type")


class _Builder:
    """Makes the tree while the parser goes; one list of texts and one object for each open tag."""

    def __init__(self) -> None:
        self.root: Any = ""
        self._open: list[tuple[str, list[str], dict[str, Any]]] = []
        self._count = 0

    def start(self, name: str, _attributes: Any) -> None:
        self._count += 1
        if len(self._open) >= _DEEPEST or self._count > _MOST:
            raise Malformed("the XML is too deep or has too many tags")
        self._open.append((name, [], {}))

    def characters(self, data: str) -> None:
        self._open[-1][1].append(data)

    def end(self, _name: str) -> None:
        name, texts, members = self._open.pop()
        value: Any = members or "".join(texts)
        if not self._open:
            self.root = value
            return
        siblings = self._open[-1][2]
        if name not in siblings:
            siblings[name] = value
        elif isinstance(siblings[name], list):
            siblings[name].append(value)
        else:
            siblings[name] = [siblings[name], value]
