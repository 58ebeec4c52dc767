"""Reads sixty letters whose truth is known, and prints how much of it was found, beside what was wanted.

    python benchmarks/letters.py [--letters 60] [--pages 8] [--json FILE]

The letters are made by tests/rigs/letter_set.py. The rate is that of whole letters, from a file's bytes to a draft,
beside RapidOCR alone on the same pages in the same process, one thread each; processor time, in turns. The
method, and what the figures say, stand in docs/reference/letter-figures.md.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from model.draft import Draft
from model.tools import Spooled
from normalizer.contract import Source
from normalizer.readers.letter import read
from tests.rigs import letter_set, letters
from tests.rigs.letter_set import File, Truth

_RECEIVED = datetime(2026, 11, 22, 9, tzinfo=UTC)
_OPTIONS = {"own": [*letters.US_ZH, *letters.US_EN], "region": "CN", "other_regions": ["GB", "US"]}
_FIELDS = ("name", "phone", "email", "address", "postcode", "date", "subject")


@dataclass(frozen=True)
class Target:
    """A figure, what it tells, and the least that is wanted; None where nothing is."""

    figure: str
    text: str
    least: float | None


TARGETS = (
    Target("characters", "characters right", 0.97),
    Target("phone", "sender's telephone number right", 0.95),
    Target("email", "sender's e-mail address right", 0.95),
    Target("name", "sender's name right", 0.90),
    Target("splits", "files cut into the right letters", 1.0),
    Target("address", "sender's address right", None),
    Target("postcode", "postcode right", None),
    Target("date", "date of the letter right", None),
    Target("subject", "matter right", None),
    Target("wrong_unheld", "letters with a wrong name, number or address that no clerk would see", None),
    Target("held", "letters held for a clerk", None),
    Target("rate_ratio", "pages per second of processor time beside bare RapidOCR", 0.9),
)


def distance(one: str, other: str) -> int:
    """Levenshtein's distance, row by row."""
    given = np.array([ord(character) for character in other], dtype=np.int64)
    steps = np.arange(len(other) + 1)
    row = steps.copy()
    for n, character in enumerate(one, 1):
        above = np.empty_like(row)
        above[0] = n
        above[1:] = np.minimum(row[1:] + 1, row[:-1] + (given != ord(character)))
        row = np.minimum.accumulate(above - steps) + steps
    return int(row[-1])


def plain(text: str) -> str:
    """What is compared: the characters, without blanks and in one width."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def drafts(file: File) -> Iterator[Draft]:
    """The letters of a file as the daemon reads them: a batch is cut, and each of its letters read."""
    found = read(_source(file.data, file.media_type))
    if not found.children:
        yield found
    for child in found.children:
        assert not isinstance(child.data, Spooled)
        yield read(_source(child.data, child.media_type))


def _source(data: bytes, media_type: str) -> Source:
    return Source(raw=data, media_type=media_type, received_at=_RECEIVED, options=_OPTIONS)


def right(found: Draft, truth: Truth) -> dict[str, bool]:
    """Which fields are as they were written."""
    ways = {one.kind: one.value for one in found.identities}
    told = {
        "name": found.name,
        "phone": ways.get("phone", ""),
        "email": ways.get("email", ""),
        "address": str(found.extra.get("address", "")),
        "postcode": str(found.extra.get("postcode", "")),
        "date": str(found.extra.get("letter_date", "")),
        "subject": found.subject,
    }
    return {name: plain(told[name]) == plain(getattr(truth.letter, name)) for name in _FIELDS}


def measure(files: Sequence[File], tell: Callable[[str], None]) -> dict[str, float]:
    """All figures but the rate."""
    counts: Counter[str] = Counter()
    characters = errors = 0
    for file in files:
        found = list(drafts(file))
        counts["files"] += 1
        counts["splits"] += len(found) == len(file.letters)
        for draft, truth in zip(found, file.letters, strict=False):
            said = plain("".join(truth.lines))
            wrong = distance(said, plain(draft.full_text))
            characters, errors = characters + len(said), errors + wrong
            good = right(draft, truth)
            counts.update(name for name, yes in good.items() if yes)
            counts["held"] += draft.suspicious is not None
            bad = [name for name in _FIELDS if not good[name]]
            sender = {"name", "phone", "email", "address"} & set(bad)
            counts["wrong_unheld"] += bool(sender) and draft.suspicious is None
            if bad or wrong > 0.03 * len(said):
                tell(f"{file.name}: {wrong} of {len(said)} characters, {bad}, held: {draft.suspicious}")
    count = sum(len(file.letters) for file in files)
    figures = {name: counts[name] / count for name in (*_FIELDS, "held", "wrong_unheld")}
    return {
        **figures,
        "letters": count,
        "characters": 1 - errors / characters,
        "splits": counts["splits"] / counts["files"],
    }


def compare(files: Sequence[File], pages: int) -> dict[str, float]:
    """Processor time of a page, of the whole reader and of bare RapidOCR, in turns."""
    from rapidocr import RapidOCR

    bare = RapidOCR(
        params={
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
    chosen = [file for file in files if file.media_type == "image/jpeg"][:pages]
    ours = theirs = 0.0
    for n, file in enumerate([chosen[0], *chosen]):  # the first loads the models, and does not count
        started = time.process_time()
        read(_source(file.data, file.media_type))
        between = time.process_time()
        bare(np.asarray(Image.open(io.BytesIO(file.data)).convert("RGB"))[:, :, ::-1])
        ended = time.process_time()
        if n:
            ours, theirs = ours + between - started, theirs + ended - between
    count = len(chosen)
    return {
        "cpu_seconds_page": ours / count,
        "bare_cpu_seconds_page": theirs / count,
        "rate_ratio": theirs / ours,
    }


def show(figures: dict[str, float]) -> bool:
    """Print them; whether all that is wanted was reached."""
    table = Table(title=f"{figures['letters']:.0f} letters")
    for name in ("figure", "found", "wanted", ""):
        table.add_column(name, justify="left" if name == "figure" else "right")
    reached = True
    for one in TARGETS:
        value = figures[one.figure]
        good = one.least is None or value >= one.least
        reached &= good
        text = f"{value:.2f}" if one.figure == "rate_ratio" else f"{value:.1%}"
        wanted = "" if one.least is None else f">= {one.least:g}"
        table.add_row(one.text, text, wanted, "" if one.least is None else ("reached" if good else "MISSED"))
    console = Console()
    console.print(table)
    console.print(
        f"processor time of a page: {figures['cpu_seconds_page']:.2f} s, "
        f"of bare RapidOCR: {figures['bare_cpu_seconds_page']:.2f} s"
    )
    return reached


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--letters", type=int, default=letter_set.COUNT)
    parser.add_argument("--pages", type=int, default=8, help="pages that the rate is measured with")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    files = list(letter_set.files(chosen.letters))
    figures: dict[str, Any] = measure(files, lambda text: print(text, file=sys.stderr, flush=True))
    figures |= compare(files, chosen.pages)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0 if show(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
