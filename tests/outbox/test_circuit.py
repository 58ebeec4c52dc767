"""A pause that a far side asks for holds up what it was asked for, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from model.failures import Reason, TemporaryFailure
from outbox.settings import CircuitSettings
from outbox.targets import Circuit
from tests.rigs.tools import NOW


@pytest.mark.parametrize(("only_recipient", "goes_on"), [(False, False), (True, True)])
def test_a_throttled_recipient_does_not_stop_the_others(only_recipient: bool, goes_on: bool) -> None:
    circuit = Circuit(CircuitSettings())
    wait = timedelta(seconds=7)
    circuit.record(TemporaryFailure(Reason.THROTTLED, retry_after=wait, only_recipient=only_recipient), NOW)
    assert circuit.closed(NOW) is goes_on
    assert circuit.closed(NOW + wait)
