"""Loading a library without a part of it that nobody here needs, and that takes long to load."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def spared(name: str, stand_in: ModuleType | None = None) -> Iterator[None]:
    """While this lasts, whoever imports the module gets the stand-in; without one it is not to be found.

    What was loaded before stays, and afterwards the module can be imported as ever.
    """
    kept = sys.modules.get(name)
    sys.modules[name] = stand_in  # type: ignore[assignment]  # None: the import system takes it for missing
    try:
        yield
    finally:
        del sys.modules[name]
        if kept is not None:
            sys.modules[name] = kept
