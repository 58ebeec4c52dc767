"""History of a hundred thousand rows by `forebay import`: rows a second, and the daemon's memory on the way.

    python benchmarks/imports.py [--rows 100000] [--json FILE]

The file is CSV as office programs write it. The clock runs from the command's start until every row is a record;
memory is looked at ten times while the rows go in.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import programs

#: Looks at the memory while rows go in.
_LOOKS = 10


def table(path: Path, rows: int) -> None:
    """Rows with all that a complaint has, each one different, in both languages by turns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("name,email,date,subject,message\r\n")
        for n in range(rows):
            said = "The lift in house two stands still." if n % 2 else "二号楼的电梯停了，请尽快处理。"
            day = f"2025-{n % 12 + 1:02}-{n % 28 + 1:02} 09:30"
            file.write(f"Customer {n},c{n:07}@example.com,{day},Matter {n},Matter {n}: {said}\r\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    given = parser.parse_args()
    memory: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "history.csv"
        table(path, given.rows)
        with programs.daemon(Path(folder) / "house", set()) as daemon:
            command = [
                sys.executable,
                "-m",
                "gateway",
                "import",
                "file",
                str(path),
                "--channel",
                "form",
            ]
            begun = time.perf_counter()
            working = subprocess.Popen(
                [*command, "--config", str(daemon.config)],
                stdout=subprocess.DEVNULL,
                cwd=programs.HERE.parent,
            )
            seen = 0
            while (records := daemon.counts()["records"]) < given.rows:
                if records >= seen * given.rows / _LOOKS:
                    memory.append(daemon.rss() / 1e6)
                    seen = int(records * _LOOKS / given.rows) + 1
                if working.poll():
                    raise SystemExit(f"the import ended with {working.returncode} after {records} records")
                time.sleep(0.5)
            seconds = time.perf_counter() - begun
            working.wait(60)
            memory.append(daemon.rss() / 1e6)
    figures = {
        "rows": given.rows,
        "per_second": given.rows / seconds,
        "rss_mb": memory,
        "cores": os.cpu_count(),
    }
    told = ", ".join(f"{one:.0f}" for one in memory)
    print(
        f"{given.rows:,} rows: {figures['per_second']:,.0f}/s until registered; memory on the way, MB: {told}"
    )
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
