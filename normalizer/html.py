"""HTML of strangers: readable text from it, what is new in it, and a form that is safe to show."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import nh3
from inscriptis import Inscriptis
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_element import HtmlElement
from lxml import etree, html

#: Longest HTML that is laid out; beyond it the tags are only cut away.
LAYOUT_LIMIT = 2_000_000
#: Deepest nesting that is laid out: the layout recurses.
DEPTH_LIMIT = 200
HIDDEN = re.compile(r"<(?:(script|style|head|title)\b|!--)", re.I)
TAG = re.compile(r"<[^<>]*>")
BREAK = re.compile(r"<(?:br|/?p|/?div|/tr|/?li|/h\d)\b[^<>]*>", re.I)
_WORD = re.compile(r"[^\W_]")
#: What XML cannot hold (XML 1.0 §2.2).
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
BLANKS = re.compile(r"\n[ \t\u00a0]*(?:\n[ \t\u00a0]*)+")

#: Elements in which mail programs wrap what they quote.
QUOTED = (
    '//div[contains(@class, "gmail_attr")]',
    '//blockquote[contains(@class, "gmail_quote")]',
    '//blockquote[@type="cite"]',
    '//div[contains(@class, "moz-cite-prefix")]',
    '//div[contains(@class, "yahoo_quoted")]',
    '//div[@id="isReplyContent" or @id="isForwardContent"]',  # NetEase
    '//*[local-name()="includetail"]',  # QQ Mail
    '//div[contains(@class, "ntes-mailmaster-quote") or contains(@class, "netease-replied")]',
    '//div[contains(@class, "aliyun_quote") or contains(@class, "alimail-quote")]',
    '//*[contains(@class, "protonmail_quote") or contains(@class, "tutanota_quote")]',
    '//div[contains(@class, "zmail_extra") or @id="zmail_extra"]',  # Zoho
    '//div[@id="OLK_SRC_BODY_SECTION" or @id="mail-editor-reference-message-container"]',  # Outlook
    '//div[@name="messageReplySection" or @id="reply-intro" or @class="replyHeader"]',
    '//div[@id="original-content" or @id="orig_mail" or @class="mailQuote"]',
)
#: Elements that hold the quotation whole, or, where the answers stand between its pieces, those too.
CONTAINERS = (
    '//div[contains(concat(" ", @class, " "), " gmail_quote ")]',
    '//div[contains(concat(" ", @class, " "), " gmail_quote_container ")]',
)
#: Elements after which everything is quoted, in the manner of Outlook.
QUOTED_FROM = (
    '//*[@id="divRplyFwdMsg" or @id="x_divRplyFwdMsg"]',
    '//*[@id="appendonsend"]',
    '//*[@id="stopSpelling"]',
    '//div[contains(@class, "OutlookMessageHeader")]',
)
SIGNATURES = (
    '//div[contains(@class, "gmail_signature") or contains(@class, "moz-signature")]',
    '//pre[contains(@class, "moz-signature")]',
    '//div[@id="Signature" or @id="ms-outlook-mobile-signature" or @id="ntes-pcmac-signature"]',
    '//div[contains(@class, "protonmail_signature") or @name="messageSignatureSection"]',
    '//div[contains(@class, "mail-signature") or contains(@class, "foxmail_signature")]',
)

_CSS = CSS_PROFILES["strict"].copy()
_CSS["title"] = HtmlElement(display=Display.none)
_CONFIG = ParserConfig(css=_CSS, display_links=False, display_images=False)

_ATTRIBUTES = {
    **{tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()},
    "img": {"src", "alt", "width", "height"},
    "a": {"href", "title"},
    "font": {"color", "size"},
    "td": {"colspan", "rowspan", "align", "valign"},
    "th": {"colspan", "rowspan", "align", "valign"},
}
_TAGS = nh3.ALLOWED_TAGS | {"font"}
_SCHEMES = {"http", "https", "mailto", "tel", "cid"}


#: Whether any of the marks below can stand in a source: a look that costs next to nothing.
_MARKED = re.compile(
    r"gmail_quote|type=[\"']?cite|moz-cite-prefix|yahoo_quoted|isReplyContent|isForwardContent|includetail"
    r"|aliyun_quote|alimail-quote|OLK_SRC_BODY|RplyFwdMsg|OutlookMessageHeader|appendonsend|ntes-mailmaster"
    r"|mail-editor-reference-message|protonmail_quote|zmail_extra|foxmail|originalMsg",
    re.I,
)


def has_marks(source: str) -> bool:
    """Whether a mail program may have marked something in it as quoted."""
    return _MARKED.search(source) is not None


def sanitise(source: str) -> str | None:
    """HTML without scripts, styles, forms or anything that loads from elsewhere; `cid:` images stay.

    None when it is too large or nested too deeply: cleaning takes quadratic time in the depth.
    """
    if _tree(source) is None:
        return None
    return nh3.clean(
        source,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_own_images_only,
        url_schemes=_SCHEMES,
        clean_content_tags={"script", "style", "title", "template", "noscript"},
        link_rel="noopener noreferrer nofollow",
    )


def shows_something(safe: str) -> bool:
    """Whether sanitised HTML has words or pictures."""
    return "<img" in safe or _WORD.search(unescape(TAG.sub("", safe))) is not None


def _own_images_only(tag: str, attribute: str, value: str) -> str | None:
    if tag == "img" and attribute == "src" and not value.strip().lower().startswith("cid:"):
        return None
    if attribute in ("background", "cite", "longdesc"):
        return None
    return value


def texts(source: str) -> tuple[str, str]:
    """All readable text of an HTML document, and the same without what its mail program marked as quoted."""
    tree = _tree(source)
    if tree is None:
        text = _strip_tags(source)
        return text, text
    full = _layout(tree, source)
    if not _WORD.search(
        full
    ):  # a quote that never ends swallows the rest; without its tags there may be words
        full = _strip_tags(source)
    if not _cut(tree):
        return full, full
    return full, _layout(tree, source)


def _tree(source: str) -> Any:
    source = source.replace("\0", "").strip()
    if not source or len(source) > LAYOUT_LIMIT:
        return None
    try:
        # Bytes, because lxml refuses a str that declares an encoding of its own.
        parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
        tree = html.document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError, RecursionError):
        return None
    return tree if _depth(tree) <= DEPTH_LIMIT else None


def _depth(tree: Any) -> int:
    deepest = depth = 0
    for event, _ in etree.iterwalk(tree, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    return deepest


def _layout(tree: Any, source: str) -> str:
    try:
        text: str = Inscriptis(tree, _CONFIG).get_text()
    except Exception:  # a layout engine over hostile input: whatever it chokes on, the words remain
        return _strip_tags(source)
    return tidy(text)


def _strip_tags(source: str) -> str:
    """The words alone, in linear time whatever the source."""
    shown: list[str] = []
    position = 0
    while match := HIDDEN.search(source, position):
        shown.append(source[position : match.start()])
        end = re.compile(rf"</{match[1]}\s*>|\Z" if match[1] else r"-->|\Z", re.I).search(source, match.end())
        position = end.end() if end else len(source)
    shown.append(source[position:])
    return tidy(unescape(TAG.sub("", BREAK.sub("\n", "".join(shown)))))


def tidy(text: str) -> str:
    """Text without trailing blanks and with one empty line between paragraphs at the most."""
    lines = (line.replace("\u00a0", " ").rstrip() for line in text.splitlines())
    return BLANKS.sub("\n\n", "\n".join(lines)).strip()


def _cut(tree: Any) -> bool:
    """Take out what is marked as quoted or signature; whether anything was."""
    found: list[Any] = []
    for container in [element for path in CONTAINERS for element in tree.xpath(path)]:
        found += _quotation(container)
    found += [element for path in (*QUOTED, *SIGNATURES) for element in tree.xpath(path)]
    for element in found:
        _drop(element)
    for path in QUOTED_FROM:
        for element in tree.xpath(path)[:1]:
            found.append(element)
            for later in list(element.itersiblings()):
                _drop(later)
            _drop(element)
    return bool(found)


def _quotation(container: Any) -> list[Any]:
    """What in a container is not an answer: all of it, or the pieces of the quotation and the line above."""
    pieces = container.findall("blockquote")
    if not pieces:
        return [container]
    container.text = None
    head = list(pieces[0].itersiblings(preceding=True))
    for element in head:
        element.tail = None
    return [*head, *pieces]


def _drop(element: Any) -> None:
    parent = element.getparent()
    if parent is None:
        return
    try:
        element.drop_tree()
    except ValueError:  # signs that lxml reads but refuses to write, where the texts around it are joined
        element.tail = _UNWRITABLE.sub("", element.tail or "")
        before = element.getprevious()
        if before is None:
            parent.text = _UNWRITABLE.sub("", parent.text or "")
        else:
            before.tail = _UNWRITABLE.sub("", before.tail or "")
        element.drop_tree()
