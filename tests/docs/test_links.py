"""Every link of a page leads somewhere, every page can be found, and no file names a place that is not for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import DOCS, ROOT, tracked, without_blocks

PAGES = [name for name in tracked() if name.endswith(".md")]
_LINK = re.compile(r"\[(?:[^\]\\]|\\.)*\]\(([^)\s]+)\)")

#: Where a machine keeps somebody's work; assembled, so that this file does not name them itself.
PLACES = [f"/{name}/" for name in ("work", "root", "Users", "workspace")] + [f"/{'home'}/"]
#: Hosts of package registries and their mirrors: an index is the user's own configuration.
HOSTS = [
    "".join(parts)
    for parts in (
        ("pypi", ".org"), ("pypi", ".io"), ("python", "hosted.org"), ("registry.npm", "js.org"), ("npm", "mirror.com"),
        ("mirrors.", "aliyun"), ("tuna.tsing", "hua"), ("proxy.go", "lang.org"), ("index", "-url"), ("extra", "-index"),
    )
]  # fmt: skip


def prose(name: str) -> str:
    return without_blocks((ROOT / name).read_text(encoding="utf-8"))


def anchors(name: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and the docs' builder make them."""
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(name), re.MULTILINE):
        plain = re.sub(r"[^\w\s-]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        found.add(re.sub(r"[\s]+", "-", plain.strip()))
    return found


def links() -> Iterator[Any]:
    for name in PAGES:
        for link in _LINK.findall(prose(name)):
            if not re.match(r"[a-z]+:", link):
                yield pytest.param(name, link, id=f"{name} {link}")


@pytest.mark.parametrize(("name", "link"), list(links()))
def test_a_link_leads_somewhere(name: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = ((ROOT / name).parent / path).resolve() if path else ROOT / name
    assert target.exists(), f"{name} links to {link}"
    if anchor:
        assert anchor in anchors(str(target.relative_to(ROOT)))


def test_every_page_is_in_the_navigation() -> None:
    class Loader(yaml.SafeLoader):
        """Reads the builder's own tags as nothing."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)
    navigation = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)["nav"]

    def leaves(part: Any) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            yield from leaves(one)

    named = list(leaves(navigation))
    assert len(named) == len(set(named))
    assert set(named) == {str(Path(name).relative_to("docs")) for name in PAGES if name.startswith("docs/")}
    assert all((DOCS / name).is_file() for name in named)


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for name in tracked():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture, or a sample in another charset
        found += [(name, word) for word in (*PLACES, *HOSTS) if word in text]
    assert found == []
