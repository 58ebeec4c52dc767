"""Writes docs/reference/openapi.json, the description of the API, when the pages are built.

python docs/write_openapi.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "openapi.json"
sys.path.insert(0, str(ROOT))


def document() -> dict[str, Any]:
    """The description of every address under /v1."""
    from console import app, openapi
    from gateway.metrics import release

    # Services that are only named: nothing is called while routes are made.
    nothing: Any = MagicMock(secret=b"none", public_url="https://forebay.example")
    return openapi.document(app.served(nothing, nothing), release())


if __name__ == "__main__":
    PAGE.write_text(json.dumps(document(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
