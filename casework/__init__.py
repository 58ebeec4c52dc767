"""The life of a registered record."""
