"""What interpreter and memory are told: measured settings of CPython and glibc for a daemon that runs for long."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

#: Objects made before a collection looks at the young ones, and rounds before it looks at older ones.
_THRESHOLDS = (20_000, 20, 50)
#: Seconds after which a thread that computes lets another go on: the store's writer comes back from each
#: statement, and would wait for the event loop five milliseconds each time.
_SWITCH = 0.0005
#: mallopt's M_ARENA_MAX (malloc.h of glibc), and how many arenas there may be. Otherwise each thread fills one of its
#: own, and keeps what it once needed.
_M_ARENA_MAX, _ARENAS = -8, 2


def hurry() -> None:
    """To be called before everything is loaded: what is made then stays, so collecting would look at it in vain."""
    gc.disable()
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such setting
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def settle() -> None:
    """To be called once everything is loaded and built, which then stays out of every collection."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    sys.setswitchinterval(_SWITCH)
