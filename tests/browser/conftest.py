"""The same house as the console's own tests."""

from tests.console.conftest import house

__all__ = ["house"]
