"""The list of destination kinds; it loads no kind's library."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from destinations import http
from destinations.contract import DestinationSpec

SPECS: tuple[DestinationSpec, ...] = (http.SPEC,)

#: Kind to spec, read-only.
CATALOG: Mapping[str, DestinationSpec] = MappingProxyType({spec.kind: spec for spec in SPECS})
