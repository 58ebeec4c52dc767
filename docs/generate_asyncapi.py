"""Writes docs/reference/asyncapi.json: the events that streams and systems of one's own get.

python docs/generate_asyncapi.py            write the document
python docs/generate_asyncapi.py --check    exit 1 when it is out of date
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "asyncapi.json"
sys.path.insert(0, str(ROOT))


def render() -> str:
    """The document as text."""
    from gateway.asyncapi import document

    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    text = render()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit("run: python docs/generate_asyncapi.py")


if __name__ == "__main__":
    main()
