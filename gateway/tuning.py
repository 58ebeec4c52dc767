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
#: Seconds between two times that memory nobody needs is given back.
TIDY_EVERY = 30.0

#: This process's C library. One that is not glibc's lacks what is asked of it here, which then is left out.
_LIBRARY = ctypes.CDLL(None)


def hurry() -> None:
    """To be called before everything is loaded: what is made then stays, so collecting would look at it in vain."""
    gc.disable()
    with contextlib.suppress(AttributeError):
        _LIBRARY.mallopt(_M_ARENA_MAX, _ARENAS)


def settle() -> None:
    """To be called once everything is loaded and built, which then stays out of every collection."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    sys.setswitchinterval(_SWITCH)


def tidy() -> None:
    """Give back what a flood needed for a while: a daemon that was busy once does not stay large for years.

    Takes some milliseconds: what was there at the start is frozen and not looked at, the rest is little.
    """
    gc.collect()
    with contextlib.suppress(AttributeError):
        _LIBRARY.malloc_trim(0)
