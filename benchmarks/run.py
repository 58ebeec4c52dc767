"""Measures the daemon beside a bare echo of the same 700-byte form, and prints the figures with their targets.

    python benchmarks/run.py [--seconds 60] [--quick] [--json FILE]

The generator has one processor core to itself, the measured program the others. The method, and what the
figures say, stand in docs/reference/figures.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import programs
from programs import HERE, Daemon, Program
from rich.console import Console
from rich.table import Table

#: What a paced run posts in a second.
RATE = 200
#: Connections that post as fast as they are answered.
CONNECTIONS = 64
#: An acknowledgement's mail names the form's customer.
_TO = re.compile(rb"^To: .*?c(\d{7})@example\.com", re.MULTILINE)

Figures = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What a figure should reach: `share` of the echo's, or a limit of its own."""

    figure: str
    text: str
    unit: str
    share: float | None = None
    limit: float | None = None
    echo: str | None = None


TARGETS = (
    Target("accepted_per_second", "accepted, on the disk before the 202", "/s", share=0.5, echo="per_second"),
    Target("end_to_end_per_second", "registered and acknowledged", "/s", share=0.15, echo="per_second"),
    Target("cpu_us_accepted", "processor time meanwhile for one accepted", "µs", echo="cpu_us"),
    Target("cpu_us_end_to_end", "processor time for one acknowledged", "µs", echo="cpu_us"),
    Target("commits_per_item", "synced commits for one acknowledged", ""),
    Target("answer_p50_ms", f"request to 202 at {RATE}/s, median", "ms", echo="p50_ms"),
    Target("answer_p99_ms", f"request to 202 at {RATE}/s, 99 of 100", "ms", limit=50, echo="p99_ms"),
    Target("acknowledged_p50_ms", f"request to acknowledgement sent at {RATE}/s, median", "ms"),
    Target("acknowledged_p99_ms", f"request to acknowledgement sent at {RATE}/s, 99 of 100", "ms"),
    Target("rss_idle_mb", "memory when ready", "MB"),
    Target("rss_mb", "memory after the load", "MB", limit=180),
    Target("ready_seconds", "start to ready", "s", limit=2),
    Target("made_seconds", "the same, of the first start, which makes the database", "s", limit=2),
)


def generate(program: Program, core: int | None, *how: object) -> Figures:
    """Run the generator against a program; what it tells, with the program's processor time on each answer."""
    command = [sys.executable, str(HERE / "load.py"), str(how[0]), "127.0.0.1", str(program.port)]
    command += [str(one) for one in how[1:]] + (["--core", str(core)] if core is not None else [])
    before = program.cpu_seconds()
    told: Figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    if set(told["answers"]) - {"202"} or told["broken"]:
        print(f"not all were accepted: {told['answers']}, {told['broken']} broken", file=sys.stderr)
    told["cpu_us"] = 1e6 * (program.cpu_seconds() - before) / max(told["accepted"], 1)
    return told


def measure_echo(cores: Set[int], core: int | None, seconds: float) -> Figures:
    """The floor."""
    with programs.echo(cores) as program:
        generate(program, core, "full", "--seconds", 1)
        full = generate(program, core, "full", "--seconds", seconds)
        paced = generate(program, core, "paced", "--rate", RATE, "--seconds", min(seconds, 10))
    return {
        "per_second": full["per_second"],
        "cpu_us": full["cpu_us"],
        "p50_ms": paced["ms"]["p50"],
        "p99_ms": paced["ms"]["p99"],
    }


def measure_throughput(daemon: Daemon, core: int | None, seconds: float) -> Figures:
    """Post as fast as answers come for so long, then wait until all of it is acknowledged."""
    rss, ready = daemon.rss(), daemon.ready_after
    before, begun = daemon.cpu_seconds(), time.perf_counter()
    full = generate(daemon, core, "full", "--connections", CONNECTIONS, "--seconds", seconds)
    accepted, meanwhile = full["accepted"], daemon.acknowledged()
    elapsed = daemon.wait_until_drained(accepted, patience=120 + 20 * seconds) - begun
    cpu = daemon.cpu_seconds() - before
    verify(daemon, accepted)
    time.sleep(10.5)  # the daemon's count of commits is that old at the most
    return {
        "accepted_per_second": full["per_second"],
        "end_to_end_per_second": accepted / elapsed,
        "cpu_us_accepted": full["cpu_us"],
        "cpu_us_end_to_end": 1e6 * cpu / accepted,
        "commits_per_item": daemon.commits() / accepted,
        "accepted": accepted,
        "acknowledged_meanwhile": meanwhile,
        "answer_p99_ms_full": full["ms"]["p99"],
        "rss_idle_mb": rss / 1e6,
        "rss_mb": daemon.rss() / 1e6,
        "ready_seconds": ready,
        "made_seconds": daemon.made_after,
    }


def measure_latency(daemon: Daemon, core: int | None, seconds: float) -> Figures:
    """Post at an even pace and see how long each answer and each acknowledgement took."""
    paced = generate(daemon, core, "paced", "--rate", RATE, "--seconds", seconds)
    daemon.wait_until_drained(paced["accepted"], patience=60)
    verify(daemon, paced["accepted"], mails=paced["accepted"])
    due = {int(number): at for number, at in paced["due"].items()}
    taken = sorted(1000 * (at - due[number]) for number, at in _mailed(daemon).items())
    return {
        "answer_p50_ms": paced["ms"]["p50"],
        "answer_p99_ms": paced["ms"]["p99"],
        "acknowledged_p50_ms": taken[len(taken) // 2],
        "acknowledged_p99_ms": taken[int(0.99 * (len(taken) - 1))],
    }


def _mailed(daemon: Daemon) -> Mapping[int, float]:
    """The number of each form that was acknowledged, and when its mail was written."""
    found = {}
    for one in daemon.mails():
        to = _TO.search(Path(one.path).read_bytes())
        if to is not None:
            found[int(to[1])] = one.stat().st_mtime_ns / 1e9
    return found


def verify(daemon: Daemon, accepted: int, mails: int = 0) -> None:
    """What is there is what was promised, no more and no less; else the figures mean nothing."""
    there = daemon.counts()
    wanted = dict.fromkeys(there, accepted) | {"mails": mails}
    if there != wanted:
        raise SystemExit(f"{accepted} were accepted, but there are {there}")


def show(figures: Figures) -> Table:
    """The figures beside the echo's, with the targets."""
    table = Table(title=f"Forebay on {figures['machine']}")
    table.add_column("")
    for name in ("bare echo", "Forebay", "ratio", "target", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for one in TARGETS:
        value, floor = figures[one.figure], figures["echo"].get(one.echo)
        ratio = value / floor if floor else None
        reached: Callable[[], bool] | None = None
        target = ""
        if one.share is not None and ratio is not None:
            target, reached = f">= {one.share} of it", lambda r=ratio, s=one.share: r >= s
        elif one.limit is not None:
            target, reached = f"< {one.limit:g} {one.unit}", lambda v=value, m=one.limit: v < m
        table.add_row(
            one.text,
            _number(floor, one.unit),
            _number(value, one.unit),
            f"{ratio:.2f}" if ratio is not None else "",
            target,
            "" if reached is None else "reached" if reached() else "missed",
        )
    return table


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:,.2f} {unit}".strip()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="of full load (default: 60)")
    parser.add_argument("--quick", action="store_true", help="8 seconds of full load")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "var", help="where the data folders go")
    given = parser.parse_args()
    seconds = 8.0 if given.quick else given.seconds
    every = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    core, cores = (every[-1], set(every[:-1])) if len(every) > 1 else (None, set[int]())
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=given.folder) as folder:
        figures: Figures = {
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            "seconds": seconds,
            "load_before": os.getloadavg()[0],
            "echo": measure_echo(cores, core, min(seconds, 10)),
        }
        with programs.daemon(Path(folder) / "paced", cores, by_mail=True) as daemon:
            figures |= measure_latency(daemon, core, min(max(seconds / 3, 5), 20))
        with programs.daemon(Path(folder) / "throughput", cores) as daemon:
            figures |= measure_throughput(daemon, core, seconds)
    if figures["load_before"] > 0.5:
        print(
            f"the machine was busy (load {figures['load_before']:.1f}): only processor times count",
            file=sys.stderr,
        )
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    Console().print(show(figures))


if __name__ == "__main__":
    main()
