"""The list of destination kinds; it loads no kind's library."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from destinations import chatwoot, http, nats, rt, zammad, zendesk
from destinations.contract import DestinationSpec

SPECS: tuple[DestinationSpec, ...] = (chatwoot.SPEC, http.SPEC, nats.SPEC, rt.SPEC, zammad.SPEC, zendesk.SPEC)

#: Kind to spec, read-only.
CATALOG: Mapping[str, DestinationSpec] = MappingProxyType({spec.kind: spec for spec in SPECS})
