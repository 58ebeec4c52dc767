"""The events of a body that Instagram posted, known the same everywhere: see `meta_door.envelopes`."""

from connectors.wire.meta_door import envelopes

__all__ = ["envelopes"]
