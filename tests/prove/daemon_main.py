"""The daemon as a process of its own that dies by SIGKILL at a named point: `python -m tests.prove.daemon_main`.

FOREBAY_PROVE_POINTS=FILE   every point that is passed is appended to it, one a line
FOREBAY_PROVE_KILL=POINT:N  die at the N-th pass of the point
FOREBAY_PROVE_TEXT=WORDS    die while reading a form whose raw bytes hold the words
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import MappingProxyType

import uvloop

from config.load import load
from gateway import daemon, house
from model.draft import Draft
from normalizer.catalog import CATALOG
from normalizer.contract import Read, ReaderSpec, Source


class Hook:
    """Notes every point, and dies at one."""

    def __init__(self, points: str, kill: str) -> None:
        self._file = os.open(points, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._point, _, times = kill.partition(":")
        self._left = int(times or 0)

    def __call__(self, name: str) -> None:
        os.write(self._file, f"{name}\n".encode())
        if name == self._point:
            self._left -= 1
            if self._left == 0:
                die()


def die() -> None:
    """End as a power cut does: nothing of ours runs after this."""
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(words: bytes) -> ReaderSpec:
    """The reader of forms, which takes the whole process with it when it meets the words."""
    real = CATALOG["form"].load()

    def read(source: Source) -> Draft:
        if words in source.raw:
            die()
        return real(source)

    def load_it() -> Read:
        return read

    return ReaderSpec("form", load_it)


def main() -> int:
    """Run until stopped or dead."""
    environ = os.environ
    if words := environ.get("FOREBAY_PROVE_TEXT"):
        readers = MappingProxyType({**CATALOG, "form": deadly(words.encode())})
        setattr(house, "READERS", readers)  # noqa: B010 - what the wiring calls the catalogue
    hook = Hook(environ["FOREBAY_PROVE_POINTS"], environ.get("FOREBAY_PROVE_KILL", ""))
    loaded = load(Path(sys.argv[1]))

    def ready(url: str, token: str | None) -> None:
        print(f"READY {url}", flush=True)

    return uvloop.run(daemon.run(loaded, hook=hook, ready=ready))


if __name__ == "__main__":
    sys.exit(main())
