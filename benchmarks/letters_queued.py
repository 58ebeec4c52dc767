"""Forms beside letters: what forty pages in the line cost those who post a form, and whether memory comes back.

    python benchmarks/letters_queued.py [--runs 5] [--letters 40] [--json FILE]

Each run posts forms at an even pace, first with nothing else to do, then with the letters in the folder, and takes the
95th of 100 latencies of each. The last one goes on until the letters are registered or held and the recogniser has
ended for want of work. The generator has one processor core to itself; the daemon and its recogniser share the others,
as on a small machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import programs
from run import generate

from tests.rigs import letter, letter_set, letters

#: Forms in a second, and for how long in each half of a run.
RATE, SECONDS = 50, 20
#: Seconds without work after which the recogniser ends, and within which memory must be back.
IDLE, BACK = 10, 60
_IDENTITIES = [*letters.US_ZH, *letters.US_EN]


def one_run(
    folder: Path, files: Sequence[letter_set.File], cores: set[int], core: int | None, to_the_end: bool
) -> dict[str, float]:
    """The two latencies, milliseconds, and the memory before and after the letters, megabytes."""
    inbox = folder / "scans"
    inbox.mkdir(parents=True)
    channels = {
        "letters": {
            "kind": "letter",
            "inbox": {"folder": str(inbox), "settle": 0.5},
            "own": _IDENTITIES,
        }
    }
    with programs.daemon(folder / "house", cores, channels=channels) as daemon:
        generate(daemon, core, "paced", "--rate", RATE, "--seconds", 3)
        alone = generate(daemon, core, "paced", "--rate", RATE, "--seconds", SECONDS, "--first", 10_000)
        before = daemon.rss()
        for file in files:
            letter.put(inbox, file.name, file.data)
        while not daemon.children():
            time.sleep(0.05)
        queued = generate(daemon, core, "paced", "--rate", RATE, "--seconds", SECONDS, "--first", 20_000)
        left = _at_work(daemon)
        ended = 0.0
        if to_the_end:
            while _at_work(daemon):
                time.sleep(0.5)
            begun = time.monotonic()
            while daemon.children() and time.monotonic() < begun + BACK:
                time.sleep(0.5)
            ended = time.monotonic() - begun
        after = daemon.rss()
    return {
        "alone_p95_ms": alone["ms"]["p95"],
        "queued_p95_ms": queued["ms"]["p95"],
        "letters_left": left,
        "rss_before_mb": before / 1e6,
        "rss_after_mb": after / 1e6,
        "back_seconds": ended,
    }


def _at_work(daemon: programs.Daemon) -> int:
    """How many letters are not read yet; forms are done at once at this pace."""
    return daemon.figure("forebay_envelopes_open", "waiting") + daemon.figure(
        "forebay_envelopes_open", "claimed"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="whose medians are told (default: 5)")
    parser.add_argument(
        "--letters", type=int, default=40, help="in the folder, a page each or more (default: 40)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    given = parser.parse_args()
    every = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    core, cores = (every[-1], set(every[:-1])) if len(every) > 1 else (None, set[int]())
    files = list(islice((one for one in letter_set.files() if len(one.letters) == 1), given.letters))
    runs = []
    for n in range(given.runs):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            runs.append(one_run(Path(folder), files, cores, core, n == given.runs - 1))
        print(f"run {n + 1}: " + ", ".join(f"{name} {value:.1f}" for name, value in runs[-1].items()))
    figures = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
    ratio = figures["queued_p95_ms"] / figures["alone_p95_ms"]
    print(
        f"form, 95 of 100 at {RATE}/s: {figures['alone_p95_ms']:.1f} ms alone, {figures['queued_p95_ms']:.1f} ms with "
        f"{len(files)} letters in the line: {ratio:.2f} times, wanted below 3\n"
        f"memory: {runs[-1]['rss_before_mb']:.0f} MB before, {runs[-1]['rss_after_mb']:.0f} MB "
        f"{runs[-1]['back_seconds']:.0f} s after the last letter"
    )
    if given.json:
        given.json.write_text(json.dumps({"runs": runs, **figures, "ratio": ratio}, indent=1))


if __name__ == "__main__":
    main()
