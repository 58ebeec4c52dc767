"""The CEL library without its console, which would load a terminal's library and a highlighter into every process."""

from __future__ import annotations

from types import ModuleType

from model.spared import spared

with spared("cel.cli", ModuleType("cel.cli")):
    import cel

__all__ = ["cel"]
